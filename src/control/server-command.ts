/**
 * What `POST /v1/servers` takes, read from JSON, and what each command says about a server. Pure.
 */
import type { Config, PoolConfig, ServerConfig } from '../config/model.js';
import { suggestion } from '../config/nearest.js';
import { MAX_SERVER_WEIGHT } from '../l4/pool-members.js';
import type { ServerOverride, WeightOverride } from '../replication/api.js';
import { MAX_WEIGHT_PERCENT } from './overrides.js';

const ACTIONS = ['drain', 'disable', 'enable', 'weight', 'reset'] as const;
export type ServerAction = (typeof ACTIONS)[number];

/** Names and reasons are for people, and travel to every node. */
const MAX_BY = 64;
const MAX_WHY = 200;
/** All servers that the data plane can hold, by far. */
const MAX_NAMED = 16_384;

export interface ServerCommand {
  action: ServerAction;
  /** POOL/SERVER. */
  servers: string[];
  /** With `weight`. */
  weight: WeightOverride | null;
  by: string;
  why: string;
}

export interface NamedServer {
  pool: PoolConfig;
  server: ServerConfig;
}

export type Read<T> = { ok: true; value: T } | { ok: false; message: string };
const fault = (message: string): { ok: false; message: string } => ({ ok: false, message });

export function readServerCommand(body: unknown): Read<ServerCommand> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return fault('expected a JSON object');
  const { action, servers, weight, by = '', why = '' } = body as Record<string, unknown>;
  if (!ACTIONS.includes(action as ServerAction)) return fault(`expected an "action" out of ${ACTIONS.join(', ')}`);
  if (!isNames(servers)) return fault('expected "servers": a list of POOL/SERVER');
  if (!isText(by, MAX_BY) || !isText(why, MAX_WHY))
    return fault(`"by" (at most ${MAX_BY} characters) and "why" (at most ${MAX_WHY}) have to be texts`);
  const command = { action: action as ServerAction, servers, by, why };
  if (action !== 'weight') return { ok: true, value: { ...command, weight: null } };
  const parsed = parseWeight(weight);
  return parsed === null ? fault(WEIGHT_EXPECTED) : { ok: true, value: { ...command, weight: parsed } };
}

export const WEIGHT_EXPECTED = `expected a weight from 0 to ${MAX_SERVER_WEIGHT}, or percents of the configured one such as 50% (at most ${MAX_WEIGHT_PERCENT}%)`;

/** `5` or `50%`. */
export function parseWeight(text: unknown): WeightOverride | null {
  const match = typeof text === 'string' ? /^([0-9]{1,6})(%?)$/.exec(text) : null;
  if (match === null) return null;
  const value = Number(match[1]);
  if (match[2] === '%') return value > MAX_WEIGHT_PERCENT ? null : { percent: value };
  return value > MAX_SERVER_WEIGHT ? null : { weight: value };
}

export const isNames = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length > 0 && value.length <= MAX_NAMED && value.every((each) => typeof each === 'string');
const isText = (value: unknown, most: number): value is string => typeof value === 'string' && value.length <= most;

/** The servers of these names, each once; or which name is wrong. */
export function findServers(config: Pick<Config, 'pools'>, names: readonly string[]): Read<NamedServer[]> {
  const found = new Map<string, NamedServer>();
  for (const name of names) {
    const slash = name.indexOf('/');
    if (slash < 0) return fault(`"${name}" names no pool: write POOL/SERVER`);
    const [poolName, serverName] = [name.slice(0, slash), name.slice(slash + 1)];
    const pool = config.pools.find((each) => each.name === poolName);
    if (pool === undefined) return fault(`unknown pool "${poolName}"; ${suggestionOf(poolName, config.pools, 'pools')}`);
    const server = pool.servers.find((each) => each.name === serverName);
    if (server === undefined)
      return fault(`pool "${poolName}" has no server "${serverName}"; ${suggestionOf(serverName, pool.servers, 'servers')}`);
    found.set(name, { pool, server });
  }
  return { ok: true, value: [...found.values()] };
}

const suggestionOf = (name: string, things: readonly { name: string }[], what: string): string =>
  suggestion(
    name,
    things.map((each) => each.name),
    what,
  );

export type Word =
  | Pick<Extract<ServerOverride, { about: 'state' }>, 'about' | 'value'>
  | Pick<Extract<ServerOverride, { about: 'weight' }>, 'about' | 'value'>;

export function wordsOf({ action, weight }: Pick<ServerCommand, 'action' | 'weight'>): Word[] {
  switch (action) {
    case 'enable':
      return [{ about: 'state', value: 'ready' }];
    case 'weight':
      return [{ about: 'weight', value: weight }];
    case 'reset':
      return [
        { about: 'state', value: null },
        { about: 'weight', value: null },
      ];
    default:
      return [{ about: 'state', value: action }];
  }
}

/** For people: `state drain`, `weight 50%`, `weight as configured`. */
export function wordText({ about, value }: Word): string {
  if (value === null) return `${about} as configured`;
  if (typeof value === 'string') return `state ${value}`;
  return 'weight' in value ? `weight ${value.weight}` : `weight ${value.percent}%`;
}

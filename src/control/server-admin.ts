/**
 * Commands to servers (`tandem servers drain` and others): taken on any node, kept on disk, told to every node, and put in force by the one
 * that decides the pool. What such a word means stands in overrides.ts; here it is carried about.
 */
import type { Config } from '../config/model.js';
import { usableServers } from '../l4/pool-generations.js';
import { MILLI } from '../l4/pool-members.js';
import type { PoolGeneration, Replication, ServerOverride } from '../replication/api.js';
import { CAPABILITY_OVERRIDES } from '../replication/limits.js';
import { after, type Clock } from '../system/clock.js';
import type { Log } from '../telemetry/log.js';
import { give, intentOf, merge, type OverriddenServer, type Overrides, ofConfig, overridden } from './overrides.js';
import { decidingRouter, type IntentOf, isObeyed } from './pool-authority.js';
import { ANNOUNCE_LIMIT_MS } from './pool-keeper.js';
import { findServers, type NamedServer, type ServerCommand, wordsOf, wordText } from './server-command.js';
import type { ServersReport } from './status.js';
import { pollUntil } from './wait-until.js';

/** How long the answer waits for each peer's word that it has the command. */
const TELL_LIMIT_MS = 2000;
/** From there to the generation that obeys: one announcement of the node that decides (pool-keeper.ts), and its way here. */
const IN_FORCE_LIMIT_MS = 2000;
/** Whole messages stay below the longest that a peer accepts (replication/limits.ts), whatever the names and reasons are. */
const MAX_TOLD_AT_ONCE = 500;
/** Reads the flow table: not oftener. */
const COUNT_EVERY_MS = 500;

export interface ServerAdminOptions {
  config: Config;
  node: string;
  clock: Clock;
  log: Pick<Log, 'event'>;
  /** Of an earlier daemon. */
  saved: readonly ServerOverride[];
  save(overrides: readonly ServerOverride[]): void;
  /** These are made later than this. */
  replication(): Pick<Replication, 'send' | 'peers'>;
  generations(): readonly PoolGeneration[];
  /** The node that holds this virtual router, as far as it is known. */
  holderOf(router: string): string | null;
  /** Flows in progress to these servers, in their order. */
  countFlows(servers: readonly NamedServer[]): Promise<number[]>;
  /** The node that decides a pool shall do so anew. */
  onChange(): void;
  /** A word that counts from now on, wherever it was given. */
  onWord(override: ServerOverride): void;
  onError(error: unknown): void;
}

export interface FlowsLeft {
  pool: string;
  server: string;
  flows: number;
}

export interface ServerAdmin {
  intentOf: IntentOf;
  overridden(pool: string, server: string): OverriddenServer;
  command(command: ServerCommand): Promise<ServersReport>;
  /** Answers when none of them has flows, or after this long; a text: what is wrong with the names. */
  drained(names: readonly string[], waitMs: number): Promise<FlowsLeft[] | string>;
  heard(node: string, overrides: readonly ServerOverride[]): void;
  /** A peer that is reached anew learns everything. */
  greet(node: string): void;
}

export function createServerAdmin(options: ServerAdminOptions): ServerAdmin {
  const { config, clock, log } = options;
  let known: Overrides = ofConfig(config, options.saved);

  const keep = (overrides: Overrides): void => {
    try {
      options.save([...overrides.values()]);
    } catch (error) {
      // They count all the same, and peers tell them again after a restart.
      options.onError(error);
    }
  };
  // A server that is listed again some day does not find what was once said of it.
  if (known.size !== options.saved.length) keep(known);

  const pass = (ms: number): Promise<void> => new Promise((resolve) => clock.at(after(clock.now(), ms), resolve));

  const tell = async (node: string, overrides: readonly ServerOverride[], timeoutMs: number): Promise<boolean> => {
    const sent: Promise<boolean>[] = [];
    for (let at = 0; at < overrides.length; at += MAX_TOLD_AT_ONCE) {
      const message = { type: 'overrides' as const, overrides: overrides.slice(at, at + MAX_TOLD_AT_ONCE) };
      sent.push(options.replication().send(node, message, timeoutMs));
    }
    return (await Promise.all(sent)).every(Boolean);
  };

  const understands = ({ capabilities }: { capabilities: number | null }): boolean => ((capabilities ?? 0) & CAPABILITY_OVERRIDES) !== 0;

  const take = (merged: Overrides, news: readonly ServerOverride[]): void => {
    known = merged;
    for (const override of news) {
      const { pool, server, origin } = override;
      const reason = origin.why === '' ? 'operator' : origin.why;
      log.event('server.admin', { pool, server, change: wordText(override), node: origin.node, by: origin.by, reason });
      options.onWord(override);
    }
    options.onChange();
  };

  const peersTold = (news: readonly ServerOverride[]): Promise<ServersReport['nodes']> =>
    Promise.all(
      options
        .replication()
        .peers()
        .map(async (peer) => {
          const { node } = peer;
          if (!peer.connected || peer.capabilities === null) return { node, has: 'unreachable' as const };
          if (!understands(peer)) return { node, has: 'older' as const };
          return { node, has: (await tell(node, news, TELL_LIMIT_MS)) ? ('yes' as const) : ('unreachable' as const) };
        }),
    );

  const obeyed = ({ pool, server }: NamedServer): boolean => {
    const inForce = options.generations().find((generation) => generation.pool === pool.name);
    return inForce !== undefined && isObeyed(pool, inForce, server.name, admin.intentOf);
  };

  /** Why a command is not in force; null: it is, or nobody uses its pool. */
  const missing = (servers: readonly NamedServer[], nodes: ServersReport['nodes']): string | null => {
    const late = servers.find((named) => decidingRouter(config, named.pool) !== undefined && !obeyed(named));
    if (late === undefined) return null;
    const router = decidingRouter(config, late.pool) ?? '';
    const decider = options.holderOf(router);
    const pool = `pool ${late.pool.name}`;
    if (decider === null) return `no node in reach is active for ${router} and decides ${pool}: it comes into force when one does`;
    const has = nodes.find(({ node }) => node === decider)?.has ?? 'yes';
    if (has === 'older') return `${decider} decides ${pool} and runs an older program: upgrade it`;
    if (has === 'unreachable') return `${decider}, which decides ${pool}, did not confirm it`;
    return `${decider}, which decides ${pool}, has not put it in force yet${configHint(options.replication().peers(), decider)}`;
  };

  const admin: ServerAdmin = {
    intentOf: (pool, server) => intentOf(known, pool, server),
    overridden: (pool, server) => overridden(known, pool, server),
    async command(command) {
      const found = findServers(config, command.servers);
      if (!found.ok) return { ...nothing, message: found.message };
      const origin = { node: options.node, by: command.by, why: command.why };
      const words = found.value.flatMap(({ pool, server }) =>
        wordsOf(command).map((word) => give(known, { pool: pool.name, server: server.name, ...word }, origin, clock.wallMs())),
      );
      const merged = merge(known, words);
      try {
        options.save([...merged.known.values()]);
      } catch (error) {
        return { ...nothing, message: `nothing was changed: it cannot be kept in the state directory (${messageOf(error)})` };
      }
      take(merged.known, merged.news);
      const nodes = await peersTold(merged.news);
      await pollUntil(clock, () => missing(found.value, nodes) === null, IN_FORCE_LIMIT_MS);
      const notInForce = missing(found.value, nodes);
      // Who decides obeys it itself when its peers have confirmed that they do, or this much later; they know it before.
      const isDecidedHere = found.value.every(({ pool }) => options.holderOf(decidingRouter(config, pool) ?? '') === options.node);
      if (notInForce === null && !isDecidedHere) await pass(ANNOUNCE_LIMIT_MS);
      return {
        ok: true,
        message: notInForce ?? '',
        inForce: notInForce === null,
        nodes: [{ node: options.node, has: 'yes' }, ...nodes],
        servers: found.value.map(({ pool, server }) => rowOf({ pool, server }, admin.intentOf)),
        unserved: unserved(found.value, options.generations()),
      };
    },
    async drained(names, waitMs) {
      const found = findServers(config, names);
      if (!found.ok) return found.message;
      const until = clock.now() + waitMs;
      for (;;) {
        const counts = await options.countFlows(found.value);
        if (counts.every((count) => count === 0) || clock.now() >= until)
          return found.value.map(({ pool, server }, index) => ({ pool: pool.name, server: server.name, flows: counts[index] ?? 0 }));
        await pass(Math.min(COUNT_EVERY_MS, until - clock.now()));
      }
    },
    heard(node, overrides) {
      const merged = merge(known, [...ofConfig(config, overrides).values()]);
      if (merged.news.length === 0) return;
      keep(merged.known);
      take(merged.known, merged.news);
      // Who gave it may not reach everybody.
      for (const peer of options.replication().peers()) if (peer.node !== node && understands(peer)) void tell(peer.node, merged.news, 0);
    },
    greet(node) {
      const peer = options
        .replication()
        .peers()
        .find((each) => each.node === node);
      if (peer !== undefined && understands(peer) && known.size > 0) void tell(node, [...known.values()], 0);
    },
  };
  return admin;
}

const nothing = { ok: false, inForce: false, nodes: [], servers: [], unserved: [] };

function rowOf({ pool, server }: NamedServer, intent: IntentOf): ServersReport['servers'][number] {
  const { state, milliWeight } = intent(pool, server);
  return {
    pool: pool.name,
    server: server.name,
    state,
    weight: milliWeight / MILLI,
    configuredState: server.state,
    configuredWeight: server.weight,
  };
}

const configHint = (peers: readonly { node: string; configDigestMatch: boolean | null }[], node: string): string =>
  peers.find((peer) => peer.node === node)?.configDigestMatch === false ? ' (its configuration is another one)' : '';

/** Pools of these servers that have none left for new flows. */
const unserved = (servers: readonly NamedServer[], generations: readonly PoolGeneration[]): string[] => [
  ...new Set(
    servers
      .map(({ pool }) => pool)
      .filter((pool) => generations.some((generation) => generation.pool === pool.name && usableServers(pool, generation).length === 0))
      .map(({ name }) => name),
  ),
];

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

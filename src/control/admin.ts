/**
 * The admin API: JSON over HTTP on a Unix socket that only the owner may open. Reads answer snapshots; the
 * commands are switchover, drill, upgrade and those to servers.
 */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { HistoryFilter } from './history.js';
import { isNames, readServerCommand, type ServerCommand } from './server-command.js';
import type {
  DrillReport,
  FlowRow,
  HistoryRow,
  NodeStatus,
  ServerFlowsReport,
  ServersReport,
  SwitchoverReport,
  TransitionRow,
} from './status.js';

/** Bodies of commands are a few words; anything longer is a mistake. */
const MAX_BODY_BYTES = 64 * 1024;

export interface FlowFilter {
  service?: string;
  server?: string;
  client?: string;
  state?: string;
  limit: number;
}

export interface SwitchoverBody {
  router?: string;
  to?: string;
  /** How long a successor in sync is waited for. */
  waitMs: number;
}

export interface DrillBody extends SwitchoverBody {
  holdMs: number;
}

export interface CommandResult {
  ok: boolean;
  message: string;
}

export interface AdminActions {
  status(): Promise<NodeStatus>;
  flows(filter: FlowFilter): Promise<FlowRow[]>;
  transitions(): TransitionRow[];
  history(filter: HistoryFilter): Promise<HistoryRow[]>;
  servers(command: ServerCommand): Promise<ServersReport>;
  /** A text: what is wrong with the names. */
  drained(names: readonly string[], waitMs: number): Promise<ServerFlowsReport['servers'] | string>;
  switchover(request: SwitchoverBody): Promise<SwitchoverReport>;
  /** `isAbandoned`: nobody waits for the answer any more. */
  drill(request: DrillBody, isAbandoned: () => boolean): Promise<DrillReport>;
  /** False: there is none. */
  interruptDrill(): boolean;
  upgrade(): Promise<CommandResult>;
}

export interface AdminServer {
  listen(socketPath: string): Promise<void>;
  close(): Promise<void>;
}

export function createAdminServer(actions: AdminActions, onError: (error: unknown) => void): AdminServer {
  const server: Server = createServer((request, response) => {
    answer(actions, request, response).catch((error: unknown) => {
      onError(error);
      reply(response, 500, { ok: false, message: error instanceof Error ? error.message : String(error) });
    });
  });
  return {
    listen: (socketPath) =>
      new Promise((resolve, reject) => {
        rmSync(socketPath, { force: true });
        server.once('error', reject);
        server.listen(socketPath, () => {
          chmodSync(socketPath, 0o600);
          resolve();
        });
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(actions: AdminActions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://admin');
  const route = `${request.method} ${url.pathname}`;
  switch (route) {
    case 'GET /v1/status':
      return reply(response, 200, await actions.status());
    case 'GET /v1/flows':
      return reply(response, 200, await actions.flows(flowFilter(url.searchParams)));
    case 'GET /v1/transitions':
      return reply(response, 200, actions.transitions());
    case 'GET /v1/history':
      return reply(response, 200, await actions.history(historyFilter(url.searchParams)));
    case 'POST /v1/switchover': {
      const body = commandBody(await readBody(request));
      if (body === null) return reply(response, 400, { ok: false, message: BODY_EXPECTED });
      const { holdMs: _, ...rest } = body;
      return reply(response, 200, await actions.switchover(rest));
    }
    case 'POST /v1/drill': {
      const body = commandBody(await readBody(request));
      if (body === null) return reply(response, 400, { ok: false, message: BODY_EXPECTED });
      let isAbandoned = false;
      response.on('close', () => {
        isAbandoned = true;
      });
      return reply(response, 200, await actions.drill(body, () => isAbandoned));
    }
    case 'DELETE /v1/drill':
      return reply(response, 200, { ok: actions.interruptDrill() });
    case 'POST /v1/servers': {
      const command = readServerCommand(parsed(await readBody(request)));
      return command.ok ? reply(response, 200, await actions.servers(command.value)) : reply(response, 400, command);
    }
    case 'POST /v1/servers/flows':
      return flowsLeft(actions, parsed(await readBody(request)), response);
    case 'POST /v1/upgrade':
      return reply(response, 200, await actions.upgrade());
    default:
      return reply(response, 404, { ok: false, message: `no such request: ${route}` });
  }
}

const DEFAULT_LIMIT = 100;

function limitOf(query: URLSearchParams): number {
  const limit = Number(query.get('limit') ?? DEFAULT_LIMIT);
  return Number.isInteger(limit) && limit > 0 ? limit : DEFAULT_LIMIT;
}

function historyFilter(query: URLSearchParams): HistoryFilter {
  const router = query.get('router') ?? '';
  const since = Number(query.get('since') ?? Number.NaN);
  return { limit: limitOf(query), ...(router === '' ? {} : { router }), ...(Number.isFinite(since) ? { sinceWallMs: since } : {}) };
}

function flowFilter(query: URLSearchParams): FlowFilter {
  const filter: FlowFilter = { limit: limitOf(query) };
  for (const name of ['service', 'server', 'client', 'state'] as const) {
    const value = query.get(name);
    if (value !== null && value !== '') filter[name] = value;
  }
  return filter;
}

const BODY_EXPECTED =
  'expected a JSON object with optional strings "router" and "to", and optional numbers "waitMs" and "holdMs" of milliseconds, up to an hour';
/** Whoever wants to wait longer asks again. */
const MAX_WAIT_MS = 3_600_000;
/** Long enough for monitoring to notice the rehearsal. */
const DEFAULT_HOLD_MS = 5000;

/** Null: no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text === '' ? '{}' : text);
  } catch {
    return null;
  }
}

async function flowsLeft(actions: AdminActions, body: unknown, response: ServerResponse): Promise<void> {
  const { servers, waitMs = 0 } = (body ?? {}) as Record<string, unknown>;
  if (!isNames(servers) || !isWait(waitMs))
    return reply(response, 400, { ok: false, message: 'expected "servers": a list of POOL/SERVER, and optional "waitMs"' });
  const left = await actions.drained(servers, waitMs);
  const report: ServerFlowsReport =
    typeof left === 'string' ? { ok: false, message: left, servers: [] } : { ok: true, message: '', servers: left };
  reply(response, 200, report);
}

function commandBody(text: string): DrillBody | null {
  const body = parsed(text);
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return null;
  const { router, to, waitMs = 0, holdMs = DEFAULT_HOLD_MS } = body as Record<string, unknown>;
  if (!isText(router) || !isText(to) || !isWait(waitMs) || !isWait(holdMs)) return null;
  return { ...(router === undefined ? {} : { router }), ...(to === undefined ? {} : { to }), waitMs, holdMs };
}

const isText = (value: unknown): value is string | undefined => value === undefined || typeof value === 'string';
const isWait = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value <= MAX_WAIT_MS;

async function readBody(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > MAX_BODY_BYTES) throw new Error('request body is too long');
  }
  return text;
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}

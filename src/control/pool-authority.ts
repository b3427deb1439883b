/**
 * Decides the generation of every pool: who is in it and who is alive. The holder of the lease decides from its own health checks and
 * tells the others; everybody else compiles what the holder said, whatever their own checks say. A node that becomes holder goes on
 * from the generation it was told and changes it only where its own checks contradict it. Pure.
 */
import type { Config, PoolConfig, ServerConfig } from '../config/model.js';
import type { ServerAdvice } from '../health/probe.js';
import { MAX_SERVER_WEIGHT, MILLI, milliWeightOf, sameMembers } from '../l4/pool-members.js';
import type { AdminState, MemberAdvice, PoolGeneration, PoolMember } from '../replication/api.js';
import { isSlowStartOver, slowStartWeight, untilNextStep } from './slow-start.js';

/** What this node's own check says of a server; `unknown` never changes a generation. */
export type CheckedHealth = 'up' | 'down' | 'unknown' | 'unchecked';
export type HealthOf = (pool: string, server: string) => CheckedHealth;

/** What its operators want of a server, by the configuration and by commands at run time. */
export interface Intent {
  state: AdminState;
  /** In thousandths. */
  milliWeight: number;
  /** What of it was commanded at run time: an agent has no say in that. */
  commanded?: { state: boolean; weight: boolean };
}
export type IntentOf = (pool: PoolConfig, server: ServerConfig) => Intent;

/** What the agent on a server has asked this node's check for; null: nothing. */
export type AdviceOf = (pool: string, server: string) => MemberAdvice | null;
const noAdvice: AdviceOf = () => null;

/**
 * What counts of an agent's words. `maint` is a failed check, and what a failed check is not: it lasts until `ready`, and no panic
 * overrules it. Nobody counts connections.
 */
export function memberAdvice(said: ServerAdvice | null): MemberAdvice | null {
  const drain: MemberAdvice = said?.admin === 'drain' || said?.admin === 'maint' ? { drain: true } : {};
  const advice = said?.weightPercent === undefined ? drain : { ...drain, weightPercent: said.weightPercent };
  return Object.keys(advice).length === 0 ? null : advice;
}

export const configuredIntent: IntentOf = (_pool, { state, weight }) => ({ state, milliWeight: weight * MILLI });

/** The first generation of a pool: everybody is taken to be alive until a check says otherwise, and nobody starts slowly. */
export function firstGeneration(pool: PoolConfig, intentOf: IntentOf = configuredIntent): PoolGeneration {
  const servers = pool.servers.map((server): Judged => ({ server, intent: intentOf(pool, server), up: true, slowStartMs: undefined }));
  return { pool: pool.name, generation: 1, members: membersOf(pool, servers) };
}

/** The generation that the configuration and this node's checks ask for; the same object when nothing has to change. */
export function decideGeneration(
  pool: PoolConfig,
  current: PoolGeneration,
  healthOf: HealthOf,
  intentOf: IntentOf = configuredIntent,
  adviceOf: AdviceOf = noAdvice,
): PoolGeneration {
  const servers = pool.servers.map((server) => {
    const before = current.members.find((member) => member.name === server.name);
    const health = healthOf(pool.name, server.name);
    // Of one that this node has not asked yet the word counts that counted before.
    const advice = (health === 'unknown' ? before?.advice : adviceOf(pool.name, server.name)) ?? undefined;
    return judge(pool, server, before, health, advised(intentOf(pool, server), advice), advice);
  });
  const members = membersOf(pool, servers);
  return sameMembers(members, current.members) ? current : { pool: pool.name, generation: current.generation + 1, members };
}

interface Judged {
  server: ServerConfig;
  intent: Intent;
  up: boolean;
  slowStartMs: number | undefined;
  advice?: MemberAdvice | undefined;
}

/** Below the word of an operator, above the configuration; one that is drained or disabled there stays so. */
function advised(intent: Intent, advice: MemberAdvice | undefined): Intent {
  const { state, milliWeight, commanded } = intent;
  const isDrained = advice?.drain === true && state === 'ready' && commanded?.state !== true;
  const percent = commanded?.weight === true ? undefined : advice?.weightPercent;
  return {
    ...intent,
    state: isDrained ? 'drain' : state,
    milliWeight: percent === undefined ? milliWeight : Math.min(Math.round((milliWeight * percent) / 100), MAX_SERVER_WEIGHT * MILLI),
  };
}

function judge(
  pool: PoolConfig,
  server: ServerConfig,
  before: PoolMember | undefined,
  health: CheckedHealth,
  intent: Intent,
  advice: MemberAdvice | undefined,
): Judged {
  const wasUp = before?.up ?? before?.alive ?? true;
  const up = health === 'unknown' ? wasUp : health !== 'down';
  const slowStartMs = up && intent.state === 'ready' ? slowStartOf(pool, before) : undefined;
  return { server, intent, up, slowStartMs, advice };
}

/** Of a server that is up and wanted: what has begun goes on, and what was not so before begins. */
function slowStartOf({ slowStartMs: durationMs }: PoolConfig, before: PoolMember | undefined): number | undefined {
  if (durationMs === null) return undefined;
  const wasServing = before?.alive === true && (before.state ?? 'ready') === 'ready';
  const ageMs = wasServing ? before.slowStartMs : 0;
  return ageMs === undefined || isSlowStartOver(ageMs, durationMs) ? undefined : ageMs;
}

/** Backup servers have weight only while nobody else has. */
function membersOf(pool: PoolConfig, servers: readonly Judged[]): PoolMember[] {
  const weighed = servers.map((judged) => ({ ...judged, milliWeight: milliWeight(pool, judged) }));
  const isServed = weighed.some(({ server, milliWeight }) => !server.backup && milliWeight > 0);
  return weighed.map((judged) => member(judged.server.backup && isServed ? { ...judged, milliWeight: 0 } : judged));
}

function milliWeight({ slowStartMs: durationMs }: PoolConfig, { intent, up, slowStartMs }: Judged): number {
  if (!up || intent.state !== 'ready') return 0;
  return slowStartMs === undefined || durationMs === null
    ? intent.milliWeight
    : slowStartWeight(intent.milliWeight, slowStartMs, durationMs);
}

function member({ server, intent, up, slowStartMs, advice, milliWeight }: Judged & { milliWeight: number }): PoolMember {
  const { name, address, port } = server;
  const alive = up && intent.state !== 'disable';
  // One that is down keeps the weight it would have; it gets nothing by not being alive.
  const shown = intent.state === 'ready' && !up ? intent.milliWeight : milliWeight;
  const weight = shown === 0 ? 0 : Math.max(1, Math.round(shown / MILLI));
  const sizeWeight = server.weight === 0 ? intent.milliWeight : server.weight * MILLI;
  return {
    ...{ name, address, port, weight, alive },
    ...(shown === weight * MILLI ? {} : { milliWeight: shown }),
    ...(sizeWeight === weight * MILLI ? {} : { sizeWeight }),
    ...(intent.state === 'ready' ? {} : { state: intent.state }),
    ...(up === alive ? {} : { up }),
    ...(slowStartMs === undefined ? {} : { slowStartMs }),
    ...(advice === undefined ? {} : { advice }),
  };
}

/** The same generation so much later: what is under way has gone on. */
export function aged(generation: PoolGeneration, byMs: number): PoolGeneration {
  if (byMs <= 0 || generation.members.every(({ slowStartMs }) => slowStartMs === undefined)) return generation;
  const members = generation.members.map((each) =>
    each.slowStartMs === undefined ? each : { ...each, slowStartMs: Math.floor(each.slowStartMs + byMs) },
  );
  return { ...generation, members };
}

/** Until the next step of a slow start in it; null: none is under way. */
export function untilSlowStartStep({ slowStartMs: durationMs }: PoolConfig, { members }: PoolGeneration): number | null {
  const steps = members.flatMap(({ slowStartMs }) =>
    slowStartMs === undefined ? [] : durationMs === null ? 0 : untilNextStep(slowStartMs, durationMs),
  );
  return steps.length === 0 ? null : Math.min(...steps);
}

/** Is what its operators want of this server in force? */
export function isObeyed(pool: PoolConfig, inForce: PoolGeneration, name: string, intentOf: IntentOf): boolean {
  const wanted = decideGeneration(pool, inForce, () => 'unknown', intentOf).members.find((each) => each.name === name);
  const found = inForce.members.find((each) => each.name === name);
  if (wanted === undefined || found === undefined) return false;
  return wanted.state === found.state && milliWeightOf(wanted) === milliWeightOf(found);
}

/** Members as one holder announced them; ours stays when theirs is older within the same history. */
export function adoptGeneration(current: PoolGeneration, announced: PoolGeneration): PoolGeneration {
  return sameMembers(current.members, announced.members) && current.generation === announced.generation ? current : announced;
}

/**
 * Which pools this node decides: those whose first service (by name) listens on a router whose lease it holds. One node at a time,
 * also when a pool serves routers that are active on different nodes.
 */
export function decidedPools(config: Config, heldRouters: ReadonlySet<string>): PoolConfig[] {
  return config.pools.filter((pool) => {
    const router = decidingRouter(config, pool);
    return router !== undefined && heldRouters.has(router);
  });
}

/** Whoever holds it decides this pool; undefined: no service uses it. */
export function decidingRouter({ services }: Pick<Config, 'services'>, pool: Pick<PoolConfig, 'name'>): string | undefined {
  const using = services.filter((service) => service.pool === pool.name).sort((a, b) => (a.name < b.name ? -1 : 1));
  return using[0]?.virtualRouter;
}

/** What a run is made of before anything goes wrong: drawn from the seed, the same for every replay. */
import type { BeatSettings, HeartbeatConfig } from '../../../src/vrrp/heartbeat-api.js';
import type { Random } from '../random.js';

/** Far enough apart that skew exceeds delay and timer lateness together even at adverts of 10 ms. */
const PRIORITIES = [250, 200, 150, 100, 50];
export const DRAIN_MS = 500;
export const ROUTER = 'front';
export const POOL = 'web';
export const SERVERS = 4;
const MAX_DRIFT_PPM = 200;

export interface Shape {
  seed: number;
  nodes: number;
  intervalMs: number;
  preempt: boolean;
  preemptDelayMs: number;
  isUnicast: boolean;
  /** Events the kernel's ring holds. */
  ringRecords: number;
  /** Records a daemon queues for a peer. */
  queueRecords: number;
  chunkRecords: number;
  windowBytes: number;
  /** Local milliseconds per true one, by node. */
  rates: number[];
  startsAt: number[];
  flowsPerSecond: number;
  faults: number;
  /** Where beats go, beside the advertisements; none: a plain VRRP cluster. */
  paths: readonly BeatPath[];
  fast: BeatSettings['fast'];
  /** A reference address is asked when nobody is heard. */
  hasReference: boolean;
  /** The gateway is asked to prove a take-over. */
  verifies: boolean;
  /** How long nothing may change at the end. */
  quiet: 'short' | 'long';
}

/** The network of the advertisements, and that of the replication. */
export type BeatPath = 'wire' | 'back';

const times = (count: number, value: number): number[] => new Array<number>(count).fill(value);

/** What costs more time (many nodes, long or many intervals, a long rest at the end) comes more rarely. */
const NODES = [...times(17, 2), ...times(12, 3), 5];
const INTERVALS_MS = [...times(2, 10), ...times(27, 100), 1000];
const LONG_QUIET = 0.12;
const PATHS: readonly (readonly BeatPath[])[] = [
  [],
  [],
  [],
  ['wire'],
  ['back'],
  ['back'],
  ['wire', 'back'],
  ['wire', 'back'],
  ['wire', 'back'],
  ['wire', 'back'],
];
/** Of the beats of fast liveness; a lease lives for four. */
const FAST_MS = [2, 4, 8, 8, 8, 10, 10, 10];
const FAST_BEATS = 4;
const BEAT_SHARE = 0.5;
const BEAT_LEAST_MS = 2;
const BEAT_MOST_MS = 500;

/** Its own generator: what happens in a run does not change what it is made of. */
export const shapeSeed = (seed: number): number => seed ^ 0x5bd1e995;

export function drawShape(seed: number, random: Random): Shape {
  const nodes = random.pick(NODES);
  const intervalMs = random.pick(INTERVALS_MS);
  const isTight = random.chance(0.15);
  const paths = random.pick(PATHS);
  const isFast = paths.length > 0 && intervalMs >= 100 && random.chance(nodes === 2 ? 0.2 : 0.1);
  const fastMs = random.pick(FAST_MS);
  return {
    seed,
    nodes,
    intervalMs,
    preempt: random.chance(0.8),
    preemptDelayMs: random.chance(0.2) ? 3 * intervalMs : 0,
    isUnicast: random.chance(0.2),
    ringRecords: isTight ? 12 : 10_000,
    queueRecords: random.chance(0.15) ? 20 : 5000,
    chunkRecords: random.pick([8, 64, 1000]),
    windowBytes: random.chance(0.2) ? 600 : 200_000,
    rates: Array.from({ length: nodes }, () => 1 + random.between(-MAX_DRIFT_PPM, MAX_DRIFT_PPM) / 1e6),
    startsAt: Array.from({ length: nodes }, () => random.between(1000, 100_000)),
    flowsPerSecond: random.pick([2, 4, 8]),
    faults: random.below(8),
    paths,
    fast: isFast ? { intervalMs: fastMs, lifeMs: FAST_BEATS * fastMs } : null,
    hasReference: paths.length > 0 && random.chance(0.25),
    verifies: random.chance(0.5),
    quiet: random.chance(LONG_QUIET) ? 'long' : 'short',
  };
}

export const nameOf = (index: number): string => `n${index + 1}`;
export const addressOf = (index: number): string => `10.0.0.${index + 1}`;
export const backAddressOf = (index: number): string => `10.1.0.${index + 1}`;
/** What a machine signs its beats with: made anew with each start of the machine. */
export const beatKeyOf = (instance: bigint): string => instance.toString(16).padStart(32, '0');
export const priorityOf = (index: number): number => PRIORITIES[index] ?? 1;

function beatSettings(shape: Shape, index: number, instance: bigint): BeatSettings | null {
  if (shape.paths.length === 0) return null;
  const addressesOf = (node: number): string[] => shape.paths.map((path) => (path === 'wire' ? addressOf(node) : backAddressOf(node)));
  const others = Array.from({ length: shape.nodes }, (_, node) => node).filter((node) => node !== index);
  return {
    nodeId: index + 1,
    cluster: '1',
    key: beatKeyOf(instance),
    port: 1,
    paths: addressesOf(index),
    peers: others.map((node) => ({ node: nameOf(node), id: node + 1, addresses: addressesOf(node), advertAddresses: [addressOf(node)] })),
    intervalMs: Math.min(BEAT_MOST_MS, Math.max(BEAT_LEAST_MS, BEAT_SHARE * shape.intervalMs)),
    fast: shape.fast,
    references: shape.hasReference ? ['10.0.0.254'] : [],
  };
}

export function heartbeatConfig(shape: Shape, index: number, instance: bigint): HeartbeatConfig {
  const { intervalMs, preempt, preemptDelayMs } = shape;
  const addresses = Array.from({ length: shape.nodes }, (_, node) => addressOf(node));
  return {
    node: nameOf(index),
    instance: String(instance),
    pinDir: '',
    socketPath: '',
    drainMs: DRAIN_MS,
    realtimePriority: 0,
    beats: beatSettings(shape, index, instance),
    groups: [
      {
        name: ROUTER,
        priority: priorityOf(index),
        advertIntervalMs: intervalMs,
        leaseIntervalMs: intervalMs,
        preempt,
        preemptDelayMs,
        announce: { repeat: 2, repeatGapMs: Math.min(100, intervalMs), refreshMs: 5000 },
        trackedInterfaces: [],
        members: [
          {
            name: ROUTER,
            vrid: 51,
            slot: 0,
            interface: 'eth0',
            sourceAddress: addressOf(index),
            addresses: ['10.0.0.100'],
            announced: [{ address: '10.0.0.100', interface: 'eth0' }],
            dataInterfaces: ['eth0'],
            unicastPeers: shape.isUnicast ? addresses.filter((address) => address !== addressOf(index)) : [],
          },
        ],
      },
    ],
  };
}

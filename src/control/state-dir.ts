/**
 * The state directory of one node: its sockets, the identity of this boot, the last pool generations and commands to servers. Everything in it may be
 * deleted while the node is down; nothing in it is needed to keep forwarding.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { limit } from '../l4/abi.gen.js';
import type { PoolGeneration, ServerOverride } from '../replication/api.js';
import { readOverride } from '../replication/json-shape.js';
import { BEAT_KEY, PEER_KEYS_FILE, readPeerKeys, readTerms, readTexts, TERMS_FILE } from './known-before.js';
import type { Terms } from './term-memory.js';

/** Where the clock of this process's time namespace begins: lines of a clock, seconds and nanoseconds. */
const CLOCK_OFFSETS_FILE = '/proc/self/timens_offsets';
const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id';
export const BPFFS_ROOT = '/sys/fs/bpf/tandem';

/** sun_path of a Unix socket, without its closing zero: a longer one would be cut off silently. */
const MAX_SOCKET_PATH_BYTES = 107;
/** SipHash takes 128 bits. */
const BEAT_KEY_BYTES = 16;
const HEARTBEAT_SOCKET = 'heartbeat.sock';

export class StateDirError extends Error {
  readonly code = 'STATE_DIR_TOO_LONG';
  readonly source = 'config';
  readonly retryable = false;
}

export interface StateDir {
  path: string;
  adminSocket: string;
  heartbeatSocket: string;
  heartbeatConfig: string;
  crashLog: string;
  /** What was put into the kernel beside the data plane (presence.ts). */
  presenceFile: string;
  /** Directory on bpffs for this node and state directory, without the ABI version. */
  pinRoot: string;
  pinDir: string;
}

export function openStateDir(path: string, node: string): StateDir {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const real = realpathSync(path);
  const excess = Buffer.byteLength(join(real, HEARTBEAT_SOCKET)) - MAX_SOCKET_PATH_BYTES;
  if (excess > 0)
    throw new StateDirError(`the state directory ${real} is ${excess} characters too long for the sockets in it; choose a shorter one`);
  // bpffs takes no dots in names.
  const pinRoot = join(BPFFS_ROOT, `${node.replaceAll('.', '%2e')}-${createHash('sha256').update(real).digest('hex').slice(0, 8)}`);
  return {
    path: real,
    adminSocket: join(real, 'admin.sock'),
    heartbeatSocket: join(real, HEARTBEAT_SOCKET),
    heartbeatConfig: join(real, 'heartbeat.json'),
    crashLog: join(real, 'heartbeat.log'),
    presenceFile: join(real, 'presence.json'),
    pinRoot,
    pinDir: join(pinRoot, `v${limit.abiVersion}`),
  };
}

/** Directories in which versions with another layout have pinned something for this node. */
export function otherLayouts({ pinRoot, pinDir }: Pick<StateDir, 'pinRoot' | 'pinDir'>): string[] {
  const found = existsSync(pinRoot) ? readdirSync(pinRoot).map((name) => join(pinRoot, name)) : [];
  return found.filter((directory) => directory !== pinDir);
}

/** Removes them, links and all, and returns those that are gone. Who asks for it has made sure that none is in use. */
export function removeOtherLayouts(place: Pick<StateDir, 'pinRoot' | 'pinDir'>): string[] {
  const others = otherLayouts(place);
  for (const directory of others) rmSync(directory, { recursive: true, force: true });
  return others;
}

/** Replaces a file in one step, so that a reader never sees half of it. */
export function replaceFile(path: string, content: string): void {
  writeFileSync(`${path}.new`, content, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** The identity of this node for as long as the machine is up: 64 random bits as a decimal string. */
export function bootInstance(state: StateDir): string {
  const file = join(state.path, 'instance');
  const bootId = readFileSync(BOOT_ID_FILE, 'utf8').trim();
  try {
    const [boot, instance] = readFileSync(file, 'utf8').trim().split(' ');
    if (boot === bootId && instance !== undefined && /^\d+$/.test(instance)) return instance;
  } catch {
    // First start in this directory.
  }
  const instance = (randomBytes(8).readBigUInt64LE() | 1n).toString();
  replaceFile(file, `${bootId} ${instance}\n`);
  return instance;
}

/** Names a cluster in datagrams: 64 bits of its name's hash, as a decimal string. */
export const clusterId = (name: string): string => createHash('sha256').update(name).digest().readBigUInt64BE().toString();

/** Within one of these the time since the boot never goes back, over all processes. */
function clockOrigin(): string {
  try {
    const line = readFileSync(CLOCK_OFFSETS_FILE, 'utf8').match(/^boottime\s+(-?\d+)\s+(\d+)$/m);
    return `${line?.[1] ?? 0}.${line?.[2] ?? 0}`;
  } catch {
    // A kernel without time namespaces.
    return '0.0';
  }
}

/**
 * Key with which the heartbeat of this boot signs its beats, 32 hex digits: a new one for each instance, and for each clock, because
 * peers believe only what is newer (by the time since the boot) than all they have heard under the same key.
 */
export function beatKey(state: StateDir, instance: string, origin = clockOrigin()): string {
  const file = join(state.path, 'beat-key');
  try {
    const [of, key, since] = readFileSync(file, 'utf8').trim().split(' ');
    if (of === instance && since === origin && key !== undefined && BEAT_KEY.test(key)) return key;
  } catch {
    // None was made yet.
  }
  const key = randomBytes(BEAT_KEY_BYTES).toString('hex');
  replaceFile(file, `${instance} ${key} ${origin}\n`);
  return key;
}

const saveJson = (state: StateDir, file: string, value: unknown): void => replaceFile(join(state.path, file), `${JSON.stringify(value)}\n`);

/** Null when there is no such file or it is damaged. */
function loadJson(state: StateDir, file: string): unknown {
  try {
    return JSON.parse(readFileSync(join(state.path, file), 'utf8'));
  } catch {
    return null;
  }
}

function loadList(state: StateDir, file: string): unknown[] {
  const parsed = loadJson(state, file);
  return Array.isArray(parsed) ? parsed : [];
}

const saveTexts = (state: StateDir, file: string, texts: ReadonlyMap<string, string>): void =>
  saveJson(state, file, Object.fromEntries(texts));

const loadTexts = (state: StateDir, file: string): Map<string, string> => new Map(readTexts(state.path, file));

const POOLS_FILE = 'pools.json';

export const savePools = (state: StateDir, generations: readonly PoolGeneration[]): void => saveJson(state, POOLS_FILE, generations);

/** The generations in force when the daemon last ran. */
export const loadPools = (state: StateDir): PoolGeneration[] => loadList(state, POOLS_FILE).filter(isGeneration);

function isGeneration(value: unknown): value is PoolGeneration {
  if (typeof value !== 'object' || value === null) return false;
  const { pool, generation, members } = value as Record<string, unknown>;
  return typeof pool === 'string' && Number.isInteger(generation) && Array.isArray(members);
}

const OVERRIDES_FILE = 'overrides.json';

export const saveOverrides = (state: StateDir, overrides: readonly ServerOverride[]): void => saveJson(state, OVERRIDES_FILE, overrides);

/** Commands to servers that this daemon knew when it last ran; what is damaged of them is left out. */
export const loadOverrides = (state: StateDir): ServerOverride[] =>
  loadList(state, OVERRIDES_FILE).flatMap((each) => readOverride(each) ?? []);

const HOLDERS_FILE = 'holders.json';

/** Node by virtual router. */
export const saveHolders = (state: StateDir, holders: ReadonlyMap<string, string>): void => saveTexts(state, HOLDERS_FILE, holders);

/** Who held each virtual router last when this daemon last ran. */
export const loadHolders = (state: StateDir): Map<string, string> => loadTexts(state, HOLDERS_FILE);

/** By node: with what its heartbeat signed when it was last heard. */
export const savePeerKeys = (state: StateDir, keys: ReadonlyMap<string, string>): void => saveTexts(state, PEER_KEYS_FILE, keys);
export const loadPeerKeys = (state: StateDir): Map<string, string> => readPeerKeys(state.path);

export const saveTerms = (state: StateDir, terms: Terms): void =>
  saveTexts(state, TERMS_FILE, new Map([...terms].map(([router, term]) => [router, String(term)])));
export const loadTerms = (state: StateDir): Map<string, number> => readTerms(state.path);

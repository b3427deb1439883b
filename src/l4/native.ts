/**
 * The only door to the native L4 addon (native/l4/addon): types of what it offers and its loader. No policy here or behind it.
 * Every call that can fail throws a NativeError (native-error.ts) with errno and, for BPF programs, the verifier's log; wrong argument
 * types throw TypeError, wrong lengths and ranges RangeError, any use after close() NativeError CLOSED. Closing twice is harmless.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { addonPath } from '../system/paths.js';
import { NativeError } from './native-error.js';

/** Which XDP mode carries the program. */
export type XdpMode = 'native' | 'generic';

export interface LoadOptions {
  /** Compiled BPF object. */
  objectPath: string;
  /** Directory on bpffs; maps found there (same ABI version) are adopted, missing ones are created and pinned. */
  pinDir: string;
  /** Records the flow table can hold; only used when the table is created. */
  maxFlows: number;
  /** True: fail instead of creating maps (a process that only joins a running data plane). */
  adoptOnly?: boolean;
}

export interface AttachOptions {
  interface: string;
  ifindex: number;
  /** 6 bytes. */
  mac: Buffer;
  /** Most packets on this interface come from servers. */
  repliesFirst: boolean;
  /** `auto` tries native and falls back to generic. */
  mode: XdpMode | 'auto';
}

export interface AttachResult {
  mode: XdpMode;
  /** A pinned link was found and its program replaced without a gap. */
  adopted: boolean;
  /** Why native was not used, when `auto` fell back. */
  fallbackReason?: string;
}

export interface ApplyResult {
  applied: number;
  stale: number;
  full: number;
  unknown: number;
}

export type ApplyMode = 'live' | 'bulk' | 'merge' | 'purge';

export interface Drained {
  /** Whole flow records (tandem_record), in ring order; empty when nothing was waiting. */
  records: Buffer;
  /** Total of events that found the ring full since the maps were created. Growth means a gap. */
  lost: bigint;
  /** Per virtual router slot, valid exactly after `records`: present when it was asked for and no event raced the reading. */
  digests?: Digest[];
}

export interface Digest {
  digest: bigint;
  flows: bigint;
}

export interface Notice {
  kind: 'nextHop' | 'foreignClaim';
  ifindex: number;
  /** IPv4 for `nextHop`; either family for `foreignClaim`. */
  address: string;
  /** aa:bb:cc:dd:ee:ff, for `foreignClaim`. */
  mac: string;
}

export interface FlowChunk {
  /** Whole records of kind upsert with ages filled in. */
  records: Buffer;
  /** Where to go on; null at the end of the table. */
  cursor: Buffer | null;
}

export interface TestRunResult {
  verdict: 'ABORTED' | 'DROP' | 'PASS' | 'TX' | 'REDIRECT';
  packet: Buffer;
  /** Mean nanoseconds per run, as the kernel reports it. */
  durationNs: number;
}

export interface LeaseState {
  result: 'ok' | 'lapsed' | 'foreign' | 'badSlot';
  nowNs: bigint;
  deadlineNs: bigint;
  drainUntilNs: bigint;
  startedNs: bigint;
  instance: bigint;
  verifiedNs: bigint;
}

/** The pinned maps and programs of one node. */
export interface DataPlane {
  attach(options: AttachOptions): AttachResult;
  detach(interfaceName: string): void;
  /** False when the link is gone or was detached behind our back. */
  isAttached(interfaceName: string): boolean;
  /** Names of interfaces with a pinned link. */
  attached(): string[];

  mapGet(map: string, key: Buffer): Buffer | null;
  mapSet(map: string, key: Buffer, value: Buffer): void;
  /** False when there was no such key. */
  mapDelete(map: string, key: Buffer): boolean;
  /** All entries of a plain map, as [key, value] pairs. */
  mapEntries(map: string): [Buffer, Buffer][];
  /** A per-CPU array whose values are 64-bit words: the sum over CPUs, `words` per index. */
  sums(map: string): BigUint64Array;
  /** Replaces one inner table (server slots) of `tables` atomically; an empty array removes it. The kernel takes about 10 ms for it. */
  setTable(index: number, slots: Uint32Array): void;
  /** Many at once, for the price of one; each is replaced atomically. */
  setTables(tables: readonly (readonly [index: number, slots: Uint32Array])[]): void;
  getTable(index: number): Uint32Array | null;

  /** Moves waiting flow events into a buffer. */
  drain(maxRecords: number, wantDigests: boolean): Drained;
  drainNotices(): Notice[];
  /**
   * Calls `wake` (once per poll of the event loop) while events or notices are waiting, until `stop`. Who pauses draining stops the watch:
   * left running it would call again and again.
   */
  watch(wake: () => void): { stop(): void };

  /** Writes records into the flow table in one pass inside the kernel. Any length; the addon splits it into inbox loads. */
  apply(records: Buffer, mode: ApplyMode, syncEpoch: number): ApplyResult;
  /** Reads about `maxRecords` records of the live table. */
  readFlows(cursor: Buffer | null, maxRecords: number): FlowChunk;
  /** One step of ageing: looks at about `maxRecords` records, deletes idle ones (with events). */
  sweep(cursor: Buffer | null, maxRecords: number): { scanned: number; expired: number; cursor: Buffer | null };
  /** Deletes records of these virtual routers that were not confirmed in `syncEpoch`; one step. */
  purge(
    cursor: Buffer | null,
    maxRecords: number,
    syncEpoch: number,
    virtualRouters: number[],
  ): { scanned: number; purged: number; cursor: Buffer | null };
  digests(): Digest[];
  /** bpf_ktime_get_ns() of this kernel. */
  kernelNs(): bigint;

  /** Runs the program of an attached or test-loaded interface (`program` is the interface's name) on a packet (BPF_PROG_TEST_RUN). */
  testRun(program: string, packet: Buffer, repeat: number): TestRunResult;
  /** Loads a program instance for `testRun` without attaching it, as for this mode (generic unless given). */
  loadForTest(options: Omit<AttachOptions, 'mode'> & { mode?: XdpMode }): void;

  /** Pinned memory of the flow table, from the kernel's accounting. */
  memoryBytes(map: string): number;
  close(): void;
  /** Detaches every link and removes every pin of this node. */
  unload(): void;
}

/** Lease operations only: all that the heartbeat process needs of the data plane. */
export interface LeaseKeeper {
  acquire(slot: number, durationNs: bigint, drainNs: bigint, instance: bigint): LeaseState;
  renew(slot: number, durationNs: bigint, drainNs: bigint, instance: bigint): LeaseState;
  /** `admitNs`: a planned hand-over goes on admitting new flows for so long (stragglers until the successor answers); 0 otherwise. */
  release(slot: number, drainNs: bigint, admitNs: bigint, instance: bigint): LeaseState;
  read(slot: number): LeaseState;
  /** True when the XDP link pinned for this interface still carries the program. */
  isAttached(interfaceName: string): boolean;
  close(): void;
}

/** Raw Ethernet frames on one interface (AF_PACKET). */
export interface FrameSocket {
  send(frame: Buffer): void;
  close(): void;
}

export interface ReceivedFrame {
  frame: Buffer;
  /** Kernel receive time, CLOCK_REALTIME nanoseconds. */
  timestampNs: bigint;
  outgoing: boolean;
}

export interface NativeL4 {
  load(options: LoadOptions): DataPlane;
  openLeases(pinDir: string): LeaseKeeper;
  /** `etherType` 0 sends only; 0x0003 receives everything; others receive that protocol. */
  openFrames(interfaceName: string, etherType: number, onFrames?: (frames: ReceivedFrame[]) => void): FrameSocket;
  monotonicNs(): bigint;
  /** SCHED_FIFO for every thread of this process, or the reason why not. */
  setRealtime(priority: number): { ok: true } | { ok: false; reason: string };
  /** Locks current and future memory of this process, or the reason why not. */
  lockMemory(): { ok: true } | { ok: false; reason: string };
}

interface Binding extends NativeL4 {
  setErrorClass(errorClass: typeof NativeError): void;
}

const loaded = new Map<string, NativeL4>();

function open(file: string): Binding {
  if (!existsSync(file)) throw new NativeError('NOT_BUILT', `the native addon ${file} is missing`, { hint: 'run: scripts/build' });
  try {
    return createRequire(import.meta.url)(file) as Binding;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const library = /(lib[\w+-]+\.so[.\d]*): cannot open shared object file/.exec(message)?.[1];
    if (library?.startsWith('libbpf')) {
      throw new NativeError('LIBRARY_MISSING', `${library} is missing`, { hint: 'run: apt-get install libbpf1', cause });
    }
    if (library !== undefined) throw new NativeError('LIBRARY_MISSING', `${library} is missing`, { cause });
    throw new NativeError('NOT_BUILT', `the native addon ${file} does not load: ${message}`, { hint: 'run: scripts/build', cause });
  }
}

/** The addon of `scripts/build`; `file` names another build of it. Throws NativeError. */
export function loadNative(file: string = addonPath): NativeL4 {
  const known = loaded.get(file);
  if (known !== undefined) return known;
  const binding = open(file);
  binding.setErrorClass(NativeError);
  loaded.set(file, binding);
  return binding;
}

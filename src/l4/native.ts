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

/** One way to the peers: a local address, and the device that it is on. */
export interface BeatPath {
  /** Numeric IPv4 or IPv6. It may come and go: what is missing is looked for again and again. */
  address: string;
  /** Send and receive here only. A link-local address needs it. */
  interface?: string;
}

export interface BeatPeer {
  id: number;
  /** By path, of the same family as the path's; null: not reachable there. */
  addresses: readonly (string | null)[];
}

export interface BeatOptions {
  cluster: bigint;
  /** 1..255, unique in the cluster. */
  nodeId: number;
  /** Tells this process from the one that ran before it. */
  instance: bigint;
  /** 16 bytes: what our own beats are signed with. */
  key: Buffer;
  /** UDP, the same on all nodes. */
  port: number;
  /** 1..4, in the same order on all nodes. */
  paths: readonly BeatPath[];
  /** 0..15 */
  peers: readonly BeatPeer[];
  /** 1000..1000000 */
  intervalUs: number;
  /** SCHED_FIFO priority of the beat thread; 0 leaves it as it is. Refusal shows in `stats().realtime`. */
  realtimePriority: number;
  /** Where the lease program is pinned; null: no leases are held. */
  pinDir: string | null;
}

/** `atNs`: CLOCK_MONOTONIC, when it happened; for `heard`, after the beat was received. */
export type BeatEvent =
  /** Something is new: first beat (also after silence), or another instance, payload, interval or promise. */
  | {
      type: 'heard';
      atNs: bigint;
      peer: number;
      instance: bigint;
      intervalUs: number;
      promiseUs: number;
      payload: Buffer;
      path: number;
      isFirst: boolean;
    }
  /** Nothing new was heard on any path for as long as `watch` said; once, until it is heard again. */
  | { type: 'silent'; atNs: bigint; peer: number; silentUs: number }
  /** A path counts as lost after five intervals of the peer, and at least 100 ms. */
  | { type: 'path'; atNs: bigint; peer: number; path: number; isHeard: boolean }
  /** The lease of a held slot ended; it is held no longer. */
  | { type: 'lapsed'; atNs: bigint; slot: number };

/**
 * Why a datagram was rejected. `truncated`: its length is not what it says; `path`: sent on another path than it came by; `replay`: not
 * newer than what came by this path before.
 */
export type BeatReject =
  | 'truncated'
  | 'magic'
  | 'version'
  | 'cluster'
  | 'ownSource'
  | 'unknownPeer'
  | 'path'
  | 'unknownKey'
  | 'tag'
  | 'replay';

/** Totals since the channel was opened, unless they say otherwise. */
export interface BeatStats {
  /** Beats that left on at least one path. */
  sent: number;
  received: number;
  /** Datagrams (one per peer and path) that the kernel did not take. */
  sendErrors: number;
  rejected: Record<BeatReject, number>;
  /** Since the last call: how long after its time the latest beat was sent. */
  lateMaxUs: number;
  /** Beats that were later than one interval. */
  lateCount: number;
  /** Times it fell silent because nothing had been called for half a second: whoever has the channel hung. */
  silenced: number;
  renewals: number;
  lapses: number;
  /** The thread has a real-time scheduling class at this moment. */
  realtime: boolean;
  /** By path: what keeps it from working at this moment. */
  pathErrors: (string | null)[];
}

/**
 * Small signed datagrams, sent and judged by a thread of their own, which neither JavaScript nor a busy machine holds up. Only half a second
 * without any call stops them, until the next one: what was said by somebody who hangs is not to be repeated for ever. Events come in
 * batches, in order; a newer one of a kind may replace one that JavaScript has not collected yet, so the last ones are always right.
 */
export interface BeatChannel {
  /** What beats say from now on (at most 1024 bytes): sent at once, then with each beat. The first call starts the beats. */
  say(payload: Buffer): void;
  /** Beats of a peer without a key are rejected. Another key than before forgets the sequence number heard last; so does `latest`, the
   *  peer's `latestBeat`, when that is lower: a restored snapshot undid what was signed later. */
  setPeerKey(peerId: number, key: Buffer | null, latest?: bigint): void;
  /** Sent at once. */
  setIntervalUs(intervalUs: number): void;
  /** Event `silent` when nothing new came from the peer on any path for so long (never heard: from this call on); 0: never. */
  watch(peerId: number, silentAfterUs: number): void;
  /**
   * From now on each beat that leaves renews these leases to the time before it was sent + `lifeUs`, but never beyond `untilNs`
   * (CLOCK_MONOTONIC; set anew by the caller with each advert). Shortens a longer lease. `[]` ends it. When this returns, nothing is
   * renewed under former terms any more. Throws NOT_LOADED without a pinned lease program.
   */
  hold(slots: readonly number[], lifeUs: number, drainNs: bigint, instance: bigint, untilNs: bigint): void;
  /** Said by beats: every lease of this node ends at the latest so long after the beat was sent; 0: no promise. Sent at once. */
  promise(promiseUs: number): void;
  stats(): BeatStats;
  /** Ends the thread before it returns. */
  close(): void;
}

export interface LinkChange {
  name: string;
  ifindex: number;
  /** Up, with carrier; false also when the link, or the name, is gone. */
  isRunning: boolean;
}

export interface LinkMonitor {
  close(): void;
}

export interface HopLimitFilter {
  /** For SO_ATTACH_BPF; the socket keeps the program, so this may be closed then. */
  readonly fd: number;
  close(): void;
}

/** Freed when its process ends, or this object is not referred to any more. */
export interface FileLock {
  release(): void;
}

export interface NativeL4 {
  load(options: LoadOptions): DataPlane;
  openLeases(pinDir: string): LeaseKeeper;
  /** `etherType` 0 sends only; 0x0003 receives everything; others receive that protocol. */
  openFrames(interfaceName: string, etherType: number, onFrames?: (frames: ReceivedFrame[]) => void): FrameSocket;
  openBeats(options: BeatOptions, onEvents: (events: BeatEvent[]) => void): BeatChannel;
  /** No beat of this machine has had a higher sequence number. */
  latestBeat(): bigint;
  /** First all links of this network namespace, then each change. */
  openLinkMonitor(onChange: (links: LinkChange[]) => void): LinkMonitor;
  /** For raw IPv6 sockets: packets with hop limit 255 come whole, all others are cut to one byte. */
  openHopLimitFilter(): HopLimitFilter;
  /** Makes the file unless it is there; null while another process has it locked. */
  lockFile(path: string): FileLock | null;
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

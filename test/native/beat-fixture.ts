/**
 * What the tests of beats share: channels on loopback addresses whose events can be waited for, and the datagram written down a second
 * time, independently of the addon, so that both have to agree on every byte.
 */
import type { Test } from 'tap';
import type { BeatChannel, BeatEvent, BeatOptions, BeatReject } from '../../src/l4/native.js';
import { native } from './fixture.js';

const PATIENCE_MS = 20_000;
const MASK = (1n << 64n) - 1n;
export const CLUSTER = 0x0102030405060708n;
export const INTERVAL_US = 2000;

/** The key that node `id` signs with. */
export const keyOf = (id: number): Buffer => Buffer.alloc(16, id);
/** Node 1 on 127.0.0.1, and so on; path 1 on 127.0.1.1. */
export const addressOf = (id: number, path = 0): string => `127.0.${path}.${id}`;

const rotate = (word: bigint, bits: bigint): bigint => ((word << bits) | (word >> (64n - bits))) & MASK;

function sipRounds(v: [bigint, bigint, bigint, bigint], count: number): void {
  for (let round = 0; round < count; round += 1) {
    v[0] = (v[0] + v[1]) & MASK;
    v[1] = rotate(v[1], 13n) ^ v[0];
    v[0] = rotate(v[0], 32n);
    v[2] = (v[2] + v[3]) & MASK;
    v[3] = rotate(v[3], 16n) ^ v[2];
    v[0] = (v[0] + v[3]) & MASK;
    v[3] = rotate(v[3], 21n) ^ v[0];
    v[2] = (v[2] + v[1]) & MASK;
    v[1] = rotate(v[1], 17n) ^ v[2];
    v[2] = rotate(v[2], 32n);
  }
}

export function sipHash24(key: Buffer, message: Buffer): bigint {
  const [k0, k1] = [key.readBigUInt64LE(0), key.readBigUInt64LE(8)];
  const v: [bigint, bigint, bigint, bigint] = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  const padded = Buffer.alloc(message.length + 8 - (message.length % 8));
  message.copy(padded);
  padded[padded.length - 1] = message.length & 0xff;
  for (let at = 0; at < padded.length; at += 8) {
    const word = padded.readBigUInt64LE(at);
    v[3] ^= word;
    sipRounds(v, 2);
    v[0] ^= word;
  }
  v[2] ^= 0xffn;
  sipRounds(v, 4);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

export interface BeatFields {
  version: number;
  node: number;
  path: number;
  cluster: bigint;
  instance: bigint;
  sequence: bigint;
  intervalUs: number;
  promiseUs: number;
  payload: Buffer;
}

export function encodeBeat(fields: Partial<BeatFields>, key: Buffer): Buffer {
  const payload = fields.payload ?? Buffer.alloc(0);
  const bytes = Buffer.alloc(42 + payload.length + 8);
  bytes.write('TDB1', 0, 'latin1');
  bytes.set([fields.version ?? 1, fields.node ?? 2, fields.path ?? 0, 0], 4);
  bytes.writeBigUInt64BE(fields.cluster ?? CLUSTER, 8);
  bytes.writeBigUInt64BE(fields.instance ?? 1n, 16);
  bytes.writeBigUInt64BE(fields.sequence ?? 1n, 24);
  bytes.writeUInt32BE(fields.intervalUs ?? INTERVAL_US, 32);
  bytes.writeUInt32BE(fields.promiseUs ?? 0, 36);
  bytes.writeUInt16BE(payload.length, 40);
  payload.copy(bytes, 42);
  bytes.writeBigUInt64BE(sipHash24(key, bytes.subarray(0, -8)), bytes.length - 8);
  return bytes;
}

/** Null when the tag is not of this key. */
export function decodeBeat(bytes: Buffer, key: Buffer): BeatFields | null {
  if (bytes.readBigUInt64BE(bytes.length - 8) !== sipHash24(key, bytes.subarray(0, -8))) return null;
  return {
    version: bytes[4] ?? 0,
    node: bytes[5] ?? 0,
    path: bytes[6] ?? 0,
    cluster: bytes.readBigUInt64BE(8),
    instance: bytes.readBigUInt64BE(16),
    sequence: bytes.readBigUInt64BE(24),
    intervalUs: bytes.readUInt32BE(32),
    promiseUs: bytes.readUInt32BE(36),
    payload: bytes.subarray(42, 42 + bytes.readUInt16BE(40)),
  };
}

/** Events in the order in which they came, each to be waited for once. */
export class EventLog {
  readonly all: BeatEvent[] = [];
  private next = 0;
  private wake: () => void = () => undefined;

  readonly push = (events: readonly BeatEvent[]): void => {
    this.all.push(...events);
    this.wake();
  };

  /** The next event of this kind that is as wanted; what comes before it is skipped. */
  async until<K extends BeatEvent['type']>(
    type: K,
    isWanted: (event: Extract<BeatEvent, { type: K }>) => boolean = () => true,
  ): Promise<Extract<BeatEvent, { type: K }>> {
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    for (;;) {
      for (; this.next < this.all.length; this.next += 1) {
        const event = this.all[this.next] as Extract<BeatEvent, { type: K }>;
        if (event.type === type && isWanted(event)) {
          this.next += 1;
          return event;
        }
      }
      await new Promise<void>((resolve, reject) => {
        this.wake = resolve;
        deadline.onabort = () => reject(new Error(`no such event ${type}; there were ${this.all.map((event) => event.type)}`));
      });
    }
  }
}

/** True as soon as it is; false when it does not become true in a long time. */
export async function becomes(isSo: () => boolean): Promise<boolean> {
  for (let turn = 0; turn < PATIENCE_MS; turn += 1) {
    if (isSo()) return true;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return false;
}

/** Also a sign of life. */
function isOpen(channel: BeatChannel): boolean {
  try {
    return channel.stats().sent >= 0;
  } catch {
    return false;
  }
}

let ports = 20_000 + (process.pid % 20_000);
/** Another one for each use. */
export const freshPort = (): number => ports++;

export interface Node {
  channel: BeatChannel;
  log: EventLog;
}

/** Well within the half second after which a channel is silenced whose owner hangs. */
export const LOOK_EVERY_MS = 50;

/** Node `id` of two on loopback, closed when the test ends; each knows the other's key. Its owner lives, unless it `hangs`. */
export function openNode(
  t: Test,
  id: number,
  port: number,
  { hangs = false, ...options }: Partial<BeatOptions> & { hangs?: boolean } = {},
): Node {
  const log = new EventLog();
  const peer = 3 - id;
  const whole: BeatOptions = {
    cluster: CLUSTER,
    nodeId: id,
    instance: BigInt(1000 + id),
    key: keyOf(id),
    port,
    paths: [{ address: addressOf(id) }],
    peers: [{ id: peer, addresses: [addressOf(peer)] }],
    intervalUs: INTERVAL_US,
    realtimePriority: 0,
    pinDir: null,
    ...options,
  };
  const channel = native.openBeats(whole, log.push);
  const look = setInterval(() => isOpen(channel), LOOK_EVERY_MS);
  if (hangs) clearInterval(look);
  t.teardown(() => {
    clearInterval(look);
    channel.close();
  });
  for (const { id: other } of whole.peers) channel.setPeerKey(other, keyOf(other));
  return { channel, log };
}

export const noRejects: Record<BeatReject, number> = {
  truncated: 0,
  magic: 0,
  version: 0,
  cluster: 0,
  ownSource: 0,
  unknownPeer: 0,
  path: 0,
  unknownKey: 0,
  tag: 0,
  replay: 0,
};

/**
 * A wire between two interfaces with a quality: delay, jitter (which changes the order), loss, duplicates. Needs the addon, and offloads
 * switched off at both ends. Arguments: the two interfaces.
 */
import { type FrameSocket, loadNative } from '../../../../src/l4/native.js';
import type { WireApi, WireQuality } from '../workload-api.js';
import { monotonicMs, serveCalls } from './agent-host.js';

const EVERYTHING = 0x0003;
/** What is on the way beyond this is dropped, as any queue would. */
const MAX_ON_THE_WAY = 20_000;

const [left = '', right = ''] = process.argv.slice(2);
const native = loadNative();

let quality: WireQuality = { delayMs: 0, jitterMs: 0, lossPercent: 0, duplicatePercent: 0 };
const counts = { carried: 0, lost: 0, duplicated: 0, errors: 0 };
/** Frames by the millisecond in which they are due. */
const due = new Map<number, { to: FrameSocket; frame: Buffer }[]>();
let onTheWay = 0;
let tick = Math.floor(monotonicMs());

const happens = (percent: number): boolean => Math.random() * 100 < percent;

function send(to: FrameSocket, frame: Buffer): void {
  try {
    to.send(frame);
    counts.carried += 1;
  } catch {
    // A cable without carrier, a full queue: a wire does not ask.
    counts.errors += 1;
  }
}

function put(to: FrameSocket, frame: Buffer): void {
  const waitMs = quality.delayMs + quality.jitterMs * (2 * Math.random() - 1);
  if (waitMs <= 0) return send(to, frame);
  if (onTheWay >= MAX_ON_THE_WAY) {
    counts.lost += 1;
    return;
  }
  const at = Math.max(tick + 1, Math.round(monotonicMs() + waitMs));
  const waiting = due.get(at);
  if (waiting === undefined) due.set(at, [{ to, frame }]);
  else waiting.push({ to, frame });
  onTheWay += 1;
}

function take(to: FrameSocket, frame: Buffer): void {
  if (happens(quality.lossPercent)) {
    counts.lost += 1;
    return;
  }
  put(to, frame);
  if (!happens(quality.duplicatePercent)) return;
  counts.duplicated += 1;
  put(to, frame);
}

const sockets: Record<'left' | 'right', FrameSocket> = {
  left: native.openFrames(left, EVERYTHING, (frames) => {
    for (const { frame, outgoing } of frames) if (!outgoing) take(sockets.right, frame);
  }),
  right: native.openFrames(right, EVERYTHING, (frames) => {
    for (const { frame, outgoing } of frames) if (!outgoing) take(sockets.left, frame);
  }),
};

setInterval(() => {
  const now = Math.floor(monotonicMs());
  for (; tick < now; tick += 1) {
    const ready = due.get(tick + 1) ?? [];
    due.delete(tick + 1);
    onTheWay -= ready.length;
    for (const { to, frame } of ready) send(to, frame);
  }
}, 1);

const api: WireApi = {
  hello: () => null,
  quality: (wanted) => {
    quality = wanted;
    return null;
  },
  counts: () => ({ ...counts }),
};
serveCalls(api);

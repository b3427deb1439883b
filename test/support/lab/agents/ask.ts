/**
 * Asks who has an address, again and again, whatever is known already: sends the frames it is given in turn, and the capture on the
 * switch shows who answers. Needs the addon. Argument: interface.
 */
import { loadNative } from '../../../../src/l4/native.js';
import type { AskApi } from '../workload-api.js';
import { monotonicMs, serveCalls } from './agent-host.js';

const [netInterface = 'eth0'] = process.argv.slice(2);
const ETHERTYPE_SEND_ONLY = 0;

const socket = loadNative().openFrames(netInterface, ETHERTYPE_SEND_ONLY);
let running: { frames: readonly Buffer[]; everyMs: number; nextMs: number } | null = null;
let sent = 0;

setInterval(() => {
  if (running === null || monotonicMs() < running.nextMs) return;
  running.nextMs = monotonicMs() + running.everyMs;
  const frame = running.frames[sent % running.frames.length];
  sent += 1;
  if (frame !== undefined) socket.send(frame);
}, 1);

const api: AskApi = {
  hello: () => null,
  start: ({ frames, everyMs }) => {
    running = { frames: frames.map((frame) => Buffer.from(frame, 'hex')), everyMs, nextMs: 0 };
    return null;
  },
  stop: () => {
    running = null;
    return { sent };
  },
};
serveCalls(api);

/**
 * The UDP probe of a client: numbered datagrams at a steady pace. What was answered, when and by whom is read from the capture on the
 * switch, whose times come from the kernel; this process only has to send. A late tick sends what was due, so that the number of probes
 * is that of the time passed.
 */
import { createSocket, type Socket } from 'node:dgram';
import { PROBE_BYTES, type ProbeApi } from '../workload-api.js';
import { monotonicMs, serveCalls } from './agent-host.js';

/** Beyond this a stall of this process is left as a pause instead of being made up for by a burst. */
const MAX_BURST = 10;
/** Sockets of the `fresh` mode stay open this long for an answer. */
const FRESH_SOCKET_MS = 500;

type StartOptions = Parameters<ProbeApi['start']>[0];

const counts = { sent: 0, answered: 0, errors: 0 };
let running: { options: StartOptions; nextMs: number; sequence: number; socket: Socket | null } | null = null;

function openSocket({ from }: StartOptions): Socket {
  const socket = createSocket('udp4');
  socket.on('message', () => {
    counts.answered += 1;
  });
  socket.on('error', () => {
    counts.errors += 1;
  });
  if (from !== undefined) socket.bind({ address: from, exclusive: true });
  return socket;
}

function sendOne(probe: NonNullable<typeof running>): void {
  const message = Buffer.alloc(PROBE_BYTES);
  message.writeUInt32BE(probe.sequence, 0);
  message.writeBigUInt64BE(process.hrtime.bigint(), 4);
  probe.sequence += 1;
  counts.sent += 1;
  const socket = probe.socket ?? openSocket(probe.options);
  socket.send(message, probe.options.port, probe.options.target, (error) => {
    if (error !== null) counts.errors += 1;
  });
  if (probe.socket === null) setTimeout(() => socket.close(), FRESH_SOCKET_MS);
}

function onTick(): void {
  if (running === null) return;
  const { everyMs } = running.options;
  const now = monotonicMs();
  if (now - running.nextMs > MAX_BURST * everyMs) running.nextMs = now - MAX_BURST * everyMs;
  for (; running.nextMs <= now; running.nextMs += everyMs) sendOne(running);
}

const api: ProbeApi = {
  hello: () => null,
  start: (options) => {
    Object.assign(counts, { sent: 0, answered: 0, errors: 0 });
    running?.socket?.close();
    running = { options, nextMs: monotonicMs(), sequence: 0, socket: options.fresh ? null : openSocket(options) };
    return null;
  },
  stop: () => {
    const socket = running?.socket;
    running = null;
    if (socket) setTimeout(() => socket.close(), FRESH_SOCKET_MS);
    return { ...counts };
  },
  counts: () => ({ ...counts }),
};
// The event loop rounds timers to whole milliseconds: a timer of 1 ms is the finest there is.
setInterval(onTick, 1);
serveCalls(api);

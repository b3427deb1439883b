/**
 * Watches the switch of a lab: tcpdump on all its ports at once, only frames that come in (each is seen once, where it enters), only what
 * the lab looks at (the kernel filters, so that the load itself costs nothing), with kernel timestamps.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type Observation, observe } from './observations.js';
import { parsePcap } from './pcap.js';
import { PORTS } from './plan.js';
import { processState } from './processes.js';
import { waitFor } from './wait-for.js';

export interface Capture {
  readonly pid: number;
  /** What was captured, for other readers; complete after `stop`. */
  readonly file: string;
  /** Ends the capture and reads it. Throws when the kernel dropped frames: figures from a capture with holes would be wrong. */
  stop(): Promise<Observation[]>;
}

const FILTER = `arp or ip proto 112 or icmp6 or ip6 proto 112 or (udp and (port ${PORTS.probe} or port ${PORTS.directProbe})) or (ip and tcp[tcpflags] & tcp-rst != 0)`;
const SNAPSHOT_BYTES = 128;
const BUFFER_KIB = 16_384;

export interface CaptureOptions {
  namespace: string;
  file: string;
  /** Names of the switch's ports by interface index. */
  ports: Map<number, string>;
}

export async function startCapture({ namespace, file, ports }: CaptureOptions): Promise<Capture> {
  const args = ['-i', 'any', '-y', 'LINUX_SLL2', '-Q', 'in', '-n', '-w', file, '-s', String(SNAPSHOT_BYTES), '-B', String(BUFFER_KIB)];
  const child = spawn(
    'nsenter',
    [`--net=/run/netns/${namespace}`, 'tcpdump', ...args, '--immediate-mode', '--time-stamp-precision=nano', '-Z', 'root', FILTER],
    { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  );
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = new Promise<void>((resolve) => {
    child.on('close', () => resolve());
    child.on('error', (error) => {
      said += error.message;
      resolve();
    });
  });
  await waitFor('tcpdump to listen', () => {
    if (child.exitCode !== null) throw new Error(said);
    return said.includes('listening on');
  });
  return {
    pid: child.pid ?? -1,
    file,
    stop: async () => {
      // On a busy machine frames of a moment ago may still wait for it, and its end would lose them. It sleeps when none do.
      await waitFor('tcpdump to have read everything', () => processState(child.pid ?? -1) !== 'R', { everyMs: 1 });
      child.kill('SIGINT');
      await ended;
      const dropped = Number(/(\d+) packets? dropped by kernel/.exec(said)?.[1] ?? 0);
      if (dropped > 0) throw new Error(`the capture lost ${dropped} frames`);
      return readCapture(file, ports);
    },
  };
}

function readCapture(file: string, ports: Map<number, string>): Observation[] {
  const parsed = parsePcap(readFileSync(file));
  if (!parsed.ok) throw new Error(`the capture cannot be read: ${parsed.reason}`);
  const offset = realtimeOffsetNs();
  return parsed.frames
    .flatMap((frame) => {
      const port = ports.get(frame.ifindex);
      // Broadcasts are seen a second time on the bridge itself, which is no port.
      if (port === undefined) return [];
      return observe(frame, Number(frame.atNs - offset) / 1e6, port) ?? [];
    })
    .sort((a, b) => a.atMs - b.atMs);
}

/** CLOCK_REALTIME - CLOCK_MONOTONIC, to some microseconds: watches the wall clock's milliseconds tick over. */
export function realtimeOffsetNs(): bigint {
  let best: bigint | null = null;
  for (let round = 0; round < 3; round += 1) {
    const before = Date.now();
    let now = before;
    while (now === before) now = Date.now();
    const offset = BigInt(now) * 1_000_000n - process.hrtime.bigint();
    // Being late after the tick makes the offset smaller, never larger.
    if (best === null || offset > best) best = offset;
  }
  return best as bigint;
}

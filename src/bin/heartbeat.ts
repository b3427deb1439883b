/**
 * The heartbeat process: `heartbeat --state-dir DIR [--spare | --replace]`. Wiring only; imports little, because every millisecond before the first
 * advertisement counts against the lease when it is restarted.
 *
 * Ignores SIGHUP and SIGPIPE, stops gracefully on SIGTERM and SIGINT, and outlives the daemon.
 */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import path from 'node:path';
import { deserialize, serialize, setFlagsFromString } from 'node:v8';
import { knownBefore, readPeerKeys, readTerms } from '../control/known-before.js';
import { limit } from '../l4/abi.gen.js';
import { type FileLock, loadNative, type NativeL4 } from '../l4/native.js';
import type { Monotonic } from '../system/clock.js';
import { pingOnce } from '../system/echo-probe.js';
import { familyOfText } from '../system/ip-address.js';
import { connectLines, type LineConnection, listenLines } from '../system/line-socket.js';
import { preciseClock, sinceProcessStartMs } from '../system/precise-clock.js';
import { openVrrpSocket, type VrrpSocket, type VrrpSocketOptions } from '../system/vrrp-socket.js';
import { Heartbeat } from '../vrrp/heartbeat.js';
import type { FromHeartbeat, HeartbeatConfig, ToHeartbeat } from '../vrrp/heartbeat-api.js';
import { type FromPredecessor, LEGACY_SHAPE, type Legacy, type ToPredecessor } from '../vrrp/legacy.js';
import { Outbox } from '../vrrp/outbox.js';
import type { InterfaceView } from '../vrrp/ports.js';
import { rehearse } from '../vrrp/rehearsal.js';
import { plus } from '../vrrp/timing.js';

/** Before the start of one that did not wait as a spare: what matters most, in some 20 ms. */
const COLD_REHEARSALS = 2;
/** The one before may be about to end; who waits in vain for longer is not needed. */
const LOCK_RETRY_MS = 2;
const LOCK_LIMIT_MS = 1000;

/** Everything for the daemon, which prints it. */
const report = new Outbox();

function stateDirOf(args: readonly string[]): string {
  const at = args.indexOf('--state-dir');
  const value = at < 0 ? undefined : args[at + 1];
  if (value === undefined) throw new Error('usage: heartbeat --state-dir DIR');
  return value;
}

const readConfig = (file: string): HeartbeatConfig => JSON.parse(readFileSync(file, 'utf8')) as HeartbeatConfig;

/** libuv lists only interfaces that are up and have carrier (IFF_RUNNING), with an address: exactly those that can be active. */
function runningInterfaces(): Map<string, InterfaceView> {
  const views = new Map<string, InterfaceView>();
  for (const [name, entries] of Object.entries(networkInterfaces())) {
    const addresses = (entries ?? []).map((entry) => entry.address);
    const mac = entries?.[0]?.mac;
    if (mac !== undefined) views.set(name, { mac: Buffer.from(mac.replaceAll(':', ''), 'hex'), addresses });
  }
  return views;
}

/** Of IPv6 only a filter in the kernel sees the hop limit; the socket keeps it. */
function openVrrp(native: NativeL4, options: VrrpSocketOptions): VrrpSocket {
  if (familyOfText(options.sourceAddress) === 'ipv4') return openVrrpSocket(options);
  const filter = native.openHopLimitFilter();
  try {
    return openVrrpSocket({ ...options, hopLimitFilterFd: filter.fd });
  } finally {
    filter.close();
  }
}

/** The kernel tells within a millisecond; without its socket the heartbeat still looks now and then. */
function watchLinks(onChange: () => void): () => void {
  try {
    const monitor = loadNative().openLinkMonitor(onChange);
    return () => monitor.close();
  } catch (error) {
    log('warn', 'linkMonitorFailed', { error: error instanceof Error ? error.message : String(error) });
    return () => undefined;
  }
}

/** For a process that would go on in our place; the server is closed when it is told. */
function replace(message: ToPredecessor, heartbeat: Heartbeat, answer: (message: FromPredecessor) => void): void {
  if (message.abi !== limit.abiVersion) {
    const reason = `its data plane has layout ${message.abi}, the one that forwards here has layout ${limit.abiVersion}`;
    return answer({ type: 'refused', reason });
  }
  heartbeat.retire((legacy) => answer({ type: 'replaced', legacy: serialize(legacy).toString('base64') }));
}

function serve(config: HeartbeatConfig, heartbeat: Heartbeat): { close(): void } {
  const readers = new Map<LineConnection, (message: FromHeartbeat) => void>();
  const server = listenLines(config.socketPath, {
    onConnect(connection) {
      const read = (message: FromHeartbeat): void => connection.send(message);
      readers.set(connection, read);
      connection.send(heartbeat.status());
      report.attach(read, preciseClock.wallMs());
    },
    onMessage(connection, message) {
      if ((message as ToPredecessor).type !== 'replace') return heartbeat.receive(message as ToHeartbeat);
      replace(message as ToPredecessor, heartbeat, (answer) => {
        connection.send(answer);
        if (answer.type === 'replaced') server.close();
      });
    },
    onClose(connection) {
      const read = readers.get(connection);
      if (read !== undefined) report.detach(read);
      readers.delete(connection);
    },
    onError: (error) => log('error', 'socketFailed', { path: config.socketPath, error: error.message }),
  });
  return server;
}

function log(level: 'info' | 'warn' | 'error', event: string, fields: Record<string, unknown>): void {
  report.push({ type: 'log', level, event, fields, atWallMs: preciseClock.wallMs() });
}

/** A heartbeat that has not begun yet; `listen` opens its socket for the daemon. */
function create(): { config: HeartbeatConfig; heartbeat: Heartbeat; known: ToHeartbeat[]; listen(): void } {
  process.title = 'tandem-heartbeat';
  const stateDir = path.resolve(stateDirOf(process.argv.slice(2)));
  const configFile = path.join(stateDir, 'heartbeat.json');
  const config = readConfig(configFile);
  const native = loadNative();
  const realtime =
    config.realtimePriority > 0 ? native.setRealtime(config.realtimePriority) : { ok: false as const, reason: 'not asked for' };
  let server: { close(): void } | null = null;
  const heartbeat = new Heartbeat({
    config,
    isRealtime: realtime.ok,
    pid: process.pid,
    ports: {
      clock: preciseClock,
      openLeases: (pinDir) => native.openLeases(pinDir),
      openFrames: (name) => native.openFrames(name, 0),
      openVrrp: (options) => openVrrp(native, options),
      openBeats: (options, onEvents) => native.openBeats(options, onEvents),
      ping: (address, onAnswer) => pingOnce(address, ({ ok }) => onAnswer(ok)),
      watchLinks,
      runningInterfaces,
      verifyEchoId: limit.verifyEchoId,
      report: (message) => report.push(message),
    },
    readConfig: () => readConfig(configFile),
    onStopped: () => server?.close(),
  });
  process.on('SIGHUP', () => log('info', 'signalIgnored', { signal: 'SIGHUP' }));
  process.on('SIGTERM', () => heartbeat.stop('signal'));
  process.on('SIGINT', () => heartbeat.stop('signal'));
  const listen = (): void => {
    server = serve(config, heartbeat);
    if (!realtime.ok) log('warn', 'notRealtime', { reason: realtime.reason });
    log('info', 'started', { sinceProcessStartMs: Math.round(sinceProcessStartMs()) });
  };
  return { config, heartbeat, known: knownBefore(readPeerKeys(stateDir), readTerms(stateDir)), listen };
}

/** What makes this process the only heartbeat of its node. */
let lock: FileLock | null = null;

/** False while another process is. Without a lock file (a full disk) it is better to have two than none. */
function isSole(): boolean {
  try {
    lock ??= loadNative().lockFile(path.join(stateDirOf(process.argv.slice(2)), 'heartbeat.lock'));
    return lock !== null;
  } catch (error) {
    log('warn', 'lockFailed', { error: error instanceof Error ? error.message : String(error) });
    return true;
  }
}

/** A daemon that ended while its heartbeat was starting has left it to the next daemon, which did not see it yet and has started another. */
function whenSole(act: () => void, until = plus(preciseClock.now(), LOCK_LIMIT_MS)): void {
  const now = preciseClock.now();
  if (isSole()) act();
  else if (now < until) preciseClock.at(plus(now, LOCK_RETRY_MS), () => whenSole(act, until));
  else process.stderr.write('another heartbeat of this node runs already\n');
}

function main(): void {
  const { heartbeat, known, listen } = create();
  heartbeat.start(null, known);
  listen();
}

/** Goes on in the place of the heartbeat that runs: everything is loaded and open before that one is asked to let go. */
function takeOver(): void {
  const { config, heartbeat, known, listen } = create();
  heartbeat.prepare();
  let hasBegun = false;
  const begin = (legacy: Legacy | null): void => {
    if (hasBegun) return;
    hasBegun = true;
    heartbeat.start(legacy?.shape === LEGACY_SHAPE ? legacy : null, known);
  };
  connectLines(config.socketPath, {
    onConnect: (connection) => connection.send({ type: 'replace', abi: limit.abiVersion } satisfies ToPredecessor),
    onMessage(message) {
      const answer = message as FromPredecessor | FromHeartbeat;
      if (answer.type === 'replaced') {
        begin(deserialize(Buffer.from(answer.legacy, 'base64')) as Legacy);
        // Its process is about to end.
        whenSole(() => undefined, Number.POSITIVE_INFINITY as Monotonic);
      }
      if (answer.type === 'refused') {
        process.stderr.write(`${answer.reason}\n`);
        process.exit(1);
      }
    },
    // Its socket is gone from the file system now. One that was not there, or died meanwhile, has left its leases.
    onClose() {
      if (hasBegun) listen();
      else
        whenSole(() => {
          begin(null);
          listen();
        });
    },
  });
}

/**
 * A spare has everything loaded and waits for a line on standard input to become the heartbeat; when its daemon ends without one, so does it.
 */
function waitForNeed(): void {
  process.title = 'tandem-heartbeat spare';
  loadNative();
  rehearse();
  process.on('SIGHUP', () => undefined);
  process.stdin.once('data', () => {
    process.stdin.destroy();
    whenSole(main);
  });
  process.stdin.once('end', () => process.exit(0));
}

// What was compiled for a take-over stays compiled, however long nobody takes over.
setFlagsFromString('--no-flush-bytecode');
if (process.argv.includes('--spare')) waitForNeed();
else {
  rehearse(COLD_REHEARSALS);
  if (process.argv.includes('--replace')) takeOver();
  else whenSole(main);
}

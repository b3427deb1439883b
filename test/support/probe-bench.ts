/**
 * Real servers on loopback, of both families, and probes of them. Also what the parsers of answers must stand: any bytes, cut anywhere.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { type HealthCheckConfig, resolveHealthCheck } from '../../src/config/health-model.js';
import { healthSchema } from '../../src/config/health-schema.js';
import { type ProbeResult, probe } from '../../src/health/probe.js';
import { beginTalk, type Dialogue, hear, MAX_ANSWER_BYTES } from '../../src/health/probes/dialogue.js';

/** A probe does not care which. */
export const FAMILIES = ['127.0.0.1', '::1'] as const;

/** Keys as in the file. */
export const checkOf = (keys: object): HealthCheckConfig =>
  resolveHealthCheck(healthSchema.parse(keys), { locate: (file) => file, named: (word) => word });

const sockets = new Set<Socket>();

export async function listening(t: Test, server: Server, address = '127.0.0.1'): Promise<number> {
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
  });
  server.listen(0, address);
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

/** A TCP server that does this with each connection. */
export const tcp = (t: Test, serve: (socket: Socket) => void, address?: string): Promise<number> =>
  listening(t, createServer(serve), address);

export async function closedPort(address = '127.0.0.1'): Promise<number> {
  const server = createServer().listen(0, address);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export const targetOf = (port: number, address = '127.0.0.1') => ({ pool: 'web', server: 'be1', address, port });

export const ask = (port: number, keys: object, address?: string): Promise<ProbeResult> =>
  new Promise((resolve) => {
    probe(targetOf(port, address), checkOf(keys), resolve);
  });

/** Answers each thing that is heard with the next of these; `null` hangs up. The first one without waiting when `speaksFirst`. */
export function script(answers: readonly (string | Buffer | null)[], { speaksFirst }: { speaksFirst: boolean }): (socket: Socket) => void {
  return (socket) => {
    const waiting = [...answers];
    const next = (): void => {
      const answer = waiting.shift();
      if (answer === null) socket.end();
      else if (answer !== undefined) socket.write(answer);
    };
    socket.on('data', next);
    if (speaksFirst) next();
  };
}

/** The same answer byte by byte, with a pause that makes each its own chunk. */
export function byteByByte(answer: string | Buffer): (socket: Socket) => void {
  return (socket) => {
    socket.setNoDelay(true);
    const bytes = Buffer.from(answer);
    const send = (at: number): void => {
      if (at < bytes.length && !socket.destroyed) socket.write(bytes.subarray(at, at + 1), () => setImmediate(send, at + 1));
    };
    socket.once('data', () => send(0));
  };
}

interface Transcript {
  said: string[];
  verdict: ProbeResult | null;
}

/** What comes of these chunks. */
export function listen<S>(dialogue: Dialogue<S>, chunks: readonly Uint8Array[]): Transcript & { restBytes: number } {
  let talk = beginTalk(dialogue);
  const said: string[] = [];
  for (const chunk of chunks) {
    const heard = hear(dialogue, talk, chunk);
    talk = heard.talk;
    said.push(...heard.say.map((bytes) => Buffer.from(bytes).toString('hex')));
    if (heard.verdict !== null) return { said, verdict: heard.verdict, restBytes: talk.rest.length };
  }
  return { said, verdict: null, restBytes: talk.rest.length };
}

/** Where a fuzzer of these started; a failure prints its own. */
const SEED = 20261126;
const RUNS = 500;

/** Good answers, damaged and whole, cut anywhere: nothing throws, and the cuts change neither what is said nor the verdict. */
export function fuzzDialogue<S>(dialogue: Dialogue<S>, answers: readonly (string | Buffer)[]): void {
  const whole = fc.constantFrom(...answers.map((answer) => new Uint8Array(Buffer.from(answer))));
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    whole,
    fc.tuple(whole, fc.nat(), fc.nat(255)).map(([answer, at, value]) => {
      const damaged = Uint8Array.from(answer);
      damaged[at % damaged.length] = value;
      return damaged;
    }),
    fc.tuple(whole, fc.nat()).map(([answer, end]) => answer.slice(0, end % answer.length)),
    fc.array(whole, { maxLength: 4 }).map((several) => new Uint8Array(Buffer.concat(several))),
  );
  const cuts = fc.array(fc.nat(200), { maxLength: 8 });
  t.test('any bytes, cut anywhere', async () => {
    fc.assert(
      fc.property(bytes, cuts, (all, at) => {
        const { restBytes, ...expected } = listen(dialogue, [all]);
        const places = [...new Set(at.map((place) => Math.min(place, all.length)))].sort((a, b) => a - b);
        const chunks = [...places, all.length].map((end, i) => all.subarray(places[i - 1] ?? 0, end));
        const { restBytes: restOfChunks, ...heard } = listen(dialogue, chunks);
        dialogue.ended(dialogue.start, all);
        const isSame = heard.verdict?.ok === expected.verdict?.ok && heard.said.join() === expected.said.join();
        return isSame && restBytes <= MAX_ANSWER_BYTES && restOfChunks <= MAX_ANSWER_BYTES;
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });
  t.test('an answer without an end is given up', async (t) => {
    for (const byte of ['2', '+', '-', '\0', 'R', 'x', '\x0a']) {
      const chunk = Buffer.alloc(1000, byte);
      const chunks = Array.from({ length: Math.ceil(MAX_ANSWER_BYTES / chunk.length) + 1 }, () => chunk);
      const { verdict, restBytes } = listen(dialogue, chunks);
      t.equal(verdict?.ok, false, JSON.stringify(byte));
      t.ok(restBytes <= MAX_ANSWER_BYTES + chunk.length);
    }
  });
}

/**
 * `tandem top` from outside: rates of two looks, what it prints, and the live view on a made-up terminal, in virtual time.
 */
import t from 'tap';
import type { NodeStatus } from '../../../src/control/status.js';
import type { TerminalEvents } from '../../../src/system/terminal.js';
import { fakeAdmin, type TandemRun, tandem } from '../../support/cli-run.js';
import { nodeStatus } from '../../support/node-status.js';

const STATUS = 'GET /v1/status';

/** The same node later: so many packets and new flows more everywhere, and drops. */
function later(status: NodeStatus, packets: number, newFlows: number): NodeStatus {
  const next = structuredClone(status);
  const counted = [...next.services, ...next.pools.flatMap(({ servers }) => servers)];
  for (const { traffic } of counted) {
    traffic.packetsIn += packets;
    traffic.bytesIn += packets * 100;
    traffic.packetsOut += packets * 2;
    traffic.bytesOut += packets * 1000;
    traffic.newFlows += newFlows;
  }
  next.dataPlane.drops = { ...next.dataPlane.drops, noService: (next.dataPlane.drops.noService ?? 0) + packets };
  return next;
}

type Test = { teardown(close: () => unknown): void };

/** A daemon whose answers can be changed under way. */
async function daemon(t: Test): Promise<{ answers: Record<string, unknown>; stateDir: string }> {
  const answers: Record<string, unknown> = { [STATUS]: nodeStatus() };
  const admin = await fakeAdmin(answers);
  t.teardown(() => admin.close());
  return { answers, stateDir: admin.stateDir };
}

t.test('--once, and without a terminal: the rates of one interval', async (t) => {
  const { answers, stateDir } = await daemon(t);
  const run = (...more: string[]) => {
    answers[STATUS] = nodeStatus();
    const onTime = (ms: number): void => {
      t.equal(ms, 2000);
      answers[STATUS] = later(nodeStatus(), 3000, 7);
    };
    return tandem(['top', '--interval', '2', '--state-dir', stateDir, ...more], { onTime });
  };
  const { status, out, err } = await run();
  t.same([status, err], [0, '']);
  const lines = [
    /^lb1 of shop {2}ready {2}in sync {2}up 1h 2m {2}1,234 of 1,048,576 flows$/m,
    /^front active, lease 280ms$/m,
    /^peer lb2 live, in sync, lag 2ms, 17 queued$/m,
    /^ {2}SERVICE {2}LISTEN +SERVERS {2}FLOWS\/S {2}PKT\/S IN {2}PKT\/S OUT {2}BIT\/S IN {2}BIT\/S OUT$/m,
    /^ {2}web +10\.1\.0\.100:80\/tcp +1\/2 +3\.5 +1\.5k +3k +1\.2M +12M$/m,
    /^ {2}web\/be1 +10\.2\.0\.21:8080 {2}ready +up +50% +3\.5 +1\.5k +3k +1\.2M +12M$/m,
    /^ {2}web\/be2 +10\.2\.0\.22:8080 {2}drain +down +50% /m,
    /^ {2}noService +1\.5k$/m,
  ];
  for (const line of lines) t.match(out, line);
  t.notMatch(out, /ttl/, 'reasons without drops are left out');
  t.same(await run('--once'), { status, out, err });
});

t.test('--json: a line per interval, also while the daemon is away or another one', async (t) => {
  const { answers, stateDir } = await daemon(t);
  const restarted = { ...later(nodeStatus(), 5000, 5), pid: 5000 };
  const after = [later(nodeStatus(), 1000, 10), undefined, later(nodeStatus(), 4000, 10), nodeStatus(), restarted, later(restarted, 1, 1)];
  const onTime = (ms: number): void => {
    answers[STATUS] = after[ms / 1000 - 1];
  };
  const { status, out } = await tandem(['top', '--json', '--count', '6', '--state-dir', stateDir], { onTime });
  t.equal(status, 0);
  const [first, away, back, backwards, anew, next] = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.match(first, { at: '2026-01-02T03:04:06.000Z', node: 'lb1', intervalMs: 1000, routers: [{ name: 'front', role: 'active' }] });
  t.match(first.services, [{ name: 'web', newFlows: 10, packetsIn: 1000, packetsOut: 2000, bitsIn: 800_000, bitsOut: 8_000_000 }]);
  t.match(first.servers, [
    { pool: 'web', name: 'be1', health: 'up', share: 0.5 },
    { name: 'be2', state: 'drain', share: 0.5 },
  ]);
  t.same(first.drops, { noService: 1000, ttl: 0 });
  t.same(away, { at: '2026-01-02T03:04:07.000Z', error: 'no such request: GET /v1/status' });
  t.match(back, { intervalMs: 2000, services: [{ packetsIn: 1500, newFlows: 0 }], servers: [{ share: null }, { share: null }] });
  t.match(backwards, { intervalMs: 1000, services: [{ packetsIn: null, newFlows: null }], drops: { noService: null, ttl: 0 } });
  t.match(anew, { intervalMs: null, services: [{ packetsIn: null }], drops: { noService: null, ttl: null } });
  t.match(next, { intervalMs: 1000, services: [{ packetsIn: 1 }] });
});

t.test('a last interval without figures is a failure; so is a daemon that is not there at first', async (t) => {
  const { answers, stateDir } = await daemon(t);
  const onTime = (): void => {
    answers[STATUS] = undefined;
  };
  t.same(await tandem(['top', '--once', '--state-dir', stateDir], { onTime }), {
    status: 1,
    out: '',
    err: 'tandem: no such request: GET /v1/status\n',
  });
  t.match(await tandem(['top', '--json', '--state-dir', stateDir]), { status: 1, out: '', err: 'tandem: no such request' });
});

t.test('intervals that make no sense are refused', async (t) => {
  for (const wrong of ['0', '0.01', 'often', '9999']) t.match(await tandem(['top', '--interval', wrong]), { status: 2, err: /expected/ });
});

/** A terminal that keeps its pictures and types by a plan: with which keys the picture of that number is answered. */
function stage(keys: Record<number, string>, size = { columns: 79, rows: 24 }) {
  const pictures: string[][] = [];
  let events: TerminalEvents | undefined;
  const played = {
    pictures,
    closed: 0,
    openTerminal: ((given) => {
      events = given;
      return {
        size: () => size,
        draw: (lines) => {
          pictures.push([...lines]);
          const answer = keys[pictures.length];
          if (answer !== undefined) queueMicrotask(() => events?.onInput(answer));
        },
        close: () => {
          played.closed++;
        },
      };
    }) satisfies TandemRun['openTerminal'] as NonNullable<TandemRun['openTerminal']>,
  };
  return played;
}

t.test('live: redrawn each interval, keys at once, the terminal given back', async (t) => {
  const { answers, stateDir } = await daemon(t);
  const onTime = (ms: number): void => {
    answers[STATUS] = ms === 2000 ? undefined : later(nodeStatus(), ms < 4000 ? ms : 2 * ms, 0);
  };
  // Pictures: 1 at first, 2 after a second, 3 without an answer, 4 answered again, 5 paused, 6 paused a second later, 7 going on, 8 the next.
  const shown = stage({ 4: 'p', 6: 'p', 8: 'xq' });
  t.same(await tandem(['top', '--state-dir', stateDir], { onTime, openTerminal: shown.openTerminal }), { status: 0, out: '', err: '' });
  t.equal(shown.closed, 1);
  t.equal(shown.pictures.length, 8);
  const text = shown.pictures.map((lines) => lines.join('\n'));
  for (const lines of shown.pictures) t.equal(lines.length, 24, 'every picture fills the screen');
  t.match(text[0], /^ {2}web +1\/2 +- +- +- +- +-$/m);
  t.match(text[1], /^ {2}web +1\/2 +0 +1k +2k +800k +8M$/m);
  t.match(text[2], /^figures of 1s ago, trying again: no such request/m);
  t.match(text[2], /^ {2}web +1\/2 +0 +1k /m, 'the last figures stay');
  t.notMatch(text[3], /trying again/);
  t.match(text[4], /^PAUSED {2}q quit .* p go on/m);
  t.equal(text[5], text[4]);
  t.notMatch(text[6], /PAUSED/);
  t.match(text[6], /^ {2}web +1\/2 +0 +5k /m, 'what has come meanwhile');
});

t.test('live: a terminal is given back also when drawing fails', async (t) => {
  const { stateDir } = await daemon(t);
  const shown = stage({});
  const openTerminal: NonNullable<TandemRun['openTerminal']> = (events) => ({
    ...shown.openTerminal(events),
    draw: () => {
      throw new Error('no paper');
    },
  });
  t.match(await tandem(['top', '--state-dir', stateDir], { openTerminal }), { status: 1, err: 'tandem: no paper\n' });
  t.equal(shown.closed, 1);
});

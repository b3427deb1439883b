/**
 * The parts of `tandem top`: rates of two samples, keys, tables in a width, one screen of many lines.
 */
import pc from 'picocolors';
import t from 'tap';
import { clip, si, visibleWidth } from '../../../src/cli/format.js';
import { flowing, type GridColumn, grid } from '../../../src/cli/top/grid.js';
import { FIRST_VIEW, SORTS, typed, type View } from '../../../src/cli/top/keys.js';
import { missed, ratesBetween, read, type Sample } from '../../../src/cli/top/rates.js';
import { screen, sorted } from '../../../src/cli/top/screen.js';
import type { NodeStatus } from '../../../src/control/status.js';
import type { Monotonic } from '../../../src/system/clock.js';
import { nodeStatus, SNAPSHOT_MS } from '../../support/node-status.js';

const sample = (ms: number, change: (status: NodeStatus) => void = () => undefined): Sample => {
  const status = nodeStatus();
  change(status);
  return { at: ms as Monotonic, atWallMs: SNAPSHOT_MS + ms, status };
};

t.test('rates: what is not known is null, and only that', async (t) => {
  t.match(ratesBetween(null, sample(0)), { intervalMs: null, services: [{ newFlows: null }], drops: { noService: null } });
  t.match(ratesBetween(sample(5), sample(5)), { intervalMs: null, services: [{ newFlows: null }] }, 'no time between');
  t.match(ratesBetween(sample(0), sample(500)), { intervalMs: 500, services: [{ newFlows: 0, bitsOut: 0 }], drops: { noService: 0 } });
  const idle = ratesBetween(sample(0), sample(500)).servers;
  t.same(
    idle.map(({ newFlows, share }) => [newFlows, share]),
    [
      [0, null],
      [0, null],
    ],
    'no share of nothing',
  );
  const oneBack = sample(500, ({ services: [web] }) => {
    if (web === undefined) throw new Error('no service');
    web.traffic = { ...web.traffic, packetsIn: web.traffic.packetsIn - 1, newFlows: web.traffic.newFlows + 5 };
  });
  t.match(ratesBetween(sample(0), oneBack).services, [{ packetsIn: null, newFlows: 10, bitsIn: 0 }], 'each counter for itself');
  const renamed = sample(500, ({ services, pools }) => {
    for (const each of [...services, ...pools.flatMap(({ servers }) => servers)]) each.name = `new-${each.name}`;
  });
  t.match(ratesBetween(sample(0), renamed), { services: [{ newFlows: null }], servers: [{ bitsIn: null }, { bitsIn: null }] });
  const dsr = (status: NodeStatus): void => {
    for (const each of status.services) each.forward = 'dsr';
  };
  const answered = ratesBetween(sample(0, dsr), sample(500, dsr));
  t.match(answered, { services: [{ packetsIn: 0, packetsOut: null, bitsOut: null }], servers: [{ bitsIn: 0, bitsOut: null }, {}] });
});

t.test('keys', async (t) => {
  const page = { rows: 10, maxOffset: 25 };
  const press = (text: string, from: Partial<View> = {}): View => typed({ ...FIRST_VIEW, ...from }, text, page);
  t.same(press('q'), { ...FIRST_VIEW, isOver: true });
  t.same(press('\u0003'), { ...FIRST_VIEW, isOver: true });
  t.same(press('rp'), { ...FIRST_VIEW, isReversed: true, isPaused: true });
  t.same(press('rrpp'), FIRST_VIEW);
  t.equal(press('s').sort, SORTS[1]);
  t.equal(press('s'.repeat(SORTS.length)).sort, SORTS[0], 'around');
  const offsets: [string, number, number][] = [
    ['\u001b[B', 0, 1],
    ['\u001bOB\u001bOB', 0, 2],
    ['\u001b[A', 0, 0],
    ['\u001b[A', 7, 6],
    ['\u001b[6~', 0, 10],
    ['\u001b[6~', 20, 25],
    ['\u001b[5~', 12, 2],
    ['\u001b[H', 12, 0],
    ['\u001b[F', 12, 25],
  ];
  for (const [text, from, to] of offsets) t.equal(press(text, { offset: from }).offset, to, JSON.stringify(text));
  for (const text of ['x', '\u001b', '\u001b[15~', '\u001bOP', '\u001b[1;5S', '']) t.same(press(text), FIRST_VIEW, JSON.stringify(text));
});

t.test('rates for people', async (t) => {
  const rows: [number, string][] = [
    [0, '0'],
    [0.04, '0'],
    [7.55, '7.5'],
    [99.96, '100'],
    [812.3, '812'],
    [999.4, '999'],
    [999.5, '1k'],
    [12_345, '12.3k'],
    [9_999_999, '10M'],
    [4e15, '4000T'],
  ];
  for (const [value, text] of rows) t.equal(si(value), text, String(value));
});

t.test('a narrow table loses its least important columns, colours are no width', async (t) => {
  const colors = pc.createColors(true);
  const column = (title: string, rank: number): GridColumn<string> => ({ title, rank, cell: (row) => colors.red(row + title) });
  const columns = [column('A', 0), column('B', 3), column('C', 1), column('D', 2)];
  const titles = (width: number): string | undefined => grid(columns, ['x'], width, (text) => text)[0]?.replaceAll(/\s+/g, '');
  t.same([17, 16, 15, 12, 11, 8, 4, 3, 2].map(titles), ['ABCD', 'ABCD', 'ACD', 'ACD', 'AC', 'AC', 'A', 'A', '']);
  for (const width of [0, 2, 3, 11]) {
    for (const line of grid(columns, ['x', 'long'], width, colors.dim)) t.ok(visibleWidth(line) <= width, `${width}`);
  }
  t.equal(clip(`${colors.red('red')} and`, 2), colors.red('re'));
  t.equal(clip('red', 3), 'red');
  t.same(flowing(['one', 'two', 'three', 'seventeen'], 8), ['one  two', 'three', 'seventee']);
});

t.test('order: the busiest first, what is not known last, then by name', async (t) => {
  const none = { newFlows: null, packetsIn: null, packetsOut: null, bitsIn: null, bitsOut: null };
  const rows = [
    { ...none, name: 'd' },
    { ...none, name: 'c', newFlows: 1 },
    { ...none, name: 'b', newFlows: 0 },
    { ...none, name: 'a', newFlows: 20, bitsIn: 1 },
  ];
  const names = (view: Partial<View>): string =>
    sorted(rows, { ...FIRST_VIEW, ...view }, ({ name }) => name)
      .map(({ name }) => name)
      .join('');
  t.equal(names({}), 'acbd');
  t.equal(names({ isReversed: true }), 'dbca');
  t.equal(names({ sort: 'bitsIn' }), 'abcd');
  t.equal(names({ sort: 'name', isReversed: true }), 'dcba');
});

t.test('a screen never is larger than the terminal, and scrolls to its end', async (t) => {
  const look = { colors: pc.createColors(true), wallMs: () => SNAPSHOT_MS + 9000 };
  const many = sample(1000, (status) => {
    status.dataPlane.drops.noService = 9;
    const [pool] = status.pools;
    const [server] = pool?.servers ?? [];
    if (pool === undefined || server === undefined) throw new Error('no server');
    pool.servers = Array.from({ length: 40 }, (_, i) => ({ ...server, name: `be${i + 10}` }));
  });
  const reading = missed(read(read(null, sample(0)), many), 'no daemon is running');
  for (const columns of [1, 20, 40, 79, 200]) {
    for (const rows of [1, 3, 5, 24, 100]) {
      const { lines } = screen(reading, FIRST_VIEW, { columns, rows }, look);
      t.equal(lines.length, rows, `${columns}x${rows}`);
      t.same(
        lines.filter((line) => visibleWidth(line) > columns),
        [],
        `${columns}x${rows}`,
      );
    }
  }
  const size = { columns: 79, rows: 24 };
  const { lines, page } = screen(reading, FIRST_VIEW, size, look);
  t.match(screen(reading, FIRST_VIEW, { columns: 200, rows: 24 }, look).lines.join('\n'), 'ADDRESS');
  t.match(lines.join('\n'), 'figures of 8s ago, trying again: no daemon is running');
  t.match(lines.at(-1), /q quit/);
  const end = screen(reading, { ...FIRST_VIEW, offset: page.maxOffset }, size, look).lines;
  t.match(end[0], /lb1/, 'the head stays');
  t.match(end.at(-2), /noService/, 'the last line of the body');
  t.same(screen(reading, { ...FIRST_VIEW, offset: 9999 }, size, look).lines, end, 'it has become shorter meanwhile');
  t.notMatch(lines.join('\n'), /ADDRESS|LISTEN/, 'eighty columns have no room for these');
});

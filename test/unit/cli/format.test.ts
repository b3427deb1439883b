import t from 'tap';
import { bytes, count, span, table } from '../../../src/cli/format.js';

t.test('numbers', async (t) => {
  const counts: [number, string][] = [
    [0, '0'],
    [999, '999'],
    [1000, '1,000'],
    [1234567, '1,234,567'],
  ];
  for (const [value, text] of counts) t.equal(count(value), text);
  const sizes: [number, string][] = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [2 ** 40, '1.0 TiB'],
    [2 ** 52, '4096.0 TiB'],
  ];
  for (const [value, text] of sizes) t.equal(bytes(value), text);
});

t.test('spans of time', async (t) => {
  const rows: [number, string][] = [
    [-5, '0ms'],
    [0, '0ms'],
    [999.4, '999ms'],
    [1000, '1s'],
    [61_000, '1m 1s'],
    [3_600_000, '1h'],
    [3_605_000, '1h'],
    [90_000_000, '1d 1h'],
  ];
  for (const [ms, text] of rows) t.equal(span(ms), text);
});

t.test('columns are as wide as what is seen', async (t) => {
  const text = table(
    [{ title: 'A' }, { title: 'B', align: 'right' }],
    [
      ['\u001b[31mred\u001b[39m', '1'],
      ['x', '22'],
    ],
    (head) => head,
  );
  t.equal(text, ['  A     B', '  \u001b[31mred\u001b[39m   1', '  x    22'].join('\n'));
});

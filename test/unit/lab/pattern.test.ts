import t from 'tap';
import { matchesPattern, patternSlice } from '../../support/lab/pattern.js';

t.test('a stream is the same however it is cut', async (t) => {
  const whole = Buffer.from(patternSlice(7, 0, 40_000));
  const cut = Buffer.concat([patternSlice(7, 0, 1), patternSlice(7, 1, 31), patternSlice(7, 32, 39_968)]);
  t.ok(whole.equals(cut));
});

t.test('offsets beyond the period go on', async (t) => {
  const far = 10_000_000;
  t.ok(Buffer.concat([patternSlice(3, far, 10), patternSlice(3, far + 10, 20)]).equals(patternSlice(3, far, 30)));
});

t.test('a whole stream is recognized, also one longer than a slice may be', async (t) => {
  const parts = [patternSlice(5, 100, 60_000), patternSlice(5, 60_100, 60_000)];
  t.ok(matchesPattern(5, 100, Buffer.concat(parts)));
});

t.test('what is wrong is noticed', async (t) => {
  const chunk = Buffer.from(patternSlice(9, 64, 32));
  const damaged = Buffer.from(chunk);
  damaged[31] = (damaged[31] as number) ^ 1;
  t.notOk(matchesPattern(9, 64, damaged), 'a damaged byte');
  t.notOk(matchesPattern(9, 96, chunk), 'a message repeated');
  t.notOk(matchesPattern(9, 32, chunk), 'a message lost');
  t.notOk(matchesPattern(10, 64, chunk), "another connection's bytes");
});

t.test('a slice longer than the table is refused', async (t) => {
  t.throws(() => patternSlice(0, 0, 65_537), RangeError);
});

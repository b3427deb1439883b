import t from 'tap';
import { createTally } from '../../../scripts/lib/test/tap-tally.js';

function tally(...lines: string[]) {
  const counter = createTally();
  counter.write(`TAP version 14\n${lines.join('\n')}\n`);
  return counter.finish();
}

t.test('leaf assertions are counted, the sums of subtests are not', async (t) => {
  const result = tally(
    '# Subtest: outer',
    '    # Subtest: inner',
    '        ok 1 - a',
    '        ok 2 - b',
    '        1..2',
    '    ok 1 - inner',
    '    ok 2 - c',
    '    1..2',
    'ok 1 - outer',
    'ok 2 - d',
    '1..2',
  );
  t.same(result, { passed: 4, failed: 0, skips: [], failures: [] });
});

t.test('a failure in a subtest counts once', async (t) => {
  const result = tally('# Subtest: outer', '    ok 1 - a', '    not ok 2 - b', '    1..2', 'not ok 1 - outer', '1..1');
  t.equal(result.passed, 1);
  t.equal(result.failed, 1);
  t.match(result.failures, [/b/]);
});

t.test('a subtest that fails without a failing assertion of its own counts', async (t) => {
  t.equal(tally('# Subtest: outer', '    ok 1 - a', '    1..1', 'not ok 1 - outer # timeout', '1..1').failed, 1);
});

t.test('skips keep their reason', async (t) => {
  const result = tally('# Subtest: outer', '    ok 1 - a # SKIP needs root', '    1..1', 'ok 1 - outer', 'ok 2 - later # TODO', '1..2');
  t.same(
    result.skips.map((skip) => skip.reason),
    ['needs root', 'no reason given'],
  );
  t.equal(result.passed, 0);
  t.equal(tally('1..0 # SKIP no kernel').skips[0]?.reason, 'no kernel');
});

t.test('a broken stream is a failure', async (t) => {
  t.equal(tally('ok 1 - a', '1..2').failed, 1, 'a test of the plan is missing');
  t.equal(tally('ok 1 - a', 'Bail out! no disk').failed, 1, 'bailed out');
  t.equal(tally().failed, 1, 'nothing at all');
});

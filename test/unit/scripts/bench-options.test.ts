import t from 'tap';
import { parseBenchArguments } from '../../../scripts/lib/bench/options.js';

t.test('a benchmark and its options', async (t) => {
  t.same(parseBenchArguments(['packet']), { benchmark: 'packet', options: { json: false, rounds: null } });
  t.same(parseBenchArguments(['failover', '--json', '--rounds', '7']), { benchmark: 'failover', options: { json: true, rounds: 7 } });
});

t.test('what is wrong is said', async (t) => {
  t.match(parseBenchArguments([]), { problem: /name one of failover, packet, replication/ });
  t.match(parseBenchArguments(['speed']), { problem: /name one of/ });
  t.match(parseBenchArguments(['packet', 'failover']), { problem: /name one of/ });
  for (const rounds of ['0', '-1', '1.5', 'many']) t.match(parseBenchArguments(['packet', `--rounds=${rounds}`]), { problem: /--rounds/ });
  t.match(parseBenchArguments(['packet', '--fast']), { problem: /--fast/ });
});

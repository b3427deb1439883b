import t from 'tap';
import { DEFAULTS } from '../../../scripts/lib/bench/failover-plan.js';
import { parseBenchArguments } from '../../../scripts/lib/bench/options.js';

t.test('a benchmark and its options', async (t) => {
  t.same(parseBenchArguments(['packet']), { benchmark: 'packet', options: { json: false, rounds: null } });
  t.same(parseBenchArguments(['replication', '--json', '--rounds', '7']), { benchmark: 'replication', options: { json: true, rounds: 7 } });
});

t.test('failover: everything as usual, and what can be chosen', async (t) => {
  t.same(parseBenchArguments(['failover']), { benchmark: 'failover', options: DEFAULTS });
  const chosen = ['--trials', '3', '--only', 'link,busy,kill', '--advert', '10,250', '--seconds', '5', '--markdown'];
  t.same(parseBenchArguments(['failover', ...chosen]), {
    benchmark: 'failover',
    options: { ...DEFAULTS, trials: 3, cases: ['link', 'busy', 'kill'], adverts: [10, 250], busySeconds: 5, markdown: true },
  });
  t.match(parseBenchArguments(['failover', '--rounds', '4', '--json']), { options: { trials: 4, json: true } });
});

t.test('what is wrong is said', async (t) => {
  t.match(parseBenchArguments([]), { problem: /name one of failover, packet, replication/ });
  t.match(parseBenchArguments(['speed']), { problem: /name one of/ });
  t.match(parseBenchArguments(['packet', 'failover']), { problem: /name one of/ });
  for (const rounds of ['0', '-1', '1.5', 'many']) t.match(parseBenchArguments(['packet', `--rounds=${rounds}`]), { problem: /--rounds/ });
  t.match(parseBenchArguments(['packet', '--fast']), { problem: /--fast/ });
  t.match(parseBenchArguments(['failover', '--only', 'crash,earthquake']), { problem: /no 'earthquake': name some of crash, link/ });
  for (const advert of ['5', '15', '10,', '50000', 'often']) {
    t.match(parseBenchArguments(['failover', '--advert', advert]), { problem: /--advert wants milliseconds/ });
  }
  t.match(parseBenchArguments(['failover', '--trials', '0']), { problem: /--trials/ });
  t.match(parseBenchArguments(['failover', '--json', '--markdown']), { problem: /two ways/ });
  for (const option of ['--only=crash', '--markdown', '--trials=3'])
    t.match(parseBenchArguments(['packet', option]), { problem: /for failover/ });
});

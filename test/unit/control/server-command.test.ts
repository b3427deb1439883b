/** Commands to servers as they are written: what is understood, and what is said about the rest. */
import t from 'tap';
import { findServers, parseWeight, wordsOf, wordText } from '../../../src/control/server-command.js';
import { sampleConfig } from '../../support/sample-config.js';

t.test('weights', async (t) => {
  t.same(['0', '256', '0%', '50%', '25600%'].map(parseWeight), [
    { weight: 0 },
    { weight: 256 },
    { percent: 0 },
    { percent: 50 },
    { percent: 25_600 },
  ]);
  for (const bad of ['', '257', '-1', '1.5', '%', '25601%', '5 %', '1e2', 5, null]) t.equal(parseWeight(bad), null, String(bad));
});

t.test('names', async (t) => {
  const find = (...names: string[]) => findServers(sampleConfig(), names);
  t.match(find('web/be1', 'web/be2', 'web/be1'), { ok: true, value: [{ pool: { name: 'web' }, server: { name: 'be1' } }, {}] });
  t.match(find('be1'), { ok: false, message: '"be1" names no pool: write POOL/SERVER' });
  t.match(find('wbe/be1'), { ok: false, message: 'unknown pool "wbe"; did you mean "web"?' });
  t.match(find('web/be1', 'web/x'), { ok: false, message: 'pool "web" has no server "x"; servers: be1, be2' });
});

t.test('what each command says, in words', async (t) => {
  const said = (action: Parameters<typeof wordsOf>[0]['action'], weight = null as ReturnType<typeof parseWeight>) =>
    wordsOf({ action, weight }).map(wordText);
  t.same(said('drain'), ['state drain']);
  t.same(said('disable'), ['state disable']);
  t.same(said('enable'), ['state ready']);
  t.same(said('weight', { weight: 0 }), ['weight 0']);
  t.same(said('weight', { percent: 50 }), ['weight 50%']);
  t.same(said('reset'), ['state as configured', 'weight as configured']);
});

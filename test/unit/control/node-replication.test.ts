import t from 'tap';
import { isOrWasHeld } from '../../../src/control/node-replication.js';

const SECOND = 1_000_000_000n;
const nowNs = 500n * SECOND;

t.test('a lease that lives, or ended within a minute, makes a former holder', async (t) => {
  for (const endsIn of [3n, 0n, -1n, -59n]) t.ok(isOrWasHeld({ nowNs, deadlineNs: nowNs + endsIn * SECOND }), `${endsIn} s`);
});

t.test('one that ended earlier, or never was, does not', async (t) => {
  t.notOk(isOrWasHeld({ nowNs, deadlineNs: nowNs - 60n * SECOND }));
  t.notOk(isOrWasHeld({ nowNs: SECOND, deadlineNs: 0n }), 'right after the boot of the machine, too');
});

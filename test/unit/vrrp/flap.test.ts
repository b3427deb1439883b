/**
 * Flap damping: a role that is lost again and again is not taken back at once.
 */
import t from 'tap';
import type { RouterEffect } from '../../../src/vrrp/state.js';
import { active, tell } from '../../support/vrrp-machine.js';

t.test('three losses in a minute are a flap: no pre-emption for a while, longer each time', async (t) => {
  const driver = active();
  const lose = (): RouterEffect[] => {
    const effects = driver.feed({ type: 'link', isUp: false, reason: 'linkDown:eth0' });
    driver.feed({ type: 'link', isUp: true, reason: '' });
    driver.pass(500);
    return effects;
  };
  const words = [lose(), lose(), lose(), lose()].map((effects) => effects.map(tell).filter((word) => /damp/i.test(word)));
  t.same(words, [[], [], ['count:damped', 'log:flapDamped'], ['count:damped', 'log:flapDamped']]);
  t.equal(driver.state.kind, 'active', 'an empty seat is taken all the same');
  const held = (driver.state.holdDownUntil ?? 0) - driver.now;
  t.ok(held > 9000 && held <= 10_000, 'ten seconds at the fourth');
});

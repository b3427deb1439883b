import t from 'tap';
import { type Ethtool, turnOffVlanOffload } from '../../../src/system/vlan-offload.js';

/** An ethtool that shows this feature and refuses to change it, or not. */
function fakeEthtool(shown: string, refusal: string | null = null): { run: Ethtool; calls: string[] } {
  const calls: string[] = [];
  return {
    calls,
    run: async (args) => {
      calls.push(args.join(' '));
      if (args[0] === '-k') return { output: `Features for eth0:\n${shown}\ntx-vlan-offload: on\n` };
      return refusal === null ? { output: '' } : { error: refusal };
    },
  };
}

t.test('tags that are hidden are shown', async (t) => {
  const { run, calls } = fakeEthtool('rx-vlan-offload: on');
  t.same(await turnOffVlanOffload('eth0', run), { state: 'turnedOff' });
  t.same(calls, ['-k eth0', '-K eth0 rxvlan off']);
});

t.test('what is off is left alone', async (t) => {
  for (const shown of ['rx-vlan-offload: off', 'rx-vlan-offload: off [fixed]', '']) {
    const { run, calls } = fakeEthtool(shown);
    t.same(await turnOffVlanOffload('eth0', run), { state: 'off' });
    t.same(calls, ['-k eth0']);
  }
});

t.test('an interface that cannot be changed, or an ethtool that does not answer, is told', async (t) => {
  const fixed = fakeEthtool('rx-vlan-offload: on [fixed]', 'Could not change any device features');
  t.same(await turnOffVlanOffload('eth0', fixed.run), { state: 'unknown', reason: 'Could not change any device features' });
  t.same(await turnOffVlanOffload('eth0', async () => ({ error: 'no such device' })), { state: 'unknown', reason: 'no such device' });
});

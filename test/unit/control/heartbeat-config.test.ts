/**
 * What the heartbeat is told about a virtual router: this node's own part of a file that all nodes share.
 */
import t from 'tap';
import type { VirtualRouterConfig } from '../../../src/config/model.js';
import { heartbeatConfig } from '../../../src/control/heartbeat-config.js';
import { sampleConfig } from '../../support/sample-config.js';

const facts = {
  node: 'lb2',
  instance: '7',
  pinDir: '/pins',
  socketPath: '/run/heartbeat.sock',
  realtimePriority: 10,
  slotOf: () => 3,
  addressOf: () => '10.1.0.12',
};

function routerWith(change: Partial<VirtualRouterConfig>) {
  const config = sampleConfig();
  const [router] = config.virtualRouters;
  if (router === undefined) throw new Error('the sample has a router');
  return heartbeatConfig({ ...config, virtualRouters: [{ ...router, ...change }] }, facts).routers[0];
}

t.test("the node's own priority, address and slot", async (t) => {
  t.match(routerWith({}), { slot: 3, priority: 100, sourceAddress: '10.1.0.12', advertIntervalMs: 100, leaseIntervalMs: 100 });
  t.throws(() => routerWith({ priority: { lb1: 200 } }), /no priority for lb2/);
});

t.test('unicast peers are the others', async (t) => {
  t.same(routerWith({ unicastPeers: { lb1: '10.1.0.11', lb2: '10.1.0.12' } })?.unicastPeers, ['10.1.0.11']);
});

t.test('the form of the checksum', async (t) => {
  for (const checksum of ['rfc9568', 'rfc5798', 'auto'] as const) t.equal(routerWith({ checksum })?.checksum, checksum);
});

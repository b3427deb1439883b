import t from 'tap';
import { buildSwitch, configureMachine, machines, namespaces, nodeOfMac, planLab } from '../../support/lab/plan.js';

const plan = planLab('tdm1a', { nodes: 3, servers: 9, clients: 2 });

t.test('addresses, MACs, ports and namespaces are unique', async (t) => {
  const legs = machines(plan).flatMap((machine) => machine.legs);
  for (const values of [legs.map((leg) => leg.mac), legs.map((leg) => leg.address), legs.map((leg) => leg.port), namespaces(plan)]) {
    t.equal(new Set(values).size, values.length);
  }
});

t.test('names fit into the kernel', async (t) => {
  const legs = machines(planLab('tdm4194304z', { nodes: 9, servers: 30, clients: 9 })).flatMap((machine) => machine.legs);
  t.equal(
    legs.every((leg) => leg.port.length <= 15),
    true,
  );
});

t.test('a MAC leads to its node, on either leg; a server is none', async (t) => {
  const [first] = plan.nodes;
  for (const leg of first?.legs ?? []) t.equal(nodeOfMac(plan, leg.mac), 'lb1');
  t.equal(nodeOfMac(plan, plan.servers[0]?.legs[0]?.mac ?? ''), null);
});

t.test("every node's port has transmit checksums off and GRO on, no other port", async (t) => {
  const { script } = buildSwitch(plan);
  const set = script.split('\n').flatMap((line) => /^ethtool -K (\S+) tx off gro on/.exec(line)?.[1] ?? []);
  t.same(
    set,
    plan.nodes.flatMap((node) => node.legs.map((leg) => leg.port)),
  );
});

t.test('servers answer NAT through the inner VIP and carry the VIP for direct return', async (t) => {
  const server = plan.servers[0];
  if (server === undefined) throw new Error('no server');
  const { script } = configureMachine(server);
  t.match(script, /addr add 10\.1\.0\.100\/32 dev lo/);
  t.match(script, /rule add from 10\.2\.0\.21 table 100/);
  t.match(script, /default via 10\.2\.0\.1 dev eth0 table 100/);
});

t.test('more than fits is refused', async (t) => {
  t.throws(() => planLab('x', { nodes: 10, servers: 1, clients: 1 }), RangeError);
});

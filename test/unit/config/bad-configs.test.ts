/**
 * One row per mistake: what is changed in a good configuration, and what must be said about it, where. Every finding is listed, so a
 * second message for the same mistake fails too.
 */
import t from 'tap';
import { parseConfig } from '../../../src/config/load.js';
import { formatProblem } from '../../../src/config/problem.js';
import { GOOD, type Mistake, proveMistakes } from '../../support/config-mistakes.js';

const SECOND_ROUTER = `  - name: back
    id: 51
    interface: eth0
    addresses: [10.1.0.200]
    otherAddresses: [{ address: 10.2.0.2, interface: eth1 }]
    priority: { lb1: 200, lb2: 100 }
services:`;

const rows: Mistake[] = [
  // The shape of the document.
  {
    mistake: 'unknown key',
    change: [['  maxFlows', '  maxFlow']],
    said: [['8:3: error', 'unknown key "maxFlow" in dataPlane; did you mean "maxFlows"?']],
  },
  {
    mistake: 'unknown key, far from all',
    change: [['  maxFlows: 65536', '  colour: red']],
    said: [['8:3: error', 'unknown key "colour" in dataPlane; valid keys: interfaces, attach, maxFlows, drain, timeouts']],
  },
  {
    mistake: 'unknown key at the top',
    change: [['pools:', 'pool:']],
    said: [['20:1: error', 'unknown key "pool" at the top level; did you mean "pools"?']],
  },
  {
    mistake: 'unknown key in a flow mapping',
    change: [['name: be1, ', 'name: be1, wieght: 2, ']],
    said: [['23:22: error', 'unknown key "wieght" in pools[0].servers[0]; did you mean "weight"?']],
  },
  {
    mistake: 'unknown key in a node',
    change: [['lb1: { address', 'lb1: { adress']],
    said: [['4:12: error', 'unknown key "adress" in cluster.nodes.lb1; did you mean "address"?']],
  },
  {
    mistake: 'unknown key below an optional one',
    change: [['path: /health', 'paht: /health']],
    said: [['25:32: error', 'unknown key "paht" in pools[0].healthCheck; did you mean "path"?']],
  },
  {
    mistake: 'missing key',
    change: [['    priority: { lb1: 200, lb2: 100 }\n', '']],
    said: [['10:5: error', 'missing key "priority" in virtualRouters[0]']],
  },
  {
    mistake: 'missing section',
    change: [['dataPlane:\n  interfaces: [eth0, eth1]\n  maxFlows: 65536\n', '']],
    said: [['1:1: error', 'missing key "dataPlane" at the top level']],
  },
  { mistake: 'duplicate key', change: [['    id: 51', '    id: 51\n    id: 52']], said: [['12:5: error', 'Map keys must be unique']] },
  {
    mistake: 'broken YAML',
    change: [['[eth0, eth1]', '[eth0, eth1']],
    said: [['8:3: error', 'Flow sequence in block collection must be sufficiently indented']],
  },
  {
    mistake: 'list where keys belong',
    change: [['  - name: front', '  - front']],
    said: [['10:5: error', 'Implicit keys need to be on a single line']],
  },
  {
    mistake: 'word where a list belongs',
    change: [['[eth0, eth1]', 'eth0']],
    said: [['7:15: error', 'dataPlane.interfaces: expected a list of interface names']],
  },
  {
    mistake: 'wrong choice',
    change: [['scheduler: maglev', 'scheduler: maglef']],
    said: [['27:16: error', '"maglef" is not known, expected one of maglev, roundRobin; did you mean "maglev"?']],
  },
  {
    mistake: 'wrong choice, far from all',
    change: [['forward: nat', 'forward: tunnel']],
    said: [['18:54: error', 'services[0].forward: "tunnel" is not known, expected one of nat, dsr']],
  },
  {
    mistake: 'number out of range',
    change: [['id: 51', 'id: 256']],
    said: [['11:9: error', 'virtualRouters[0].id: expected a whole number from 1 to 255']],
  },
  { mistake: 'VRID 0', change: [['id: 51', 'id: 0']], said: [['11:9: error', 'expected a whole number from 1 to 255']] },
  {
    mistake: 'priority 256',
    change: [['lb1: 200', 'lb1: 256']],
    said: [['16:22: error', 'virtualRouters[0].priority.lb1: expected a whole number from 1 to 255']],
  },
  {
    mistake: 'text for a number',
    change: [['65536', 'many']],
    said: [['8:13: error', 'dataPlane.maxFlows: expected a whole number from 1024 to 67108864']],
  },
  {
    mistake: 'text for a flag',
    change: [['    priority', '    preempt: maybe\n    priority']],
    said: [['16:14: error', 'virtualRouters[0].preempt: expected true or false']],
  },
  {
    mistake: 'duration without unit',
    change: [['interval: 5s', 'interval: 5']],
    said: [['25:57: error', 'expected a duration with its unit such as 100ms, 5s, 15m']],
  },
  {
    mistake: 'advert interval too short',
    change: [['100ms', '5ms']],
    said: [['15:21: error', 'virtualRouters[0].advertInterval: too short: at least 10ms']],
  },
  { mistake: 'advert interval too long', change: [['100ms', '41s']], said: [['15:21: error', 'too long: at most 40.95s']] },
  { mistake: 'advert interval not in centiseconds', change: [['100ms', '105ms']], said: [['15:21: error', 'must be a multiple of 10ms']] },
  {
    mistake: 'no address',
    change: [['10.1.0.11 }', '10.1.0.300 }']],
    said: [['4:21: error', 'cluster.nodes.lb1.address: expected an IPv4 address such as 10.1.0.100']],
  },
  { mistake: 'IPv6 node', change: [['10.1.0.11 }', '"fd00::1" }']], said: [['4:21: error', 'IPv4 only here in this version']] },
  {
    mistake: 'IPv6 listen',
    change: [['10.1.0.100:80/tcp', '"[2001:db8::1]:80/tcp"']],
    said: [['18:26: error', 'services[0].listen: IPv4 only here in this version']],
  },
  { mistake: 'IPv6 server', change: [['10.2.0.21:8080', '"[fd00::21]:8080"']], said: [['23:31: error', 'IPv4 only here in this version']] },
  {
    mistake: 'listen without port',
    change: [['10.1.0.100:80/tcp', '10.1.0.100']],
    said: [['18:26: error', 'expected an IPv4 address, a port and a protocol such as 10.1.0.100:80/tcp']],
  },
  {
    mistake: 'listen with a foreign protocol',
    change: [['10.1.0.100:80/tcp', '10.1.0.100:80/sctp']],
    said: [['18:26: error', 'expected an IPv4 address, a port and a protocol']],
  },
  {
    mistake: 'port too large',
    change: [['10.2.0.21:8080', '10.2.0.21:65536']],
    said: [['23:31: error', 'expected an IPv4 address and a port such as 10.2.0.21:8080']],
  },
  {
    mistake: 'name with a space',
    change: [['name: shop', 'name: my shop']],
    said: [['2:9: error', 'cluster.name: expected a name of letters, digits']],
  },
  {
    mistake: 'node name with a slash',
    change: [
      ['    lb1: {', '    lb/1: {'],
      ['lb1: 200', 'lb/1: 200'],
    ],
    said: [
      ['4:5: error', 'expected a name of letters'],
      ['16:17: error', 'expected a name of letters'],
    ],
  },
  {
    mistake: 'empty pool',
    change: [['    servers:\n      - { name: v1, address: 10.1.0.31:443 }', '    servers: []']],
    said: [['28:14: error', 'a pool needs at least one server']],
  },
  {
    mistake: 'several at once, all are told',
    change: [
      ['id: 51', 'id: 999'],
      ['scheduler: maglev', 'schedular: maglev'],
      ['10.2.0.22:8080', 'be2'],
    ],
    said: [
      ['11:9: error', '1 to 255'],
      ['24:31: error', 'expected an IPv4 address and a port'],
      ['27:5: error', 'did you mean "scheduler"?'],
    ],
  },

  // What must fit together.
  {
    mistake: 'unknown pool',
    change: [['pool: video }', 'pool: vidoe }']],
    said: [
      ['19:68: error', 'unknown pool "vidoe"; did you mean "video"?'],
      ['26:11: warning', 'no service uses pool "video"'],
    ],
  },
  {
    mistake: 'VIP of no virtual router',
    change: [['10.1.0.100:80/tcp', '10.1.0.110:80/tcp']],
    said: [['18:26: error', 'no virtual router has the address 10.1.0.110; did you mean "10.1.0.100"?']],
  },
  {
    mistake: 'two services on one port',
    change: [
      ['10.1.0.101:443/tcp, forward: dsr, pool: video', '10.1.0.100:80, forward: nat, pool: web'],
      ['  - name: video\n    scheduler: maglev\n    servers:\n      - { name: v1, address: 10.1.0.31:443 }\n', ''],
    ],
    said: [['19:28: error', 'service "web" listens on 10.1.0.100:80/tcp already']],
  },
  {
    mistake: 'same name twice',
    change: [['name: video, listen', 'name: web, listen']],
    said: [['19:13: error', 'second service with the name "web"; services[0] has it already']],
  },
  {
    mistake: 'VRID twice on an interface',
    change: [['services:', SECOND_ROUTER]],
    said: [['18:9: error', 'VRID 51 on eth0 is used by virtual router "front"']],
  },
  {
    mistake: 'address of two virtual routers',
    change: [['services:', SECOND_ROUTER.replace('id: 51', 'id: 52').replace('10.1.0.200', '10.1.0.101')]],
    said: [['20:17: error', '10.1.0.101 is an address of virtual router "front" already']],
  },
  { mistake: 'node without priority', change: [[', lb2: 100 }', ' }']], said: [['16:5: error', 'no priority for "lb2"']] },
  {
    mistake: 'priority of an unknown node',
    change: [['lb2: 100 }', 'lb2: 100, lb3: 50 }']],
    said: [['16:37: error', 'unknown node "lb3"; did you mean "lb1"?']],
  },
  {
    mistake: 'equal priorities',
    change: [['lb2: 100', 'lb2: 200']],
    said: [['16:32: error', '"lb2" and "lb1" have the same priority 200']],
  },
  {
    mistake: 'priorities too near',
    change: [['lb2: 100', 'lb2: 198']],
    said: [['16:32: error', 'at an advert interval of 100ms both would wake within 0.78 ms; set them at least 3 apart']],
  },
  {
    mistake: 'priorities too near for 10 ms',
    change: [
      ['100ms', '10ms'],
      ['lb2: 100', 'lb2: 180'],
    ],
    said: [['16:32: error', 'within 0.78 ms; set them at least 26 apart']],
  },
  {
    mistake: 'two nodes with one address',
    change: [['10.1.0.12 }', '10.1.0.11 }']],
    said: [['5:21: error', 'node "lb1" has this address already']],
  },
  {
    mistake: 'two nodes with one id',
    change: [
      ['10.1.0.11 }', '10.1.0.11, id: 3 }'],
      ['10.1.0.12 }', '10.1.0.12, id: 3 }'],
    ],
    said: [['5:36: error', 'node "lb1" has this id already']],
  },
  {
    mistake: 'id for some nodes only',
    change: [['10.1.0.12 }', '10.1.0.12, id: 3 }']],
    said: [['3:3: warning', 'some nodes have an id and some have none']],
  },
  {
    mistake: 'VIP is the address of a node',
    change: [
      ['10.1.0.101]', '10.1.0.12]'],
      ['10.1.0.101:443', '10.1.0.12:443'],
    ],
    said: [['13:29: error', '10.1.0.12 is the address of node "lb2" already']],
  },
  {
    mistake: 'interface that carries no program',
    change: [['interface: eth0', 'interface: eth2']],
    said: [['12:16: error', 'interface "eth2" is not in dataPlane.interfaces']],
  },
  {
    mistake: 'other address on such an interface',
    change: [['[eth0, eth1]', '[eth0]']],
    said: [['14:54: error', 'interface "eth1" is not in dataPlane.interfaces']],
  },
  {
    mistake: 'interface listed twice',
    change: [['[eth0, eth1]', '[eth0, eth1, eth0]']],
    said: [['7:28: error', '"eth0" is listed twice']],
  },
  {
    mistake: 'unknown form of checksum',
    change: [['    priority', '    checksum: rfc5789\n    priority']],
    said: [['16:15: error', '"rfc5789" is not known, expected one of rfc9568, rfc5798, auto; did you mean "rfc']],
  },
  {
    mistake: 'unicast peers of some nodes',
    change: [['    priority', '    unicastPeers: { lb1: 10.1.0.11 }\n    priority']],
    said: [['16:5: error', 'no address for "lb2"; list every node']],
  },
  {
    mistake: 'unicast peer that is the VIP',
    change: [['    priority', '    unicastPeers: { lb1: 10.1.0.11, lb2: 10.1.0.100 }\n    priority']],
    said: [['16:42: error', '10.1.0.100 is a virtual address']],
  },
  {
    mistake: 'unicast peers with one address',
    change: [['    priority', '    unicastPeers: { lb1: 10.1.0.11, lb2: 10.1.0.11 }\n    priority']],
    said: [['16:42: error', '"lb1" has this address already']],
  },
  {
    mistake: 'one-arm NAT',
    change: [['10.2.0.21:8080', '10.1.0.21:8080']],
    said: [['18:54: warning', 'server "be1" (10.1.0.21) seems to be in the network of the VIP']],
  },
  {
    mistake: 'NAT without a gateway',
    change: [['    otherAddresses: [{ address: 10.2.0.1, interface: eth1 }]\n', '']],
    said: [['17:54: warning', 'virtual router "front" has no otherAddresses']],
  },
  {
    mistake: 'DSR to another port',
    change: [['10.1.0.31:443', '10.1.0.31:8443']],
    said: [
      [
        '29:30: error',
        'port 8443 differs from port 443 of service "video", which forwards by dsr and cannot change ports; use 10.1.0.31:443',
      ],
    ],
  },
  {
    mistake: 'server at a VIP',
    change: [['10.1.0.31:443', '10.1.0.101:443']],
    said: [['29:30: error', '10.1.0.101 is an address of virtual router "front"; a server has its own address']],
  },
  {
    mistake: 'server at a moving gateway',
    change: [['10.2.0.21:8080', '10.2.0.1:8080']],
    said: [['23:31: error', '10.2.0.1 is an address of virtual router "front"']],
  },
  { mistake: 'server name twice', change: [['name: be2', 'name: be1']], said: [['24:17: error', 'second server with the name "be1"']] },
  {
    mistake: 'server address twice',
    change: [['10.2.0.22:8080', '10.2.0.21:8080']],
    said: [['24:31: error', 'second server with the address "10.2.0.21:8080"']],
  },
  {
    mistake: 'pool without services',
    change: [[', forward: dsr, pool: video', ', forward: nat, pool: web']],
    said: [['26:11: warning', 'no service uses pool "video"']],
  },
  {
    mistake: 'all weights 0',
    change: [['10.1.0.31:443 }', '10.1.0.31:443, weight: 0 }']],
    said: [['28:5: warning', 'every server has weight 0']],
  },
  {
    mistake: 'nobody left to serve',
    change: [['10.1.0.31:443 }', '10.1.0.31:443, state: drain }']],
    said: [['28:5: warning', 'every server is drained, disabled or has weight 0']],
  },
  {
    mistake: 'backups of nobody',
    change: [['10.1.0.31:443 }', '10.1.0.31:443, backup: true }']],
    said: [['29:45: error', 'every server of pool "video" is a backup, of nobody; take `backup` away']],
  },
  {
    mistake: 'an administrative state that there is not',
    change: [['10.1.0.31:443 }', '10.1.0.31:443, state: maintenance }']],
    said: [['29:52: error', '"maintenance" is not known, expected one of ready, drain, disable']],
  },
  {
    mistake: 'a slow start too short for its steps',
    change: [['scheduler: maglev', 'slowStart: 500ms']],
    said: [['27:16: error', 'too short: at least 1s']],
  },
  {
    mistake: 'a panic threshold where nobody looks',
    change: [['scheduler: maglev', 'panicThreshold: 50']],
    said: [['27:5: warning', 'without `healthCheck` every server of pool "video" counts as up, so `panicThreshold` does nothing']],
  },
  {
    mistake: 'a panic threshold that is no percentage',
    change: [['scheduler: maglev', 'panicThreshold: 101']],
    said: [['27:21: error', 'expected a whole number from 0 to 100']],
  },
  {
    mistake: 'nine services on one server',
    change: [
      [
        '  - { name: video,',
        `${Array.from({ length: 8 }, (_, i) => `  - { name: w${i}, listen: 10.1.0.100:${8001 + i}, forward: nat, pool: web }\n`).join('')}  - { name: video,`,
      ],
    ],
    said: [
      ['17:1: error', '9 services share the server 10.2.0.21:8080/tcp; at most 8 can'],
      ['17:1: error', '9 services share the server 10.2.0.22:8080/tcp'],
    ],
  },
];

t.test('the configuration that the rows change is good', async (t) => {
  const result = parseConfig('tandem.yaml', GOOD);
  t.equal(result.ok, true);
  t.same(result.ok && result.warnings, []);
});

proveMistakes(rows);

t.test('a problem shows its line and a caret under the place', async (t) => {
  const result = parseConfig('tandem.yaml', GOOD.replace('id: 51', 'id: 999'));
  t.equal(result.ok, false);
  if (result.ok) return;
  const text = result.problems.map((problem) => formatProblem(problem)).join('\n');
  t.equal(
    text,
    [
      'tandem.yaml:11:9: error: virtualRouters[0].id: expected a whole number from 1 to 255',
      '   11 |     id: 999',
      '      |         ^^^',
    ].join('\n'),
  );
});

t.test('what is no configuration at all is refused with a place', async (t) => {
  const bomb = `a: &a [x, x]\n${Array.from({ length: 9 }, (_, i) => `${'bcdefghij'[i]}: &${'bcdefghij'[i]} [${`*${'abcdefghi'[i]}, `.repeat(9)}]`).join('\n')}\n`;
  const texts = ['', '- 1\n', 'text', '{', '\u0000', ': : :', '&a *a', 'a: *b', bomb, '? [1, 2]\n: x\n', '__proto__: { a: 1 }\n'];
  for (const text of texts) {
    const result = parseConfig('f.yaml', text);
    t.equal(result.ok, false, JSON.stringify(text.slice(0, 20)));
    if (!result.ok)
      t.ok(
        result.problems.every((problem) => problem.line >= 1 && problem.column >= 1 && problem.message !== ''),
        'every problem has a place',
      );
  }
});

/**
 * What is tracked, and hooks: one row per mistake, with everything that is said about it; and the defaults of each kind.
 */
import t from 'tap';
import { parseConfig } from '../../../src/config/load.js';

const text = (track: string, rest = ''): string => `cluster:
  name: shop
  nodes: { lb1: { address: 10.1.0.11 }, lb2: { address: 10.1.0.12 } }
dataPlane: { interfaces: [eth0] }
virtualRouters:
  - name: front
    id: 51
    interface: eth0
    addresses: [10.1.0.100]
    priority: { lb1: 200, lb2: 100 }
    track:
${track
  .split('\n')
  .map((line) => `      - ${line}`)
  .join('\n')}
services:
  - { name: web, listen: 10.1.0.100:443/tcp, forward: dsr, pool: web }
pools:
  - { name: web, servers: [{ name: be1, address: 10.1.0.31:443 }] }
${rest}`;

/** Line 12 holds the first tracked thing; `said`: start of the message after the file name, and words in it. */
const rows: { mistake: string; track: string; rest?: string; said: [string, string][] }[] = [
  { mistake: 'unknown kind', track: '{ kind: proces, process: x }', said: [['12:17: error', 'did you mean "process"?']] },
  { mistake: 'unknown key', track: '{ kind: sync, weigth: 3 }', said: [['12:23: error', 'did you mean "weight"?']] },
  { mistake: 'no kind', track: '{ process: x }', said: [['12:9: error', 'missing key "kind"']] },
  {
    mistake: 'process without a name',
    track: '{ kind: process }',
    said: [['12:9: error', 'a process is named by "process" or by "pidFile"']],
  },
  { mistake: 'process named twice', track: '{ kind: process, process: x, pidFile: /x }', said: [['12:9: error', 'write one of them']] },
  {
    mistake: 'a key of another kind',
    track: '{ kind: process, process: x, pool: web }',
    said: [['12:38: error', '"pool" has no meaning for process']],
  },
  {
    mistake: 'a timeout that limits nothing',
    track: '{ kind: sync, timeout: 1s }',
    said: [['12:23: error', '"timeout" has no meaning for sync']],
  },
  {
    mistake: 'script without a command',
    track: '{ kind: script }',
    said: [['12:9: error', 'missing key "command": what script looks at']],
  },
  { mistake: 'an empty command', track: '{ kind: script, command: [] }', said: [['12:34: error', 'name a program']] },
  {
    mistake: 'a relative program',
    track: '{ kind: script, command: [check] }',
    said: [['12:35: error', 'absolute path such as /usr/local/bin/check']],
  },
  { mistake: 'weight 0', track: '{ kind: sync, weight: 0 }', said: [['12:31: error', 'a weight of 0 does nothing']] },
  {
    mistake: 'weight too large',
    track: '{ kind: sync, weight: 255 }',
    said: [['12:31: error', 'expected a whole number from -254 to 254']],
  },
  {
    mistake: 'number and weight',
    track: '{ kind: file, file: /x, content: number, weight: 3 }',
    said: [
      ['12:58: error', 'the number in the file is the weight'],
      ['11:5: warning', 'they move nothing'],
    ],
  },
  {
    mistake: 'an unknown pool',
    track: '{ kind: servers, pool: wep }',
    said: [['12:32: error', 'unknown pool "wep"; did you mean "web"?']],
  },
  {
    mistake: 'a network that is none',
    track: '{ kind: route, to: default }',
    said: [['12:28: error', 'expected a network such as 10.3.0.0/16, or an address']],
  },
  { mistake: 'a gateway by name', track: '{ kind: gateway, address: router }', said: [['12:35: error', 'expected an IPv4 address']] },
  {
    mistake: 'the same thing twice',
    track: '{ kind: sync }\n{ kind: sync }',
    said: [['13:9: error', '"front" tracks sync "sync" already']],
  },
  {
    mistake: 'weights that move nothing',
    track: '{ kind: sync, weight: -50 }',
    said: [['11:5: warning', '"lb1" (200 - 50) is still ahead of "lb2" (100)']],
  },
  {
    mistake: 'a hook with a relative program',
    track: '{ kind: sync }',
    rest: 'notify: [{ command: [page] }]',
    said: [['17:22: error', 'absolute path']],
  },
  {
    mistake: 'a hook for an unknown event',
    track: '{ kind: sync }',
    rest: 'notify: [{ command: [/x], on: [actve] }]',
    said: [['17:32: error', 'did you mean "active"?']],
  },
  {
    mistake: 'a hook for an unknown router',
    track: '{ kind: sync }',
    rest: 'notify: [{ command: [/x], routers: [frnt] }]',
    said: [['17:37: error', 'did you mean "front"?']],
  },
  {
    mistake: 'two hooks of one name',
    track: '{ kind: sync }',
    rest: 'notify: [{ command: [/x] }, { command: [/x] }]',
    said: [['17:29: error', 'second hook with the name "/x"']],
  },
];

for (const { mistake, track, rest, said } of rows) {
  t.test(mistake, async (t) => {
    const result = parseConfig('tandem.yaml', text(track, rest));
    const problems = result.ok ? result.warnings : result.problems;
    const heads = problems.map(({ line, column, severity, message }) => `${line}:${column}: ${severity}: ${message}`);
    const sorted = [...said].sort(([a], [b]) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
    t.equal(heads.length, said.length, heads.join('\n'));
    sorted.forEach(([place, words], i) => {
      t.ok(heads[i]?.startsWith(place), `at ${place}: ${heads[i]}`);
      t.ok(heads[i]?.includes(words), `"${words}" in: ${heads[i]}`);
    });
  });
}

t.test('defaults by kind, and names by what is looked at', async (t) => {
  const track = [
    '{ kind: process, pidFile: /run/x.pid }',
    '{ kind: file, file: /etc/m, content: absent, weight: -150 }',
    '{ kind: script, command: [/bin/check, --fast] }',
    '{ kind: gateway, address: 10.1.0.1 }',
    '{ kind: route, to: 0.0.0.0/0, name: uplink, interval: 250ms, fall: 2 }',
    '{ kind: servers, pool: web }',
    '{ kind: interface, interface: eth1, weight: 5 }',
    '{ kind: engine }',
  ].join('\n');
  const result = parseConfig('tandem.yaml', text(track, 'notify: [{ command: [/bin/hook, a] }]'));
  t.same(result.ok ? result.warnings : result.problems, []);
  if (!result.ok) return;
  const rows = result.config.virtualRouters[0]?.track.map((each) => [
    each.name,
    each.weight,
    each.intervalMs,
    each.timeoutMs,
    each.rise,
    each.fall,
  ]);
  t.same(rows, [
    ['/run/x.pid', null, 100, 1000, 1, 1],
    ['/etc/m', -150, 100, 1000, 1, 1],
    ['/bin/check', null, 1000, 5000, 1, 1],
    ['10.1.0.1', null, 500, 400, 1, 3],
    ['uplink', null, 250, 1000, 1, 2],
    ['web', null, 100, 1000, 1, 1],
    ['eth1', 5, 100, 1000, 1, 1],
    ['engine', null, 100, 1000, 1, 1],
  ]);
  t.match(result.config.virtualRouters[0]?.track, [{ content: 'exists' }, { content: 'absent' }, {}, {}, {}, { minPercent: 1 }]);
  t.same(result.config.notify, [
    { name: '/bin/hook', command: ['/bin/hook', 'a'], on: ['active', 'backup', 'initialize'], routers: [], timeoutMs: 10_000 },
  ]);
});

t.test('{node} stands for the node', async (t) => {
  const track = '{ kind: file, file: "/run/{node}/off" }\n{ kind: script, command: [/bin/check, "{node}"] }';
  const result = parseConfig('tandem.yaml', text(track, 'notify: [{ command: [/bin/hook, "{node}"] }]'), { node: 'lb2' });
  t.match(result, {
    ok: true,
    config: {
      virtualRouters: [{ track: [{ file: '/run/lb2/off', name: '/run/lb2/off' }, { command: ['/bin/check', 'lb2'] }] }],
      notify: [{ command: ['/bin/hook', 'lb2'] }],
    },
  });
});

/** Commands to servers on one node: what is kept, told and answered, whoever can be reached. */
import t from 'tap';
import { decideGeneration, firstGeneration } from '../../../src/control/pool-authority.js';
import { ANNOUNCE_LIMIT_MS } from '../../../src/control/pool-keeper.js';
import { createServerAdmin, type ServerAdmin, type ServerAdminOptions } from '../../../src/control/server-admin.js';
import type { ServerCommand } from '../../../src/control/server-command.js';
import type { PoolGeneration, ServerOverride } from '../../../src/replication/api.js';
import { CAPABILITY_OVERRIDES } from '../../../src/replication/limits.js';
import { FakeClock } from '../../support/fake-clock.js';
import { peerStatus } from '../../support/peer-status.js';
import { sampleConfig, samplePool } from '../../support/sample-config.js';

const idle = { ...samplePool, name: 'idle' };
const config = sampleConfig({ pools: [samplePool, idle] });
const drain: ServerCommand = { action: 'drain', servers: ['web/be1'], weight: null, by: 'ops', why: 'kernel' };

interface Setup {
  peers?: ReturnType<typeof peerStatus>[];
  saved?: ServerOverride[];
  holder?: string | null;
  /** Who confirms what is sent. */
  confirms?: (node: string) => boolean;
  saveFails?: boolean;
  /** The holder obeys as soon as something changed. */
  obeys?: boolean;
  flows?: number[][];
}

function setup({
  peers = [peerStatus()],
  saved = [],
  holder = 'lb1',
  confirms = () => true,
  saveFails = false,
  obeys = true,
  flows = [],
}: Setup = {}) {
  const clock = new FakeClock();
  const seen = {
    sent: [] as { node: string; overrides: ServerOverride[] }[],
    kept: [] as ServerOverride[][],
    log: [] as unknown[],
    errors: 0,
  };
  let generations: PoolGeneration[] = config.pools.map((pool) => firstGeneration(pool));
  const options: ServerAdminOptions = {
    ...{ config, node: 'lb1', clock, saved },
    log: { event: (name, fields) => seen.log.push({ name, ...fields }) } as ServerAdminOptions['log'],
    save(overrides) {
      if (saveFails) throw new Error('no space left');
      seen.kept.push(overrides.slice());
    },
    replication: () => ({
      peers: () => peers,
      async send(node, message) {
        if (message.type === 'overrides') seen.sent.push({ node, overrides: message.overrides });
        return confirms(node);
      },
    }),
    generations: () => generations,
    holderOf: () => holder,
    countFlows: async (servers) => flows.shift() ?? servers.map(() => 0),
    onChange() {
      if (obeys)
        generations = generations.map((each, at) => decideGeneration(config.pools[at] ?? idle, each, () => 'unknown', admin.intentOf));
    },
    onWord: () => undefined,
    onError: () => {
      seen.errors += 1;
    },
  };
  const admin: ServerAdmin = createServerAdmin(options);
  /** Lets time pass until it is answered. */
  const answered = async <T>(promise: Promise<T>): Promise<T> => {
    let isThere = false;
    void promise.finally(() => {
      isThere = true;
    });
    while (!isThere) {
      clock.advance(5);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return promise;
  };
  return { admin, seen, clock, answered };
}

t.test('a command is kept, told, said and in force', async (t) => {
  const { admin, seen, answered } = setup();
  t.same(await answered(admin.command(drain)), {
    ...{ ok: true, message: '', inForce: true, unserved: [] },
    nodes: [
      { node: 'lb1', has: 'yes' },
      { node: 'lb2', has: 'yes' },
    ],
    servers: [{ pool: 'web', server: 'be1', state: 'drain', weight: 1, configuredState: 'ready', configuredWeight: 1 }],
  });
  t.match(seen.sent, [
    {
      node: 'lb2',
      overrides: [{ pool: 'web', server: 'be1', about: 'state', value: 'drain', origin: { node: 'lb1', by: 'ops', why: 'kernel' } }],
    },
  ]);
  t.same(seen.kept, [seen.sent[0]?.overrides]);
  t.same(seen.log, [{ name: 'server.admin', pool: 'web', server: 'be1', change: 'state drain', node: 'lb1', by: 'ops', reason: 'kernel' }]);
  t.match(admin.overridden('web', 'be1'), { state: { value: 'drain' }, weight: null });
  const weight = await answered(admin.command({ ...drain, action: 'weight', weight: { percent: 50 } }));
  t.match(weight.servers, [{ state: 'drain', weight: 0.5 }]);
  const reset = await answered(admin.command({ ...drain, action: 'reset' }));
  t.match(reset.servers, [{ state: 'ready', weight: 1 }]);
  t.same(admin.overridden('web', 'be1'), { state: null, weight: null });
});

t.test('where another node decides, the answer comes when that one obeys, too', async (t) => {
  for (const [holder, isLater] of [
    ['lb1', false],
    ['lb2', true],
  ] as const) {
    const { admin, clock, answered } = setup({ holder });
    const from = clock.now();
    t.match(await answered(admin.command(drain)), { inForce: true });
    t.equal(clock.now() - from >= ANNOUNCE_LIMIT_MS, isLater, `${holder} decides`);
  }
});

t.test('wrong names change nothing', async (t) => {
  const { admin, seen } = setup();
  t.match(await admin.command({ ...drain, servers: ['web/be1', 'web/be9'] }), { ok: false, message: /no server "be9"/ });
  t.same([seen.kept, seen.sent, seen.log], [[], [], []]);
});

t.test('what cannot be kept is not done', async (t) => {
  const { admin, seen } = setup({ saveFails: true });
  t.match(await admin.command(drain), {
    ok: false,
    message: 'nothing was changed: it cannot be kept in the state directory (no space left)',
  });
  t.same([seen.sent, seen.log], [[], []]);
  t.match(admin.intentOf(samplePool, samplePool.servers[0] as never), { state: 'ready', milliWeight: 1000, commanded: { state: false } });
});

t.test('who has not got it is named, and it counts all the same', async (t) => {
  const peers = [
    peerStatus({ node: 'lb2', connected: false, capabilities: null }),
    peerStatus({ node: 'lb3', capabilities: 3 }),
    peerStatus({ node: 'lb4' }),
    peerStatus({ node: 'lb5', capabilities: CAPABILITY_OVERRIDES }),
  ];
  const { admin, seen, answered } = setup({ peers, confirms: (node) => node !== 'lb4' });
  const report = await answered(admin.command(drain));
  t.match(report, { ok: true, inForce: true });
  t.same(
    report.nodes.map(({ node, has }) => `${node} ${has}`),
    ['lb1 yes', 'lb2 unreachable', 'lb3 older', 'lb4 unreachable', 'lb5 yes'],
  );
  t.same(
    seen.sent.map(({ node }) => node),
    ['lb4', 'lb5'],
    'an older program would take it for a broken stream',
  );
});

t.test('what is not in force yet, and why', async (t) => {
  const why = async (given: Setup) => {
    const { admin, answered } = setup({ obeys: false, ...given });
    const report = await answered(admin.command(drain));
    t.match(report, { ok: true, inForce: false });
    return report.message;
  };
  t.match(await why({ holder: null }), 'no node in reach is active for front and decides pool web: it comes into force when one does');
  t.match(
    await why({ holder: 'lb2', peers: [peerStatus({ capabilities: 3 })] }),
    'lb2 decides pool web and runs an older program: upgrade it',
  );
  t.match(await why({ holder: 'lb2', confirms: () => false }), 'lb2, which decides pool web, did not confirm it');
  const other = { holder: 'lb2', peers: [peerStatus({ configDigestMatch: false })] };
  t.match(await why(other), 'lb2, which decides pool web, has not put it in force yet (its configuration is another one)');
  const { admin, answered } = setup({ obeys: false, holder: null });
  t.match(await answered(admin.command({ ...drain, servers: ['idle/be1'] })), { inForce: true }, 'nobody uses it, so nobody decides it');
});

t.test('a pool that is left without servers is pointed out', async (t) => {
  const { admin, answered } = setup();
  t.same((await answered(admin.command(drain))).unserved, []);
  t.same((await answered(admin.command({ ...drain, servers: ['web/be2'] }))).unserved, ['web']);
});

t.test('what a peer says is kept, passed on and put in force; old news and unknown servers are not', async (t) => {
  const peers = [peerStatus(), peerStatus({ node: 'lb3' }), peerStatus({ node: 'lb4', capabilities: 3 })];
  const { admin, seen } = setup({ peers });
  const word: ServerOverride = {
    pool: 'web',
    server: 'be1',
    about: 'state',
    value: 'disable',
    origin: { stamp: 7, node: 'lb2', by: 'ops', why: '' },
  };
  admin.heard('lb2', [word, { ...word, server: 'gone' }]);
  t.same(seen.kept, [[word]]);
  t.same(seen.sent, [{ node: 'lb3', overrides: [word] }], 'who gave it may not reach everybody');
  t.match(seen.log, [{ name: 'server.admin', node: 'lb2', reason: 'operator' }]);
  admin.heard('lb3', [word]);
  admin.heard('lb3', [{ ...word, value: 'ready', origin: { ...word.origin, stamp: 6 } }]);
  t.equal(seen.log.length, 1);
  t.equal(admin.intentOf(samplePool, samplePool.servers[0] as never).state, 'disable');
});

t.test('a peer that comes is told everything, in messages that it accepts', async (t) => {
  const words = samplePool.servers.flatMap(({ name }): ServerOverride[] => {
    const place = { pool: 'web', server: name, origin: { stamp: 7, node: 'lb2', by: '', why: '' } };
    return [
      { ...place, about: 'state', value: 'drain' },
      { ...place, about: 'weight', value: null },
    ];
  });
  const { admin, seen } = setup({ saved: words });
  admin.greet('lb2');
  t.same(seen.sent, [{ node: 'lb2', overrides: words }]);
  admin.greet('lb9');
  t.equal(seen.sent.length, 1);
  const none = setup();
  none.admin.greet('lb2');
  t.same(none.seen.sent, []);
});

t.test('servers that are gone are forgotten for good', async (t) => {
  const word: ServerOverride = {
    pool: 'web',
    server: 'be9',
    about: 'state',
    value: 'drain',
    origin: { stamp: 7, node: 'lb2', by: '', why: '' },
  };
  t.same(setup({ saved: [word] }).seen.kept, [[]], 'on disk, too: it does not return when the server does');
  t.equal(setup({ saved: [word], saveFails: true }).seen.errors, 1);
  t.same(setup({ saved: [{ ...word, server: 'be1' }] }).seen.kept, [], 'else nothing is written');
});

t.test('waiting for the last flow', async (t) => {
  const counts = [
    [3, 1],
    [0, 1],
    [0, 0],
  ];
  const { admin, clock, answered } = setup({ flows: counts.slice() });
  const started = clock.now();
  t.same(await answered(admin.drained(['web/be1', 'web/be2'], 60_000)), [
    { pool: 'web', server: 'be1', flows: 0 },
    { pool: 'web', server: 'be2', flows: 0 },
  ]);
  t.ok(clock.now() - started >= 1000 && clock.now() - started < 2000, 'looked every half second');
  const busy = setup({ flows: Array.from({ length: 9 }, () => [2]) });
  t.same(await busy.answered(busy.admin.drained(['web/be1'], 700)), [{ pool: 'web', server: 'be1', flows: 2 }], 'so many are left');
  t.same(await busy.admin.drained(['web/be1'], 0), [{ pool: 'web', server: 'be1', flows: 2 }]);
  t.match(await busy.admin.drained(['be1'], 0), /names no pool/);
});

/**
 * Servers that fail and come back: new flows avoid them on every node, flows in progress are kept or refused as configured, and what the
 * lease holder decided outlives daemons and nodes.
 */
import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { adminClient } from '../../src/cli/admin-client.js';
import type { HistoryRow, ServerStatus } from '../../src/control/status.js';
import type { Agent } from '../support/lab/agent.js';
import { allowOwnChecks, blockOwnChecks, crashNode } from '../support/lab/faults.js';
import { labIsImpossible, programsMissing, startCluster, type TestCluster } from '../support/lab/fixture.js';
import { legOn, PORTS } from '../support/lab/plan.js';
import { signalAll } from '../support/lab/processes.js';
import type { TandemOptions } from '../support/lab/tandem.js';
import type { LabDocument } from '../support/lab/tandem-config.js';
import { type WaitOptions, waitFor } from '../support/lab/wait-for.js';
import { natConnections, PROBE, startLoad, startProbe } from '../support/lab/workload.js';
import type { LoadApi, ProbeApi, ServerApi } from '../support/lab/workload-api.js';

const INTERVAL_MS = 200;
const HEALTH = { interval: `${INTERVAL_MS}ms`, timeout: '150ms', rise: 2, fall: 3 };
/** fall x interval, the last check's timeout, the peers' word, and what a busy machine takes to say so. */
const NOTICED = { limitMs: HEALTH.fall * INTERVAL_MS + 150 + 250 + 2000 };
const FINISH_LIMIT_MS = 15_000;
const ALL = ['be1', 'be2', 'be3'];

const impossible = labIsImpossible() ?? programsMissing('nft');
if (impossible !== null) t.plan(0, impossible);
else {
  const start = (t: Test, options: TandemOptions = {}): Promise<TestCluster> => startCluster(t, { health: HEALTH, ...options });

  async function poolOn({ tandem }: TestCluster, node: string, name = 'echo') {
    const pool = (await tandem.status(node)).pools.find((candidate) => candidate.name === name);
    if (pool === undefined) throw new Error(`${node} knows no pool ${name}`);
    const { generation, servers } = pool;
    const named = (is: (server: ServerStatus) => boolean) => servers.filter(is).map((server) => server.name);
    return { generation, alive: named((server) => server.alive), down: named((server) => server.health === 'down') };
  }

  /** Until each node gives new flows to these servers; answers the generation, which has to be the same everywhere. */
  const waitAlive = (
    cluster: TestCluster,
    nodes: readonly string[],
    alive: readonly string[],
    name = 'echo',
    within: WaitOptions = NOTICED,
  ): Promise<number> =>
    waitFor(
      `${nodes.join(', ')} to use ${alive.join(', ')} of ${name}`,
      async () => {
        const pools = await Promise.all(nodes.map((node) => poolOn(cluster, node, name)));
        for (const pool of pools) {
          if (pool.alive.join() !== alive.join() || pool.generation !== pools[0]?.generation) throw new Error(JSON.stringify(pools));
        }
        return pools[0]?.generation ?? null;
      },
      within,
    );

  const serverOf = ({ lab, servers }: TestCluster, name: string): Agent<ServerApi> => {
    const server = servers[lab.plan.servers.findIndex((machine) => machine.name === name)];
    if (server === undefined) throw new Error(`no server ${name}`);
    return server;
  };

  const listen = (cluster: TestCluster, name: string, isOpen: boolean) =>
    serverOf(cluster, name).call('listen', { port: PORTS.echo, isOpen });

  async function open(load: Agent<LoadApi>, group: string, connections: number): Promise<void> {
    const counts = await load.call('open', { group, ...natConnections(connections) });
    if (counts.established !== connections) throw new Error(`${counts.established} of ${connections} connections of ${group} opened`);
  }

  const finish = (load: Agent<LoadApi>, group: string, faultMs: number) =>
    load.call('finish', { group, limitMs: FINISH_LIMIT_MS, faultMs, youngMs: 0 });

  /** Starts the probe, one UDP flow, and answers the name of its server. */
  async function probeServer({ lab, tandem, active }: TestCluster, probe: Agent<ProbeApi>): Promise<string> {
    await probe.call('start', { ...PROBE, everyMs: 10 });
    return waitFor('the flow of the probe', async () => {
      const [flow] = await tandem.flows(active, '?service=probe');
      return lab.plan.servers.find((server) => flow?.server.startsWith(`${legOn(server, 'server').address}:`))?.name;
    });
  }

  /** The probe gets answers now, not only earlier ones. */
  async function waitForAnswers(probe: Agent<ProbeApi>): Promise<void> {
    const before = (await probe.call('counts', null)).answered;
    await waitFor('20 more answers', async () => (await probe.call('counts', null)).answered >= before + 20);
  }

  const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

  t.test('a closed port gets no new flows, keeps its old ones, and comes back; the backup follows the holder', async (t) => {
    const cluster = await start(t);
    const { lab, tandem, active, backup } = cluster;
    const both = [active, backup];
    const load = await startLoad(lab);
    await open(load, 'old', 60);
    const first = await poolOn(cluster, active);
    t.same(first.alive, ALL);

    await blockOwnChecks(lab, backup);
    await waitFor('the checks of the backup to fail', async () => (await poolOn(cluster, backup)).down.join() === ALL.join());
    t.equal(await waitAlive(cluster, both, ALL), first.generation, 'what the backup sees does not count');

    await listen(cluster, 'be1', false);
    const closedMs = nowMs();
    const second = await waitAlive(cluster, both, ['be2', 'be3']);
    t.equal(second, first.generation + 1, 'one change, one generation');
    const flowsOfBe1 = async (node: string) => (await tandem.flows(node, '?service=echo&server=be1&limit=1000')).length;
    const before = await flowsOfBe1(active);
    t.ok(before > 0, 'be1 had a share');
    await open(load, 'meanwhile', 60);
    t.equal(await flowsOfBe1(active), before, 'no new flow to be1');
    await waitFor('the flows on the backup', async () => (await tandem.flows(backup, '?service=echo&limit=1000')).length === 120);
    t.equal(await flowsOfBe1(backup), before, 'nor on the backup');

    await listen(cluster, 'be1', true);
    const third = await waitAlive(cluster, both, ALL);
    t.equal(third, second + 1);
    await open(load, 'after', 60);
    const [old, meanwhile, after] = [
      await finish(load, 'old', closedMs),
      await finish(load, 'meanwhile', closedMs),
      await finish(load, 'after', closedMs),
    ];
    t.match(old, { established: 60, alive: 60, reset: 0, corrupted: 0 }, 'old connections were kept');
    t.same(Object.keys(old.servers).sort(), ALL);
    t.match(meanwhile, { established: 60, alive: 60, reset: 0, corrupted: 0 });
    t.same(Object.keys(meanwhile.servers).sort(), ['be2', 'be3'], 'none of the connections in between reached be1');
    t.same(Object.keys(after.servers).sort(), ALL, 'be1 has a share again');

    await allowOwnChecks(lab, backup);
    await waitFor('the checks of the backup', async () => (await poolOn(cluster, backup)).down.length === 0);
    t.equal(await waitAlive(cluster, both, ALL), third, 'good news of the backup do not count either');
  });

  t.test('keep: a flow of a server that hangs goes on', async (t) => {
    const cluster = await start(t);
    const { lab, tandem, active, backup } = cluster;
    const probe = await startProbe(lab);
    const name = await probeServer(cluster, probe);
    const { pid } = serverOf(cluster, name);
    // Stops what answers HTTP checks; the echo of datagrams is a process of its own and goes on.
    signalAll([pid], 'SIGSTOP');
    const others = ALL.filter((server) => server !== name);
    await waitAlive(cluster, [active, backup], others, 'probe');
    await waitForAnswers(probe);
    t.equal((await tandem.status(active)).dataPlane.drops.refused, 0, 'nothing was refused');
    const flow = await tandem.flows(active, `?service=probe&server=${name}`);
    t.equal(flow.length, 1, 'still the same server');
    signalAll([pid], 'SIGCONT');
    await waitAlive(cluster, [active, backup], ALL, 'probe');
    await waitForAnswers(probe);
    await probe.call('stop', null);
  });

  t.test('drop: flows of a server that is down are refused and counted', async (t) => {
    const cluster = await start(t, { onServerDown: 'drop' });
    const { lab, tandem, active, backup } = cluster;
    const both = [active, backup];
    const [load, probe] = await Promise.all([startLoad(lab), startProbe(lab)]);
    const refused = async () => (await tandem.status(active)).dataPlane.drops.refused ?? 0;
    await open(load, 'old', 60);
    const name = await probeServer(cluster, probe);
    await waitForAnswers(probe);
    t.equal(await refused(), 0);

    signalAll([serverOf(cluster, name).pid], 'SIGSTOP');
    await waitAlive(
      cluster,
      both,
      ALL.filter((server) => server !== name),
      'probe',
    );
    const before = await refused();
    const stopped = await probe.call('counts', null);
    await waitFor('the probe to be refused', async () => (await refused()) >= before + 20);
    // One that was on its way when the generation changed.
    t.ok((await probe.call('counts', null)).answered <= stopped.answered + 1, 'no answer any more');
    t.equal((await tandem.flows(active, `?service=probe&server=${name}`)).length, 1, 'its record stays for the day the server is back');

    signalAll([serverOf(cluster, name).pid], 'SIGCONT');
    await waitAlive(cluster, both, ALL, 'probe');
    await waitForAnswers(probe);
    await probe.call('stop', null);

    await listen(cluster, 'be2', false);
    await waitAlive(cluster, both, ['be1', 'be3']);
    const downMs = nowMs();
    await waitFor('flows of be2 to be refused', async () => (await refused()) > before + 20);
    await listen(cluster, 'be2', true);
    await waitAlive(cluster, both, ALL);
    const report = await finish(load, 'old', downMs);
    t.match(report, { established: 60, alive: 60, reset: 0, corrupted: 0 }, 'refused is not reset: they go on when the server is back');
  });

  t.test('a generation outlives the daemons and the active node', async (t) => {
    const cluster = await start(t);
    const { lab, tandem, active, backup, servers } = cluster;
    const both = [active, backup];
    const [first, deadServer] = [await poolOn(cluster, active), servers[2]];
    signalAll([deadServer?.pid ?? -1], 'SIGKILL');
    const generation = await waitAlive(cluster, both, ['be1', 'be2']);
    t.equal(generation, first.generation + 1, 'a server whose process died');

    for (const node of both) {
      tandem.daemon(node).kill('SIGKILL');
      await waitFor('the daemon to be gone', () => !tandem.daemon(node).isRunning());
      await tandem.startNode(node);
      // Its first word, before any check of its own or word of a peer could have mended a wrong start.
      const found = await waitFor('the daemon to answer', () => poolOn(cluster, node));
      t.match(found, { generation, alive: ['be1', 'be2'] }, `${node}: the same after a restart`);
    }
    const settled = await waitAlive(cluster, both, ['be1', 'be2'], 'echo', { limitMs: 15_000 });
    t.equal(settled, generation, 'and once everybody has checked and talked');
    await waitFor(`${backup} to be in sync`, async () => (await tandem.status(active)).peers.every((peer) => peer.inSync));

    await crashNode(lab, active);
    await waitFor('the backup to take over', () => tandem.isActive(backup));
    t.match(await poolOn(cluster, backup), { generation, alive: ['be1', 'be2'] }, 'the new active node goes on from it');
    const load = await startLoad(lab);
    await open(load, 'new', 40);
    t.same(Object.keys((await finish(load, 'new', 0)).servers).sort(), ['be1', 'be2'], 'and uses it');

    // Nothing that is said now reaches the dead node by a stream that was not closed yet.
    await waitFor('the dead node to be missed', async () => (await tandem.status(backup)).peers.every((peer) => !peer.connected));
    await listen(cluster, 'be2', false);
    t.equal(await waitAlive(cluster, [backup], ['be1']), generation + 1, 'it counts on');
    await tandem.recover(active, 'crash');
    const learnt = await waitAlive(cluster, both, ['be1'], 'echo', { limitMs: 15_000 });
    t.equal(learnt, generation + 1, 'a node without memory learns it from its peer');
  });

  t.test('a panic: checks that fail everywhere take nobody out of service', async (t) => {
    const change = (document: LabDocument): LabDocument => ({
      ...document,
      pools: (document.pools as object[]).map((pool) => ({ ...pool, panicThreshold: 60 })),
    });
    const cluster = await start(t, { change, onServerDown: 'drop' });
    const { lab, tandem, active, backup } = cluster;
    const both = [active, backup];
    const panicOn = (isPanicking: boolean) =>
      waitFor(
        `panic: ${isPanicking}`,
        async () => {
          const all = await Promise.all(both.map(async (node) => (await tandem.status(node)).pools.map(({ panic }) => panic)));
          return all.flat().every((panic) => panic === isPanicking);
        },
        NOTICED,
      );
    await listen(cluster, 'be1', false);
    await waitAlive(cluster, both, ['be2', 'be3']);
    t.equal((await tandem.status(active)).pools[0]?.panic, false, 'two of three are enough');
    await listen(cluster, 'be1', true);
    await waitAlive(cluster, both, ALL);

    const load = await startLoad(lab);
    await open(load, 'before', 60);
    await blockOwnChecks(lab, active);
    await waitAlive(cluster, both, []);
    await panicOn(true);
    await open(load, 'meanwhile', 60);
    const meanwhile = await finish(load, 'meanwhile', nowMs());
    t.match(meanwhile, { established: 60, alive: 60, reset: 0, corrupted: 0 });
    t.same(Object.keys(meanwhile.servers).sort(), ALL, 'new connections to all of them');
    t.match(await finish(load, 'before', nowMs()), { alive: 60, reset: 0 }, 'and those in progress go on, whatever `onServerDown` says');
    t.match(readFileSync(tandem.logFile(active), 'utf8'), '"event":"pool.panic"');

    await allowOwnChecks(lab, active);
    await panicOn(false);
    await waitAlive(cluster, both, ALL);
    const rows = await adminClient(tandem.stateDir(active)).get<HistoryRow[]>('/v1/history');
    const said = rows.map(({ reason }) => reason).filter((reason) => reason.startsWith('pool echo: '));
    t.match(said.at(-1), /no panic any more$/);
    t.match(said.at(-2), /panic: all get new flows$/);
  });

  t.test('connections of the generation before survive a crash that came before they were replicated', async (t) => {
    const cluster = await start(t);
    const { lab, tandem, active, backup } = cluster;
    await listen(cluster, 'be1', false);
    const before = await waitAlive(cluster, [active, backup], ['be2', 'be3']);
    // From here on the active node's data plane works alone: it neither replicates nor decides.
    signalAll([tandem.daemon(active).pid], 'SIGSTOP');
    await listen(cluster, 'be1', true);
    await waitFor('the backup to see be1', async () => (await poolOn(cluster, backup)).down.length === 0);
    const load = await startLoad(lab);
    await open(load, 'young', 120);
    t.equal((await tandem.flows(backup, '?service=echo')).length, 0, 'the backup knows none of them');

    const faultMs = await crashNode(lab, active);
    await waitFor('the backup to take over', () => tandem.isActive(backup));
    t.equal(await waitAlive(cluster, [backup], ALL), before + 1, 'it gives be1 a share at once');
    const report = await finish(load, 'young', faultMs);
    t.match(report, { established: 120, alive: 120, reset: 0, corrupted: 0 }, 'all found their server by the table of before');
    await open(load, 'new', 60);
    t.same(Object.keys((await finish(load, 'new', faultMs)).servers).sort(), ALL, 'new ones go by the new table');
  });
}

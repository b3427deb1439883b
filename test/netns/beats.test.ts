/**
 * Beats on a real cluster with two paths between the nodes: what is told over the second path is acted on at once, what is only silent on
 * one of them moves nothing, and fast liveness notices a crash before the advertisements do.
 */
import t, { type Test } from 'tap';
import { adminClient } from '../../src/cli/admin-client.js';
import type { HistoryRow, NodeStatus } from '../../src/control/status.js';
import { httpGet, samples, tandemCommand } from '../support/lab/command-line.js';
import { continueNode, crashNode, killNode, plugCable, pullCable, stopNode } from '../support/lab/faults.js';
import { hangHeartbeat } from '../support/lab/faults-process.js';
import { WireFaults } from '../support/lab/faults-wire.js';
import { type ClusterOptions, labIsImpossible, programsMissing, roles, startCluster, type TestCluster } from '../support/lab/fixture.js';
import { VIP } from '../support/lab/plan.js';
import { arpAnswers, ownerChanges } from '../support/lab/probe-analysis.js';
import type { TandemSystem } from '../support/lab/tandem.js';
import { Hopeless, sleep, waitFor, waitForSteady } from '../support/lab/wait-for.js';
import { askForVip } from '../support/lab/workload.js';

/** Long enough that a take-over which waited for advertisements cannot be mistaken for one that was told. */
const SLOW_ADVERT_MS = 1000;
/** More than three advertisements and the skew, with the usual interval of the lab. */
const STEADY_MS = 1500;
const STOPPED_MS = 2500;
const FAST_LIMIT_MS = 25_000;
/** A life that a thread on a busy machine does not miss by its own lateness. */
const FAST = { interval: '5ms', life: '60ms' };
const ASK_EVERY_MS = 2;
const BEATS = ['udp dport 7946'];
/** Longer than a promise many times over, too short for it to be taken back because nobody is there. */
const LOST_MS = 500;
const LOST_TRIES = 5;
/** Several times the life of FAST, and STEADY_MS is still more than three of them and the skew. */
const RARE_ADVERT_MS = 300;
const VRRP = ['ip protocol 112'];

const impossible = labIsImpossible() ?? programsMissing('nft');
if (impossible !== null) t.plan(0, impossible);
else {
  const beatsOf = async (tandem: TandemSystem, node: string) => {
    const { beats } = (await tandem.status(node)).heartbeat;
    if (beats === null) throw new Error(`${node} has no beats`);
    return beats;
  };

  const routerOf = (status: NodeStatus) => {
    const [router] = status.routers;
    if (router === undefined) throw new Error(`${status.node} has no router`);
    return router;
  };

  const heard = ({ tandem }: TestCluster, node: string, paths: readonly boolean[]): Promise<boolean> =>
    waitFor(`${node} to hear its peers on ${paths.join(', ')}`, async () => {
      const { peers } = await beatsOf(tandem, node);
      if (!peers.every((peer) => peer.hasKey && String(peer.paths) === String(paths))) throw new Error(JSON.stringify(peers));
      return true;
    });

  async function start(t: Test, options: ClusterOptions = {}): Promise<TestCluster> {
    const cluster = await startCluster(t, { beatSides: ['client', 'server'], ...options });
    for (const node of cluster.tandem.nodes) await heard(cluster, node, [true, true]);
    return cluster;
  }

  const takesOver = ({ tandem, backup }: TestCluster): Promise<boolean> =>
    waitFor('the backup to take over', () => tandem.isActive(backup));

  /** Why a node last became active. */
  async function cause({ tandem }: TestCluster, node: string): Promise<string | undefined> {
    const rows = await adminClient(tandem.stateDir(node)).get<HistoryRow[]>('/v1/history');
    return rows.findLast((row) => row.to === 'active')?.reason;
  }

  /** Both nodes keep their roles for a while. */
  const nothingMoves = (cluster: TestCluster): Promise<void> =>
    waitForSteady('the roles to stay', STEADY_MS, async () => {
      const found = await roles(cluster);
      if (found[cluster.active] !== 'active' || found[cluster.backup] !== 'backup') throw new Hopeless(JSON.stringify(found));
      return true;
    });

  t.test('two paths are shown; the loss of one moves nothing, a lost link is told', async (t) => {
    const cluster = await start(t, { election: { advertMs: SLOW_ADVERT_MS } });
    const { lab, tandem, active, backup } = cluster;
    const wire = new WireFaults(lab);
    const metric = async (path: number) =>
      samples((await httpGet(lab, backup, '127.0.0.1:9107', '/metrics')).body).get(`tandem_beat_path_up{peer="${active}",path="${path}"}`);
    t.same([await metric(0), await metric(1)], [1, 1]);
    t.match((await tandemCommand(lab, tandem, backup, 'status')).stdout, `${active} 2 of 2 paths`);

    await wire.lose({ from: [active], to: [backup], sides: ['client'], what: ['udp dport 7946'] });
    await heard(cluster, backup, [false, true]);
    await heard(cluster, active, [true, true]);
    t.same([await metric(0), await metric(1)], [0, 1], 'the path that is lost has a number');
    t.match((await tandemCommand(lab, tandem, backup, 'status')).stdout, `${active} 1 of 2 paths`);
    await nothingMoves(cluster);
    await wire.clear();
    await heard(cluster, backup, [true, true]);

    await pullCable(lab, active, ['client']);
    await takesOver(cluster);
    t.equal(await cause(cluster, backup), 'told:linkDown', 'told, not timed out');
    t.match(routerOf(await tandem.status(active)), { role: 'initialize', reason: 'linkDown:eth0' });
    await plugCable(lab, active);
    await waitFor('it to be a backup', async () => (await roles(cluster))[active] === 'backup');
    t.equal((await roles(cluster))[backup], 'active', 'who took over keeps it');
  });

  t.test('adverts lost one way: no second active node while others hear the first, another one when nobody does', async (t) => {
    const cluster = await start(t);
    const { lab, tandem, active, backup } = cluster;
    const wire = new WireFaults(lab);
    await waitFor('the active node to be verified', async () => routerOf(await tandem.status(active)).verified === 'yes');
    await wire.lose({ from: [active], to: [backup], sides: ['client'], what: VRRP });
    await waitFor('the backup to miss the adverts', async () => routerOf(await tandem.status(backup)).counters.oneWay > 0);
    await waitFor('the active node to be told', async () => routerOf(await tandem.status(active)).counters.oneWay > 0);
    await nothingMoves(cluster);
    t.match(tandem.daemon(active).log(), /challenged/, 'it had to prove that it is heard');

    // Whom it could ask how the other one signs is not there either.
    tandem.daemon(active).kill('SIGKILL');
    await killNode(lab, backup);
    await tandem.startNode(backup);
    const isThere = async () => routerOf(await tandem.status(backup));
    await waitFor('the backup to miss the adverts anew', async () => (await isThere()).counters.oneWay > 0);
    await waitForSteady('a backup that was started anew to follow', STEADY_MS, async () => (await isThere()).role === 'backup');
    await tandem.startNode(active);
    await tandem.waitReady();
    await wire.clear();
    await nothingMoves(cluster);

    await wire.lose({ from: [active], sides: ['client'] });
    await takesOver(cluster);
    t.equal(await cause(cluster, backup), 'told:unheard', 'the one whom nobody hears leaves by itself');
    t.match(routerOf(await tandem.status(active)), { role: 'backup', reason: 'unheard' });
    await wire.clear();
    await waitForSteady('one owner', STEADY_MS, async () => {
      const found = await roles(cluster);
      return found[active] === 'backup' && found[backup] === 'active';
    });
  });

  const isFast = ({ tandem }: TestCluster): Promise<boolean> =>
    waitFor(
      'fast liveness to be on',
      async () => {
        const all = await Promise.all(tandem.nodes.map((node) => beatsOf(tandem, node)));
        if (!all.every(({ fast, peers }) => fast === 'on' && peers.every((peer) => peer.promiseMs > 0)))
          throw new Error(JSON.stringify(all));
        return true;
      },
      { limitMs: FAST_LIMIT_MS },
    );

  t.test('fast liveness: a crash is noticed by silence of the beats, long before the adverts', async (t) => {
    const cluster = await start(t, { fast: FAST, election: { advertMs: SLOW_ADVERT_MS } });
    const { lab, tandem, active, backup } = cluster;
    if (!(await beatsOf(tandem, active)).isRealtime) return t.comment('real-time priority is not permitted here: nothing is promised');
    await isFast(cluster);
    t.equal(samples((await httpGet(lab, active, '127.0.0.1:9107', '/metrics')).body).get('tandem_fast_liveness'), 1);
    t.match((await tandemCommand(lab, tandem, active, 'status')).stdout, 'fast liveness on');
    await crashNode(lab, active);
    await takesOver(cluster);
    t.equal(await cause(cluster, backup), 'peerSilent');
    await waitFor('the promise to end, nobody being there', async () => (await beatsOf(tandem, backup)).fast === 'off');
    t.match((await tandemCommand(lab, tandem, backup, 'status')).stdout, 'fast liveness off');
    t.equal((await roles(cluster))[backup], 'active', 'its lease lives on without');
  });

  t.test('a heartbeat whose main thread hangs is not waited for, though another thread of it could go on', async (t) => {
    const cluster = await start(t);
    const { lab, tandem, active, backup } = cluster;
    const heartbeat = tandem.heartbeatPid(active);
    const release = hangHeartbeat(tandem.stateDir(active));
    await takesOver(cluster);
    t.equal(await cause(cluster, backup), 'activeSilent');
    t.equal(tandem.heartbeatPid(active), heartbeat, 'it is still there');
    await heard(cluster, backup, [false, false]);
    release();
    await waitFor('it to be a backup', async () => (await roles(cluster))[active] === 'backup');
    await heard(cluster, backup, [true, true]);
    await nothingMoves({ ...cluster, active: backup, backup: active });
    t.equal(samples((await httpGet(lab, active, '127.0.0.1:9107', '/metrics')).body).get('tandem_beats_silenced_total'), 1);
    t.match(tandem.daemon(active).log(), /beatsSilenced/);
    t.match((await tandemCommand(lab, tandem, active, 'status')).stdout, 'hung and silenced: 1');
  });

  t.test('a node that was stopped for seconds and goes on is not a second owner', async (t) => {
    const cluster = await start(t, { fast: FAST, election: { advertMs: RARE_ADVERT_MS } });
    const { lab, tandem, active, backup } = cluster;
    const isPromised = (await beatsOf(tandem, active)).isRealtime;
    const wire = new WireFaults(lab);
    const isAsked = async () => routerOf(await tandem.status(active)).counters.conflicts > 0;
    // Nobody asks for whom an advertisement has just spoken, which happens once in five times.
    let triesLeft = isPromised ? LOST_TRIES : 1;
    do {
      if (isPromised) await isFast(cluster);
      for (const [from, to] of [
        [active, backup],
        [backup, active],
      ] as const)
        await wire.lose({ from: [from], to: [to], what: BEATS });
      await sleep(LOST_MS);
      await wire.clear();
      triesLeft -= 1;
    } while (triesLeft > 0 && !(await isAsked()));
    t.same([(await roles(cluster))[active], (await roles(cluster))[backup]], ['active', 'backup'], 'lost beats alone move nothing');
    if (isPromised) t.ok(await isAsked(), 'it was asked on the wire');
    t.equal(routerOf(await tandem.status(active)).counters.leaseLapses, 0);
    const capture = await lab.capture();
    const asking = await askForVip(lab, 'cl1', ASK_EVERY_MS);
    await sleep(100);
    stopNode(lab, active);
    await takesOver(cluster);
    t.equal(await cause(cluster, backup), 'activeSilent', 'a promise is not relied on so soon after its beats were lost');
    await sleep(STOPPED_MS);
    continueNode(lab, active);
    await waitFor('it to be a backup', async () => (await roles(cluster))[active] === 'backup');
    await nothingMoves({ ...cluster, active: backup, backup: active });
    await asking.call('stop', null);
    const answers = arpAnswers(await capture.stop(), VIP, cluster.nodeOfMac);
    t.equal(answers[0]?.node, active);
    t.equal(answers.at(-1)?.node, backup);
    t.equal(ownerChanges(answers).length, 1, `one change of owner among ${answers.length} answers`);
  });
}

/**
 * The faults themselves: each does what it says, ends when it is told, and leaves nothing behind. A fault that does nothing would prove
 * whatever is tested with it.
 */
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { killNode, nodeProcesses } from '../support/lab/faults.js';
import { CpuHog, fillDisk, freeDisk, MemoryPressure, memoryController, mountSmallDisk } from '../support/lab/faults-machine.js';
import { continueProcess, killProcess, PROCESS_ROLES, processesOf, stopProcess } from '../support/lab/faults-process.js';
import { WireFaults } from '../support/lab/faults-wire.js';
import { labIsImpossible, programsMissing, startCluster } from '../support/lab/fixture.js';
import { createLab, type Lab } from '../support/lab/lab.js';
import { isRunning, processState } from '../support/lab/processes.js';
import { waitFor } from '../support/lab/wait-for.js';

const impossible = labIsImpossible() ?? programsMissing('nft');
if (impossible !== null) t.plan(0, impossible);
else {
  /** Answered of `count` questions, 10 ms apart. */
  async function answered(lab: Lab, from: string, to: string, count = 1): Promise<number> {
    const said = await lab.run(from, `ping -n -q -c ${count} -i 0.01 -W 0.3 ${to} || true`);
    return Number(/(\d+) received/.exec(said)?.[1]);
  }

  async function roundTripMs(lab: Lab, from: string, to: string): Promise<number> {
    const said = await lab.run(from, `ping -n -q -c 20 -i 0.02 -W 0.3 ${to}`);
    return Number(/= [\d.]+\/([\d.]+)\//.exec(said)?.[1]);
  }

  t.test('losses between chosen machines, several at once, each ended by itself', async (t) => {
    const lab = await createLab({ nodes: 3, servers: 0 });
    t.teardown(() => lab.close());
    const wire = new WireFaults(lab);
    t.equal(await answered(lab, 'lb1', '10.1.0.12'), 1, 'before');

    const oneWay = await wire.lose({ from: ['lb1'], to: ['lb2'], sides: ['client'], what: ['ip protocol icmp'] });
    const ports = await wire.lose({ from: ['lb3'], to: ['cl1'], what: ['udp dport 7001', 'icmp type echo-reply'] });
    t.equal(await answered(lab, 'lb1', '10.1.0.12'), 0, 'the question is lost');
    t.equal(await answered(lab, 'lb2', '10.1.0.11'), 0, 'so is the answer');
    t.equal(await answered(lab, 'lb1', '10.1.0.13'), 1, 'to others nothing is');
    t.equal(await answered(lab, 'lb1', '10.2.0.12'), 1, 'nor on the other side');
    t.equal(await answered(lab, 'cl1', '10.1.0.13'), 0, 'the second loss');
    await wire.endLoss(oneWay);
    t.equal(await answered(lab, 'lb1', '10.1.0.12'), 1, 'the first is over');
    t.equal(await answered(lab, 'cl1', '10.1.0.13'), 0, 'the second is not');
    await wire.endLoss(ports);

    await wire.lose({ from: ['cl1'], percent: 30, what: ['ip protocol icmp'] });
    const received = await answered(lab, 'cl1', '10.1.0.11', 200);
    t.ok(received > 80 && received < 190, `by chance: ${received} of 200 arrived`);
    await wire.clear();
    t.equal(await answered(lab, 'cl1', '10.1.0.11', 20), 20, 'all is well');
  });

  t.test('a wire with delay, jitter, loss and duplicates, and losses beside it', async (t) => {
    const lab = await createLab({ servers: 0 });
    t.teardown(() => lab.close());
    const wire = new WireFaults(lab);
    const before = await roundTripMs(lab, 'cl1', '10.1.0.11');
    await wire.degrade('lb1', 'client', { delayMs: 5, jitterMs: 0, lossPercent: 0, duplicatePercent: 0 });
    const delayed = await roundTripMs(lab, 'cl1', '10.1.0.11');
    t.ok(delayed - before > 9, `5 ms each way: ${before} ms before, ${delayed} ms now`);
    t.ok((await roundTripMs(lab, 'cl1', '10.1.0.12')) < 5, 'of one machine only');
    const loss = await wire.lose({ from: ['cl1'], to: ['lb1'] });
    t.equal(await answered(lab, 'cl1', '10.1.0.11'), 0, 'a loss counts there, too');
    await wire.endLoss(loss);

    await wire.degrade('lb1', 'client', { delayMs: 5, jitterMs: 4, lossPercent: 30, duplicatePercent: 30 });
    const said = await lab.run('cl1', 'ping -n -c 200 -i 0.003 -W 0.3 10.1.0.11 || true');
    t.match(said, /\d+ duplicates/, 'duplicates');
    t.ok(Number(/(\d+) received/.exec(said)?.[1]) < 180, 'losses');
    const order = [...said.matchAll(/icmp_seq=(\d+)/g)].map((match) => Number(match[1]));
    t.notSame(
      order,
      [...order].sort((a, b) => a - b),
      'jitter changes the order',
    );
    // TCP with segments that hardware would cut: a wire must carry them whole.
    lab.start('lb1', ['sh', '-c', `exec node -e "require('net').createServer((s) => s.end(Buffer.alloc(3e5, 65))).listen(9000)"`]);
    await wire.degrade('lb1', 'client', { delayMs: 1, jitterMs: 0, lossPercent: 0, duplicatePercent: 0 });
    const script = `const s = require('net').connect(9000, '10.1.0.11'); let n = 0; s.on('data', (d) => { n += d.length; }); s.on('end', () => console.log(n)); s.on('error', () => console.log(-1));`;
    await waitFor('300 kB through the wire', async () => (await lab.run('cl1', `node -e "${script}"`)).trim() === '300000', {
      everyMs: 50,
    });
    await wire.restore('lb1', 'client');
    t.ok((await roundTripMs(lab, 'cl1', '10.1.0.11')) < 5, 'restored');
    t.notMatch(await lab.switchShell.run('ip -br link'), /c[wx]-lb1/, 'nothing is left');
  });

  t.test('single processes of a node: killed, stopped, continued', async (t) => {
    const { lab, tandem, active } = await startCluster(t, { stateDiskMiB: 8 });
    await waitFor('a spare', () => processesOf(lab, active, 'spare').length === 1);
    const before = Object.fromEntries(PROCESS_ROLES.map((role) => [role, processesOf(lab, active, role)]));
    for (const role of PROCESS_ROLES) t.equal(before[role]?.length, 1, `one ${role}`);
    stopProcess(lab, active, 'heartbeat');
    t.same(
      PROCESS_ROLES.map((role) => processState(before[role]?.[0] ?? 0) === 'T'),
      [false, true, false],
      'only the heartbeat is stopped',
    );
    continueProcess(lab, active, 'heartbeat');
    await killProcess(lab, active, 'spare');
    t.same(
      PROCESS_ROLES.map((role) => isRunning(before[role]?.[0] ?? 0)),
      [true, true, false],
      'only the spare is dead',
    );
    await killProcess(lab, active, 'daemon');
    t.ok(isRunning(before.heartbeat?.[0] ?? 0), 'the heartbeat outlives the daemon');
    await tandem.startNode(active);
    await tandem.waitReady();

    await fillDisk(lab, tandem.stateDir(active));
    t.match(
      await lab.shell(null).run(`echo more > ${tandem.stateDir(active)}/more || true`),
      /No space left|I\/O error/,
      'its disk is full',
    );
    freeDisk(tandem.stateDir(active));
    t.notMatch(await lab.shell(null).run(`echo more > ${tandem.stateDir(active)}/more`), /./, 'and free again');
  });

  t.test('a node in a time namespace of its own: its clock is a day ahead', async (t) => {
    const { lab, tandem, backup } = await startCluster(t);
    await tandem.clear(backup);
    await tandem.startNode(backup, { clockOffsetSeconds: 86_400 });
    await tandem.waitReady();
    const [heartbeat = 0] = processesOf(lab, backup, 'heartbeat');
    t.not(readlinkSync(`/proc/${heartbeat}/ns/time`), readlinkSync('/proc/self/ns/time'), 'the heartbeat, too');
  });

  t.test('a node that was put back to a day ago: its beats are believed, although later ones were heard', async (t) => {
    const { lab, tandem, active, backup } = await startCluster(t);
    await tandem.clear(backup);
    await tandem.startNode(backup, { clockOffsetSeconds: 86_400 });
    await tandem.waitReady();
    await killNode(lab, backup);
    // With its clock it has got the key of then back, which is the same in a restored snapshot.
    const keyFile = path.join(tandem.stateDir(backup), 'beat-key');
    const [instance, key] = readFileSync(keyFile, 'utf8').split(' ');
    writeFileSync(keyFile, `${instance} ${key} 0.0\n`);
    await tandem.startNode(backup);
    await tandem.waitReady();
    t.equal(readFileSync(keyFile, 'utf8'), `${instance} ${key} 0.0\n`, 'it signs with the same key');
    const heard = () => tandem.status(active).then(({ heartbeat }) => heartbeat.beats);
    await waitFor('its beats to be heard', async () =>
      (await heard())?.peers.some(({ node, isReachable }) => node === backup && isReachable),
    );
  });

  t.test('busy loops and shortness of memory end as they are told', async (t) => {
    const lab = await createLab({ nodes: 1, servers: 0 });
    t.teardown(() => lab.close());
    const hog = new CpuHog(lab, 2, 30);
    await waitFor('the loops', () => hog.isRunning());
    hog.end();
    await waitFor('their end', () => !hog.isRunning());
    if (memoryController() === null) return t.comment('no memory controller here');
    const calm = lab.start('lb1', ['sleep', '100']);
    await waitFor('it to be inside', () => nodeProcesses(lab, 'lb1').includes(calm.pid));
    const pressure = new MemoryPressure(lab, 'lb1', 30);
    await waitFor('the limit to be hit', () => pressure.failures() > 0);
    t.match(readFileSync(`/proc/${calm.pid}/cgroup`, 'utf8'), lab.plan.prefix, "the node's processes are in it");
    t.ok(isRunning(calm.pid), 'and live');
    pressure.end(lab);
    await waitFor('the greedy one to end', () => nodeProcesses(lab, 'lb1').length === 1);
    t.notMatch(readFileSync(`/proc/${calm.pid}/cgroup`, 'utf8'), lab.plan.prefix, 'out of it again');
  });

  t.test('a lab that is removed in the middle of everything leaves nothing', async (t) => {
    const lab = await createLab({ nodes: 1, servers: 0 });
    t.teardown(() => lab.close());
    const directory = `${lab.workDir}/disk`;
    await mountSmallDisk(lab, directory, 1);
    await fillDisk(lab, directory);
    const group = memoryController() === null ? null : new MemoryPressure(lab, 'lb1', 30);
    const hog = new CpuHog(lab, 1, 30);
    await new WireFaults(lab).degrade('lb1', 'client', { delayMs: 5, jitterMs: 0, lossPercent: 0, duplicatePercent: 0 });
    lab.close();
    t.notOk(existsSync(lab.workDir), 'no directory');
    t.notMatch(readFileSync('/proc/mounts', 'utf8'), lab.workDir, 'no mount');
    t.ok(group === null || !existsSync(group.directory), 'no control group');
    await waitFor('the loop to end', () => !hog.isRunning());
  });
}

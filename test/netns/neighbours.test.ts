/**
 * Links and neighbours of a real kernel: a namespace with one link to another one, whose end answers ARP, changes its MAC and goes away.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import t, { type Test } from 'tap';
import { createLinks, type Links } from '../../src/system/links.js';
import { createNeighbours, type Neighbours } from '../../src/system/neighbours.js';
import { linkNamed, nextHopTo } from '../../src/system/network-facts.js';
import { waitFor } from '../support/lab/wait-for.js';
import { inSandbox, run } from '../support/packet/sandbox.js';

const FAR = '10.9.0.2';
const MAC = '02:00:00:00:09:02';
const OTHER_MAC = '02:00:00:00:09:03';

function inFar(far: ChildProcess, ...command: string[]): void {
  run('nsenter', `--net=/proc/${far.pid}/ns/net`, ...command);
}

async function network(): Promise<ChildProcess> {
  const far = spawn('unshare', ['--net', 'sleep', '600'], { stdio: 'ignore' });
  const own = readlinkSync('/proc/self/ns/net');
  await waitFor('the other namespace', () => readlinkSync(`/proc/${far.pid}/ns/net`) !== own);
  run('ip', 'link', 'set', 'lo', 'up');
  run('ip', 'link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far', 'netns', String(far.pid));
  run('ip', 'address', 'add', '10.9.0.1/24', 'dev', 'near');
  run('ip', 'link', 'set', 'near', 'up');
  inFar(far, 'ip', 'address', 'add', `${FAR}/24`, 'dev', 'far');
  inFar(far, 'ip', 'link', 'set', 'far', 'address', MAC, 'up');
  return far;
}

async function followLinks(t: Test, links: Links): Promise<void> {
  t.same(linkNamed(links.facts(), 'near')?.addresses, [{ address: '10.9.0.1', prefixLength: 24 }]);
  t.equal(links.primaryAddress('near'), '10.9.0.1');
  t.throws(() => links.primaryAddress('nothing'));
  t.equal(nextHopTo(links.facts(), FAR)?.interface, 'near');
  let told = 0;
  links.onChange(() => told++);
  run('ip', 'address', 'add', '10.9.0.7/24', 'dev', 'near');
  run('ip', 'route', 'add', 'default', 'via', FAR);
  await waitFor(
    'the new address and route',
    () => links.facts().links.some(({ addresses }) => addresses.length === 2) && nextHopTo(links.facts(), '192.0.2.1')?.address === FAR,
  );
  t.ok(told >= 1);
  run('ip', 'link', 'set', 'near', 'down');
  await waitFor('the link to be down', () => nextHopTo(links.facts(), FAR) === null);
  run('ip', 'link', 'set', 'near', 'up');
  await waitFor('the link to be up', () => nextHopTo(links.facts(), FAR) !== null);
}

async function followNeighbours(t: Test, neighbours: Neighbours, far: ChildProcess): Promise<void> {
  const seen: (string | null)[] = [];
  neighbours.onChange((neighbour) => neighbour.address === FAR && seen.push(neighbour.mac));
  t.equal(neighbours.macOf('near', FAR), null);
  neighbours.manage('near', FAR);
  neighbours.manage('near', '10.9.0.77');
  await waitFor('the MAC', () => neighbours.macOf('near', FAR) === MAC);
  inFar(far, 'ip', 'link', 'set', 'far', 'address', OTHER_MAC);
  inFar(far, 'arping', '-q', '-U', '-c', '1', '-I', 'far', FAR);
  await waitFor('the new MAC', () => neighbours.macOf('near', FAR) === OTHER_MAC);
  t.same(seen, [MAC, OTHER_MAC]);
  t.equal(neighbours.macOf('near', '10.9.0.77'), null, 'nobody answers there');
  run('ip', 'neigh', 'del', FAR, 'dev', 'near');
  await waitFor('the neighbour to be gone', () => seen.at(-1) === null);
  await waitFor('the neighbour to be asked for again', () => neighbours.macOf('near', FAR) === OTHER_MAC);
}

await inSandbox(import.meta.url, async () => {
  const far = await network();
  t.teardown(() => far.kill());
  const problems: string[] = [];
  const onProblem = (reason: string): void => void problems.push(reason);

  await t.test('links, addresses and routes are followed', async (t) => {
    const links = await createLinks({ onProblem });
    t.teardown(() => links.stop());
    await followLinks(t, links);
  });

  for (const canManage of [true, false]) {
    const who = canManage ? 'the kernel' : 'asking again and again';
    await t.test(`neighbours are kept by ${who}`, async (t) => {
      inFar(far, 'ip', 'link', 'set', 'far', 'address', MAC);
      run('ip', 'neigh', 'flush', 'dev', 'near');
      const neighbours = await createNeighbours({ onProblem, canManage });
      t.teardown(() => neighbours.stop());
      await followNeighbours(t, neighbours, far);
    });
  }
  t.same(problems, []);
});

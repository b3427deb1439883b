/**
 * What the kernel is told of virtual routers, in which order, and that all of it is found again and taken away.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Config } from '../../../src/config/model.js';
import { installPresence, neededSettings, removeAddresses, removePresence, wantedPresence } from '../../../src/control/presence.js';
import type { KernelPresence } from '../../../src/system/kernel-presence.js';
import { sampleConfig } from '../../support/sample-config.js';

const VMAC = '00:00:5e:00:01:33';
const [router] = sampleConfig().virtualRouters;
if (router === undefined) throw new Error('the sample has a router');
const config = (change: { virtualMac?: boolean; accept?: boolean; addresses?: string[] }): Config =>
  sampleConfig({ virtualRouters: [{ ...router, ...change }] });

/** A kernel that writes down what it is told; `file` is looked at with each of its words. */
function fakeKernel(file: string, failing = '') {
  const said: string[] = [];
  const tell = async (what: string): Promise<void> => {
    said.push(what);
    if (what === failing) throw new Error(`refused: ${what}`);
    if (what.startsWith('+')) t.match(readFileSync(file, 'utf8'), what.split(' ')[1] ?? '', 'written down before it is done');
  };
  const door: KernelPresence = {
    addMac: ({ interface: name, mac }) => tell(`+ ${mac} ${name}`),
    removeMac: ({ interface: name, mac }) => tell(`- ${mac} ${name}`),
    addAddress: (address) => tell(`+ ${address}`),
    removeAddress: (address) => tell(`- ${address}`),
    raise(key, least) {
      said.push(`${key} ${least}`);
      return key.endsWith('arp_ignore') ? { key, before: '0', after: String(least) } : null;
    },
  };
  return { door, said };
}

const stateFile = (t: Test): string => {
  const directory = mkdtempSync(join(tmpdir(), 'tandem-presence-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  return join(directory, 'presence.json');
};

t.test('what is wanted', async (t) => {
  t.same(wantedPresence(config({})), { macs: [], addresses: [] });
  t.same(wantedPresence(config({ virtualMac: true })).macs, [
    { interface: 'eth0', mac: VMAC },
    { interface: 'eth1', mac: VMAC },
  ]);
  t.same(wantedPresence(config({ accept: true })).addresses, ['10.1.0.100', '10.2.0.1']);
  const six = wantedPresence(config({ accept: true, virtualMac: true, addresses: ['FE80::0:33'] }));
  t.same([six.macs[0]?.mac, six.addresses[0]], ['00:00:5e:00:02:33', 'fe80::33']);
});

t.test('settings only for IPv4 addresses on lo', async (t) => {
  t.same(neededSettings({ macs: [], addresses: [] }, ['eth0']), []);
  t.same(neededSettings({ macs: [], addresses: ['fe80::33'] }, ['eth0']), []);
  t.same(
    neededSettings({ macs: [], addresses: ['10.1.0.100'] }, ['eth0', 'eth1.5']).map(({ key, least }) => `${key} ${least}`),
    [
      'net.ipv4.conf.all.arp_ignore 1',
      'net.ipv4.conf.all.arp_announce 2',
      'net.ipv4.conf.eth0.accept_local 1',
      'net.ipv4.conf.eth1/5.accept_local 1',
    ],
  );
});

t.test('installed: settings before addresses; said again by a restarted daemon', async (t) => {
  const file = stateFile(t);
  const { door, said } = fakeKernel(file);
  const raised = await installPresence(door, file, config({ virtualMac: true, accept: true }));
  t.same(raised, [{ key: 'net.ipv4.conf.all.arp_ignore', before: '0', after: '1' }]);
  const order = [
    'net.ipv4.conf.all.arp_ignore 1',
    'net.ipv4.conf.all.arp_announce 2',
    'net.ipv4.conf.eth0.accept_local 1',
    'net.ipv4.conf.eth1.accept_local 1',
    `+ ${VMAC} eth0`,
    `+ ${VMAC} eth1`,
    '+ 10.1.0.100',
    '+ 10.2.0.1',
  ];
  t.same(said, order);
  said.length = 0;
  await installPresence(door, file, config({ virtualMac: true, accept: true }));
  t.same(said, order, 'nothing is removed in between');
});

t.test('what the configuration no longer asks for is removed first', async (t) => {
  const file = stateFile(t);
  const { door, said } = fakeKernel(file);
  await installPresence(door, file, config({ virtualMac: true, accept: true }));
  said.length = 0;
  await installPresence(door, file, config({}));
  t.same(said, ['- 10.1.0.100', '- 10.2.0.1', `- ${VMAC} eth0`, `- ${VMAC} eth1`]);
  said.length = 0;
  await installPresence(door, file, config({}));
  t.same(said, []);
});

t.test('after a failure, what was begun is known', async (t) => {
  const file = stateFile(t);
  const broken = fakeKernel(file, '+ 10.2.0.1');
  await t.rejects(installPresence(broken.door, file, config({ accept: true })), /refused/);
  const { door, said } = fakeKernel(file);
  await installPresence(door, file, config({}));
  t.same(said, ['- 10.1.0.100', '- 10.2.0.1']);
});

t.test('a stop takes the addresses, unloading first them, then the program, then the MACs', async (t) => {
  const file = stateFile(t);
  const { door, said } = fakeKernel(file);
  await installPresence(door, file, config({ virtualMac: true, accept: true }));
  said.length = 0;
  await removeAddresses(door, file);
  t.same(said, ['- 10.1.0.100', '- 10.2.0.1']);
  await installPresence(door, file, config({ virtualMac: true, accept: true }));
  said.length = 0;
  await removePresence(door, file, () => said.push('unload'));
  t.same(said, ['- 10.1.0.100', '- 10.2.0.1', 'unload', `- ${VMAC} eth0`, `- ${VMAC} eth1`]);
  said.length = 0;
  await removePresence(door, file, () => said.push('unload'));
  t.same(said, ['unload'], 'nothing is known any more');
});

t.test('a damaged file names nothing', async (t) => {
  const file = stateFile(t);
  for (const content of ['{', '[]', '{"macs":1}', 'null']) {
    writeFileSync(file, content);
    const { door, said } = fakeKernel(file);
    await installPresence(door, file, config({}));
    t.same(said, [], content);
  }
});

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  beatKey,
  bootInstance,
  loadHolders,
  loadOverrides,
  loadPeerKeys,
  loadPools,
  loadTerms,
  openStateDir,
  removeOtherLayouts,
  saveHolders,
  saveOverrides,
  savePeerKeys,
  savePools,
  saveTerms,
} from '../../../src/control/state-dir.js';

const generation = { pool: 'web', generation: 3, members: [{ name: 'be1', address: '10.2.0.21', port: 80, weight: 1, alive: false }] };

const stateDir = (t: Test, name = ''): string => {
  const directory = mkdtempSync(join(tmpdir(), 'tandem-state-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  return join(directory, name);
};

t.test('a directory whose sockets could not be opened is refused', async (t) => {
  t.throws(() => openStateDir(stateDir(t, 'x'.repeat(100)), 'lb1'), /characters too long/);
});

t.test('pins are kept apart by node and directory', async (t) => {
  const dir = stateDir(t);
  const pins = [openStateDir(join(dir, 'a'), 'lb1'), openStateDir(join(dir, 'a'), 'lb2'), openStateDir(join(dir, 'b'), 'lb1')].map(
    (state) => state.pinDir,
  );
  t.equal(new Set(pins).size, 3);
  t.equal(openStateDir(join(dir, 'a'), 'lb1').pinDir, pins[0], 'the same again for the same');
  t.notMatch(openStateDir(join(dir, 'a'), 'lb.example').pinDir, /\./, 'bpffs takes no dots');
  t.match(pins[0], /^\/sys\/fs\/bpf\/tandem\/lb1-[0-9a-f]{8}\/v\d+$/);
});

t.test('the instance stays for a boot and changes with the next', async (t) => {
  const state = openStateDir(stateDir(t), 'lb1');
  const first = bootInstance(state);
  t.match(first, /^\d+$/);
  t.equal(bootInstance(state), first);
  const file = join(state.path, 'instance');
  t.equal(statSync(file).mode & 0o777, 0o600);
  writeFileSync(file, `another-boot ${first}\n`);
  t.not(bootInstance(state), first);
  t.match(readFileSync(file, 'utf8'), /^[0-9a-f-]{36} \d+\n$/);
});

t.test('pool generations survive a restart, a damaged file does not matter', async (t) => {
  const state = openStateDir(stateDir(t), 'lb1');
  t.same(loadPools(state), []);
  savePools(state, [generation]);
  t.same(loadPools(state), [generation]);
  writeFileSync(join(state.path, 'pools.json'), '[{"pool":1},');
  t.same(loadPools(state), []);
  writeFileSync(join(state.path, 'pools.json'), '[{"pool":1},null]');
  t.same(loadPools(state), []);
});

t.test('commands to servers: what is damaged is left out', async (t) => {
  const state = openStateDir(stateDir(t), 'lb1');
  t.same(loadOverrides(state), []);
  const word = { pool: 'web', server: 'be1', about: 'state', value: 'drain', origin: { stamp: 7, node: 'lb2', by: '', why: '' } } as const;
  saveOverrides(state, [word]);
  t.same(loadOverrides(state), [word]);
  writeFileSync(join(state.path, 'overrides.json'), JSON.stringify([{ ...word, value: 'off' }, null, word]));
  t.same(loadOverrides(state), [word]);
  writeFileSync(join(state.path, 'overrides.json'), '[');
  t.same(loadOverrides(state), []);
});

t.test('each instance has its own beat key, for the owner only', async (t) => {
  const state = openStateDir(stateDir(t), 'lb1');
  const first = beatKey(state, '7');
  t.match(first, /^[0-9a-f]{32}$/);
  t.equal(beatKey(state, '7'), first);
  t.equal(statSync(join(state.path, 'beat-key')).mode & 0o777, 0o600);
  t.not(beatKey(state, '8'), first);
  const here = beatKey(state, '7');
  t.equal(beatKey(state, '7', '0.0'), here, 'the clock of this machine');
  const ahead = beatKey(state, '7', '86400.0');
  t.not(ahead, here, 'another clock, another key');
  t.equal(beatKey(state, '7', '86400.0'), ahead);
  t.not(beatKey(state, '7'), here, 'and none that was used before');
  writeFileSync(join(state.path, 'beat-key'), '8 short\n');
  t.match(beatKey(state, '8'), /^[0-9a-f]{32}$/, 'a damaged one is made anew');
});

t.test('who held last survives a restart, a damaged file does not matter', async (t) => {
  const state = openStateDir(stateDir(t), 'lb1');
  t.same([...loadHolders(state)], []);
  saveHolders(state, new Map([['front', 'lb2']]));
  t.same([...loadHolders(state)], [['front', 'lb2']]);
  writeFileSync(join(state.path, 'holders.json'), '{"front":1,"back":"lb3"}');
  t.same([...loadHolders(state)], [['back', 'lb3']]);
  for (const damaged of ['{"front":', 'null']) {
    writeFileSync(join(state.path, 'holders.json'), damaged);
    t.same([...loadHolders(state)], [], damaged);
  }
});

t.test('what peers sign with survives a restart; what cannot be a key is none', async (t) => {
  const state = openStateDir(stateDir(t), 'lb1');
  t.same([...loadPeerKeys(state)], []);
  savePeerKeys(state, new Map([['lb2', 'a1'.repeat(16)]]));
  t.same([...loadPeerKeys(state)], [['lb2', 'a1'.repeat(16)]]);
  t.equal(statSync(join(state.path, 'peer-keys.json')).mode & 0o077, 0, 'nobody else reads them');
  writeFileSync(join(state.path, 'peer-keys.json'), `{"lb2":"short","lb3":"${'b2'.repeat(16)}"}`);
  t.same([...loadPeerKeys(state)], [['lb3', 'b2'.repeat(16)]]);
});

t.test('terms survive a restart; what cannot be one is none', async (t) => {
  const state = openStateDir(stateDir(t), 'lb1');
  t.same([...loadTerms(state)], []);
  saveTerms(state, new Map([['front', 41]]));
  t.same([...loadTerms(state)], [['front', 41]]);
  writeFileSync(join(state.path, 'terms.json'), '{"front":"-1","back":"1e9","side":"3","other":5}');
  t.same([...loadTerms(state)], [['side', 3]]);
});

t.test('what another layout left pinned is removed, and nothing else', async (t) => {
  const pinRoot = join(stateDir(t), 'pins');
  const pinDir = join(pinRoot, 'v2');
  t.same(removeOtherLayouts({ pinRoot, pinDir }), [], 'nothing is there yet');
  for (const version of ['v1', 'v2', 'v10']) {
    mkdirSync(join(pinRoot, version), { recursive: true });
    writeFileSync(join(pinRoot, version, 'flows'), '');
  }
  t.same(removeOtherLayouts({ pinRoot, pinDir }).sort(), [join(pinRoot, 'v1'), join(pinRoot, 'v10')]);
  t.ok(existsSync(join(pinDir, 'flows')));
  t.notOk(existsSync(join(pinRoot, 'v1')));
});

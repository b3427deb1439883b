/** Loading: what is pinned is adopted, what is missing is made, what a crash left half done is repaired, and what cannot be says why. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { loadNative } from '../../src/l4/native.js';
import { addonPath } from '../../src/system/paths.js';
import { freshPinDir, loadPlane, native, objectPath, timed, u32, unsupported, WITHOUT_CAPABILITIES } from './fixture.js';

const PROGRAMS = ['prog_apply', 'prog_clock', 'prog_lease'];
const remove = (pinDir: string, ...names: string[]): void => {
  for (const name of names) rmSync(path.join(pinDir, name));
};

const CHILD = `
const [addon, objectPath, pinDir] = process.argv.slice(1);
try { require(addon).load({ objectPath, pinDir, maxFlows: 64 }); console.log('loaded'); } catch (error) { console.log(error.code, error.message, error.hint ?? ''); }
`;

const BAD_PROGRAM = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); } flows SEC(".maps");
SEC("syscall") int tandem_lease(void *args) { return **(int **)args; }
SEC("syscall") int tandem_apply(void *args) { return 0; }
SEC("syscall") int tandem_clock(void *args) { return 0; }
char LICENSE[] SEC("license") = "GPL";
`;

if (unsupported) {
  t.pass('needs the kernel', { skip: unsupported });
} else {
  t.test('maps outlive their process and keep what they hold', (t) => {
    const { plane, pinDir } = loadPlane(t, { maxFlows: 1000 });
    plane.mapSet('rounds', u32(1), Buffer.alloc(8, 9));
    plane.close();
    const again = native.load({ objectPath, pinDir, maxFlows: 5000 });
    t.same(again.mapGet('rounds', u32(1)), Buffer.alloc(8, 9));
    again.close();
    const adopted = native.load({ objectPath, pinDir, maxFlows: 1, adoptOnly: true });
    t.same(adopted.mapGet('rounds', u32(1)), Buffer.alloc(8, 9), 'adoptOnly reads the same');
    t.ok(adopted.kernelNs() > 0n);
    adopted.close();
    t.end();
  });

  t.test('every half-made directory is completed', (t) => {
    const { plane, pinDir } = loadPlane(t);
    plane.close();
    const all = readdirSync(pinDir).sort();
    t.ok(PROGRAMS.every((name) => all.includes(name)));
    const maps = all.filter((name) => !PROGRAMS.includes(name));
    const losses = [[...PROGRAMS], [...maps], maps.slice(0, 5), [...PROGRAMS, ...maps.slice(4)], ['leases'], ['inbox'], ['tables']];
    for (const lost of losses) {
      remove(pinDir, ...lost);
      const repaired = native.load({ objectPath, pinDir, maxFlows: 64 });
      t.same(readdirSync(pinDir).sort(), all, `without ${lost.length} pins`);
      const leases = native.openLeases(pinDir);
      const { deadlineNs } = leases.acquire(2, 1_000_000n, 0n, 5n);
      t.equal(repaired.mapGet('leases', u32(2))?.readBigUInt64LE(0), deadlineNs, 'the pinned program writes the pinned map');
      leases.close();
      repaired.close();
    }
    renameSync(path.join(pinDir, 'prog_lease'), path.join(pinDir, 'prog_lease~'));
    native.load({ objectPath, pinDir, maxFlows: 64 }).close();
    t.same(readdirSync(pinDir).sort(), all, 'leftovers of a crash between pin and rename are gone');
    t.end();
  });

  t.test('unload leaves nothing', (t) => {
    const pinDir = freshPinDir();
    native.load({ objectPath, pinDir, maxFlows: 64 }).unload();
    t.notOk(existsSync(path.dirname(pinDir)), 'no pins, no directory');
    t.end();
  });

  t.test('nothing to adopt', (t) => {
    const pinDir = freshPinDir();
    t.throws(() => native.load({ objectPath, pinDir, maxFlows: 1, adoptOnly: true }), { code: 'NOT_LOADED' });
    t.throws(() => native.openLeases(pinDir), { code: 'NOT_LOADED' });
    t.notOk(existsSync(pinDir), 'and nothing was made');
    const { plane, pinDir: partial } = loadPlane(t);
    plane.close();
    remove(partial, 'prog_apply', 'prog_lease');
    t.throws(() => native.load({ objectPath, pinDir: partial, maxFlows: 1, adoptOnly: true }), {
      code: 'NOT_LOADED',
      message: /incomplete/,
    });
    t.throws(() => native.openLeases(partial), { code: 'NOT_LOADED', message: /tandem run/ });
    t.end();
  });

  t.test('pins of another layout', (t) => {
    const { plane, pinDir } = loadPlane(t);
    plane.close();
    remove(pinDir, 'rounds');
    renameSync(path.join(pinDir, 'leases'), path.join(pinDir, 'rounds'));
    t.throws(() => native.load({ objectPath, pinDir, maxFlows: 64 }), { code: 'PINS_INCOMPATIBLE', message: /rounds/ });
    remove(pinDir, 'rounds');
    t.end();
  });

  t.test('two processes at once', (t) => {
    const { plane, pinDir } = loadPlane(t);
    const locked = spawnSync('flock', ['-n', pinDir, process.execPath, '-e', CHILD, addonPath, objectPath, pinDir], { encoding: 'utf8' });
    t.match(locked.stdout, /BUSY/, locked.stderr);
    t.ok(plane.kernelNs() > 0n);
    t.end();
  });

  t.test('what is wrong with the system', (t) => {
    const elsewhere = t.testdir({ 'broken.o': 'no object', dir: {} });
    const pinDir = freshPinDir();
    const load = (options: object) => () => native.load({ objectPath, pinDir, maxFlows: 64, ...options });
    t.throws(load({ objectPath: '/nowhere.o' }), { code: 'OBJECT_INVALID', errno: 2, hint: 'run: scripts/build' });
    t.throws(load({ objectPath: path.join(elsewhere, 'broken.o') }), { code: 'OBJECT_INVALID' });
    t.throws(load({ pinDir: path.join(elsewhere, 'dir/v1') }), { code: 'BPFFS_NOT_MOUNTED', message: /mount -t bpf bpf \/sys\/fs\/bpf/ });
    t.throws(load({ pinDir: '/sys/fs/bpf/with.dot/v1' }), { message: /must not contain a dot/ });
    t.notOk(existsSync(pinDir));
    t.end();
  });

  t.test('an addon that does not load', (t) => {
    const dir = t.testdir({ 'garbage.node': 'no library', 'empty.c': '' });
    const file = (name: string): string => path.join(dir, name);
    t.throws(() => loadNative(file('missing.node')), { code: 'NOT_BUILT', message: /missing.*run: scripts\/build/ });
    t.throws(() => loadNative(file('garbage.node')), { code: 'NOT_BUILT', message: /does not load.*run: scripts\/build/ });
    const link = (output: string, ...words: string[]): unknown =>
      execFileSync('g++', ['-shared', '-o', file(output), '-Wl,--no-as-needed', '-x', 'c', file('empty.c'), ...words]);
    link('libbpf.so.99', '-Wl,-soname,libbpf.so.99');
    link('orphan.node', `-L${dir}`, '-l:libbpf.so.99');
    rmSync(file('libbpf.so.99'));
    t.throws(() => loadNative(file('orphan.node')), {
      code: 'LIBRARY_MISSING',
      message: /libbpf.so.99 is missing; run: apt-get install libbpf1/,
    });
    t.end();
  });

  t.test('without privilege', (t) => {
    const pinDir = freshPinDir();
    const result = spawnSync('setpriv', [...WITHOUT_CAPABILITIES, process.execPath, '-e', CHILD, addonPath, objectPath, pinDir], {
      encoding: 'utf8',
    });
    t.match(result.stdout, /NO_PRIVILEGE .*(run as root|setcap)/, result.stderr);
    t.notOk(existsSync(pinDir));
    t.end();
  });

  t.test("the verifier's log is in the error", (t) => {
    const dir = t.testdir({ 'bad.bpf.c': BAD_PROGRAM });
    const object = path.join(dir, 'bad.bpf.o');
    const include = `/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
    const built = spawnSync('clang', ['-O2', '-g', '-target', 'bpf', `-I${include}`, '-c', path.join(dir, 'bad.bpf.c'), '-o', object], {
      encoding: 'utf8',
    });
    t.equal(built.status, 0, built.stderr);
    const pinDir = freshPinDir();
    t.throws(() => native.load({ objectPath: object, pinDir, maxFlows: 64 }), {
      code: 'VERIFIER_REJECTED',
      errno: 13,
      verifierLog: /R0 invalid mem access|invalid mem access/,
      message: /tandem_lease/,
    });
    writeFileSync(path.join(dir, 'none.bpf.c'), 'char LICENSE[] __attribute__((section("license"))) = "GPL";\n');
    t.notOk(existsSync(path.dirname(pinDir)), 'an attempt that failed leaves nothing behind');
    spawnSync('clang', ['-O2', '-g', '-target', 'bpf', '-c', path.join(dir, 'none.bpf.c'), '-o', object]);
    t.throws(() => native.load({ objectPath: object, pinDir, maxFlows: 64 }), { code: 'OBJECT_INVALID', message: /lacks .*programs/ });
    t.end();
  });

  t.test('how long it takes', (t) => {
    const pinDir = freshPinDir();
    const first = timed(() => native.load({ objectPath, pinDir, maxFlows: 1 << 20 }));
    const second = timed(() => native.load({ objectPath, pinDir, maxFlows: 1 << 20 }));
    const adopt = timed(() => native.load({ objectPath, pinDir, maxFlows: 1 << 20, adoptOnly: true }));
    const leases = timed(() => native.openLeases(pinDir));
    const memory = first.result.memoryBytes('flows');
    t.comment(`load with 1M records: ${first.ms.toFixed(1)} ms, again: ${second.ms.toFixed(1)} ms, adoptOnly: ${adopt.ms.toFixed(2)} ms`);
    t.comment(`openLeases: ${leases.ms.toFixed(2)} ms; flow table: ${memory} bytes, ${(memory / (1 << 20)).toFixed(1)} per record`);
    t.ok(memory / (1 << 20) <= 200, 'at most 200 bytes of kernel memory for a connection');
    leases.result.close();
    adopt.result.close();
    second.result.close();
    first.result.unload();
    t.end();
  });
}

/** The other tests of the addon once more, with it under AddressSanitizer and UBSan; its parts alone; and its threads under ThreadSanitizer. */
import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { projectRoot, sanitizedAddonPath } from '../../src/system/paths.js';
import { freshPort } from './beat-fixture.js';
import { ADDON_VARIABLE, unsupported } from './fixture.js';

const FILES = ['misuse', 'lifecycle', 'maps', 'flows', 'frames', 'beats', 'beat-leases', 'beat-paths', 'links', 'hop-limit'];
/** Building and running under sanitizers is slow on a busy machine. */
const PATIENCE_MS = 300_000;
const OUTPUT_SHOWN = 8000;

t.setTimeout(PATIENCE_MS);
if (unsupported) {
  t.pass('needs the kernel', { skip: unsupported });
} else {
  execFileSync('make', ['-s', '-C', path.join(projectRoot, 'native'), 'asan'], { stdio: ['ignore', 'inherit', 'inherit'] });
  const library = execFileSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim();
  const env = {
    ...process.env,
    [ADDON_VARIABLE]: sanitizedAddonPath,
    LD_PRELOAD: library,
    ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=0:exitcode=99',
    UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1:exitcode=98',
  };
  t.test('programs that test parts of it', (t) => {
    execFileSync('make', ['-s', '-C', path.join(projectRoot, 'native'), 'tests'], { stdio: ['ignore', 'inherit', 'inherit'] });
    for (const words of [['pure'], ['threads', String(freshPort())]]) {
      const program = path.join(path.dirname(sanitizedAddonPath), '../test', words[0] ?? '');
      const { status, stdout, stderr } = spawnSync(program, words.slice(1), { encoding: 'utf8' });
      t.equal(status, 0, `${stdout}${stderr}`.slice(-OUTPUT_SHOWN));
      t.match(stdout, /: [1-9]\d* checks, 0 failures/);
    }
    t.end();
  });
  for (const name of FILES) {
    const file = path.join(path.dirname(fileURLToPath(import.meta.url)), `${name}.test.js`);
    const { status, stdout, stderr } = spawnSync(process.execPath, [file], { env, encoding: 'utf8' });
    if (status !== 0) t.comment(stdout.slice(-OUTPUT_SHOWN), stderr.slice(-OUTPUT_SHOWN));
    t.equal(status, 0, `${name} under sanitizers`);
    t.notMatch(stdout + stderr, /AddressSanitizer|runtime error:/, `${name}: no report`);
  }
}

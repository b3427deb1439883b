/**
 * Completion scripts: read without complaint by their shells, and bash completes what it should.
 */
import { spawnSync } from 'node:child_process';
import t from 'tap';
import { tandem } from '../../support/cli-run.js';

const script = async (shell: string): Promise<string> => {
  const { status, out } = await tandem(['completion', shell]);
  t.equal(status, 0, shell);
  t.ok(out.length > 500, `${shell} script is not empty`);
  return out;
};

/** What bash offers for the last of these words. */
function complete(bash: string, words: string[]): string[] {
  const list = words.map((word) => `'${word}'`).join(' ');
  const run = `${bash}\nCOMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _tandem; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', run], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  t.equal(stderr, '');
  return stdout.split('\n').filter(Boolean);
}

t.test('bash', async (t) => {
  const bash = await script('bash');
  const syntax = spawnSync('bash', ['-n'], { input: bash, encoding: 'utf8' });
  t.same([syntax.status, syntax.stderr], [0, '']);
  t.same(complete(bash, ['tandem', 'sw']), ['switchover']);
  t.same(complete(bash, ['tandem', 'flows', '--s']).sort(), ['--server', '--service', '--state', '--state-dir']);
  t.same(complete(bash, ['tandem', 'pki', '']), ['init', '--help']);
  t.same(complete(bash, ['tandem', 'pki', 'init', '--n']), ['--nodes']);
  t.same(complete(bash, ['tandem', 'servers', 'd']), ['drain', 'disable']);
  t.same(complete(bash, ['tandem', 'servers', 'drain', '--w']), ['--why', '--wait']);
  t.same(complete(bash, ['tandem', 'completion', 'z']), ['zsh']);
  t.same(complete(bash, ['tandem', 'run', '--config', '/etc/hostnam']), ['/etc/hostname']);
  t.same(complete(bash, ['tandem', 'check', '/etc/hostnam']), ['/etc/hostname']);
  t.same(complete(bash, ['tandem', 'status', '--state-dir', '/et']), ['/etc']);
  t.same(complete(bash, ['tandem', 'flows', '--service', '']), [], 'a value that only the user knows');
});

for (const shell of ['zsh', 'fish']) {
  t.test(`${shell}: every command and option is in it`, async (t) => {
    const text = await script(shell);
    const words = [
      'run',
      'check',
      'status',
      'top',
      'flows',
      'servers',
      'switchover',
      'upgrade',
      'pki',
      'init',
      'unload',
      'completion',
      'state-dir',
      'strict',
      'router',
      'nodes',
    ];
    for (const word of words) t.match(text, new RegExp(`\\b${word}\\b`), word);
  });
}

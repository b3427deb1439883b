/** The link monitor in a network namespace of its own: every change is told, and what was lost is made good. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import type { LinkChange } from '../../src/l4/native.js';
import { Agent } from './agent-process.js';
import { becomes } from './beat-fixture.js';
import { native, unsupported } from './fixture.js';

const PATIENCE_MS = 20_000;
/** More messages than the buffer of the socket holds. */
const STORM = 4000;
const LATE = ['link add late type veth peer name early', 'link set early up', 'link set late up'];

if (unsupported) {
  t.pass('needs the kernel', { skip: unsupported });
} else {
  t.test('links that come, go and change', async (t) => {
    const namespace = `tl${process.pid}`;
    execFileSync('ip', ['netns', 'add', namespace]);
    t.teardown(() => execFileSync('ip', ['netns', 'del', namespace]));
    const ip = (words: string): void => void execFileSync('ip', ['-n', namespace, ...words.split(' ')]);
    const agent = new Agent(namespace);
    t.teardown(() => agent.stop());
    const links = new Map<string, boolean>();
    const told: string[] = [];
    agent.child.on('message', (message: { type?: string; links: LinkChange[] }) => {
      for (const { name, ifindex, isRunning } of message.type === 'links' ? message.links : []) {
        links.set(name, isRunning);
        told.push(`${name} ${isRunning} ${ifindex > 0}`);
      }
    });
    const changesTo = async (name: string, isRunning: boolean): Promise<void> => {
      while (links.get(name) !== isRunning) await once(agent.child, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) });
      t.pass(`${name} ${isRunning ? 'runs' : 'does not run'}`);
    };

    await agent.call('agent', 'openLinkMonitor', [], 'monitor');
    await changesTo('lo', false);
    ip('link set lo up');
    await changesTo('lo', true);
    ip('link add left type veth peer name right');
    await changesTo('left', false);
    ip('link set left up');
    ip('link set right up');
    await changesTo('left', true);
    await changesTo('right', true);
    ip('link set right down');
    await changesTo('left', false);
    ip('link set right up');
    await changesTo('left', true);
    const before = told.length;
    ip('link set left mtu 1400');
    ip('link add bridge type bridge');
    ip('link set left master bridge');
    ip('link set left nomaster');
    ip('link set bridge name other');
    await changesTo('other', false);
    t.notOk(
      told.slice(before).some((text) => text.startsWith('left')),
      'what is no change of running is not told, nor is a port that leaves its bridge',
    );
    ip('link set left down');
    ip('link set left name west');
    ip('link set west up');
    await changesTo('west', true);
    t.equal(links.get('left'), false, 'a name that is gone does not run');

    process.kill(agent.child.pid ?? 0, 'SIGSTOP');
    const storm = Array.from({ length: STORM }, (_, index) => `link set west mtu ${1300 + (index % 2)}`);
    execFileSync('ip', ['-n', namespace, '-batch', '-'], {
      input: [...storm, 'link del west', ...LATE].join('\n'),
    });
    process.kill(agent.child.pid ?? 0, 'SIGCONT');
    await changesTo('west', false);
    await changesTo('right', false);
    await changesTo('late', true);
    t.ok(
      told.every((text) => text.endsWith(' true')),
      'each with its index',
    );

    await agent.call('monitor', 'close', []);
    const after = told.length;
    ip('link set late down');
    await agent.call('native', 'monotonicNs', []);
    t.equal(told.length, after, 'nothing after close');
  });

  t.test('several at once, closed from inside', async (t) => {
    let calls = 0;
    const monitors = [0, 1].map(() => {
      const monitor = native.openLinkMonitor((links) => {
        t.ok(links.some(({ name, isRunning, ifindex }) => name === 'lo' && ifindex === 1 && typeof isRunning === 'boolean'));
        calls += 1;
        monitor.close();
      });
      return monitor;
    });
    t.ok(await becomes(() => calls === 2));
    for (const monitor of monitors) t.doesNotThrow(() => monitor.close());
  });
}

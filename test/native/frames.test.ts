/** Raw frames over a cable of two interfaces in one namespace: what arrives, when, and what the sender itself sees. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { Agent } from './agent-process.js';
import { unsupported } from './fixture.js';

const ETHER_TYPE = 0x88b5;
const CAPTURE_ALL = 0x0003;
const BURST = 100;

function frame(etherType: number, text: string): Buffer {
  const bytes = Buffer.alloc(60);
  bytes.fill(0xff, 0, 6);
  bytes.writeUInt16BE(etherType, 12);
  bytes.write(text, 14);
  return bytes;
}

interface Seen {
  type: 'frames';
  name: string;
  frames: { frame: Uint8Array; timestampNs: bigint; outgoing: boolean }[];
}

if (unsupported) {
  t.pass('needs the kernel', { skip: unsupported });
} else {
  t.test('frames between two interfaces', async (t) => {
    const namespace = `tf${process.pid}`;
    execFileSync('ip', ['netns', 'add', namespace]);
    t.teardown(() => execFileSync('ip', ['netns', 'del', namespace]));
    const run = (...words: string[]) => execFileSync('nsenter', [`--net=/run/netns/${namespace}`, ...words]);
    run('ip', 'link', 'add', 'left', 'type', 'veth', 'peer', 'name', 'right');
    for (const device of ['left', 'right']) run('ip', 'link', 'set', device, 'up');
    const agent = new Agent(namespace);
    t.teardown(() => agent.stop());
    const received: Record<string, Seen['frames']> = { right: [], all: [] };
    agent.child.on('message', (message: Seen) => {
      if (message.type === 'frames') received[message.name]?.push(...message.frames);
    });
    const arrived = async (name: string, count: number): Promise<Seen['frames']> => {
      while ((received[name]?.length ?? 0) < count) await once(agent.child, 'message', { signal: AbortSignal.timeout(10_000) });
      return received[name] ?? [];
    };
    await agent.call('native', 'openFrames', ['left', 0], 'left');
    await agent.call('agent', 'openFrames', ['right', ETHER_TYPE], 'right');
    await agent.call('agent', 'openFrames', ['left', CAPTURE_ALL], 'all');

    const before = BigInt(Date.now() - 1) * 1_000_000n;
    await agent.call('left', 'send', [frame(0x88b6, 'of another protocol')]);
    await agent.call('left', 'send', [frame(ETHER_TYPE, 'hello')]);
    const [first] = await arrived('right', 1);
    t.match(Buffer.from(first?.frame ?? []).toString('latin1', 14), /^hello/, 'only the protocol asked for');
    t.equal(first?.outgoing, false);
    const after = BigInt(Date.now() + 1) * 1_000_000n;
    t.ok(first && first.timestampNs >= before && first.timestampNs <= after, 'with the time of arrival');
    const captured = (await arrived('all', 2)).filter(
      ({ frame }) => Buffer.from(frame).readUInt16BE(12) >>> 1 === ETHER_TYPE >>> 1 || frame[13] === 0xb6,
    );
    t.ok(captured.length >= 2 && captured.every(({ outgoing }) => outgoing), 'a capture sees what was sent, marked as outgoing');

    for (let index = 0; index < BURST; index += 1) await agent.call('left', 'send', [frame(ETHER_TYPE, `number ${index} `)]);
    const burst = (await arrived('right', 1 + BURST)).slice(1).map(({ frame }) => Buffer.from(frame).toString('latin1', 14));
    t.ok(
      burst.every((text, index) => text.startsWith(`number ${index} `)),
      'in order',
    );
    await agent.call('right', 'close', []);
    await agent.call('left', 'send', [frame(ETHER_TYPE, 'too late')]);
    await agent.call('left', 'send', [frame(ETHER_TYPE, 'too late')]);
    t.equal(received.right?.length, 1 + BURST, 'nothing after close');

    run('ip', 'link', 'set', 'left', 'down');
    await t.rejects(agent.call('left', 'send', [frame(ETHER_TYPE, 'x')]), { code: 'SYSCALL', message: /ENETDOWN/ });
    run('ip', 'link', 'set', 'left', 'up');
    await agent.call('left', 'send', [frame(ETHER_TYPE, 'after')]);
    t.pass('the socket outlives an interface that was down');
    const isAfter = ({ frame }: Seen['frames'][number]): boolean => Buffer.from(frame).toString('latin1', 14).startsWith('after');
    while (!received.all?.some(isAfter)) await once(agent.child, 'message', { signal: AbortSignal.timeout(10_000) });
    t.pass('and goes on receiving');
    run('ip', 'link', 'del', 'left');
    await t.rejects(agent.call('left', 'send', [frame(ETHER_TYPE, 'x')]), { code: 'SYSCALL' });
    await t.rejects(agent.call('agent', 'openFrames', ['left', CAPTURE_ALL], 'gone'), { code: 'NO_INTERFACE' });
  });
}

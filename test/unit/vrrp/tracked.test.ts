/** What becomes of the things that a group tracks. */
import t from 'tap';
import { effectivePriority, judgeTracked } from '../../../src/vrrp/tracked.js';

const up = (): boolean => true;
const down = (): boolean => false;

t.test('an interface without weight is a fault while it is down', async (t) => {
  const interfaces = [{ name: 'eth1', weight: null }];
  t.same(judgeTracked([], interfaces, up), { fault: null, priorityDelta: 0, reasons: [] });
  t.same(judgeTracked([], interfaces, down), { fault: 'interfaceDown:eth1', priorityDelta: 0, reasons: ['interface eth1 is down'] });
});

t.test('a negative weight counts while it is down, a positive one while it is up', async (t) => {
  const delta = (weight: number, isUp: () => boolean): number => judgeTracked([], [{ name: 'eth1', weight }], isUp).priorityDelta;
  t.same([delta(-50, up), delta(-50, down), delta(20, up), delta(20, down)], [0, -50, 20, 0]);
});

t.test('what the daemon tracks is added, and the first fault is the reason', async (t) => {
  const tracked = [
    { router: 'front', fault: null, priorityDelta: -30, reasons: ['script check failed (-30)'] },
    { router: 'front', fault: 'processDown:nginx', priorityDelta: 0, reasons: ['no process nginx'] },
  ];
  t.same(judgeTracked(tracked, [{ name: 'eth1', weight: -20 }], down), {
    fault: 'processDown:nginx',
    priorityDelta: -50,
    reasons: ['interface eth1 is down (-20)', 'script check failed (-30)', 'no process nginx'],
  });
});

t.test('weights lead neither to 0, nor to the owner, nor away from it', async (t) => {
  t.same(
    [effectivePriority(100, -200), effectivePriority(100, 200), effectivePriority(100, -30), effectivePriority(255, -30)],
    [1, 254, 70, 255],
  );
});

import t from 'tap';
import { createLastHolders } from '../../../src/replication/last-holders.js';

t.test('who held last, and what others than a node did', async (t) => {
  const told: Record<string, string>[] = [];
  const known = new Map([
    ['front', 'lb1'],
    ['gone', 'lb1'],
  ]);
  const holders = createLastHolders(known, ['front', 'back'], (now) => told.push(Object.fromEntries(now)));
  t.same([holders.elsewhere('lb1'), holders.elsewhere('lb2')], [[], ['front']], 'of routers that there are');
  holders.took('lb1', ['front']);
  holders.took('lb1', []);
  t.same(told, [], 'nothing new');
  holders.took('lb2', ['front', 'back', 'gone']);
  t.same(told, [{ front: 'lb2', back: 'lb2' }]);
  t.same([holders.elsewhere('lb1'), holders.elsewhere('lb2')], [['front', 'back'], []]);
});

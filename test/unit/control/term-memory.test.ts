import t from 'tap';
import { createTermMemory, type Terms } from '../../../src/control/term-memory.js';

t.test('the latest term of each router is told and kept, whatever a restarted heartbeat says', async (t) => {
  const saved: [string, number][][] = [];
  const save = (terms: Terms): void => void saved.push([...terms]);
  const memory = createTermMemory(new Map([['front', 7]]), save);
  t.same(memory.messages(), [{ type: 'term', router: 'front', term: 7 }]);
  memory.heard([
    { name: 'front', term: 0 },
    { name: 'back', term: 0 },
  ]);
  t.same(saved, [], 'nothing to keep');
  memory.heard([
    { name: 'front', term: 8 },
    { name: 'back', term: 2 },
  ]);
  t.same(saved, [
    [
      ['front', 8],
      ['back', 2],
    ],
  ]);
  t.same(memory.messages(), [
    { type: 'term', router: 'front', term: 8 },
    { type: 'term', router: 'back', term: 2 },
  ]);
});

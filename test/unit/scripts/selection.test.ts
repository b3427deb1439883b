import t from 'tap';
import { findTests, SUITES, selectTests, type TestFile } from '../../../scripts/lib/test/selection.js';
import { projectRoot } from '../../../src/system/paths.js';

const file = (suite: string, name: string): TestFile => {
  const found = SUITES.find((candidate) => candidate.name === suite);
  if (!found) throw new Error(`no suite ${suite}`);
  return { suite: found, source: `test/${suite}/${name}.test.ts`, compiled: `build/js/test/${suite}/${name}.test.js` };
};
const files = [file('unit', 'l4/maglev'), file('unit', 'vrrp/machine'), file('packet', 'nat'), file('netns', 'crash')];
const sources = (...words: string[]): string[] => selectTests(files, words).map((one) => one.source);

t.test('no words select everything', async (t) => {
  t.equal(sources().length, files.length);
});

t.test('suites and parts of a path restrict', async (t) => {
  t.same(sources('packet'), ['test/packet/nat.test.ts']);
  t.same(sources('unit', 'maglev'), ['test/unit/l4/maglev.test.ts']);
  t.same(sources('test/unit/vrrp'), ['test/unit/vrrp/machine.test.ts']);
  t.same(sources('./build/js/test/unit/vrrp/machine.test.js'), ['test/unit/vrrp/machine.test.ts'], 'a compiled path works, too');
  t.same(sources('nothing-like-it'), []);
});

t.test('this file is found, and compiled where it is expected', async (t) => {
  t.match(
    findTests(projectRoot).find((one) => one.source === 'test/unit/scripts/selection.test.ts'),
    { suite: { name: 'unit', lane: 'pure' }, compiled: 'build/js/test/unit/scripts/selection.test.js' },
  );
});

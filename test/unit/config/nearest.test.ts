import t from 'tap';
import { editDistance, nearest, suggestion } from '../../../src/config/nearest.js';

t.test('edit distance', async (t) => {
  const rows: [string, string, number][] = [
    ['', '', 0],
    ['abc', 'abc', 0],
    ['abc', '', 3],
    ['', 'abc', 3],
    ['abc', 'abd', 1],
    ['abc', 'acb', 1],
    ['abc', 'ab', 1],
    ['kitten', 'sitting', 3],
  ];
  for (const [a, b, distance] of rows) t.equal(editDistance(a, b), distance, `${a} ${b}`);
});

t.test('the nearest word', async (t) => {
  const words = ['name', 'address', 'advertInterval', 'otherAddresses', 'preempt', 'maxFlows'];
  const rows: [string, string | null][] = [
    ['nmae', 'name'],
    ['advert_interval', 'advertInterval'],
    ['AdvertInterval', 'advertInterval'],
    ['advertinterval', 'advertInterval'],
    ['max-flow', 'maxFlows'],
    ['adress', 'address'],
    ['interval', 'advertInterval'],
    ['zebra', null],
    ['x', null],
    ['', null],
  ];
  for (const [word, expected] of rows) t.equal(nearest(word, words), expected, word);
});

t.test('a suggestion, a list, or the plain fact', async (t) => {
  t.equal(suggestion('wbe', ['web', 'api'], 'pools'), 'did you mean "web"?');
  t.equal(suggestion('mail', ['web', 'api'], 'pools'), 'pools: web, api');
  t.equal(suggestion('mail', [], 'pools'), 'there are no pools');
});

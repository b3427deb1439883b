/**
 * What failing things do to a virtual router, row by row.
 */
import t from 'tap';
import { sumOf, type Verdict } from '../../../src/tracking/sum.js';

const verdict = (
  state: Verdict['state'],
  weight: number | null,
  change: Partial<Verdict['tracked']> & { value?: number } = {},
): Verdict => {
  const { value = 0, ...tracked } = change;
  return { tracked: { kind: 'process', name: 'x', weight, content: 'exists', ...tracked }, state, value, reason: 'because' };
};
const number = (value: number, state: Verdict['state'] = 'up') => verdict(state, null, { kind: 'file', content: 'number', value });

const rows: [string, Verdict[], string | null, number, string[]][] = [
  ['nothing tracked', [], null, 0, []],
  ['needed and there', [verdict('up', null)], null, 0, []],
  ['needed and failing', [verdict('down', null)], 'track:process:x', 0, ['process x: because (gives up)']],
  ['needed and not looked at yet', [verdict('unknown', null)], null, 0, []],
  ['negative weight, up', [verdict('up', -50)], null, 0, []],
  ['negative weight, failing', [verdict('down', -50)], null, -50, ['process x: because (-50)']],
  ['negative weight, unknown', [verdict('unknown', -50)], null, 0, []],
  ['positive weight, up', [verdict('up', 20)], null, 20, []],
  ['positive weight, failing', [verdict('down', 20)], null, 0, ['process x: because (+0)']],
  ['positive weight, unknown', [verdict('unknown', 20)], null, 0, []],
  [
    'weights add up',
    [verdict('down', -50), verdict('up', 20), verdict('down', -7)],
    null,
    -37,
    ['process x: because (-50)', 'process x: because (-7)'],
  ],
  [
    'a fault beside a weight',
    [verdict('down', -50), verdict('down', null, { name: 'y' })],
    'track:process:y',
    -50,
    ['process x: because (-50)', 'process y: because (gives up)'],
  ],
  ['a number in a file', [number(-30)], null, -30, ['file x: because (-30)']],
  ['a number that adds', [number(30)], null, 30, []],
  ['a number that gives up', [number(-254)], 'track:file:x', 0, ['file x: because (gives up)']],
  ['no number in the file', [number(0, 'down')], null, 0, ['file x: because (+0)']],
];
for (const [name, verdicts, fault, priorityDelta, reasons] of rows) {
  t.test(name, async (t) => t.same(sumOf('front', verdicts), { router: 'front', fault, priorityDelta, reasons }));
}

/** Runs scripts/nemesis. */
import { randomInt } from 'node:crypto';
import path from 'node:path';
import { runCampaign } from '../../../test/support/nemesis/campaign.js';
import { describePlanned, FAULT_KINDS } from '../../../test/support/nemesis/schedule.js';
import { parseNemesisArguments } from './options.js';
import { renderCampaign } from './report.js';

const parsed = parseNemesisArguments(process.argv.slice(2));
if ('problem' in parsed) {
  console.error(`scripts/nemesis: ${parsed.problem}; see scripts/nemesis --help`);
  process.exit(2);
}
if ('list' in parsed) {
  console.log(FAULT_KINDS.join('\n'));
  process.exit(0);
}
const { json, ...options } = parsed.options;
const seed = options.seed ?? randomInt(2 ** 31);
const said = json ? () => undefined : (text: string): void => console.error(text);
said(`seed ${seed}`);
const result = await runCampaign(
  { ...options, seed, keepIn: path.resolve(options.keepIn) },
  {
    onRound: (round, planned) => said([`round ${round}`, ...planned.map((fault) => `  ${describePlanned(fault)}`)].join('\n')),
    onFinding: ({ round, violations }) => said(`VIOLATION in round ${round}: ${violations[0]?.text}`),
  },
);
console.log(json ? JSON.stringify(result) : renderCampaign(result));
process.exit(result.findings.length === 0 ? 0 : 1);

/** The result of scripts/nemesis for people; its figures as Markdown, to be shown elsewhere. Pure. */
import type { CampaignResult } from '../../../test/support/nemesis/campaign.js';
import { describePlanned, FAULT_KINDS } from '../../../test/support/nemesis/schedule.js';

export function renderCampaign(result: CampaignResult): string {
  const { seed, nodes, advertMs, preempt, paths, fast, rounds, tookMs, faults, connections, bytesVerified, newFlows, figures, findings } =
    result;
  const parts = [
    `seed ${seed}: ${rounds} rounds with ${faults} faults in ${(tookMs / 1000).toFixed(0)} s; ${nodes} nodes, adverts each ${advertMs} ms, ${preempt ? 'pre-empting' : 'not pre-empting'}, ${paths === 'any' ? 'two paths' : 'one path'}${fast ? ', fast liveness' : ''}`,
    `${connections} connections, ${bytesVerified} bytes verified, ${newFlows} new flows by probes`,
    '',
    '| fault | times | changes of owner | longest outage, ms |',
    '| --- | --- | --- | --- |',
    ...figures.map(
      ({ kind, faults: times, takeovers, longestOutageMs }) => `| ${kind} | ${times} | ${takeovers} | ${longestOutageMs.toFixed(0)} |`,
    ),
    '',
  ];
  for (const { round, planned, violations, timeline, directory } of findings) {
    parts.push(
      `VIOLATION in round ${round}: ${[...new Set(violations.map(({ rule }) => rule))].join(', ')}`,
      ...planned.map((fault) => `  planned: ${describePlanned(fault)}`),
      timeline,
      `  files: ${directory}`,
      `  again: ${again(result, round)}`,
      '',
    );
  }
  parts.push(findings.length === 0 ? 'no violation' : `${findings.length} of ${rounds} rounds with a violation`);
  return parts.join('\n');
}

/** The command that repeats one round. */
function again({ seed, nodes, advertMs, preempt, paths, fast, kinds }: CampaignResult, round: number): string {
  const words = ['scripts/nemesis', '--seed', seed, '--round', round, '--rounds', 1, '--nodes', nodes, '--advert', `${advertMs}ms`];
  return [
    ...words,
    ...['--preempt', preempt ? 'yes' : 'no'],
    ...(paths === 'any' ? [] : ['--paths', paths]),
    ...(fast ? ['--fast'] : []),
    ...(kinds.length === FAULT_KINDS.length ? [] : ['--faults', kinds.join(',')]),
  ].join(' ');
}

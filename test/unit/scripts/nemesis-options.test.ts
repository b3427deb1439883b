import t from 'tap';
import { parseNemesisArguments } from '../../../scripts/lib/nemesis/options.js';
import { renderCampaign } from '../../../scripts/lib/nemesis/report.js';

t.test('the command line of a nemesis', async (t) => {
  t.match(parseNemesisArguments([]), {
    options: { seed: null, rounds: 10, nodes: 3, advertMs: 100, paths: 'any', fast: false, json: false },
  });
  const words = '--seed 7 --minutes 2 --nodes 5 --advert 1s --fast --json --faults crash,hog --preempt no --paths vrrp --round 3'.split(
    ' ',
  );
  t.match(parseNemesisArguments(words), {
    options: {
      seed: 7,
      forMs: 120_000,
      nodes: 5,
      advertMs: 1000,
      fast: true,
      json: true,
      kinds: ['crash', 'hog'],
      preempt: false,
      paths: 'vrrp',
      firstRound: 3,
    },
  });
  t.match(parseNemesisArguments(['--rounds', '4']), { options: { rounds: 4 } });
  t.same(parseNemesisArguments(['--faults', 'list']), { list: true });
});

t.test('what is wrong with it is said', async (t) => {
  const wrong: Record<string, RegExp> = {
    '--rounds 0': /--rounds wants a whole number/,
    '--rounds 3 --minutes 1': /not both/,
    '--nodes 6': /--nodes wants a whole number from 2 to 5/,
    '--nodes 1': /--nodes/,
    '--seed x': /--seed/,
    '--advert 5ms': /--advert wants a time/,
    '--advert 100': /--advert wants a time/,
    '--faults flood': /knows no flood; it knows kill-daemon/,
    '--paths both': /--paths is vrrp or any/,
    '--preempt maybe': /--preempt is yes or no/,
    '--slow': /--slow/,
    more: /more/,
  };
  for (const [words, problem] of Object.entries(wrong)) t.match(parseNemesisArguments(words.split(' ')), { problem }, words);
});

t.test('the result in words: how to repeat a violation', async (t) => {
  const planned = { kind: 'hog', atMs: 1, forMs: 150, victim: 0, other: 1, amount: 0 } as const;
  const finding = {
    round: 4,
    planned: [planned],
    violations: [{ rule: 'twoOwners', atMs: 1, text: 'x' } as const],
    timeline: 'TIMELINE',
    directory: '/d',
  };
  const result = {
    seed: 9,
    nodes: 3,
    advertMs: 100,
    preempt: true,
    paths: 'any',
    fast: true,
    kinds: ['hog'],
    rounds: 4,
    tookMs: 1000,
    faults: 5,
    connections: 6,
    bytesVerified: 7,
    newFlows: 8,
    figures: [{ kind: 'hog', faults: 5, takeovers: 1, longestOutageMs: 300 }],
    findings: [finding],
  } as const;
  const text = renderCampaign({ ...result, figures: [...result.figures], findings: [{ ...finding, violations: [...finding.violations] }] });
  t.match(text, 'VIOLATION in round 4: twoOwners');
  t.match(text, 'TIMELINE');
  t.match(text, 'again: scripts/nemesis --seed 9 --round 4 --rounds 1 --nodes 3 --advert 100ms --preempt yes --fast --faults hog');
  t.match(text, '1 of 4 rounds with a violation');
  t.match(renderCampaign({ ...result, figures: [], findings: [] }), 'no violation');
});

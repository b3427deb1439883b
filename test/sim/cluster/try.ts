/* eslint-disable */

import { EXCUSES } from './checks.js';
import { run, shrink, story } from './run.js';

const [, , first, count, mode, mutant] = process.argv;
const from = Number(first),
  n = Number(count);
if (mode === 'story') {
  const o = { seed: from, mutant: (mutant as never) ?? null };
  const without = await shrink(o);
  process.stdout.write((await story({ ...o, without })) + '\n');
  process.exit(0);
}
const t = Date.now();
let failed = 0;
const kinds: Record<string, number> = {};
const firsts: string[] = [];
const tot: Record<string, number> = {};
const per: Record<string, number[]> = {};
for (let s = from; s < from + n; s++) {
  const t0 = performance.now();
  let v;
  let w;
  try {
    const r = await run({ seed: s, mutant: (mode as never) ?? null });
    v = r.verdict;
    w = r.world;
  } catch (e) {
    process.stdout.write(`seed ${s} threw ${(e as Error).stack}\n`);
    failed++;
    continue;
  }
  const k = `${w.shape.intervalMs}/${w.shape.nodes}`;
  (per[k] ??= []).push(performance.now() - t0);
  for (const e of EXCUSES) tot[e] = (tot[e] ?? 0) + v.excused[e];
  for (const [e, x] of Object.entries(v.lost)) tot[e] = (tot[e] ?? 0) + x;
  tot.takeOvers = (tot.takeOvers ?? 0) + v.takeOvers;
  tot.flows = (tot.flows ?? 0) + v.flows;
  tot.served = (tot.served ?? 0) + v.served;
  tot.drained = (tot.drained ?? 0) + v.drained;
  if (v.violations.length) {
    failed++;
    const key = (v.violations[0] ?? '').replace(/\d+(\.\d+)?/g, 'N').slice(0, 90);
    kinds[key] = (kinds[key] ?? 0) + 1;
    if (kinds[key]! <= 3) firsts.push(`${s}: ${v.violations[0]}`);
  }
}
process.stdout.write(
  `${n} seeds, ${failed} failed, ${(Date.now() - t) / n} ms each\n${JSON.stringify(tot)}\n${JSON.stringify(kinds, null, 1)}\n${firsts.join('\n')}\n`,
);
for (const [k, x] of Object.entries(per).sort())
  process.stdout.write(`${k}: ${x.length} runs, ${(x.reduce((a, b) => a + b, 0) / x.length).toFixed(1)} ms\n`);

/** One run: from a seed to a verdict, and to the story of what happened. */
import { judge, type Verdict } from './checks.js';
import { type RunOptions, World } from './world.js';

export interface Run {
  world: World;
  verdict: Verdict;
}

export async function run(options: RunOptions): Promise<Run> {
  const world = new World(options);
  await world.run();
  return { world, verdict: judge(world) };
}

/** Faults without which the run still fails are left out, one by one: what remains matters. */
export async function shrink(options: RunOptions): Promise<ReadonlySet<number>> {
  const { world } = await run(options);
  let without = new Set(options.without ?? []);
  for (const index of world.faults.keys()) {
    if (without.has(index)) continue;
    const fewer = new Set([...without, index]);
    const { verdict } = await run({ ...options, without: fewer });
    if (verdict.violations.length > 0) without = fewer;
  }
  return without;
}

const STORY_LINES = 600;

export async function story(options: RunOptions): Promise<string> {
  const { world, verdict } = await run({ ...options, withTranscript: true });
  const { shape, faults, transcript } = world;
  const { nodes, intervalMs, preempt, preemptDelayMs, isUnicast } = shape;
  const head = [
    `seed ${shape.seed}: ${nodes} nodes, adverts every ${intervalMs} ms, preempt ${preempt} after ${preemptDelayMs} ms, ${isUnicast ? 'unicast' : 'multicast'}`,
    ...verdict.violations.slice(0, 8),
    ...faults.flatMap((fault, index) =>
      options.without?.has(index) === true ? [] : [`  fault ${fault.from.toFixed(1)}..${fault.to.toFixed(1)} ms: ${fault.text}`],
    ),
    `  faults end at ${world.faultsEnd.toFixed(0)} ms, settled at ${world.settledAt.toFixed(0)} ms, end ${world.end.toFixed(0)} ms`,
  ];
  // Steps may run ahead of the agenda while a process is stopped: told in the order of time.
  const lines = transcript
    .map((line, index) => ({ line, index }))
    .sort((a, b) => Number.parseFloat(a.line) - Number.parseFloat(b.line) || a.index - b.index)
    .map(({ line }) => line);
  return [...head, ...withoutRoutine(lines).slice(0, STORY_LINES)].join('\n');
}

/** Adverts that simply arrived are the rhythm of the story, not the story: one in a row is enough. */
function withoutRoutine(lines: readonly string[]): string[] {
  const kept: string[] = [];
  let left = 0;
  for (const line of lines) {
    const isRoutine = /sends [1-9]\d* to \S+$/.test(line);
    if (isRoutine && /sends [1-9]\d* to \S+$/.test(kept.at(-1) ?? '')) {
      left += 1;
      continue;
    }
    if (left > 0) kept.push(`                  ... ${left} more such adverts`);
    left = 0;
    kept.push(line);
  }
  return kept;
}

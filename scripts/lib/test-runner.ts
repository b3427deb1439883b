/**
 * Runs the compiled tests, stage by stage: the pure suites side by side, then those with real kernels and processes, and adds up their
 * assertions. Called by scripts/test and scripts/check; the last line is `N passed, N failed, N skipped`.
 */
import { availableParallelism } from 'node:os';
import { projectRoot } from '../../src/system/paths.js';
import { type FileResult, runFile } from './test/run-file.js';
import { findTests, SUITES, type Suite, selectTests, type TestFile } from './test/selection.js';

const SLOWEST_SHOWN = 10;

const requireAll = process.env.TANDEM_REQUIRE_ALL === '1';

function report(result: FileResult, isVerbose: boolean): void {
  const { passed, failed, skips } = result.tally;
  const mark = failed > 0 || (requireAll && skips.length > 0) ? 'FAIL' : 'ok  ';
  const skipped = skips.length > 0 ? `, ${skips.length} skipped` : '';
  const counts = `${passed} passed${failed > 0 ? `, ${failed} failed` : ''}${skipped}`;
  console.log(`${mark} ${result.file.source}  ${counts}  ${(result.durationMs / 1000).toFixed(1)} s`);
  if (failed > 0 || isVerbose) console.log(result.output.replace(/^/gm, '     | '));
  for (const failure of result.tally.failures) console.log(`     failed: ${failure}`);
  for (const skip of skips) console.log(`     skipped: ${skip.name}: ${skip.reason}`);
}

async function runAll(files: TestFile[], isVerbose: boolean): Promise<FileResult[]> {
  const results: FileResult[] = [];
  const run = async (queue: TestFile[]): Promise<void> => {
    for (let file = queue.shift(); file; file = queue.shift()) {
      const result = await runFile(projectRoot, file);
      report(result, isVerbose);
      results.push(result);
    }
  };
  const runStage = async (stage: number): Promise<void> => {
    const lane = (name: Suite['lane']) => files.filter(({ suite }) => suite.stage === stage && suite.lane === name);
    const pure = lane('pure');
    await Promise.all([...Array.from({ length: availableParallelism() }, () => run(pure)), run(lane('kernel')), run(lane('interop'))]);
  };
  for (const stage of new Set(SUITES.map(({ stage }) => stage))) await runStage(stage);
  return results;
}

function summarize(results: FileResult[]): number {
  const sum = (count: (result: FileResult) => number): number => results.reduce((total, result) => total + count(result), 0);
  const passed = sum((result) => result.tally.passed);
  const skipped = sum((result) => result.tally.skips.length);
  const failed = sum((result) => result.tally.failed) + (requireAll ? skipped : 0);
  const slowest = [...results].sort((a, b) => b.durationMs - a.durationMs).slice(0, SLOWEST_SHOWN);
  console.log('\nslowest files:');
  for (const result of slowest) console.log(`  ${(result.durationMs / 1000).toFixed(1).padStart(6)} s  ${result.file.source}`);
  if (requireAll && skipped > 0) console.log('\nTANDEM_REQUIRE_ALL=1: skipped tests count as failed');
  console.log(`\n${passed} passed, ${failed} failed, ${requireAll ? 0 : skipped} skipped`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

async function main(words: string[]): Promise<number> {
  const files = selectTests(
    findTests(projectRoot),
    words.filter((word) => !word.startsWith('--')),
  );
  if (words.includes('--list')) {
    for (const file of files) console.log(file.source);
    return 0;
  }
  const unknown = words.find((word) => word.startsWith('--') && word !== '--verbose');
  if (unknown) {
    console.error(`unknown option ${unknown}; see scripts/test --help`);
    return 2;
  }
  return summarize(await runAll(files, words.includes('--verbose')));
}

process.exitCode = await main(process.argv.slice(2));

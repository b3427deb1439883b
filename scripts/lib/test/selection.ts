/**
 * Which test files run, and in which order: suites are the folders of test/. Files are found among the sources, so that what is left
 * over in build/ from a deleted test never runs.
 */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';

export interface Suite {
  name: string;
  /** Stages follow each other. */
  stage: number;
  /** The lanes of a stage run beside each other; in a lane the files follow each other. `pure` files touch nothing outside their process:
   *  as many run side by side as there are cores. */
  lane: 'pure' | 'kernel' | 'interop';
  /** Limit for one file. Real processes need time to fail; a pure test that needs a minute hangs. */
  fileLimitMs: number;
}

export const SUITES: readonly Suite[] = [
  { name: 'unit', stage: 1, lane: 'pure', fileLimitMs: 30_000 },
  { name: 'rfc', stage: 1, lane: 'pure', fileLimitMs: 60_000 },
  { name: 'sim', stage: 1, lane: 'pure', fileLimitMs: 600_000 },
  // These keep one core busy; beside them those that wait for the timers of other people's routers most of their time.
  { name: 'packet', stage: 2, lane: 'kernel', fileLimitMs: 120_000 },
  { name: 'native', stage: 2, lane: 'kernel', fileLimitMs: 240_000 },
  { name: 'interop', stage: 2, lane: 'interop', fileLimitMs: 300_000 },
  { name: 'netns', stage: 3, lane: 'kernel', fileLimitMs: 600_000 },
];

export interface TestFile {
  suite: Suite;
  /** Relative to the project root: test/unit/x.test.ts. */
  source: string;
  /** Relative to the project root: build/js/test/unit/x.test.js. */
  compiled: string;
}

/** Every test file of the project, suite by suite. */
export function findTests(root: string): TestFile[] {
  return SUITES.flatMap((suite) => {
    const directory = path.join(root, 'test', suite.name);
    if (!existsSync(directory)) return [];
    const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.test.ts'));
    return files.sort().map((file) => {
      const source = path.join('test', suite.name, file);
      return { suite, source, compiled: path.join('build/js', source.replace(/\.ts$/, '.js')) };
    });
  });
}

/** Suites by name, files by a part of their path; neither given means no restriction. Names of suites win. */
export function selectTests(files: readonly TestFile[], words: readonly string[]): TestFile[] {
  const suites = words.filter((word) => SUITES.some((suite) => suite.name === word));
  const parts = words
    .filter((word) => !suites.includes(word))
    .map((word) =>
      word
        .replace(/^\.\//, '')
        .replace(/^build\/js\//, '')
        .replace(/\.js$/, '.ts'),
    );
  return files.filter(
    (file) =>
      (suites.length === 0 || suites.includes(file.suite.name)) && (parts.length === 0 || parts.some((part) => file.source.includes(part))),
  );
}

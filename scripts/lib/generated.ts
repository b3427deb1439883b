/** Files that are generated and committed: written, or with --check compared. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { projectRoot } from '../../src/system/paths.js';

/** [path below the project, text that it should have]. With `onlyCheck` a difference sets the exit status 1. */
export function writeGenerated(outputs: readonly [string, string][], onlyCheck: boolean): void {
  for (const [name, wanted] of outputs) {
    const path = join(projectRoot, name);
    if (current(path) === wanted) continue;
    if (onlyCheck) {
      console.error(`${name} is out of date: run scripts/generate`);
      process.exitCode = 1;
    } else {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, wanted);
      console.log(`wrote ${name}`);
    }
  }
}

function current(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

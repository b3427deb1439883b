/**
 * Where the project and its build products lie, wherever the compiled files are: found by walking up to package.json.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

function findRoot(start: string): string {
  for (let directory = start; ; directory = path.dirname(directory)) {
    if (existsSync(path.join(directory, 'package.json'))) return directory;
    if (directory === path.dirname(directory)) throw new Error(`no package.json above ${start}`);
  }
}

export const projectRoot: string = findRoot(path.dirname(fileURLToPath(import.meta.url)));

const nativeDir = path.join(projectRoot, 'build/native');

/** The compiled BPF programs. */
export const bpfObjectPath: string = path.join(nativeDir, 'tandem.bpf.o');

/** The addon; the sanitizer build needs libasan preloaded. */
export const addonPath: string = path.join(nativeDir, 'tandem_l4.node');
export const sanitizedAddonPath: string = path.join(nativeDir, 'asan/tandem_l4.node');

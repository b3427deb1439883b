/** Builds what only the packet benchmark needs (native/l4/bench) into build/native/bench, when a source is newer. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { bpfObjectPath, projectRoot } from '../../../src/system/paths.js';

const SOURCES = path.join(projectRoot, 'native/l4/bench');
const OUT = path.join(projectRoot, 'build/native/bench');
const WATCHED = ['native/l4/bench', 'native/l4/bpf', 'native/include'];

export interface BenchPrograms {
  runner: string;
  /** The hit path behind a wrapper that restores the packet. */
  cost: string;
  generator: string;
  /** The object of production. */
  tandem: string;
}

const newest = (): number =>
  Math.max(
    ...WATCHED.flatMap((folder) =>
      readdirSync(path.join(projectRoot, folder)).map((file) => statSync(path.join(projectRoot, folder, file)).mtimeMs),
    ),
  );

function compile(output: string, command: string, ...args: string[]): void {
  if (existsSync(output) && statSync(output).mtimeMs > newest()) return;
  const result = spawnSync(command, [...args, '-o', output], { encoding: 'utf8' });
  if (result.error) throw new Error(`${command} cannot be run (${result.error.message}); run: scripts/setup`);
  if (result.status !== 0) throw new Error(`${command} failed:\n${result.stderr}`);
}

export function buildBenchPrograms(): BenchPrograms {
  mkdirSync(OUT, { recursive: true });
  const multiarch = spawnSync('uname', ['-m'], { encoding: 'utf8' }).stdout.trim();
  const bpf = ['-O2', '-g', '-target', 'bpf', '-mcpu=v3', `-I/usr/include/${multiarch}-linux-gnu`];
  const programs = {
    runner: path.join(OUT, 'runner'),
    cost: path.join(OUT, 'packet.bpf.o'),
    generator: path.join(OUT, 'generator.bpf.o'),
    tandem: bpfObjectPath,
  };
  compile(programs.cost, 'clang', ...bpf, '-c', path.join(SOURCES, 'packet.bpf.c'));
  compile(programs.generator, 'clang', ...bpf, '-c', path.join(SOURCES, 'generator.bpf.c'));
  compile(programs.runner, 'g++', '-std=c++20', '-O2', path.join(SOURCES, 'runner.cpp'), '-lbpf');
  return programs;
}

/**
 * Programs of an operator on a machine of the lab: the command `tandem`, and what a monitoring system asks for.
 */
import { spawn } from 'node:child_process';
import type { Lab } from './lab.js';
import { type TandemSystem, tandemProgram } from './tandem.js';

export interface Finished {
  status: number | null;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  input?: string;
}

/** Runs a program inside a machine to its end. */
export function runOn(lab: Lab, machine: string, command: readonly string[], { input = '' }: CommandOptions = {}): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn('nsenter', [`--net=/run/netns/${lab.machine(machine).namespace}`, ...command], { stdio: 'pipe' });
    const finished: Finished = { status: null, stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        finished[name] += text;
      });
    }
    child.on('error', reject);
    child.on('close', (status) => resolve({ ...finished, status }));
    child.stdin.end(input);
  });
}

/** `tandem COMMAND --state-dir ...` on a node, as its operator types it. */
export const tandemCommand = (lab: Lab, tandem: TandemSystem, node: string, ...words: string[]): Promise<Finished> =>
  runOn(lab, node, [process.execPath, tandemProgram, ...words, '--state-dir', tandem.stateDir(node)]);

/** Asks the daemon's own listener, which answers on the node's loopback only. */
export async function httpGet(lab: Lab, node: string, address: string, path: string): Promise<{ status: number; body: string }> {
  const script = `fetch(process.argv[1]).then(async (r) => console.log(JSON.stringify({ status: r.status, body: await r.text() })))`;
  const { status, stdout, stderr } = await runOn(lab, node, [process.execPath, '-e', script, `http://${address}${path}`]);
  if (status !== 0) throw new Error(`GET ${path} on ${node}: ${stderr}`);
  return JSON.parse(stdout) as { status: number; body: string };
}

/** The value of each sample by `name{labels}`, labels in the order in which they are written. */
export function samples(text: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const blank = line.lastIndexOf(' ');
    found.set(line.slice(0, blank), Number(line.slice(blank + 1)));
  }
  return found;
}

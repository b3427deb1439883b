/**
 * A running cluster for one test: removed at the end of the test, and when the test fails, the nodes' last words are printed.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Test } from 'tap';
import type { Agent } from './agent.js';
import { createLab, type Lab, type LabOptions } from './lab.js';
import { nodeOfMac } from './plan.js';
import { type TandemOptions, TandemSystem } from './tandem.js';
import { startServers } from './workload.js';
import type { ServerApi } from './workload-api.js';

export interface TestCluster {
  lab: Lab;
  tandem: TandemSystem;
  servers: Agent<ServerApi>[];
  /** Active after the start. */
  active: string;
  /** The other one. */
  backup: string;
  nodeOfMac: (mac: string) => string | null;
}

/** Small tables: a test waits for their creation. */
export const TEST_MAX_FLOWS = 65_536;
const LAST_WORDS = 3000;

/** Why labs cannot exist here; null: they can. */
export const labIsImpossible = (): string | null => (process.getuid?.() === 0 ? null : 'network namespaces need root');

/** Which of these programs cannot be found; null: none. */
export function programsMissing(...programs: string[]): string | null {
  const directories = `${process.env.PATH}:/usr/sbin:/sbin`.split(':');
  const missing = programs.filter((program) => !directories.some((directory) => existsSync(path.join(directory, program))));
  return missing.length === 0 ? null : `not installed: ${missing.join(', ')} (scripts/setup --test)`;
}

export type ClusterOptions = TandemOptions & {
  size?: LabOptions;
  /** What the lab has to hold or to be before Tandem starts. */
  before?: (lab: Lab) => Promise<void>;
};

export async function startCluster(t: Test, options: ClusterOptions = {}): Promise<TestCluster> {
  const { size, before, ...tandemOptions } = options;
  const lab = await createLab(size);
  const tandem = new TandemSystem(lab, { maxFlows: TEST_MAX_FLOWS, ...tandemOptions });
  t.teardown(() => {
    if (!t.passing()) for (const node of tandem.nodes) t.comment(`${node}:\n${lastWords(tandem.logFile(node))}`);
    lab.close();
  });
  const servers = await startServers(lab);
  await before?.(lab);
  await tandem.start();
  const active = await tandem.waitReady();
  const backup = tandem.nodes.find((node) => node !== active) ?? '';
  return { lab, tandem, servers, active, backup, nodeOfMac: (mac) => nodeOfMac(lab.plan, mac) };
}

export function lastWords(file: string): string {
  try {
    return readFileSync(file, 'utf8').slice(-LAST_WORDS);
  } catch {
    return '(no log)';
  }
}

/** Role of each node, as it says itself; null for one that does not answer. */
export async function roles({ tandem }: TestCluster): Promise<Record<string, string | null>> {
  const found = await Promise.all(
    tandem.nodes.map(
      async (node) =>
        [
          node,
          await tandem.status(node).then(
            (status) => status.routers[0]?.role ?? null,
            () => null,
          ),
        ] as const,
    ),
  );
  return Object.fromEntries(found);
}

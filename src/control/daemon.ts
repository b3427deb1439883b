/**
 * `tandem run`: reads the configuration, makes sure it fits this machine, starts the node and stops it on a signal. Says what is wrong in
 * the words of the configuration file; exit status 0 after a graceful stop, 1 when the node could not start or go on, 2 for a configuration error.
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { loadConfig, missingFiles } from '../config/load.js';
import { checkMachine, machineOf } from '../config/machine-checks.js';
import type { Config } from '../config/model.js';
import { formatProblem, type Problem } from '../config/problem.js';
import { checkKernelSettings } from '../system/kernel-settings.js';
import { createLinks } from '../system/links.js';
import { projectRoot } from '../system/paths.js';
import { createLog, type Log } from '../telemetry/log.js';
import { createNode, type TandemNode } from './node.js';
import { openStateDir, type StateDir } from './state-dir.js';

export interface DaemonOptions {
  configFile: string;
  node: string;
  stateDir: string;
}

const EXIT_OK = 0;
const EXIT_FAILURE = 1;
const EXIT_CONFIG = 2;
/** Reason of an end in which nothing is given up. */
const UPGRADE = 'upgrade';

export async function runDaemon(options: DaemonOptions): Promise<number> {
  try {
    return await checkAndServe(options);
  } catch (error) {
    process.stderr.write(`tandem: ${messageOf(error)}\n`);
    return EXIT_FAILURE;
  }
}

async function checkAndServe(options: DaemonOptions): Promise<number> {
  const loaded = loadConfig(options.configFile, { node: options.node });
  if (!loaded.ok) return complain(loaded.problems);
  const missing = missingFiles(loaded, 'error');
  if (missing.length > 0) return complain(missing);
  const log = createLog({ level: loaded.config.log.level, node: options.node });
  const links = await createLinks({ onProblem: (reason) => log.event('network.trouble', { reason }) });
  try {
    const found = checkMachine(loaded, machineOf(links.facts()), options.node);
    if (found.some((problem) => problem.severity === 'error')) return complain(found);
    const stateDir = openStateDir(options.stateDir, options.node);
    if (await isRunning(stateDir)) throw new Error(`a daemon is already running with the state directory ${stateDir.path}`);
    const version = readVersion();
    sayStart(loaded.config, [...loaded.warnings, ...found], { version, stateDir: stateDir.path }, log);
    const ends = nextEnd();
    const node = createNode({ config: loaded.config, name: options.node, version, stateDir, links, log, onUpgrade: ends.onUpgrade });
    await serve(node, ends.reason, log);
    return EXIT_OK;
  } finally {
    links.stop();
    await log.flush();
  }
}

function complain(problems: readonly Problem[]): number {
  for (const problem of problems) process.stderr.write(`${formatProblem(problem)}\n`);
  return EXIT_CONFIG;
}

function sayStart(config: Config, warnings: readonly Problem[], facts: { version: string; stateDir: string }, log: Log): void {
  log.event('daemon.starting', { ...facts, configFile: config.file, configDigest: config.digest });
  for (const { file, line, column, message } of warnings) {
    log.event('config.warning', { place: `${file}:${line}:${column}`, reason: message });
  }
  for (const { key, message } of checkKernelSettings(config.dataPlane.interfaces)) {
    log.event('config.warning', { place: key, reason: message });
  }
}

/** Runs the node until it is to end, or fails. */
async function serve(node: TandemNode, end: Promise<string>, log: Log): Promise<void> {
  try {
    await node.start();
    const reason = await end;
    log.event('daemon.stopping', { reason });
    await (reason === UPGRADE ? node.leave() : node.stop(reason));
    log.event('daemon.stopped', { reason });
  } catch (error) {
    log.event('daemon.failed', { reason: messageOf(error) });
    throw error;
  }
}

/** A graceful stop is asked for by SIGTERM or, on a terminal, SIGINT. SIGHUP is not a reason to stop serving. */
function nextEnd(): { reason: Promise<string>; onUpgrade: () => void } {
  let onUpgrade = (): void => undefined;
  process.on('SIGHUP', () => undefined);
  const reason = new Promise<string>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => resolve(name));
    onUpgrade = () => resolve(UPGRADE);
  });
  return { reason, onUpgrade };
}

/** Does somebody answer on the admin socket? A file left by a dead daemon does not. */
function isRunning(stateDir: StateDir): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(stateDir.adminSocket);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

function readVersion(): string {
  const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as { version: string };
  return version;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

#!/usr/bin/env node
/**
 * The command `tandem`: joins the command line with the terminal and with the parts that do the work. Those are loaded only by the command
 * that needs them, so that `tandem status` starts fast and runs where the native addon does not.
 */
import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import pc from 'picocolors';
import { type CliActions, EXIT_FAILURE } from '../cli/context.js';
import { runCli } from '../cli/program.js';
import { systemClock } from '../system/clock.js';
import { projectRoot } from '../system/paths.js';
import { isInteractive, openTerminal } from '../system/terminal.js';

const version = String((JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as { version: unknown }).version);

const actions: CliActions = {
  async run(options) {
    const { runDaemon } = await import('../control/daemon.js');
    return runDaemon(options);
  },
  async initPki({ dir, ...options }) {
    const { initPki } = await import('../control/pki.js');
    const files = await initPki({ directory: dir, ...options, nowMs: systemClock.wallMs() });
    return [files.ca, files.caKey, ...files.nodes.flatMap((node) => [node.cert, node.key])];
  },
  async unload({ node, stateDir }) {
    if (!existsSync(stateDir)) return `there is no state directory ${stateDir}, so nothing of it is pinned`;
    const { openStateDir, removeOtherLayouts } = await import('../control/state-dir.js');
    const paths = openStateDir(stateDir, node);
    const { pinDir } = paths;
    const { removePresence } = await import('../control/presence.js');
    const { kernelPresence } = await import('../system/kernel-presence.js');
    removeOtherLayouts(paths);
    if (!existsSync(pinDir)) {
      await removePresence(kernelPresence, paths.presenceFile, () => undefined);
      return `nothing of node ${node} is pinned (${pinDir} does not exist)`;
    }
    const { loadNative } = await import('../l4/native.js');
    const { bpfObjectPath } = await import('../system/paths.js');
    // Only what exists is adopted, so the size of the table does not count.
    const dataPlane = loadNative().load({ objectPath: bpfObjectPath, pinDir, maxFlows: 1, adoptOnly: true });
    await removePresence(kernelPresence, paths.presenceFile, () => dataPlane.unload());
    return `the data plane of node ${node} is unloaded (${pinDir})`;
  },
};

function usesColors(): boolean {
  const { NO_COLOR, TERM } = process.env;
  return process.stdout.isTTY === true && process.stderr.isTTY === true && (NO_COLOR === undefined || NO_COLOR === '') && TERM !== 'dumb';
}

// `tandem flows | head` closes the pipe early; that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : EXIT_FAILURE));

const status = await runCli(process.argv.slice(2), {
  version,
  hostname: hostname(),
  user: process.env.SUDO_USER ?? process.env.USER ?? process.env.LOGNAME ?? '',
  wallMs: systemClock.wallMs,
  clock: systemClock,
  isInteractive,
  openTerminal,
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
  colors: pc.createColors(usesColors()),
  actions,
  onInterrupt(listener) {
    process.on('SIGINT', listener);
    return () => process.off('SIGINT', listener);
  },
});
// Standard output to a pipe, a file or a terminal is written at once on Linux, so nothing is cut off here.
process.exit(status);

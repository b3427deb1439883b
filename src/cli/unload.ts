/**
 * `tandem unload`: takes the pinned data plane of a stopped node out of the kernel. Stopping the daemon alone leaves it there, so that
 * packets flow while it restarts.
 */
import type { Command } from 'commander';
import { runningProcess } from './admin-client.js';
import { type CliContext, CliError } from './context.js';
import { stateDirOption } from './options.js';

export function addUnloadCommand(program: Command, context: CliContext): void {
  program
    .command('unload')
    .description('remove the pinned data plane of a node that is not running')
    .option('--node <name>', 'which node', context.hostname)
    .addOption(stateDirOption())
    .option('--force', 'even while its processes are running')
    .addHelpText(
      'after',
      '\nConnections through this node end unless a peer has taken over.\n\nExamples:\n  tandem unload --node lb1\n  tandem unload --node lb1 --state-dir /run/tandem/lb1',
    )
    .action(async (options: { node: string; stateDir: string; force?: true }) => {
      const running = options.force ? null : await runningProcess(options.stateDir);
      if (running !== null) {
        throw new CliError(`the ${running} with the state directory ${options.stateDir} is running: stop it first, or add --force`);
      }
      context.out(await context.actions.unload({ node: options.node, stateDir: options.stateDir }));
    });
}

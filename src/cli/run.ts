/**
 * `tandem run`: becomes the daemon of one node.
 */
import type { Command } from 'commander';
import type { CliContext } from './context.js';
import { stateDirOption } from './options.js';

export const DEFAULT_CONFIG_FILE = '/etc/tandem/tandem.yaml';

export function addRunCommand(program: Command, context: CliContext): void {
  program
    .command('run')
    .description('run the daemon of a node in the foreground')
    .option('--config <file>', 'configuration file, the same on every node', DEFAULT_CONFIG_FILE)
    .option('--node <name>', 'which node of the file this is', context.hostname)
    .addOption(stateDirOption())
    .addHelpText(
      'after',
      '\nSIGTERM hands over to a peer and exits. Logs are JSON lines on standard output.\n\nExamples:\n  tandem run --config tandem.yaml --node lb1\n  tandem run --config tandem.yaml --node lb2 --state-dir /run/tandem/lb2',
    )
    .action(async (options: { config: string; node: string; stateDir: string }) => {
      context.exit(await context.actions.run({ configFile: options.config, node: options.node, stateDir: options.stateDir }));
    });
}

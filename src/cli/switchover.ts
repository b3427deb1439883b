/**
 * `tandem switchover`: a planned hand-over, asked of the active node.
 */
import type { Command } from 'commander';
import { adminClient } from './admin-client.js';
import { type CliContext, EXIT_FAILURE } from './context.js';
import { jsonOption, stateDirOption } from './options.js';

interface Answer {
  ok: boolean;
  message: string;
}

export function addSwitchoverCommand(program: Command, context: CliContext): void {
  program
    .command('switchover')
    .description('hand virtual routers of this node over to a peer, without losing connections')
    .option('--to <node>', 'the peer that takes over (default: one that is in sync)')
    .option('--router <name>', 'only this virtual router (default: all that this node holds)')
    .addOption(stateDirOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nRun it on the active node.\n\nExamples:\n  tandem switchover\n  tandem switchover --to lb2\n  tandem switchover --router front',
    )
    .action(async (options: { to?: string; router?: string; stateDir: string; json?: true }) => {
      const { to, router } = options;
      const answer = await adminClient(options.stateDir).post<Answer>('/v1/switchover', {
        ...(to === undefined ? {} : { to }),
        ...(router === undefined ? {} : { router }),
      });
      if (options.json) context.out(JSON.stringify(answer, null, 2));
      else if (answer.ok) context.out(answer.message);
      else context.err(`tandem: ${answer.message}`);
      if (!answer.ok) context.exit(EXIT_FAILURE);
    });
}

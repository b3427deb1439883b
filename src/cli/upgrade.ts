/**
 * `tandem upgrade`: makes room for a new version without giving anything up.
 */
import type { Command } from 'commander';
import { adminClient } from './admin-client.js';
import { type CliContext, EXIT_FAILURE } from './context.js';
import { jsonOption, stateDirOption } from './options.js';

export function addUpgradeCommand(program: Command, context: CliContext): void {
  program
    .command('upgrade')
    .description('replace the processes of this node by the version on disk; role, lease and connections stay')
    .addOption(stateDirOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nThe heartbeat goes on in a new process, then the daemon ends and is to be started again (systemd does it by itself). When the new\nversion has another layout of the data plane it refuses, and nothing changes: hand over first (tandem switchover), then restart.\n\nExamples:\n  tandem upgrade && tandem run --config tandem.yaml',
    )
    .action(async (options: { stateDir: string; json?: true }) => {
      const answer = await adminClient(options.stateDir).post<{ ok: boolean; message: string }>('/v1/upgrade', {});
      if (options.json) context.out(JSON.stringify(answer, null, 2));
      else if (answer.ok) context.out(answer.message);
      else context.err(`tandem: ${answer.message}`);
      if (!answer.ok) context.exit(EXIT_FAILURE);
    });
}

/**
 * The command line: every command, one place for errors and exit statuses.
 */
import { Command, CommanderError } from 'commander';
import { addCheckCommand } from './check.js';
import { addCompletionCommand } from './completion.js';
import { type CliContext, CliError, EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from './context.js';
import { addDrillCommand } from './drill.js';
import { addFlowsCommand } from './flows.js';
import { addHistoryCommand } from './history.js';
import { addPkiCommand } from './pki.js';
import { addRunCommand } from './run.js';
import { addServersCommand } from './servers.js';
import { addStatusCommand } from './status.js';
import { addSwitchoverCommand } from './switchover.js';
import { addTopCommand } from './top.js';
import { addUnloadCommand } from './unload.js';
import { addUpgradeCommand } from './upgrade.js';

export function buildProgram(context: CliContext): Command {
  const program = new Command('tandem');
  const trimmed = (write: (text: string) => void) => (text: string) => write(text.replace(/\n$/, ''));
  program
    .description('High-availability load balancer: a virtual IP and its connections, handed over without loss.')
    .version(context.version)
    .helpCommand(false)
    .exitOverride()
    // A command that has commands below it (`servers`) leaves their options to them.
    .enablePositionalOptions()
    .configureOutput({
      writeOut: trimmed(context.out),
      writeErr: trimmed(context.err),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showSuggestionAfterError()
    .addHelpText(
      'after',
      '\n`tandem COMMAND --help` shows the options and examples of a command.\nExit status: 0 ok, 1 failure, 2 usage or configuration error.',
    );
  addRunCommand(program, context);
  addCheckCommand(program, context);
  addStatusCommand(program, context);
  addTopCommand(program, context);
  addFlowsCommand(program, context);
  addServersCommand(program, context);
  addHistoryCommand(program, context);
  addSwitchoverCommand(program, context);
  addDrillCommand(program, context);
  addUpgradeCommand(program, context);
  addPkiCommand(program, context);
  addUnloadCommand(program, context);
  addCompletionCommand(program, context);
  return program;
}

/** Runs one command line (without `node` and the script) and returns its exit status. */
export async function runCli(argv: readonly string[], outside: Omit<CliContext, 'exit'>): Promise<number> {
  let status = EXIT_OK;
  const context: CliContext = {
    ...outside,
    exit: (wanted) => {
      status = wanted;
    },
  };
  try {
    await buildProgram(context).parseAsync([...argv], { from: 'user' });
    return status;
  } catch (error) {
    return failed(error, context);
  }
}

function failed(error: unknown, context: CliContext): number {
  // Commander has said it already; help and version are no failures, help instead of a missing command is.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  context.err(`tandem: ${error instanceof Error ? error.message : String(error)}`);
  return error instanceof CliError ? error.status : EXIT_FAILURE;
}

/**
 * `tandem check FILE`: everything that can be said about a configuration without starting it.
 */
import type { Command } from 'commander';
import { type LoadedConfig, loadConfig, missingFiles } from '../config/load.js';
import { checkMachine, machineOf } from '../config/machine-checks.js';
import type { Config } from '../config/model.js';
import type { Problem } from '../config/problem.js';
import { createLinks } from '../system/links.js';
import { type CliContext, EXIT_USAGE } from './context.js';
import { jsonOption } from './options.js';
import { plural, printProblems } from './problems.js';

interface CheckOptions {
  node?: string;
  strict?: true;
  json?: true;
}

export function addCheckCommand(program: Command, context: CliContext): void {
  program
    .command('check')
    .description('check a configuration file')
    .argument('<file>', 'configuration file')
    .option('--node <name>', 'check also what this machine must have to be that node: interfaces, networks, TLS files')
    .option('--strict', 'warnings are errors')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExit status: 0 fine, 2 errors.\n\nExamples:\n  tandem check /etc/tandem/tandem.yaml\n  tandem check tandem.yaml --node lb1\n  tandem check tandem.yaml --strict --json',
    )
    .action(async (file: string, options: CheckOptions) => {
      const { config, problems } = await examine(file, options.node);
      const hasFailed = problems.some((problem) => problem.severity === 'error' || options.strict);
      if (options.json) context.out(JSON.stringify({ ok: !hasFailed, digest: config?.digest ?? null, problems }, null, 2));
      else tell(file, config, problems, hasFailed, context);
      if (hasFailed) context.exit(EXIT_USAGE);
    });
}

async function examine(file: string, node: string | undefined): Promise<{ config: Config | null; problems: Problem[] }> {
  const loaded = loadConfig(file, node === undefined ? {} : { node });
  if (!loaded.ok) return { config: null, problems: loaded.problems };
  const here = node === undefined ? [] : await onThisMachine(loaded, node);
  return { config: loaded.config, problems: [...loaded.warnings, ...missingFiles(loaded, 'warning'), ...here] };
}

async function onThisMachine(loaded: LoadedConfig, node: string): Promise<Problem[]> {
  const links = await createLinks();
  try {
    return checkMachine(loaded, machineOf(links.facts()), node);
  } finally {
    links.stop();
  }
}

function tell(file: string, config: Config | null, problems: readonly Problem[], hasFailed: boolean, context: CliContext): void {
  printProblems(problems, context);
  const errors = problems.filter((problem) => problem.severity === 'error').length;
  const warnings = problems.length - errors;
  const found = [errors === 0 ? '' : plural(errors, 'error'), warnings === 0 ? '' : plural(warnings, 'warning')].filter(Boolean).join(', ');
  if (hasFailed || config === null) {
    context.err(`${file}: ${context.colors.red(found)}`);
    return;
  }
  const servers = config.pools.reduce((sum, pool) => sum + pool.servers.length, 0);
  const parts = [
    plural(config.cluster.nodes.length, 'node'),
    plural(config.virtualRouters.length, 'virtual router'),
    plural(config.services.length, 'service'),
    plural(servers, 'server'),
  ];
  context.out(
    `${file}: ${context.colors.green('ok')}${found === '' ? '' : `, ${found}`} (${parts.join(', ')}; digest ${config.digest.slice(0, 12)})`,
  );
}

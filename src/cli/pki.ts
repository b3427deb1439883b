/**
 * `tandem pki init`: certificates for the replication of a cluster, from a list of nodes or from the configuration itself.
 */
import type { Command } from 'commander';
import { loadConfig } from '../config/load.js';
import { ipv4, name } from '../config/scalars.js';
import { type CliContext, CliError, EXIT_USAGE, type PkiOptions } from './context.js';
import { printProblems } from './problems.js';

interface PkiCommandOptions {
  dir: string;
  cluster?: string;
  nodes?: string;
  config?: string;
  force?: true;
}

export function addPkiCommand(program: Command, context: CliContext): void {
  const pki = program.command('pki').description('certificates of the cluster').helpCommand(false);
  pki
    .command('init')
    .description('make a small CA and a certificate for every node')
    .option('--dir <dir>', 'directory to write to', 'pki')
    .option('--nodes <list>', 'nodes with their addresses: lb1=10.1.0.11,lb2=10.1.0.12')
    .option('--config <file>', 'take cluster name and nodes from this configuration instead')
    .option('--cluster <name>', 'name of the cluster, with --nodes', 'tandem')
    .option('--force', 'replace what is there')
    .addHelpText(
      'after',
      '\nEvery node needs the CA certificate, and its own certificate and key.\n\nExamples:\n  tandem pki init --config tandem.yaml\n  tandem pki init --dir /etc/tandem/pki --nodes lb1=10.1.0.11,lb2=10.1.0.12',
    )
    .action(async (options: PkiCommandOptions) => {
      const files = await context.actions.initPki(pkiOptions(options, context));
      context.out(files.map((file) => `wrote ${file}`).join('\n'));
    });
}

function pkiOptions(options: PkiCommandOptions, context: CliContext): PkiOptions {
  const base = { dir: options.dir, force: options.force === true };
  if (options.nodes !== undefined) return { ...base, cluster: clusterName(options.cluster ?? ''), nodes: parseNodes(options.nodes) };
  if (options.config === undefined) throw new CliError('name the nodes with --nodes, or the configuration with --config', EXIT_USAGE);
  const loaded = loadConfig(options.config);
  if (!loaded.ok) {
    printProblems(loaded.problems, context);
    throw new CliError(`${options.config} has errors`, EXIT_USAGE);
  }
  const { cluster } = loaded.config;
  return { ...base, cluster: cluster.name, nodes: cluster.nodes.map((node) => ({ name: node.name, address: node.address })) };
}

function clusterName(text: string): string {
  if (!name().safeParse(text).success)
    throw new CliError(`"${text}" is no name of a cluster: letters, digits, "-", "_" and "."`, EXIT_USAGE);
  return text;
}

/** `lb1=10.1.0.11,lb2=10.1.0.12` */
export function parseNodes(list: string): { name: string; address: string }[] {
  const nodes = list.split(',').map((item) => {
    const [nodeName = '', address = '', ...rest] = item.trim().split('=');
    const isFine = rest.length === 0 && name().safeParse(nodeName).success && ipv4().safeParse(address).success;
    if (!isFine) throw new CliError(`--nodes: "${item}" is not NAME=IPV4, such as lb1=10.1.0.11`, EXIT_USAGE);
    return { name: nodeName, address };
  });
  const twice = nodes.find((node, i) => nodes.findIndex((other) => other.name === node.name) < i);
  if (twice) throw new CliError(`--nodes: "${twice.name}" is there twice`, EXIT_USAGE);
  return nodes;
}

/**
 * Reads a configuration file: YAML, schema, cross-checks, model. Collects every problem it can find, each with its place; throws nothing.
 * The three steps stop at the first one that failed, because the next would only repeat its errors in other words.
 */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { buildConfig, NODE_PLACEHOLDER } from './build.js';
import { crossCheck } from './cross-checks.js';
import { explainIssues } from './explain.js';
import type { Config } from './model.js';
import { suggestion } from './nearest.js';
import { type Problem, sortProblems } from './problem.js';
import { reportInto } from './report.js';
import { configSchema } from './schema.js';
import { openSource, type Source } from './source.js';

/** A configuration larger than this is not one. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;

export interface LoadedConfig {
  ok: true;
  config: Config;
  warnings: Problem[];
  /** To say where, when something found later (on this machine) speaks about the file. */
  source: Source;
}

export type LoadResult = LoadedConfig | { ok: false; problems: Problem[] };

export interface LoadOptions {
  /** The node this process is: must be in the file; replaces `{node}` in TLS file names. */
  node?: string;
}

export function loadConfig(file: string, options: LoadOptions = {}): LoadResult {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return unreadable(
      file,
      code === 'ENOENT' ? 'there is no such file' : `cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  if (text.length > MAX_FILE_BYTES) return unreadable(file, `longer than ${MAX_FILE_BYTES} bytes`);
  return parseConfig(file, text, options);
}

const unreadable = (file: string, message: string): LoadResult => ({
  ok: false,
  problems: [{ severity: 'error', file, line: 0, column: 0, length: 1, text: '', message }],
});

/** As loadConfig, for a text already in memory; `file` names it in problems. */
export function parseConfig(file: string, text: string, options: LoadOptions = {}): LoadResult {
  const source = openSource(file, text);
  if (source.syntax.some((problem) => problem.severity === 'error')) return { ok: false, problems: sortProblems(source.syntax) };
  const parsed = configSchema.safeParse(source.value ?? {});
  if (!parsed.success) {
    return { ok: false, problems: sortProblems([...source.syntax, ...explainIssues(source, configSchema, parsed.error.issues)]) };
  }
  const found = [...source.syntax];
  crossCheck(parsed.data, reportInto(source, found));
  checkNodeName(Object.keys(parsed.data.cluster.nodes), options.node, source, found);
  const problems = sortProblems(found);
  if (problems.some((problem) => problem.severity === 'error')) return { ok: false, problems };
  return { ok: true, config: buildConfig(parsed.data, resolve(file), options.node), warnings: problems, source };
}

function checkNodeName(nodes: readonly string[], node: string | undefined, source: Source, problems: Problem[]): void {
  if (node === undefined || nodes.includes(node)) return;
  problems.push(source.problem('error', ['cluster', 'nodes'], 'key', `no node "${node}"; ${suggestion(node, nodes, 'nodes')}`));
}

/** Files that the configuration names and that are not there. At run they stop the node; `tandem check` warns, because it may run elsewhere. */
export function missingFiles(loaded: LoadedConfig, severity: Problem['severity']): Problem[] {
  const isMissing = (file: string): boolean => !file.includes(NODE_PLACEHOLDER) && !existsSync(file);
  const { tls } = loaded.config.cluster.replication;
  const ofCluster = (['ca', 'cert', 'key'] as const)
    .filter((name) => isMissing(tls[name]))
    .map((name) =>
      loaded.source.problem(
        severity,
        ['cluster', 'replication', 'tls', name],
        'value',
        `${name} file ${tls[name]} is not there; \`tandem pki init\` makes the files of all nodes`,
      ),
    );
  const ofChecks = loaded.config.pools.flatMap(({ healthCheck }, i) =>
    healthCheck !== null && 'ca' in healthCheck && healthCheck.ca !== null && isMissing(healthCheck.ca)
      ? [loaded.source.problem(severity, ['pools', i, 'healthCheck', 'ca'], 'value', `ca file ${healthCheck.ca} is not there`)]
      : [],
  );
  return [...ofCluster, ...ofChecks];
}

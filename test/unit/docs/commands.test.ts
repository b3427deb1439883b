/**
 * Every command a document tells the reader to type exists, with the options it is shown with.
 */
import { accessSync, constants, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import pc from 'picocolors';
import t from 'tap';
import type { CliContext } from '../../../src/cli/context.js';
import { buildProgram } from '../../../src/cli/program.js';
import type { Monotonic } from '../../../src/system/clock.js';
import { projectRoot } from '../../../src/system/paths.js';
import { readDocuments } from './documents.js';
import { commandsOf } from './markdown.js';

const silent: CliContext = {
  version: '0',
  hostname: 'lb1',
  user: 'ops',
  wallMs: () => 0,
  clock: { now: () => 0 as Monotonic, at: () => () => undefined },
  isInteractive: () => false,
  openTerminal: () => ({ size: () => ({ columns: 80, rows: 24 }), draw: () => undefined, close: () => undefined }),
  out: () => undefined,
  err: () => undefined,
  colors: pc.createColors(false),
  actions: { run: async () => 0, initPki: async () => [], unload: async () => '' },
  onInterrupt: () => () => undefined,
  exit: () => undefined,
};
const program = buildProgram(silent);

const optionsOf = (words: string[]): string[] => words.filter((word) => word.startsWith('--')).map((word) => word.replace(/=.*/, ''));

/** What is wrong with `tandem ...`, or null. */
function tandemProblem(words: string[]): string | null {
  let command: Command = program;
  for (const word of words) {
    const next = command.commands.find((each) => each.name() === word);
    if (!next) break;
    command = next;
  }
  if (command === program && words[0] !== undefined && !/^(--|COMMAND)/.test(words[0])) return `tandem has no command ${words[0]}`;
  const known = new Set(['--help', ...command.options.map((option) => option.long), ...(command === program ? ['--version'] : [])]);
  const unknown = optionsOf(words).find((option) => !known.has(option));
  return unknown ? `tandem ${command.name()} has no option ${unknown}` : null;
}

/** What is wrong with `scripts/X ...`, or null. The help of a script is the comment at its top. */
function scriptProblem(name: string, words: string[]): string | null {
  const file = path.join(projectRoot, 'scripts', name);
  try {
    accessSync(file, constants.X_OK);
  } catch {
    return `there is no executable scripts/${name}`;
  }
  const help = readFileSync(file, 'utf8');
  const unknown = optionsOf(words).find((option) => option !== '--help' && !new RegExp(`${option}\\b`).test(help));
  return unknown ? `scripts/${name} does not speak of ${unknown}` : null;
}

function problem(command: string): string | null {
  const [first = '', ...words] = command.split(/\s+/);
  if (first === 'tandem' || first === 'scripts/tandem') return tandemProblem(words);
  const script = /^scripts\/([a-z-]+)$/.exec(first)?.[1];
  return script ? scriptProblem(script, words) : null;
}

t.test('commands in documents exist', async (t) => {
  const commands = readDocuments().flatMap((document) => [
    ...document.spans.map(({ text, line }) => ({ text, at: `${document.file}:${line}` })),
    ...document.fences
      .filter(({ language }) => ['sh', 'bash', 'console'].includes(language))
      .flatMap(({ text, line }) => commandsOf(text).map((command) => ({ text: command, at: `${document.file}:${line}` }))),
  ]);
  const found = commands.flatMap(({ text, at }) => {
    const what = problem(text);
    return what ? [`${at}: ${what}`] : [];
  });
  t.same(found, []);
  t.ok(commands.filter(({ text }) => /^(scripts\/|tandem )/.test(text)).length > 10, 'there are commands in documents');
});

t.test('every command of tandem stands in the README', async (t) => {
  const readme = readDocuments().find((document) => document.file === 'README.md');
  const spans = readme?.spans.map(({ text }) => text) ?? [];
  t.same(
    program.commands.map((command) => command.name()).filter((name) => !spans.some((text) => text.startsWith(`tandem ${name}`))),
    [],
  );
});

t.test('wrong commands are noticed', async (t) => {
  t.equal(problem('scripts/tandem check /etc/tandem/tandem.yaml'), null);
  t.equal(problem('scripts/test --list unit'), null);
  t.match(problem('tandem explode'), /no command explode/);
  t.match(problem('tandem status --xml'), /no option --xml/);
  t.match(problem('scripts/launch'), /no executable scripts\/launch/);
  t.match(problem('scripts/setup --everything'), /--everything/);
  t.same(commandsOf('a --b   # why\n$ c \\\n  d && e | f\n# only a comment'), ['a --b', 'c    d', 'e', 'f']);
});

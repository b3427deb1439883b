/**
 * `tandem completion SHELL`: tab completion, written from the commands themselves so that it cannot be out of date.
 */
import { Argument, type Command, type Option } from 'commander';
import type { CliContext } from './context.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

export function addCompletionCommand(program: Command, context: CliContext): void {
  program
    .command('completion')
    .description('print a script for tab completion')
    .addArgument(new Argument('<shell>', 'the shell').choices([...SHELLS]))
    .addHelpText(
      'after',
      '\nExamples:\n  tandem completion bash > /etc/bash_completion.d/tandem\n  tandem completion zsh > /usr/local/share/zsh/site-functions/_tandem\n  tandem completion fish > ~/.config/fish/completions/tandem.fish',
    )
    .action((shell: Shell) => context.out(completionScript(program, shell)));
}

interface Entry {
  /** Words after `tandem`: ['pki', 'init']. */
  words: string[];
  description: string;
  options: Option[];
  subcommands: { name: string; description: string }[];
  choices: string[];
  takesFile: boolean;
}

export function completionScript(program: Command, shell: Shell): string {
  const entries = collect(program, []);
  if (shell === 'bash') return bashScript(entries);
  return shell === 'zsh' ? zshScript(entries) : fishScript(entries);
}

function collect(command: Command, words: string[]): Entry[] {
  const [argument] = command.registeredArguments;
  const entry: Entry = {
    words,
    description: command.description(),
    options: [...command.createHelp().visibleOptions(command)],
    subcommands: command.commands.map((each) => ({ name: each.name(), description: each.description() })),
    choices: argument?.argChoices ?? [],
    takesFile: argument?.name() === 'file',
  };
  return [entry, ...command.commands.flatMap((each) => collect(each, [...words, each.name()]))];
}

const longNames = (entry: Entry): string[] => entry.options.flatMap((option) => (option.long ? [option.long] : []));
const valueKind = (option: Option): 'none' | 'file' | 'directory' | 'text' => {
  if (!option.required && !option.optional) return 'none';
  if (option.flags.includes('<file>')) return 'file';
  return option.flags.includes('<dir>') ? 'directory' : 'text';
};

/** Long options of all commands whose value is of one kind; the same name means the same kind everywhere. */
const optionsOfKind = (entries: readonly Entry[], kind: string): string[] => [
  ...new Set(
    entries.flatMap((entry) =>
      entry.options.filter((option) => valueKind(option) === kind && option.long).map((option) => option.long ?? ''),
    ),
  ),
];

function bashScript(entries: readonly Entry[]): string {
  const cases = entries.map((entry) => {
    const words = [...entry.subcommands.map((each) => each.name), ...entry.choices, ...longNames(entry)].join(' ');
    const files = entry.takesFile ? ' files=1;' : '';
    return `    "${entry.words.join(' ')}") words="${words}";${files} ;;`;
  });
  const names = entries.filter((entry) => entry.words.length > 0).map((entry) => `"${entry.words.join(' ')}"`);
  const pattern = (kind: string): string => optionsOfKind(entries, kind).join('|') || '--';
  return `# bash completion for tandem
_tandem() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}" command="" words="" files="" i next
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="\${command:+$command }\${COMP_WORDS[i]}"
    case "$next" in
      ${names.join(' | ')}) command="$next" ;;
    esac
  done
  case "$previous" in
    ${pattern('file')}) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    ${pattern('directory')}) mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
    ${pattern('text')}) return ;;
  esac
  case "$command" in
${cases.join('\n')}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  if [[ -n "$files" && "$current" != -* ]]; then
    mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")
  fi
}
complete -o filenames -F _tandem tandem`;
}

/** A text inside single quotes; zsh also reads brackets and colons in a specification. */
const quoted = (text: string): string => text.replaceAll("'", "'\\''");
const zshText = (text: string): string => quoted(text).replace(/[[\]:]/g, '\\$&');

function zshScript(entries: readonly Entry[]): string {
  const functions = entries.map((entry) => (entry.subcommands.length > 0 ? zshParent(entry) : zshLeaf(entry)));
  return `#compdef tandem\n# zsh completion for tandem\n\n${functions.join('\n\n')}\n\nif [ "$funcstack[1]" = "_tandem" ]; then\n  _tandem "$@"\nelse\n  compdef _tandem tandem\nfi`;
}

const zshName = (words: readonly string[]): string => ['_tandem', ...words].join('_');

function zshOptions(entry: Entry): string[] {
  return entry.options
    .filter((option) => option.long)
    .map((option) => {
      const kind = valueKind(option);
      const action = { none: '', text: ':value: ', file: ':file:_files', directory: ':directory:_files -/' }[kind];
      return `    '${option.long}[${zshText(option.description)}]${action}'`;
    });
}

function zshLeaf(entry: Entry): string {
  const positional =
    entry.choices.length > 0 ? [`    '1:value:(${entry.choices.join(' ')})'`] : entry.takesFile ? ["    '1:file:_files'"] : [];
  return `${zshName(entry.words)}() {\n  _arguments \\\n${[...zshOptions(entry), ...positional].join(' \\\n')}\n}`;
}

function zshParent(entry: Entry): string {
  const commands = entry.subcommands.map((each) => `    '${each.name}:${zshText(each.description)}'`).join('\n');
  const branches = entry.subcommands.map((each) => `        ${each.name}) ${zshName([...entry.words, each.name])} ;;`).join('\n');
  return `${zshName(entry.words)}() {
  local line state
  local -a commands=(
${commands}
  )
  _arguments -C \\
${[...zshOptions(entry), "    '1:command:->command'", "    '*::argument:->argument'"].join(' \\\n')}
  case "$state" in
    command) _describe 'command' commands ;;
    argument)
      case "$line[1]" in
${branches}
      esac ;;
  esac
}`;
}

function fishScript(entries: readonly Entry[]): string {
  const lines = entries.flatMap((entry) => {
    const condition = fishCondition(entry);
    const when = `complete -c tandem -n '${condition}'`;
    return [
      ...entry.subcommands.map((each) => `${when} -f -a '${each.name}' -d '${quoted(each.description)}'`),
      ...entry.choices.map((choice) => `${when} -f -a '${choice}'`),
      ...(entry.takesFile ? [`${when} -F`] : []),
      ...entry.options.filter((option) => option.long).map((option) => `${when} ${fishOption(option)}`),
    ];
  });
  return `# fish completion for tandem\ncomplete -c tandem -f\n${lines.join('\n')}`;
}

function fishCondition(entry: Entry): string {
  const given = entry.words.map((word) => `__fish_seen_subcommand_from ${word}`);
  const below = entry.subcommands.map((each) => each.name).join(' ');
  const notBelow = below === '' ? [] : [`not __fish_seen_subcommand_from ${below}`];
  return [...given, ...notBelow].join('; and ');
}

function fishOption(option: Option): string {
  const value = { none: '', text: ' -x', file: ' -r -F', directory: " -x -a '(__fish_complete_directories)'" }[valueKind(option)];
  return `-l '${(option.long ?? '').replace(/^--/, '')}'${value} -d '${quoted(option.description)}'`;
}

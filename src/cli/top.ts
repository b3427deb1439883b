/**
 * `tandem top`: what goes through this node just now, on the terminal until `q`, or as lines. A daemon that goes away is waited for.
 */
import { type Command, InvalidArgumentError } from 'commander';
import type { NodeStatus } from '../control/status.js';
import { after } from '../system/clock.js';
import { adminClient } from './admin-client.js';
import { type CliContext, CliError, EXIT_FAILURE } from './context.js';
import { jsonOption, positiveInteger, seconds, stateDirOption } from './options.js';
import { FIRST_VIEW, type Page, typed } from './top/keys.js';
import { missed, type Reading, read } from './top/rates.js';
import { report, screen } from './top/screen.js';

const DEFAULT_INTERVAL_MS = 1000;
/** Each look costs the daemon a walk over its counters. */
const MIN_INTERVAL_MS = 100;
/** A status takes milliseconds: a daemon that needs longer hangs, and that is said. */
const STATUS_LIMIT_MS = 3000;

interface TopOptions {
  interval: number;
  once?: true;
  count?: number;
  stateDir: string;
  json?: true;
}

export function addTopCommand(program: Command, context: CliContext): void {
  program
    .command('top')
    .description('show flows, packets and bits per second, refreshed until q is pressed')
    .option('--interval <seconds>', 'how often', interval, DEFAULT_INTERVAL_MS)
    .option('--once', 'print one interval and end, as it does without a terminal')
    .option('--count <number>', 'print so many intervals and end', positiveInteger)
    .addOption(stateDirOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nKeys: q quit, s sort by the next column, r reverse, p pause, arrows and page keys scroll.\nSHARE: of the new flows of the pool. A rate that is not known (a counter began anew) is -, in JSON null.\n\nExamples:\n  tandem top\n  tandem top --interval 5\n  tandem top --once\n  tandem top --json --count 60 | jq .services',
    )
    .action((options: TopOptions) => top(options, context));
}

function interval(text: string): number {
  const ms = seconds(text);
  if (ms < MIN_INTERVAL_MS) throw new InvalidArgumentError(`expected at least ${MIN_INTERVAL_MS / 1000} seconds.`);
  return ms;
}

async function top(options: TopOptions, context: CliContext): Promise<void> {
  const { json, once, count } = options;
  const look = looker(options, context);
  // Nobody to ask at the start is a mistake, such as another state directory; only later it is something to watch.
  const first = await look(null);
  if (json || once || count !== undefined || !context.isInteractive()) await print(first, look, options, context);
  else await live(first, look, context);
}

/** Looks at the node, after the interval where there is a look before. */
type Looker = (before: Reading | null) => Promise<Reading>;

function looker({ stateDir, interval }: TopOptions, { clock, wallMs }: CliContext): Looker {
  const client = adminClient(stateDir);
  return async (before) => {
    if (before !== null) await new Promise<void>((resolve) => clock.at(after(clock.now(), interval), resolve));
    try {
      const status = await client.get<NodeStatus>('/v1/status', STATUS_LIMIT_MS);
      return read(before, { at: clock.now(), atWallMs: wallMs(), status });
    } catch (error) {
      if (before === null || !(error instanceof CliError)) throw error;
      return missed(before, error.message);
    }
  };
}

async function print(first: Reading, look: Looker, { json, once, count }: TopOptions, context: CliContext): Promise<void> {
  let reading = first;
  for (let left = once ? 1 : (count ?? (json ? Number.POSITIVE_INFINITY : 1)); left > 0; left--) {
    reading = await look(reading);
    if (json) context.out(jsonLine(reading, context.wallMs()));
    else if (reading.failure === null) context.out(report(reading, FIRST_VIEW, Number.POSITIVE_INFINITY, context));
    else context.err(`tandem: ${reading.failure}`);
  }
  if (reading.failure !== null) context.exit(EXIT_FAILURE);
}

function jsonLine({ sample, rates, failure }: Reading, nowMs: number): string {
  if (failure !== null) return JSON.stringify({ at: new Date(nowMs).toISOString(), error: failure });
  const { node, inSync, routers } = sample.status;
  const roles = routers.map(({ name, role }) => ({ name, role }));
  return JSON.stringify({ at: new Date(sample.atWallMs).toISOString(), node, inSync, routers: roles, ...rates });
}

async function live(first: Reading, look: Looker, context: CliContext): Promise<void> {
  let [view, latest, shown] = [FIRST_VIEW, first, first];
  let page: Page = { rows: 0, maxOffset: 0 };
  let quit: (nothing: null) => void;
  const over = new Promise<null>((resolve) => {
    quit = resolve;
  });
  const draw = (): void => {
    if (!view.isPaused) shown = latest;
    const frame = screen(shown, view, terminal.size(), context);
    page = frame.page;
    terminal.draw(frame.lines);
  };
  const onInput = (text: string): void => {
    view = typed(view, text, page);
    if (view.isOver) quit(null);
    else draw();
  };
  const terminal = context.openTerminal({ onInput, onResize: draw });
  try {
    for (let next: Reading | null = first; next !== null; next = await Promise.race([over, look(latest)])) {
      latest = next;
      draw();
    }
  } finally {
    terminal.close();
  }
}

/**
 * What every command gets from outside: where to write, whether to colour, and the actions that do more than ask the daemon. Tests hand in
 * their own.
 */
import type { Colors } from 'picocolors/types.js';
import type { Clock } from '../system/clock.js';
import type { Terminal, TerminalEvents } from '../system/terminal.js';

/** Exit statuses of `tandem`. */
export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
/** Usage or configuration error. */
export const EXIT_USAGE = 2;

export interface RunOptions {
  configFile: string;
  node: string;
  stateDir: string;
}

export interface PkiOptions {
  dir: string;
  cluster: string;
  nodes: { name: string; address: string }[];
  force: boolean;
}

export interface CliActions {
  run(options: RunOptions): Promise<number>;
  /** Names of the files it wrote. */
  initPki(options: PkiOptions): Promise<string[]>;
  /** What it removed, in words. */
  unload(options: { node: string; stateDir: string }): Promise<string>;
}

export interface CliContext {
  version: string;
  /** Name of this machine: the node unless --node says otherwise. */
  hostname: string;
  /** Who runs the command, for the records. */
  user: string;
  /** Wall-clock milliseconds, to say how long ago something was. */
  wallMs(): number;
  clock: Pick<Clock, 'now' | 'at'>;
  /** There is a terminal to be opened. */
  isInteractive(): boolean;
  openTerminal(events: TerminalEvents): Terminal;
  out(text: string): void;
  err(text: string): void;
  colors: Colors;
  actions: CliActions;
  /** Calls the listener on Ctrl-C instead of ending; returns what restores that. */
  onInterrupt(listener: () => void): () => void;
  /** The exit status of the command that ran. */
  exit(status: number): void;
}

/** Ends a command with one sentence and an exit status. */
export class CliError extends Error {
  readonly status: number;

  constructor(message: string, status: number = EXIT_FAILURE) {
    super(message);
    this.name = 'CliError';
    this.status = status;
  }
}

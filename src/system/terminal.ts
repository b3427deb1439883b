/**
 * The whole terminal for a program that draws on it: the alternate screen, keys as they are pressed. However the program ends (by itself, by
 * an error, by a signal), the terminal gets back what it showed and how it read its keys.
 */

export interface TerminalEvents {
  /** Characters as they came: one key or several, or the codes of keys that have no character. */
  onInput(text: string): void;
  /** The size has changed, or what was drawn is gone. */
  onResize(): void;
}

export interface Size {
  columns: number;
  rows: number;
}

export interface Terminal {
  size(): Size;
  /** Lines no longer than the columns, no more of them than the rows. */
  draw(lines: readonly string[]): void;
  close(): void;
}

/** Alternate screen on, cursor and line wrap off; and back. */
const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const LEAVE = '\u001b[?7h\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_REST_OF_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';
const CTRL_Z = '\u001a';
const ENDING: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

/** Of a serial line, which does not tell its size. */
const UNKNOWN_SIZE: Size = { columns: 80, rows: 24 };

/** There are keys to read, and a screen whose cursor can be moved. */
export const isInteractive = (): boolean => process.stdin.isTTY && process.stdout.isTTY && process.env.TERM !== 'dumb';

/** Only where `isInteractive`. */
export function openTerminal(events: TerminalEvents): Terminal {
  const { stdin, stdout } = process;
  const take = (): void => {
    stdin.setRawMode(true);
    stdout.write(ENTER);
  };
  const giveBack = (): void => {
    stdout.write(LEAVE);
    stdin.setRawMode(false);
  };
  const onData = (text: string): void => {
    if (text !== CTRL_Z) return events.onInput(text);
    giveBack();
    process.kill(process.pid, 'SIGTSTP');
  };
  const onContinue = (): void => {
    take();
    events.onResize();
  };
  // Node aborts when it is to exit in an orderly way without the terminal that it read.
  const onGone = (): void => {
    process.kill(process.pid, 'SIGHUP');
  };
  // By the signal itself, so that whoever waits for the process sees it.
  const onEnding = (signal: NodeJS.Signals): void => {
    close();
    process.kill(process.pid, signal);
  };
  const close = (): void => {
    stdin.off('data', onData).off('end', onGone).pause();
    stdout.off('resize', events.onResize);
    process.off('exit', close).off('uncaughtExceptionMonitor', close).off('SIGCONT', onContinue);
    for (const signal of ENDING) process.off(signal, onEnding);
    giveBack();
  };

  take();
  // Also for what giving it back may meet: so this listener stays.
  stdin.on('error', onGone);
  stdin.setEncoding('utf8').on('data', onData).on('end', onGone).resume();
  stdout.on('resize', events.onResize);
  // The monitor comes before the error is printed, which would vanish with the alternate screen.
  process.on('exit', close).on('uncaughtExceptionMonitor', close).on('SIGCONT', onContinue);
  for (const signal of ENDING) process.on(signal, onEnding);

  return {
    // The last column stays empty: behind a character there, clearing the rest of the line takes that character.
    size: () => ({ columns: (stdout.columns || UNKNOWN_SIZE.columns) - 1, rows: stdout.rows || UNKNOWN_SIZE.rows }),
    draw: (lines) => {
      stdout.write(`${HOME}${lines.map((line) => line + CLEAR_REST_OF_LINE).join('\r\n')}${CLEAR_BELOW}`);
    },
    close,
  };
}

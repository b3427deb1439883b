/**
 * The demo's progress: one line a step, with its time. On a terminal the step under way is shown, too. Goes to standard error when
 * standard output belongs to JSON.
 */
import pc from 'picocolors';

export interface Progress {
  step<T>(what: string, work: () => Promise<T>, tell?: (value: T) => string): Promise<T>;
  say(text: string): void;
}

const NAME_WIDTH = 10;
const DETAIL_WIDTH = 74;

export function createProgress(stream: NodeJS.WriteStream): Progress {
  const live = stream.isTTY === true;
  return {
    step: async (what, work, tell = () => '') => {
      if (live) stream.write(`${pc.yellow('…')} ${what}`);
      const start = performance.now();
      const clear = live ? '\r\x1b[K' : '';
      try {
        const value = await work();
        const seconds = pc.dim(`${((performance.now() - start) / 1000).toFixed(2)} s`);
        stream.write(`${clear}${pc.green('✓')} ${what.padEnd(NAME_WIDTH)} ${tell(value).padEnd(DETAIL_WIDTH)} ${seconds}\n`);
        return value;
      } catch (error) {
        stream.write(`${clear}${pc.red('✗')} ${what}\n`);
        throw error;
      }
    },
    say: (text) => void stream.write(`${text}\n`),
  };
}

/**
 * A shell that stays inside one network namespace and runs one script after the other: a command costs one fork of a tiny process
 * instead of a spawn from Node plus nsenter. Entered with nsenter and not with `ip netns exec`, which would hide the pins under /sys/fs/bpf.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';

export class CommandError extends Error {
  readonly code = 'COMMAND_FAILED';
  readonly exitStatus: number;
  constructor(where: string, script: string, exitStatus: number, output: string) {
    super(`${where}: exit status ${exitStatus} of: ${script.trim().split('\n').slice(0, 3).join('; ')}\n${output.trim()}`);
    this.exitStatus = exitStatus;
  }
}

export interface NamespaceShell {
  readonly pid: number;
  /** Standard output and standard error together. Throws CommandError. Scripts run in the order of the calls. */
  run(script: string): Promise<string>;
  close(): void;
}

interface Waiting {
  script: string;
  resolve: (output: string) => void;
  reject: (error: Error) => void;
}

/** Cannot occur in the output of the tools used here. */
const MARK = '\u0001done';

export function openNamespaceShell(namespace: string | null): NamespaceShell {
  const where = namespace ?? 'outside';
  const [file, ...args] = namespace === null ? ['sh'] : ['nsenter', `--net=/run/netns/${namespace}`, 'sh'];
  const child = spawn(file as string, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  return superviseShell(where, child);
}

function superviseShell(where: string, child: ChildProcessWithoutNullStreams): NamespaceShell {
  const queue: Waiting[] = [];
  let output = '';
  const fail = (why: string): void => {
    for (const waiting of queue.splice(0)) waiting.reject(new Error(`the shell in ${where} has ended: ${why} ${output}`));
  };
  child.stdin.on('error', () => fail('its input is closed'));
  child.on('error', (error) => fail(error.message));
  child.on('exit', () => fail('it exited'));
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    for (let at = output.indexOf(MARK); at >= 0; at = output.indexOf(MARK)) {
      const end = output.indexOf('\n', at);
      if (end < 0) return;
      const said = output.slice(0, at);
      const exitStatus = Number(output.slice(at + MARK.length, end));
      output = output.slice(end + 1);
      const waiting = queue.shift();
      if (exitStatus === 0) waiting?.resolve(said);
      else waiting?.reject(new CommandError(where, waiting.script, exitStatus, said));
    }
  });
  return {
    pid: child.pid ?? -1,
    run: (script) =>
      new Promise((resolve, reject) => {
        if (child.exitCode !== null || child.signalCode !== null) return reject(new Error(`the shell in ${where} has ended`));
        queue.push({ script, resolve, reject });
        // `set -e` in a subshell: the first failing line decides. /dev/null: a command must not eat the next script.
        child.stdin.write(`(set -e\n${script}\n) 2>&1 < /dev/null\nprintf '${MARK}%d\\n' $?\n`);
      }),
    close: () => {
      child.stdin.end();
    },
  };
}

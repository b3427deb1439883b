/**
 * The agent's side of the conversation with the lab: answers calls from standard input, ends when that closes. So an agent never
 * outlives its lab, whatever end that has.
 */
import { createInterface } from 'node:readline';

interface Call {
  id: number;
  method: string;
  argument: unknown;
}

/** Answers `hello` by itself, so that a caller can wait until the agent is up. */
export function serveCalls<Api extends object>(methods: Api): void {
  const answer = (message: object): void => {
    process.stdout.write(`${JSON.stringify(message)}\n`);
  };
  const input = createInterface({ input: process.stdin });
  input.on('line', (line) => {
    const call = JSON.parse(line) as Call;
    const method = (methods as Record<string, ((argument: unknown) => unknown) | undefined>)[call.method];
    if (method === undefined) return answer({ id: call.id, error: `no method ${call.method}` });
    Promise.resolve()
      .then(() => method(call.argument))
      .then(
        (value) => answer({ id: call.id, value: value ?? null }),
        (error: unknown) => answer({ id: call.id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
      );
  });
  input.on('close', () => process.exit(0));
}

/** Milliseconds of CLOCK_MONOTONIC: the same for every process of this machine. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/**
 * A command that checks the server: exit status 0 is up. The machine's time limit ends it and everything it started.
 */
import type { ScriptCheck } from '../../config/health-model.js';
import { endReason, runCommand } from '../../system/run-command.js';
import type { CancelProbe, OnResult, ProbeTarget } from './answer.js';

export function probeScript(
  { pool, server, address, port }: ProbeTarget,
  { command, environment }: ScriptCheck,
  onResult: OnResult,
): CancelProbe {
  const own = {
    TANDEM_POOL: pool,
    TANDEM_SERVER: server,
    TANDEM_SERVER_ADDRESS: address,
    TANDEM_SERVER_PORT: String(port),
  };
  return runCommand({ command, input: '', timeoutMs: null, environment: { ...environment, ...own } }, (end) =>
    onResult({ ok: end.status === 0 && end.error === null, reason: endReason(end) }),
  );
}

/**
 * One look at one tracked thing. Never throws and answers at most once; the time limit is the machine's (it cancels). What is known inside
 * the daemon comes in as facts.
 */
import { readFile } from 'node:fs/promises';
import type { TrackConfig } from '../config/model.js';
import { pingOnce } from '../system/echo-probe.js';
import { type NetworkFacts, routeTo } from '../system/network-facts.js';
import { findProcess, processOfFile } from '../system/processes.js';
import { endReason, runCommand } from '../system/run-command.js';
import type { Look, LookResult } from './tracker.js';

/** A weight beyond the range of priorities says no more than its ends. */
const MAX_NUMBER = 254;

export interface TrackFacts {
  network(): NetworkFacts;
  /** Has this node what its peers know of this router's flows? */
  sync(router: string): LookResult;
  /** Is the data plane of this node attached and serving? */
  engine(): LookResult;
  /** Servers with a weight, and how many of them this node's checks call up. */
  servers(pool: string): { up: number; all: number };
}

export function createLook(facts: TrackFacts): Look {
  return (router, tracked, onResult) => {
    switch (tracked.kind) {
      case 'process':
        return settle(lookAtProcess(tracked), onResult);
      case 'file':
        return settle(lookAtFile(tracked), onResult);
      case 'script':
        return runCommand({ command: tracked.command ?? [], input: '', timeoutMs: null }, (end) =>
          onResult({ ok: end.status === 0, reason: endReason(end) }),
        );
      case 'gateway':
        return pingOnce(tracked.address ?? '', onResult);
      case 'route':
        return settle(Promise.resolve(lookAtRoute(tracked, facts.network())), onResult);
      case 'sync':
        return settle(Promise.resolve(facts.sync(router)), onResult);
      case 'engine':
        return settle(Promise.resolve(facts.engine()), onResult);
      case 'servers':
        return settle(Promise.resolve(lookAtServers(tracked, facts.servers(tracked.pool ?? ''))), onResult);
      case 'interface':
        throw new Error('interfaces are looked at by the heartbeat');
    }
  };
}

/** A promise as a look: nothing is said after it was cancelled. */
function settle(pending: Promise<LookResult>, onResult: (result: LookResult) => void): () => void {
  let isCancelled = false;
  pending.then(
    (result) => {
      if (!isCancelled) onResult(result);
    },
    (error: unknown) => {
      if (!isCancelled) onResult({ ok: false, reason: error instanceof Error ? error.message : String(error) });
    },
  );
  return () => {
    isCancelled = true;
  };
}

async function lookAtProcess({ process: name, pidFile }: TrackConfig): Promise<LookResult> {
  if (pidFile !== null) {
    const found = await processOfFile(pidFile);
    return typeof found === 'number' ? { ok: true, reason: `pid ${found}` } : { ok: false, reason: found };
  }
  const pid = await findProcess(name ?? '');
  return pid === null ? { ok: false, reason: 'no process has this name' } : { ok: true, reason: `pid ${pid}` };
}

async function lookAtFile({ file, content }: TrackConfig): Promise<LookResult> {
  const text = await readFile(file ?? '', 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    // It is there, and of another kind: a directory exists, too.
    if (error.code === 'EISDIR' && content !== 'number') return '';
    throw error;
  });
  if (content === 'number') return text === null ? { ok: true, reason: 'no file, counts as 0', value: 0 } : numberIn(text);
  const isThere = text !== null;
  return { ok: isThere === (content === 'exists'), reason: isThere ? 'the file is there' : 'the file is not there' };
}

function numberIn(text: string): LookResult {
  const trimmed = text.trim();
  if (!/^[+-]?\d{1,9}$/.test(trimmed)) return { ok: false, reason: 'the file holds no whole number, counts as 0', value: 0 };
  const value = Math.max(-MAX_NUMBER, Math.min(MAX_NUMBER, Number(trimmed)));
  return { ok: true, reason: `the file says ${value}`, value };
}

function lookAtRoute({ to, interface: wanted }: TrackConfig, network: NetworkFacts): LookResult {
  const route = routeTo(network, to ?? '', wanted);
  if (route === null) return { ok: false, reason: `no route${wanted === null ? '' : ` by ${wanted}`}` };
  return { ok: true, reason: `${route.gateway === null ? 'directly connected' : `via ${route.gateway}`} by ${route.interface}` };
}

function lookAtServers({ minPercent }: TrackConfig, { up, all }: { up: number; all: number }): LookResult {
  return { ok: all > 0 && up * 100 >= all * minPercent, reason: `${up} of ${all} servers are up, ${minPercent} % are asked for` };
}

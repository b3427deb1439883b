/**
 * What the things a virtual router tracks mean for its election: give it up, or another priority. The semantics of weights are those of
 * keepalived: a negative weight counts while the thing fails, a positive one while it does not. Pure.
 */
import type { TrackConfig } from '../config/model.js';

export interface Verdict {
  tracked: Pick<TrackConfig, 'kind' | 'name' | 'weight' | 'content'>;
  state: 'up' | 'down' | 'unknown';
  /** The number in a tracked file. */
  value: number;
  reason: string;
}

export interface TrackResult {
  router: string;
  /** Why the router has to be given up, short enough for a reason and a label; null: it need not. */
  fault: string | null;
  priorityDelta: number;
  /** One sentence for everything that fails or moves the priority. */
  reasons: string[];
}

/** A number in a file that says "give up", as in keepalived. */
export const GIVE_UP_VALUE = -254;

export function sumOf(router: string, verdicts: readonly Verdict[]): TrackResult {
  const faulty = verdicts.find(isFault);
  const moving = verdicts.filter((verdict) => isFault(verdict) || verdict.state === 'down' || deltaOf(verdict) < 0);
  return {
    router,
    fault: faulty === undefined ? null : `track:${faulty.tracked.kind}:${faulty.tracked.name}`,
    priorityDelta: verdicts.reduce((sum, verdict) => sum + deltaOf(verdict), 0),
    reasons: moving.map(sentence),
  };
}

const isNumber = ({ tracked }: Verdict): boolean => tracked.content === 'number' && tracked.kind === 'file';

export function isFault(verdict: Verdict): boolean {
  if (isNumber(verdict)) return verdict.state === 'up' && verdict.value <= GIVE_UP_VALUE;
  return verdict.state === 'down' && verdict.tracked.weight === null;
}

export function deltaOf(verdict: Verdict): number {
  const { tracked, state, value } = verdict;
  if (isNumber(verdict)) return state === 'up' && !isFault(verdict) ? value : 0;
  const weight = tracked.weight ?? 0;
  if (weight > 0) return state === 'up' ? weight : 0;
  return state === 'down' ? weight : 0;
}

function sentence(verdict: Verdict): string {
  const { kind, name } = verdict.tracked;
  const effect = isFault(verdict) ? 'gives up' : `${deltaOf(verdict) >= 0 ? '+' : ''}${deltaOf(verdict)}`;
  return `${kind} ${name}: ${verdict.reason} (${effect})`;
}

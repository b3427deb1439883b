/**
 * Panic: when too few servers of a pool are up, the rest would be overrun and fall in their turn, or the checks themselves are wrong. Then
 * health counts no more, and all servers that their operators want get new flows (the panic threshold of Envoy). Every node derives it from
 * the pool generation in force, which goes on telling who is up. Pure.
 */
import type { PoolConfig } from '../config/model.js';
import type { PoolMember } from './api.js';
import { isUsable, milliWeightOf } from './pool-members.js';

type Threshold = Pick<PoolConfig, 'panicThreshold' | 'servers'>;

export interface PanicState {
  isPanicking: boolean;
  /** Servers, but for backups, that are to serve, and those of them that are up. */
  wanted: number;
  up: number;
}

export function panicOf(pool: Threshold, members: readonly PoolMember[]): PanicState {
  const backups = backupsOf(pool);
  const wanted = members.filter((member) => isWanted(member) && !backups.has(member.name));
  const up = wanted.filter(({ alive }) => alive).length;
  // That is what backups are for. While a server is up they have no weight, and will have theirs when it is not.
  const isBackedUp = members.some((member) => backups.has(member.name) && member.alive && isReady(member) && (up > 0 || isUsable(member)));
  return { isPanicking: !isBackedUp && 100 * up < pool.panicThreshold * wanted.length, wanted: wanted.length, up };
}

/** Members as the data plane is to treat them: in panic all that are wanted count as up. */
export function usedMembers(pool: Threshold, members: readonly PoolMember[]): readonly PoolMember[] {
  if (!panicOf(pool, members).isPanicking) return members;
  const backups = backupsOf(pool);
  return members.map((member) => (isWanted(member) && !backups.has(member.name) ? { ...member, alive: true } : member));
}

const backupsOf = ({ servers }: Threshold): ReadonlySet<string> => new Set(servers.filter(({ backup }) => backup).map(({ name }) => name));

const isReady = ({ state }: PoolMember): boolean => (state ?? 'ready') === 'ready';
/** Gets new flows when it is up. */
const isWanted = (member: PoolMember): boolean => isReady(member) && milliWeightOf(member) > 0;

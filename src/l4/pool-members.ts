/**
 * What the words of a pool generation on one server mean. Pure.
 */
import type { PoolMember } from './api.js';

/** Weights are compared in thousandths: a slow start and a percentage of a weight of 1 are finer than whole numbers. */
export const MILLI = 1000;
/** As in the configuration. */
export const MAX_SERVER_WEIGHT = 256;

/** Share of new flows, in thousandths. */
export const milliWeightOf = ({ weight, milliWeight }: Pick<PoolMember, 'weight' | 'milliWeight'>): number => milliWeight ?? weight * MILLI;
/** What sizes the tables, in thousandths. */
export const sizeWeightOf = ({ weight, sizeWeight }: Pick<PoolMember, 'weight' | 'sizeWeight'>): number => sizeWeight ?? weight * MILLI;
/** Gets new flows. */
export const isUsable = (member: Pick<PoolMember, 'weight' | 'milliWeight' | 'alive'>): boolean =>
  member.alive && milliWeightOf(member) > 0;

/** Everything that two words on a server can differ in, but for how long ago something began. */
export const sameMember = (a: PoolMember, b: PoolMember): boolean =>
  a.name === b.name &&
  a.address === b.address &&
  a.port === b.port &&
  a.weight === b.weight &&
  a.alive === b.alive &&
  a.milliWeight === b.milliWeight &&
  a.sizeWeight === b.sizeWeight &&
  a.state === b.state &&
  a.up === b.up &&
  a.advice?.drain === b.advice?.drain &&
  a.advice?.weightPercent === b.advice?.weightPercent &&
  (a.slowStartMs === undefined) === (b.slowStartMs === undefined);

export const sameMembers = (a: readonly PoolMember[], b: readonly PoolMember[]): boolean =>
  a.length === b.length && a.every((member, index) => sameMember(member, b[index] as PoolMember));

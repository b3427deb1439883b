/**
 * Counts claims of others on addresses that this node holds, and says which of them are news: a machine that insists, or one that floods,
 * is not logged again at once. Pure.
 */
import type { Monotonic } from '../system/clock.js';

/** One line in this time for each address and claimant. */
const REPEAT_MS = 10_000;
/** Claimants that are remembered; with more of them the oldest is news again. */
const MAX_CLAIMANTS = 256;

export interface ForeignClaims {
  address: string;
  interface: string;
  /** Who claimed it last. */
  mac: string;
  claims: number;
}

export class ClaimCounter {
  private readonly byAddress = new Map<string, ForeignClaims>();
  private readonly toldAt = new Map<string, Monotonic>();

  /** True when this one is to be logged. */
  note(address: string, interfaceName: string, mac: string, now: Monotonic): boolean {
    const claims = (this.byAddress.get(address)?.claims ?? 0) + 1;
    this.byAddress.set(address, { address, interface: interfaceName, mac, claims });
    const claimant = `${address} ${mac}`;
    const toldAt = this.toldAt.get(claimant);
    if (toldAt !== undefined && now - toldAt < REPEAT_MS) return false;
    this.toldAt.delete(claimant);
    this.toldAt.set(claimant, now);
    const [oldest] = this.toldAt.keys();
    if (this.toldAt.size > MAX_CLAIMANTS && oldest !== undefined) this.toldAt.delete(oldest);
    return true;
  }

  /** By address: those that were claimed at all. */
  all(): ForeignClaims[] {
    return [...this.byAddress.values()];
  }
}

/**
 * A network of datagrams: each pair of machines has its own way in each direction, which can be cut, lose, delay (and so reorder) and
 * duplicate.
 */
import type { Agenda } from '../agenda.js';
import type { Random } from '../random.js';

/** Delay of an undisturbed packet. */
export const MIN_DELAY_MS = 0.05;
export const MAX_DELAY_MS = 0.5;

const square = <T>(size: number, value: T): T[][] => Array.from({ length: size }, () => new Array<T>(size).fill(value));

export class PacketNetwork {
  readonly isCut: boolean[][];
  loss = 0;
  duplicates = 0;
  /** Up to this much more delay, each packet its own. */
  slowMs = 0;
  readonly isLinkDown: boolean[];
  private readonly agenda: Agenda;
  private readonly random: Random;

  /** `links`: another network that uses the same cables. */
  constructor(size: number, agenda: Agenda, random: Random, links?: Pick<PacketNetwork, 'isCut' | 'isLinkDown'>) {
    this.isCut = links?.isCut ?? square(size, false);
    this.isLinkDown = links?.isLinkDown ?? new Array<boolean>(size).fill(false);
    this.agenda = agenda;
    this.random = random;
  }

  /** Calls `arrive` once, twice or never; false when a fault took or delayed it. */
  send(from: number, to: number, at: number, arrive: (at: number) => void): boolean {
    const arrivesAt = this.arrival(from, to, at);
    if (arrivesAt === null) return false;
    this.agenda.add(arrivesAt, () => arrive(arrivesAt));
    if (this.duplicates > 0 && this.random.chance(this.duplicates)) {
      const second = at + this.delay();
      this.agenda.add(second, () => arrive(second));
    }
    return this.slowMs === 0;
  }

  /** When a packet that is sent now will be there; null: never. */
  arrival(from: number, to: number, at: number): number | null {
    const isLost =
      this.isCut[from]?.[to] === true ||
      this.isLinkDown[from] === true ||
      this.isLinkDown[to] === true ||
      (this.loss > 0 && this.random.chance(this.loss));
    return isLost ? null : at + this.delay();
  }

  /** No packet overtakes another one by much, or comes twice. */
  get isOrderly(): boolean {
    return this.slowMs === 0 && this.duplicates === 0;
  }

  /** The latest that a packet which is sent then may arrive. */
  latest(at: number): number {
    return at + MAX_DELAY_MS + this.slowMs;
  }

  private delay(): number {
    const { random, slowMs } = this;
    return random.between(MIN_DELAY_MS, MAX_DELAY_MS) + (slowMs > 0 ? random.between(0, slowMs) : 0);
  }
}

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

  constructor(size: number, agenda: Agenda, random: Random) {
    this.isCut = square(size, false);
    this.isLinkDown = new Array<boolean>(size).fill(false);
    this.agenda = agenda;
    this.random = random;
  }

  /** Calls `arrive` once, twice or never; false when a fault took or delayed it. */
  send(from: number, to: number, at: number, arrive: (at: number) => void): boolean {
    const { random } = this;
    const isLost =
      this.isCut[from]?.[to] === true || this.isLinkDown[from] === true || this.isLinkDown[to] === true || random.chance(this.loss);
    const delay = this.delay();
    if (isLost) return false;
    this.agenda.add(at + delay, () => arrive(at + delay));
    if (this.duplicates > 0 && random.chance(this.duplicates)) {
      const second = this.delay();
      this.agenda.add(at + second, () => arrive(at + second));
    }
    return this.slowMs === 0;
  }

  private delay(): number {
    const { random, slowMs } = this;
    return random.between(MIN_DELAY_MS, MAX_DELAY_MS) + (slowMs > 0 ? random.between(0, slowMs) : 0);
  }
}

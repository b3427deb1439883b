/** Virtual time: what happens when, in the order of time and then of asking. A binary heap. */
interface Entry {
  at: number;
  order: number;
  act: () => void;
}

const isBefore = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

export class Agenda {
  now = 0;
  private readonly heap: Entry[] = [];
  private order = 0;
  /** Turns of promises that come before the next entry. */
  private turns = 0;

  add(at: number, act: () => void): void {
    const entry = { at: Math.max(at, this.now), order: this.order++, act };
    let index = this.heap.length;
    this.heap.push(entry);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = this.heap[parent] as Entry;
      if (!isBefore(entry, above)) break;
      this.heap[index] = above;
      index = parent;
    }
    this.heap[index] = entry;
  }

  runUntil(end: number): void {
    for (let first = this.heap[0]; first !== undefined && first.at <= end; first = this.heap[0]) {
      this.removeFirst();
      this.now = first.at;
      first.act();
    }
    this.now = end;
  }

  /** What runs now goes on in promises, in so many turns at most: as in a real event loop they all run before anything else happens. */
  goesOn(turns: number): void {
    this.turns = Math.max(this.turns, turns);
  }

  /** The same for code that goes on in promises. */
  async runTurnsUntil(end: () => number): Promise<void> {
    for (let first = this.heap[0]; first !== undefined && first.at <= end(); first = this.heap[0]) {
      this.removeFirst();
      this.now = first.at;
      first.act();
      for (; this.turns > 0; this.turns--) await null;
    }
    this.now = end();
  }

  private removeFirst(): void {
    const last = this.heap.pop() as Entry;
    const { length } = this.heap;
    if (length === 0) return;
    let index = 0;
    for (let child = 1; child < length; child = 2 * index + 1) {
      if (child + 1 < length && isBefore(this.heap[child + 1] as Entry, this.heap[child] as Entry)) child++;
      if (!isBefore(this.heap[child] as Entry, last)) break;
      this.heap[index] = this.heap[child] as Entry;
      index = child;
    }
    this.heap[index] = last;
  }
}

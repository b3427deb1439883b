/**
 * Messages for the daemon: sent when it is there, kept in a bounded ring while it is away. What had to be dropped is said first.
 */
import type { FromHeartbeat } from './heartbeat-api.js';

/** Transitions and rate-limited log lines: minutes of trouble fit. */
const RING_MESSAGES = 512;

export class Outbox {
  private readonly ring: FromHeartbeat[] = [];
  private dropped = 0;
  private readonly readers = new Set<(message: FromHeartbeat) => void>();

  push(message: FromHeartbeat): void {
    if (this.readers.size > 0) {
      for (const read of this.readers) read(message);
      return;
    }
    // Nobody there: a status or the like is of no use later.
    if (message.type !== 'transition' && message.type !== 'log') return;
    this.ring.push(message);
    if (this.ring.length <= RING_MESSAGES) return;
    this.ring.shift();
    this.dropped++;
  }

  attach(read: (message: FromHeartbeat) => void, atWallMs: number): void {
    if (this.dropped > 0) read({ type: 'log', level: 'warn', event: 'messagesDropped', fields: { count: this.dropped }, atWallMs });
    this.dropped = 0;
    for (const message of this.ring.splice(0)) read(message);
    this.readers.add(read);
  }

  detach(read: (message: FromHeartbeat) => void): void {
    this.readers.delete(read);
  }
}

/** The receiving machine under test: it remembers its effects, and goes to the phases that matter. */
import type { Frame } from '../../src/replication/frames.js';
import { RECORD_BYTES } from '../../src/replication/limits.js';
import { stepReceiver } from '../../src/replication/receiver.js';
import { initialReceiver, type ReceiverEffect, type ReceiverEvent, type ReceiverState } from '../../src/replication/receiver-state.js';
import type { Monotonic } from '../../src/system/clock.js';
import { hello } from './hello.js';

export const RECORDS = Buffer.alloc(2 * RECORD_BYTES);

export class Machine {
  state: ReceiverState;
  now = 1000 as Monotonic;
  effects: ReceiverEffect[] = [];

  constructor(epochStart = 0, isFormerHolder = false) {
    this.state = initialReceiver({ own: hello('lb2', 'own'), epochStart, epochStride: 1, isFormerHolder });
  }

  feed(event: ReceiverEvent): this {
    const step = stepReceiver(this.state, event, this.now);
    this.state = step.state;
    this.effects = step.effects;
    return this;
  }

  frame(frame: Frame): this {
    return this.feed({ type: 'frame', frame });
  }

  tickAt(ms: number): this {
    this.now = ms as Monotonic;
    return this.feed({ type: 'tick' });
  }

  later(ms: number): this {
    this.now = (this.now + ms) as Monotonic;
    return this;
  }

  get told(): string[] {
    return this.effects.map((effect) => {
      if (effect.type === 'apply') return `apply ${effect.mode} ${effect.epoch}`;
      if (effect.type !== 'send') return effect.type;
      return 'sequence' in effect.frame ? `send ${effect.frame.type} ${effect.frame.sequence}` : `send ${effect.frame.type}`;
    });
  }

  toFresh(): this {
    return this.feed({ type: 'opened', hello: hello('lb1', 'theirs') });
  }

  /** In a bulk after gap 1, holding 2 and begin 3. */
  toBulk(): this {
    this.toFresh().frame({ type: 'gap', sequence: 1, reason: 'new' });
    this.frame({ type: 'control', sequence: 2, message: { type: 'holding', routers: ['front'] } });
    return this.frame({ type: 'bulkBegin', sequence: 3, bulk: 1 }).later(10);
  }

  toPurge(): this {
    this.toBulk().frame({ type: 'bulkEnd', sequence: 4, bulk: 1, chunks: 0, routers: ['front'] });
    return this.later(10);
  }

  toComplete(): this {
    return this.toPurge().feed({ type: 'purged', epoch: this.state.epoch });
  }

  /** The sender, known not to hold anything before, has sent its table. */
  toHandOver(): this {
    this.toFresh().frame({ type: 'control', sequence: 1, message: { type: 'holding', routers: [] } });
    this.frame({ type: 'gap', sequence: 2, reason: 'lost' });
    return this.bulkOf(['front']);
  }

  /** A whole bulk of a sender that holds these, with the next number on. */
  bulkOf(routers: string[]): this {
    const next = this.state.applied + 1;
    this.frame({ type: 'control', sequence: next, message: { type: 'holding', routers } });
    this.frame({ type: 'bulkBegin', sequence: next + 1, bulk: next });
    return this.frame({ type: 'bulkEnd', sequence: next + 2, bulk: next, chunks: 0, routers }).later(10);
  }

  toHole(): this {
    return this.toComplete().frame({ type: 'records', sequence: 9, records: RECORDS });
  }
}

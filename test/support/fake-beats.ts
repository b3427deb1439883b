/** The beat channel as the heartbeat sees it: what was said and asked for is kept, what is heard comes from the test. */
import { encodeBeat, type GroupBeat } from '../../src/vrrp/beat-codec.js';
import type { BeatEvent, BeatOptions, BeatPort } from '../../src/vrrp/ports.js';

/** Later than any clock of a test. */
const FRESH_NS = 1n << 60n;

export class FakeBeats {
  options: BeatOptions | null = null;
  said: Buffer = Buffer.alloc(0);
  readonly keys = new Map<number, string | null>();
  readonly watched = new Map<number, number>();
  readonly calls: string[] = [];
  lateMaxUs = 0;
  silenced = 0;
  looks = 0;
  isRealtime = true;
  isClosed = false;
  /** What is renewed with each beat, as long as beats are sent. */
  /** As it was told with a key. */
  latest: bigint | undefined;
  held = { slots: 0, lifeMs: 0, untilMs: 0 };
  areSent = true;
  /** The addon cannot. */
  refuses = false;
  #onEvents: (events: BeatEvent[]) => void = () => undefined;

  open(options: BeatOptions, onEvents: (events: BeatEvent[]) => void): BeatPort {
    if (this.refuses) throw new Error('no such device');
    this.options = options;
    this.isClosed = false;
    this.#onEvents = onEvents;
    return {
      say: (payload) => {
        this.said = Buffer.from(payload);
      },
      setPeerKey: (id, key, latest) => {
        this.keys.set(id, key?.toString('hex') ?? null);
        this.latest = latest;
      },
      setIntervalUs: (us) => this.calls.push(`interval ${us}`),
      watch: (id, us) => this.watched.set(id, us),
      hold: (slots, lifeUs, _drainNs, _instance, untilNs) => {
        this.held = { slots: slots.length, lifeMs: lifeUs / 1000, untilMs: Number(untilNs) / 1e6 };
        this.calls.push(`hold ${slots.join(',')} ${lifeUs}`);
      },
      promise: (us) => this.calls.push(`promise ${us}`),
      stats: () => {
        if (this.isClosed) throw new Error('the beat channel is closed');
        this.looks += 1;
        const lateMaxUs = this.lateMaxUs;
        this.lateMaxUs = 0;
        return { sent: 0, received: 0, sendErrors: 0, rejected: {}, lateMaxUs, silenced: this.silenced, realtime: this.isRealtime };
      },
      close: () => {
        this.isClosed = true;
      },
    };
  }

  emit(event: BeatEvent): void {
    this.#onEvents([event]);
  }

  hear(groups: readonly GroupBeat[], { peer = 2, intervalUs = 50_000, promiseUs = 0, atNs = FRESH_NS } = {}): void {
    this.emit({ type: 'heard', atNs, peer, instance: 1n, intervalUs, promiseUs, payload: encodeBeat(groups), path: 0, isFirst: false });
  }
}

/**
 * The references of a node, asked by ping: the shell around references.ts. Says each change of the verdict, decides nothing.
 */
import type { HeartbeatPorts } from './ports.js';
import {
  calm,
  nextLookAt,
  type ReferenceEvent,
  type ReferenceState,
  type ReferenceVerdict,
  stepReferences,
  verdictOf,
} from './references.js';

/** Questions under way at once: the oldest is given up. */
const MAX_QUESTIONS = 16;

export interface ReferenceOptions {
  addresses: readonly string[];
  ports: Pick<HeartbeatPorts, 'clock' | 'ping'>;
  /** Is any other node heard, on any path? */
  hasPeers(): boolean;
  onVerdict(verdict: ReferenceVerdict): void;
}

export class ReferenceWatch {
  private readonly options: ReferenceOptions;
  private state: ReferenceState = calm;
  private questions: (() => void)[] = [];
  private cancelTimer: () => void = () => undefined;
  private isClosed = false;

  constructor(options: ReferenceOptions) {
    this.options = options;
  }

  get verdict(): ReferenceVerdict {
    return verdictOf(this.state);
  }

  /** After anything that may have changed who is heard. */
  look(): void {
    if (this.options.addresses.length > 0 && !this.isClosed) this.step({ type: 'look', hasPeers: this.options.hasPeers() });
  }

  close(): void {
    this.isClosed = true;
    this.cancelTimer();
    this.forget();
  }

  private step(event: ReferenceEvent): void {
    const { clock } = this.options.ports;
    const before = this.verdict;
    const { state, ask } = stepReferences(this.state, event, clock.now());
    this.state = state;
    if (state.phase === 'calm' || state.phase === 'reached') this.forget();
    if (ask) this.ask();
    this.cancelTimer();
    const at = nextLookAt(state);
    this.cancelTimer = at === null ? () => undefined : clock.at(at, () => this.look());
    if (this.verdict !== before) this.options.onVerdict(this.verdict);
  }

  private ask(): void {
    for (const address of this.options.addresses) {
      this.questions.push(
        this.options.ports.ping(address, (isAnswered) => {
          if (isAnswered && !this.isClosed) this.step({ type: 'answer' });
        }),
      );
    }
    for (const cancel of this.questions.splice(0, Math.max(0, this.questions.length - MAX_QUESTIONS))) cancel();
  }

  private forget(): void {
    for (const cancel of this.questions.splice(0)) cancel();
  }
}

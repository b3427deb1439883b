/**
 * One TCP connection of the load: sends numbered messages of its stream, verifies every byte that comes back, and keeps what has to be
 * reported about it.
 */
import { connect, type Socket } from 'node:net';
import { matchesPattern, patternSlice } from '../pattern.js';
import { GREETING_BYTES, type LoadOptions, MESSAGE_BYTES, SPOKEN_STREAM } from '../workload-api.js';
import { monotonicMs } from './agent-host.js';

export type ConnectionState = 'connecting' | 'open' | 'failed' | 'reset' | 'closed' | 'corrupted';

/** All sockets read into one buffer: each chunk is looked at before the next read. */
const readBuffer = Buffer.alloc(65_536);

/** Messages sent and not answered at which sending pauses: a dead connection must not fill memory. */
const MAX_OUTSTANDING = 256;

export class Connection {
  state: ConnectionState = 'connecting';
  server = '';
  establishedMs = 0;
  lastAnswerMs = 0;
  longestGapMs = 0;
  longestRoundTripMs = 0;
  bytesVerified = 0;
  readonly group: string;
  readonly #stream: number;
  readonly #silent: boolean;
  readonly #socket: Socket;
  readonly #greeting = Buffer.alloc(GREETING_BYTES);
  #greeted = 0;
  #sentBytes = 0;
  #answeredBytes = 0;
  /** When each unanswered message was sent. */
  #sentAt: number[] = [];

  constructor(group: string, stream: number, options: LoadOptions, settled: (connection: Connection) => void) {
    this.group = group;
    this.#stream = stream;
    this.#silent = options.silent === true;
    this.#socket = connect({
      host: options.target,
      port: options.port,
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (length, buffer) => {
          this.#received((buffer as Buffer).subarray(0, length));
          return true;
        },
      },
    });
    this.#socket.on('connect', () => {
      this.state = 'open';
      this.establishedMs = this.lastAnswerMs = monotonicMs();
      if (this.#silent) this.#introduce();
      else this.send();
      settled(this);
    });
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#lost(error.code ?? ''));
    this.#socket.on('close', () => {
      if (this.state === 'open') this.state = 'closed';
      else if (this.state === 'connecting') this.#lost('');
      settled(this);
    });
  }

  get isEstablished(): boolean {
    return this.state !== 'connecting' && this.state !== 'failed';
  }

  /** Something sent is unanswered. A silent connection owes nothing. */
  get isOutstanding(): boolean {
    return this.state === 'open' && (this.#answeredBytes < this.#sentBytes || this.#greeted < GREETING_BYTES);
  }

  send(): void {
    if (this.state !== 'open' || this.#silent || this.#sentAt.length >= MAX_OUTSTANDING) return;
    this.#socket.write(patternSlice(this.#stream, this.#sentBytes, MESSAGE_BYTES));
    this.#sentBytes += MESSAGE_BYTES;
    this.#sentAt.push(monotonicMs());
  }

  mark(): void {
    this.longestGapMs = 0;
    this.longestRoundTripMs = 0;
  }

  close(): void {
    this.#socket.destroy();
  }

  #introduce(): void {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(this.#stream);
    this.#socket.write(number);
  }

  #lost(code: string): void {
    if (this.state === 'connecting') this.state = 'failed';
    else if (this.state === 'open') this.state = code === 'ECONNRESET' || code === 'EPIPE' ? 'reset' : 'closed';
  }

  #received(chunk: Buffer): void {
    if (this.state !== 'open') return;
    const now = monotonicMs();
    this.longestGapMs = Math.max(this.longestGapMs, now - this.lastAnswerMs);
    this.lastAnswerMs = now;
    const answer = this.#withoutGreeting(chunk);
    if (answer.length === 0) return;
    if (!matchesPattern(this.#silent ? SPOKEN_STREAM + this.#stream : this.#stream, this.#answeredBytes, answer)) {
      this.state = 'corrupted';
      this.#socket.destroy();
      return;
    }
    this.#answeredBytes += answer.length;
    this.bytesVerified += answer.length;
    if (!this.#silent) this.#settleMessages(now);
  }

  #withoutGreeting(chunk: Buffer): Buffer {
    if (this.#greeted === GREETING_BYTES) return chunk;
    const taken = chunk.copy(this.#greeting, this.#greeted, 0, GREETING_BYTES - this.#greeted);
    this.#greeted += taken;
    if (this.#greeted === GREETING_BYTES) this.server = this.#greeting.toString('latin1').replace(/\0+$/, '');
    return chunk.subarray(taken);
  }

  #settleMessages(now: number): void {
    if (this.#answeredBytes > this.#sentBytes) {
      this.state = 'corrupted';
      return;
    }
    const unanswered = Math.ceil((this.#sentBytes - this.#answeredBytes) / MESSAGE_BYTES);
    while (this.#sentAt.length > unanswered) {
      this.longestRoundTripMs = Math.max(this.longestRoundTripMs, now - (this.#sentAt.shift() as number));
    }
  }
}

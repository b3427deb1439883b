/**
 * The replication link: ordered streams between daemons, as TCP makes them. What is cut off is sent again when the way is whole; a process
 * that dies resets its streams, a machine that dies or goes back in time leaves the other end to find out by itself.
 */
import type { IncomingStream, PeerStream, StreamHandlers, Transport } from '../../../src/replication/transport.js';
import type { Agenda } from '../agenda.js';
import type { Random } from '../random.js';
import type { SimProcess } from './process.js';

/** Messages on their way before write() asks for patience. */
const HIGH_WATER = 8;
/** A lost segment is sent again after this long, and then less often. */
const RESEND_FIRST_MS = 20;
const RESEND_MAX_MS = 400;

type Side = 'dialler' | 'acceptor';

/** One direction of a stream; messages arrive in order. */
interface Lane {
  from: number;
  to: number;
  waiting: Buffer[];
  isMoving: boolean;
  lastAt: number;
  /** The writer closed: the reader hears of it behind the last message. */
  isEnding: boolean;
}

interface Pipe {
  isOpen: boolean;
  /** The machine of one end vanished without a word: nothing arrives any more, and its kernel resets what still comes once it is back. */
  deadNode: number | null;
  handlers: Record<Side, StreamHandlers | null>;
  lanes: Record<Side, Lane>;
}

const other = (side: Side): Side => (side === 'dialler' ? 'acceptor' : 'dialler');

const lane = (from: number, to: number): Lane => ({ from, to, waiting: [], isMoving: false, lastAt: 0, isEnding: false });

export class StreamNetwork {
  readonly isCut: boolean[][];
  readonly isLinkDown: boolean[];
  slowMs = 0;
  private readonly isOff: boolean[];
  private readonly agenda: Agenda;
  private readonly random: Random;
  private readonly processes: readonly SimProcess[];
  private readonly acceptors: (((stream: IncomingStream) => StreamHandlers) | null)[];
  private readonly pipes = new Set<Pipe>();

  constructor(agenda: Agenda, random: Random, processes: readonly SimProcess[]) {
    const size = processes.length;
    this.isCut = Array.from({ length: size }, () => new Array<boolean>(size).fill(false));
    this.isLinkDown = new Array<boolean>(size).fill(false);
    this.isOff = new Array<boolean>(size).fill(false);
    this.acceptors = new Array<null>(size).fill(null);
    this.agenda = agenda;
    this.random = random;
    this.processes = processes;
  }

  transport(node: number): Transport {
    return {
      dial: (peer, handlers) => this.dial(node, Number(peer.node.slice(1)) - 1, handlers),
      listen: async (accept) => {
        this.acceptors[node] = accept;
      },
      close: async () => undefined,
    };
  }

  /** The daemon died: its kernel resets what was open. */
  processGone(node: number): void {
    this.acceptors[node] = null;
    for (const pipe of [...this.pipes]) if (this.hasEnd(pipe, node)) this.reset(pipe, node);
  }

  /** The whole machine is gone or is not what it was: nobody tells the others. */
  machineGone(node: number): void {
    this.acceptors[node] = null;
    this.isOff[node] = true;
    for (const pipe of this.pipes) if (this.hasEnd(pipe, node)) pipe.deadNode ??= node;
  }

  machineBack(node: number): void {
    this.isOff[node] = false;
  }

  /** Some stream breaks in the middle. */
  breakOne(): void {
    const pipes = [...this.pipes].filter((pipe) => pipe.isOpen && pipe.deadNode === null);
    if (pipes.length > 0) this.reset(this.random.pick(pipes), null);
  }

  private hasEnd(pipe: Pipe, node: number): boolean {
    return pipe.lanes.dialler.from === node || pipe.lanes.dialler.to === node;
  }

  private isBlocked(from: number, to: number): boolean {
    const isCut = this.isCut[from]?.[to] === true || this.isCut[to]?.[from] === true;
    return isCut || [from, to].some((node) => this.isLinkDown[node] === true || this.isOff[node] === true);
  }

  private delay(): number {
    return this.random.between(0.1, 0.6) + (this.slowMs > 0 ? this.random.between(0, this.slowMs) : 0);
  }

  private dial(from: number, to: number, handlers: StreamHandlers): PeerStream {
    const pipe: Pipe = {
      isOpen: true,
      deadNode: null,
      handlers: { dialler: handlers, acceptor: null },
      lanes: { dialler: lane(from, to), acceptor: lane(to, from) },
    };
    this.pipes.add(pipe);
    this.knock(pipe, from, to, RESEND_FIRST_MS);
    return this.end(pipe, 'dialler');
  }

  private knock(pipe: Pipe, from: number, to: number, resendMs: number): void {
    this.agenda.add(this.agenda.now + this.delay(), () => {
      if (!pipe.isOpen) return;
      // A machine that is paused does not answer; one that is off or away does not either.
      if (this.isBlocked(from, to) || (this.processes[to]?.runsFrom ?? 0) > this.agenda.now) {
        this.agenda.add(this.agenda.now + resendMs, () => this.knock(pipe, from, to, Math.min(RESEND_MAX_MS, 2 * resendMs)));
        return;
      }
      const accept = this.acceptors[to];
      if (accept === null || accept === undefined) return this.reset(pipe, null);
      this.processes[to]?.run(() => {
        pipe.handlers.acceptor = accept({ certifiedNames: [`n${from + 1}`], ...this.end(pipe, 'acceptor') });
      });
      this.agenda.add(this.agenda.now + this.delay(), () =>
        this.processes[from]?.run(() => {
          if (pipe.isOpen && pipe.deadNode === null) pipe.handlers.dialler?.onOpen();
        }),
      );
    });
  }

  private end(pipe: Pipe, side: Side): PeerStream {
    return {
      write: (message) => this.write(pipe, side, message),
      close: () => {
        pipe.handlers[side] = null;
        pipe.lanes[side].isEnding = true;
        this.move(pipe, side, RESEND_FIRST_MS);
      },
    };
  }

  private write(pipe: Pipe, side: Side, message: Buffer): boolean {
    const own = pipe.lanes[side];
    if (!pipe.isOpen || own.isEnding) return true;
    own.waiting.push(message);
    this.move(pipe, side, RESEND_FIRST_MS);
    return own.waiting.length < HIGH_WATER;
  }

  /** Brings the next message of a lane over. */
  private move(pipe: Pipe, side: Side, resendMs: number): void {
    const own = pipe.lanes[side];
    if (own.isMoving || (own.waiting.length === 0 && !own.isEnding)) return;
    own.isMoving = true;
    own.lastAt = Math.max(own.lastAt, this.agenda.now + this.delay());
    this.agenda.add(own.lastAt, () => {
      own.isMoving = false;
      if (!pipe.isOpen || pipe.deadNode === own.from) return;
      const readableFrom = this.processes[own.to]?.runsFrom ?? 0;
      if (pipe.deadNode === own.to && !this.isBlocked(own.from, own.to)) return this.finish(pipe, side, 'reset');
      if (this.isBlocked(own.from, own.to) || readableFrom > this.agenda.now) {
        own.lastAt = Math.max(readableFrom, this.agenda.now + resendMs);
        return this.move(pipe, side, Math.min(RESEND_MAX_MS, 2 * resendMs));
      }
      this.deliver(pipe, side);
    });
  }

  /** Everything that has come over meanwhile: one wake of the reader. */
  private deliver(pipe: Pipe, side: Side): void {
    const own = pipe.lanes[side];
    const wasFull = own.waiting.length >= HIGH_WATER;
    for (const message of own.waiting.splice(0)) {
      this.processes[own.to]?.run(() => pipe.isOpen && pipe.handlers[other(side)]?.onMessage(message));
    }
    if (pipe.isOpen && own.isEnding && own.waiting.length === 0) return this.finish(pipe, other(side), 'closed by the other end');
    if (wasFull) this.processes[own.from]?.run(() => pipe.isOpen && pipe.handlers[side]?.onWritable());
    this.move(pipe, side, RESEND_FIRST_MS);
  }

  private finish(pipe: Pipe, told: Side, reason: string): void {
    pipe.isOpen = false;
    this.pipes.delete(pipe);
    const { to } = pipe.lanes[other(told)];
    this.processes[to]?.run(() => pipe.handlers[told]?.onClose(reason));
  }

  /** What was on its way is lost, both ends hear of it, but for a process that is gone. */
  private reset(pipe: Pipe, gone: number | null): void {
    if (!pipe.isOpen) return;
    pipe.isOpen = false;
    this.pipes.delete(pipe);
    if (pipe.deadNode !== null) return;
    for (const side of ['dialler', 'acceptor'] as const) {
      const reader = pipe.lanes[other(side)].to;
      if (reader === gone) continue;
      this.agenda.add(this.agenda.now + this.delay(), () => this.processes[reader]?.run(() => pipe.handlers[side]?.onClose('reset')));
    }
  }
}

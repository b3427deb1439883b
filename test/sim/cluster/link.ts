/**
 * The Unix socket between heartbeat and daemon of one machine: messages arrive in order and a little later; what was on its way when one end
 * died is lost, and the heartbeat keeps what it has to say for the next reader.
 */
import type { FromHeartbeat, ToHeartbeat } from '../../../src/vrrp/heartbeat-api.js';
import type { Agenda } from '../agenda.js';
import type { Random } from '../random.js';
import type { SimProcess } from './process.js';

const MIN_DELAY_MS = 0.03;
const MAX_DELAY_MS = 0.4;

export interface LinkParts {
  agenda: Agenda;
  random: Random;
  heartbeat: SimProcess;
  daemon: SimProcess;
  onHeartbeat(message: ToHeartbeat): void;
  onDaemon(message: FromHeartbeat): void;
}

export class Link {
  isConnected = false;
  private readonly parts: LinkParts;
  private epoch = 0;
  private readonly lastAt = { heartbeat: 0, daemon: 0 };

  constructor(parts: LinkParts) {
    this.parts = parts;
  }

  connect(): void {
    this.epoch++;
    this.isConnected = true;
  }

  disconnect(): void {
    this.epoch++;
    this.isConnected = false;
  }

  /** False when nobody is connected. */
  toHeartbeat(message: ToHeartbeat): boolean {
    if (!this.isConnected) return false;
    this.carry('heartbeat', this.parts.daemon, this.parts.heartbeat, () => this.parts.onHeartbeat(message));
    return true;
  }

  toDaemon(message: FromHeartbeat): void {
    if (this.isConnected) this.carry('daemon', this.parts.heartbeat, this.parts.daemon, () => this.parts.onDaemon(message));
  }

  private carry(to: 'heartbeat' | 'daemon', writer: SimProcess, reader: SimProcess, arrive: () => void): void {
    const { agenda, random } = this.parts;
    const { epoch } = this;
    const at = Math.max(this.lastAt[to], writer.time() + random.between(MIN_DELAY_MS, MAX_DELAY_MS));
    this.lastAt[to] = at;
    agenda.add(at, () =>
      reader.run(() => {
        if (epoch === this.epoch) arrive();
      }),
    );
  }
}

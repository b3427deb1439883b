/**
 * What is watched while a run goes on, because only then is it known who hears whom:
 * (g) with references: a node that is cut off from everything does not lead for longer than it takes to find out;
 * (w) with a second path: a node whose advertisements do not arrive at a peer that could lead, and that cannot prove that anybody hears it,
 * gives up.
 */
import { activeDownMs } from '../../../src/vrrp/timing.js';
import type { SimNode } from './node.js';
import { priorityOf } from './shape.js';
import type { World } from './world.js';

const LOOK_MS = 40;
/** An answer counts for half a second, and is missed for a tenth (references.ts); a review, and a late thread. */
const REFERENCE_MS = 500 + 100 + 200 + 50;
/** Half of the three intervals that an advertisement counts, as hearsSomebody() of the group takes it. */
const HEARD_INTERVALS = 1.5;
const MISSED_BEATS = 3;
/** The complaint travels with the next beat at once; adverts under way, late timers. */
const COMPLAINT_MS = 50;

export class Watch {
  readonly violations: string[] = [];
  /** How often a node was looked at that had to have given up; or that had nothing wrong but a record which only digests find. */
  met = { cutOff: 0, leftOver: 0, unheardClaim: 0 };
  private readonly world: World;
  private readonly aloneSince: (number | null)[];
  private readonly unheardSince: (number | null)[];

  constructor(world: World) {
    this.world = world;
    this.aloneSince = world.nodes.map(() => null);
    this.unheardSince = world.nodes.map(() => null);
  }

  start(): void {
    const { shape, agenda } = this.world;
    if (shape.paths.length === 0) return;
    const look = (): void => {
      for (const node of this.world.nodes) {
        if (shape.hasReference) this.lookAlone(node);
        if (shape.paths.includes('back') && !shape.verifies) this.lookUnheard(node);
      }
      agenda.add(agenda.now + LOOK_MS, look);
    };
    look();
  }

  private lookAlone(node: SimNode): void {
    const { agenda, shape } = this.world;
    if (!this.isAlone(node)) {
      this.aloneSince[node.index] = null;
      return;
    }
    this.aloneSince[node.index] ??= agenda.now;
    // A machine that came back from a snapshot has just started.
    const backSince = node.frozen.at(-1)?.to ?? 0;
    const aloneMs = agenda.now - Math.max(this.aloneSince[node.index] ?? agenda.now, backSince);
    const limitMs = Math.max(HEARD_INTERVALS * shape.intervalMs, MISSED_BEATS * this.beatMs) + REFERENCE_MS;
    if (aloneMs < limitMs) return;
    this.met.cutOff += 1;
    if (node.holds && this.violations.length === 0)
      this.violations.push(`(g) ${node.name} leads at ${agenda.now.toFixed(0)} ms, cut off from everything for ${aloneMs.toFixed(0)} ms`);
  }

  private get beatMs(): number {
    return this.world.shape.intervalMs / 2;
  }

  /** Nothing comes to it from anywhere, and it runs. */
  private isAlone(node: SimNode): boolean {
    const { wire, streams, nodes, isReferenceDown, isReferenceCut } = this.world;
    const hasReference = !isReferenceDown && isReferenceCut[node.index] === false;
    const isDeaf = (isCut: boolean[][]): boolean => nodes.every((peer) => peer === node || isCut[peer.index]?.[node.index] === true);
    return !hasReference && isDeaf(wire.isCut) && isDeaf(streams.isCut) && isRunning(node);
  }

  private lookUnheard(node: SimNode): void {
    const { agenda, shape, nodes } = this.world;
    const peer = nodes.find((other) => other !== node && this.waitsInVain(other, node));
    if (peer === undefined) {
      this.unheardSince[node.index] = null;
      return;
    }
    this.unheardSince[node.index] ??= agenda.now;
    const unheardMs = agenda.now - (this.unheardSince[node.index] ?? agenda.now);
    // The wait of the peer may just have begun anew, once for a late wake.
    const limitMs = 2 * activeDownMs(priorityOf(peer.index), shape.intervalMs) + MISSED_BEATS * this.beatMs + COMPLAINT_MS;
    if (unheardMs < limitMs) return;
    if (this.violations.length === 0)
      this.violations.push(
        `(w) ${node.name} leads at ${agenda.now.toFixed(0)} ms although ${peer.name} has not heard it for ${unheardMs.toFixed(0)} ms`,
      );
  }

  /** Its advertisements do not arrive at a peer that could lead, while the beats of both do. */
  private waitsInVain(peer: SimNode, holder: SimNode): boolean {
    const { wire, back, streams, nodes } = this.world;
    // One that has just lost the role, and leads all the same, does so because nobody else could.
    if (holder.isHeldDown || holder.givesWayUntil > this.world.agenda.now) return false;
    const isWireCut = wire.isCut[holder.index]?.[peer.index] === true && holder.isLinkUp && peer.isLinkUp;
    if (!isWireCut || !holder.holds || !isRunning(holder) || !isRunning(peer)) return false;
    const isBackWell = [holder, peer].every((a) => [holder, peer].every((b) => streams.isCut[a.index]?.[b.index] !== true));
    const isCalm = isBackWell && back.loss === 0 && back.slowMs === 0 && wire.loss === 0 && wire.slowMs === 0;
    // Others that lead, or that it hears, are a case of their own.
    const isPair = nodes.length === 2 && !peer.holds;
    return isCalm && isPair && hears(peer, holder) && hears(holder, peer) && peer.role === 'backup' && peer.maySucceed;
  }
}

const isRunning = (node: SimNode): boolean =>
  node.isPowered &&
  node.isIdle &&
  !node.isFrozen &&
  node.isAttached &&
  node.heartbeat.process.isRunning &&
  node.beatThread.isRunning &&
  node.heartbeat.process.stallChance === 0;

/** Its beats count here: the key is known. */
const hears = (node: SimNode, peer: SimNode): boolean => node.heartbeat.isReachable(peer.name);

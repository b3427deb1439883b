/**
 * After this node has lost a role: for a while, what still arrives here for it goes on to whoever says that it holds it now, and is counted.
 *
 * Hosts and switches learn the new place within milliseconds, if they listen; one that ignores gratuitous ARP goes on sending here. Nobody
 * is steered to before it has said over the authenticated stream that it holds the lease: until then this node drains. The entries in the
 * data plane end by themselves, also when this process is gone.
 */
import type { L4Engine } from '../l4/engine.js';
import type { PlacedMac } from '../l4/steering.js';
import { after, type Clock, type Monotonic } from '../system/clock.js';

/** The grace period: longer than any host needs that listens to announcements, shorter than an ARP entry lives. */
export const STEER_MS = 3000;

/** What a loss of the role did to packets. */
export interface HandOverEffect {
  /** Who has it now; null: nobody said so within the grace period. */
  successor: string | null;
  /** Frames for this router that were passed on. */
  steered: number;
  /** Frames that this node dropped meanwhile because it has no lease; counted over all its virtual routers. */
  lost: number;
}

export interface StragglersOptions {
  engine: Pick<L4Engine, 'counters' | 'steer' | 'steered'>;
  clock: Clock;
  /** A peer that says that it holds this router. */
  holderOf(router: string): string | null;
  /** Where this peer stands on our segments. */
  placesOf(node: string): readonly PlacedMac[];
  onSteering(router: string, successor: string, interfaces: readonly string[]): void;
  /** The grace period is over. */
  onEnd(router: string, effect: HandOverEffect): void;
}

export interface Stragglers {
  /** The role is being given up, or was lost. Counts from the first call on. */
  begin(router: string): void;
  /** It was not lost, or is back. `isOver`: it was lost meanwhile. */
  end(router: string, isOver: boolean): void;
  /** A peer said what it holds, or where it stands. */
  review(): void;
  effect(router: string): HandOverEffect;
  /** This node ends: what is known is told, and the data plane goes on steering. */
  stop(): void;
}

interface Watch {
  until: Monotonic;
  cancel(): void;
  steeredBefore: number;
  lostBefore: number;
  successor: string | null;
}

export function createStragglers(options: StragglersOptions): Stragglers {
  const { engine, clock } = options;
  const watches = new Map<string, Watch>();

  const steered = (router: string): number => engine.steered().find((each) => each.router === router)?.packets ?? 0;
  const lost = (): number => {
    const { drops } = engine.counters();
    return (drops.notActive ?? 0) + (drops.drained ?? 0);
  };

  const effect = (router: string): HandOverEffect => {
    const watch = watches.get(router);
    if (watch === undefined) return { successor: null, steered: 0, lost: 0 };
    return {
      successor: watch.successor,
      steered: steered(router) - watch.steeredBefore,
      lost: lost() - watch.lostBefore,
    };
  };

  const end = (router: string, isOver: boolean): void => {
    const watch = watches.get(router);
    if (watch === undefined) return;
    const found = effect(router);
    watch.cancel();
    watches.delete(router);
    if (isOver) options.onEnd(router, found);
  };

  const follow = (router: string, watch: Watch): void => {
    const holder = options.holderOf(router);
    if (holder === null || holder === watch.successor) return;
    watch.successor = holder;
    const places = options.placesOf(holder);
    engine.steer(router, places, watch.until - clock.now());
    options.onSteering(
      router,
      holder,
      places.map((place) => place.interface),
    );
  };

  return {
    begin(router) {
      if (watches.has(router)) return;
      const until = after(clock.now(), STEER_MS);
      watches.set(router, {
        until,
        cancel: clock.at(until, () => end(router, true)),
        steeredBefore: steered(router),
        lostBefore: lost(),
        successor: null,
      });
    },
    end(router, isOver) {
      // Under a fresh lease nothing is steered; what is left must not outlive a second loss.
      if (watches.get(router)?.successor != null) engine.steer(router, [], 0);
      end(router, isOver);
    },
    review() {
      for (const [router, watch] of watches) follow(router, watch);
    },
    effect,
    stop() {
      for (const router of [...watches.keys()]) end(router, true);
    },
  };
}

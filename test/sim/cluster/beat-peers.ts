/**
 * What the beat thread of one machine knows of its peers, by the rules of native/l4/addon/beat-peers.cpp: whose beats count, what in them is
 * news, after which silence a peer or a path is lost, and what a late wake forgives. Times are local milliseconds.
 */

export interface Datagram {
  node: number;
  path: number;
  key: string;
  sequence: number;
  instance: bigint;
  intervalUs: number;
  promiseUs: number;
  payload: Buffer;
}

export interface PeersListener {
  heard(peer: number, beat: Datagram, isFirst: boolean): void;
  silent(peer: number, silentMs: number): void;
  path(peer: number, path: number, isHeard: boolean): void;
}

interface PathView {
  sequence: number;
  heardAt: number;
  isHeard: boolean;
}

interface Peer {
  id: number;
  key: string | null;
  sequence: number;
  /** Of the last beat, or of the first watch. */
  since: number | null;
  silentAfterMs: number;
  wasSilent: boolean;
  /** The last beat that was news; null: the next one is, whatever it says. */
  known: Datagram | null;
  intervalMs: number;
  graceUntil: number;
  newsUntil: number;
  paths: PathView[];
}

const PATH_LOST_INTERVALS = 5;
const PATH_LOST_LEAST_MS = 100;
const NEVER = Number.POSITIVE_INFINITY;
const US = 1000;

const isNews = (known: Datagram | null, beat: Datagram): boolean =>
  known === null ||
  beat.instance !== known.instance ||
  beat.intervalUs !== known.intervalUs ||
  beat.promiseUs !== known.promiseUs ||
  (beat.payload !== known.payload && !beat.payload.equals(known.payload));

export class BeatPeers {
  private readonly peers: Peer[];
  private readonly byId: ReadonlyMap<number, Peer>;
  private readonly listener: PeersListener;

  constructor(ids: readonly number[], paths: number, listener: PeersListener) {
    this.listener = listener;
    this.peers = ids.map((id) => ({
      id,
      key: null,
      sequence: 0,
      since: null,
      silentAfterMs: 0,
      wasSilent: false,
      known: null,
      intervalMs: 0,
      graceUntil: 0,
      newsUntil: 0,
      paths: Array.from({ length: paths }, () => ({ sequence: 0, heardAt: 0, isHeard: false })),
    }));
    this.byId = new Map(this.peers.map((peer) => [peer.id, peer]));
  }

  setKey(id: number, key: string | null): void {
    const peer = this.byId.get(id);
    if (peer === undefined || key === peer.key) return;
    peer.key = key;
    if (key === null) return;
    peer.sequence = 0;
    for (const path of peer.paths) path.sequence = 0;
  }

  watch(id: number, silentAfterMs: number, now: number): void {
    const peer = this.byId.get(id);
    if (peer === undefined) return;
    if (peer.silentAfterMs === 0) peer.wasSilent = false;
    peer.silentAfterMs = silentAfterMs;
    if (silentAfterMs > 0) peer.since ??= now;
  }

  /** Until this true time something new may be on its way from a peer. */
  expectNews(id: number, until: number): void {
    const peer = this.byId.get(id);
    if (peer !== undefined) peer.newsUntil = Math.max(peer.newsUntil, until);
  }

  /** A beat that is sent now will change nothing but when its sender was heard last. */
  isRoutine(beat: Datagram, at: number): boolean {
    const peer = this.byId.get(beat.node);
    const isKnown = peer !== undefined && beat.key === peer.key && at > peer.newsUntil && peer.paths[beat.path]?.isHeard === true;
    return isKnown && peer.known !== null && !isNews(peer.known, beat);
  }

  /** False: rejected. */
  receive(beat: Datagram, now: number): boolean {
    const peer = this.byId.get(beat.node);
    const path = peer?.paths[beat.path];
    if (peer === undefined || path === undefined || beat.key !== peer.key || beat.sequence <= path.sequence) return false;
    path.sequence = beat.sequence;
    path.heardAt = now;
    if (beat.sequence > peer.sequence) this.take(peer, beat, now);
    if (!path.isHeard) {
      path.isHeard = true;
      this.listener.path(peer.id, beat.path, true);
    }
    return true;
  }

  private take(peer: Peer, beat: Datagram, now: number): void {
    peer.sequence = beat.sequence;
    peer.since = now;
    if (!isNews(peer.known, beat)) return;
    const isFirst = peer.known === null;
    peer.known = beat;
    peer.wasSilent = false;
    peer.intervalMs = beat.intervalUs / US;
    this.listener.heard(peer.id, beat, isFirst);
  }

  wokeLate(lateMs: number, ownIntervalMs: number, now: number): void {
    for (const peer of this.peers) {
      const intervalMs = peer.intervalMs > 0 ? peer.intervalMs : ownIntervalMs;
      if (lateMs > Math.min(intervalMs, ownIntervalMs)) peer.graceUntil = now + Math.max(intervalMs, ownIntervalMs);
    }
  }

  judge(now: number): void {
    for (const peer of this.peers) {
      if (now >= silenceDeadline(peer)) {
        peer.wasSilent = true;
        peer.known = null;
        this.listener.silent(peer.id, now - (peer.since ?? now));
      }
      for (let index = 0; index < peer.paths.length; index++) {
        const path = peer.paths[index] as PathView;
        if (now < pathDeadline(peer, path)) continue;
        path.isHeard = false;
        this.listener.path(peer.id, index, false);
      }
    }
  }

  nextDeadline(): number {
    let next = NEVER;
    for (const peer of this.peers) {
      next = Math.min(next, silenceDeadline(peer));
      for (const path of peer.paths) next = Math.min(next, pathDeadline(peer, path));
    }
    return next;
  }
}

const silenceDeadline = (peer: Peer): number =>
  peer.silentAfterMs === 0 || peer.wasSilent || peer.since === null ? NEVER : Math.max(peer.since + peer.silentAfterMs, peer.graceUntil);

const pathDeadline = (peer: Peer, path: PathView): number =>
  path.isHeard ? Math.max(path.heardAt + Math.max(PATH_LOST_INTERVALS * peer.intervalMs, PATH_LOST_LEAST_MS), peer.graceUntil) : NEVER;

/** What goes wrong in a run: drawn from the seed as a list, so that a failing run can be tried again without one or the other. */
import type { Random } from '../random.js';
import type { SimNode } from './node.js';
import type { World } from './world.js';

export interface Fault {
  from: number;
  to: number;
  text: string;
  begin(): void;
  finish(): void;
}

interface Draw {
  world: World;
  random: Random;
  node: SimNode;
  other: SimNode;
  from: number;
  to: number;
}

type Kind = (draw: Draw) => Pick<Fault, 'text' | 'begin' | 'finish'>;

const nothing = (): void => undefined;

const toggle = (text: string, set: (isOn: boolean) => void): ReturnType<Kind> => ({
  text,
  begin: () => set(true),
  finish: () => set(false),
});

/** Counted, because several faults may want the same. */
const hold = (text: string, target: Record<string, number>, key: string, begin: () => void, release: () => void): ReturnType<Kind> => ({
  text,
  begin: () => {
    target[key] = (target[key] ?? 0) + 1;
    begin();
  },
  finish: () => {
    target[key] = (target[key] ?? 0) - 1;
    if (target[key] === 0) release();
  },
});

const cut = (isCut: boolean[][], a: number, b: number, isBoth: boolean) => (isOn: boolean) => {
  (isCut[a] as boolean[])[b] = isOn;
  if (isBoth) (isCut[b] as boolean[])[a] = isOn;
};

const arrow = ({ node, other }: Draw, isBoth: boolean): string => `${node.name} ${isBoth ? '<' : ''}-> ${other.name}`;

const counters = (node: SimNode): Record<string, number> => node as unknown as Record<string, number>;

const wireCut =
  (isBoth: boolean): Kind =>
  (draw) =>
    toggle(`VRRP cut ${arrow(draw, isBoth)}`, cut(draw.world.wire.isCut, draw.node.index, draw.other.index, isBoth));

const linkCut: Kind = (draw) =>
  toggle(`replication cut ${arrow(draw, true)}`, cut(draw.world.streams.isCut, draw.node.index, draw.other.index, true));

/** One node against all others, on one or both networks, and the rest of the world. */
const isolation: Kind = ({ world, node, random }) => {
  const isEverything = random.chance(0.4);
  const isWire = isEverything || random.chance(0.7);
  const isStreams = isEverything || !isWire || random.chance(0.5);
  const isAlone = isEverything || random.chance(0.2);
  const text = `${node.name} is cut off (${[isWire ? 'VRRP' : '', isStreams ? 'replication' : '', isAlone ? 'reference' : ''].filter(Boolean).join(', ')})`;
  return toggle(text, (isOn) => {
    for (const peer of world.nodes) {
      if (peer === node) continue;
      if (isWire) cut(world.wire.isCut, node.index, peer.index, true)(isOn);
      if (isStreams) cut(world.streams.isCut, node.index, peer.index, true)(isOn);
    }
    if (isAlone) world.isReferenceCut[node.index] = isOn;
  });
};

const loss: Kind = ({ world, random }) => {
  const share = random.between(0.1, 0.6);
  return toggle(`VRRP loses ${(share * 100).toFixed(0)} %`, (isOn) => {
    world.wire.loss = isOn ? share : 0;
  });
};

const duplicates: Kind = ({ world }) =>
  toggle('VRRP duplicates packets', (isOn) => {
    world.wire.duplicates = isOn ? 0.3 : 0;
  });

const slowness: Kind = ({ world, random, to }) => {
  const slowMs = world.shape.intervalMs * random.between(0.1, 2);
  return toggle(`VRRP delays up to ${slowMs.toFixed(1)} ms`, (isOn) => {
    world.wire.slowMs = isOn ? slowMs : 0;
    world.slowedUntil.wire = Math.max(world.slowedUntil.wire, to + slowMs);
  });
};

const slowStreams: Kind = ({ world, random, to }) => {
  const slowMs = random.between(5, 150);
  return toggle(`replication delays up to ${slowMs.toFixed(0)} ms`, (isOn) => {
    world.streams.slowMs = isOn ? slowMs : 0;
    world.back.slowMs = isOn ? slowMs : 0;
    world.slowedUntil.back = Math.max(world.slowedUntil.back, to + slowMs);
  });
};

const backLoss: Kind = ({ world, random }) => {
  const share = random.between(0.1, 0.6);
  return toggle(`beats of the second path are lost: ${(share * 100).toFixed(0)} %`, (isOn) => {
    world.back.loss = isOn ? share : 0;
  });
};

/** The packets of one direction only. */
const backCut: Kind = ({ world, node, other }) =>
  toggle(`second path cut ${node.name} -> ${other.name}`, cut(world.streams.isCut, node.index, other.index, false));

const referenceDown: Kind = ({ world }) =>
  toggle('the reference does not answer', (isOn) => {
    world.isReferenceDown = isOn;
  });

const pausedBeats: Kind = ({ node, to }) => ({
  text: `${node.name} beat thread stopped`,
  begin: () => node.beatThread.pause(to),
  finish: nothing,
});

const pausedMain: Kind = ({ node, to }) => ({
  text: `${node.name} heartbeat stopped but for its beat thread`,
  begin: () => node.heartbeat.process.pause(to),
  finish: nothing,
});

/** Stopped again and again for about as long as a lease of fast liveness lives. */
const starvedBeats: Kind = ({ world, node, random, from, to }) => {
  const mostMs = 2 * (world.shape.fast?.lifeMs ?? world.shape.intervalMs);
  const stops: [number, number][] = [];
  for (let at = from; at < to; at += random.between(1, 60)) stops.push([at, at + random.between(0.2, mostMs)]);
  return {
    text: `${node.name} beat thread is starved`,
    begin: () => {
      for (const [at, until] of stops) world.agenda.add(at, () => node.beatThread.pause(Math.min(to, until)));
    },
    finish: nothing,
  };
};

const streamBreak: Kind = ({ world }) => ({ text: 'a replication stream breaks', begin: () => world.streams.breakOne(), finish: nothing });

const power: Kind = ({ node }) => ({ text: `${node.name} loses power`, begin: () => node.powerOff(), finish: () => node.powerOn() });

const heartbeatDeath: Kind = ({ node }) => ({ text: `${node.name} heartbeat killed`, begin: () => node.killHeartbeat(), finish: nothing });

const heartbeatGone: Kind = ({ node }) =>
  hold(
    `${node.name} heartbeat killed and kept down`,
    counters(node),
    'heartbeatHeldDown',
    () => node.killHeartbeat(),
    () => node.reviveHeartbeat(),
  );

const daemonGone: Kind = ({ node }) =>
  hold(
    `${node.name} daemon killed`,
    counters(node),
    'daemonHeldDown',
    () => node.killDaemon(),
    () => node.startDaemon(),
  );

const bothGone: Kind = (draw) => {
  const parts = [daemonGone(draw), heartbeatGone(draw)];
  return {
    text: `${draw.node.name} heartbeat and daemon killed`,
    begin: () => parts.forEach((part) => void part.begin()),
    finish: () => parts.reverse().forEach((part) => void part.finish()),
  };
};

const pausedHeartbeat: Kind = ({ node, to }) => ({
  text: `${node.name} heartbeat stopped`,
  begin: () => node.heartbeat.pause(to),
  finish: nothing,
});

const pausedDaemon: Kind = ({ node, to }) => ({
  text: `${node.name} daemon stopped`,
  begin: () => node.daemonProcess.pause(to),
  finish: nothing,
});

const pausedMachine: Kind = ({ node, to }) => ({
  text: `${node.name} paused, clock and all`,
  begin: () => node.freeze(to),
  finish: nothing,
});

const snapshot: Kind = ({ node }) => ({
  text: `${node.name} snapshot taken, later restored`,
  begin: () => node.takeSnapshot(),
  finish: () => node.restoreSnapshot(),
});

const wallClock: Kind = ({ node, random }) => {
  const jumpMs = random.between(-3.6e6, 3.6e6);
  return {
    text: `${node.name} wall clock jumps ${jumpMs.toFixed(0)} ms`,
    begin: () => (node.clock.wallOffsetMs += jumpMs),
    finish: nothing,
  };
};

const starvation: Kind = ({ world, node, random }) => {
  const { process } = node.heartbeat;
  world.hasStalls = true;
  const stallMs = world.shape.intervalMs * random.between(0.1, 4);
  return toggle(`${node.name} heartbeat is starved inside its steps`, (isOn) => {
    process.stallChance = isOn ? 0.03 : 0;
    process.stallMs = stallMs;
  });
};

const failedSends: Kind = ({ node }) => toggle(`${node.name} cannot send adverts`, (isOn) => (node.sendFails = isOn));

const noCarrier: Kind = ({ world, node }) =>
  toggle(`${node.name} has no carrier`, (isOn) => {
    world.wire.isLinkDown[node.index] = isOn;
    node.setLink(!isOn);
  });

const detached: Kind = ({ node }) => toggle(`${node.name} program detached`, (isOn) => (node.isAttached = !isOn));

const switchover: Kind = ({ world, random }) => {
  const isTwice = random.chance(0.2);
  const go = (): void => {
    world.nodes.find((node) => node.holds)?.switchover();
  };
  return { text: `switchover${isTwice ? ', twice' : ''}`, begin: go, finish: isTwice ? go : nothing };
};

const gracefulStop: Kind = ({ node }) => ({
  text: `${node.name} stopped by the operator`,
  begin: () => void node.stopGracefully(),
  finish: () => node.startAgain(),
});

const serverDown: Kind = ({ world, random }) => {
  const server = random.below(world.isServerUp.length);
  return toggle(`server ${server} is down`, (isOn) => world.setServer(server, !isOn));
};

const KINDS: readonly Kind[] = [
  wireCut(true),
  wireCut(false),
  linkCut,
  isolation,
  isolation,
  loss,
  duplicates,
  slowness,
  slowStreams,
  streamBreak,
  power,
  power,
  heartbeatDeath,
  heartbeatGone,
  daemonGone,
  bothGone,
  pausedHeartbeat,
  pausedHeartbeat,
  backLoss,
  backCut,
  referenceDown,
  pausedBeats,
  pausedMain,
  starvedBeats,
  pausedDaemon,
  pausedMachine,
  pausedMachine,
  snapshot,
  wallClock,
  starvation,
  failedSends,
  noCarrier,
  detached,
  switchover,
  switchover,
  gracefulStop,
  serverDown,
];

export function drawFaults(world: World, until: number, random: Random): Fault[] {
  const { faultsFrom, shape } = world;
  return Array.from({ length: shape.faults }, () => {
    const from = random.between(faultsFrom, until - 2 * shape.intervalMs);
    const longest = random.pick([3 * shape.intervalMs, 10 * shape.intervalMs, 1500, until - from]);
    const to = Math.min(until, from + random.between(0.2 * shape.intervalMs, longest));
    const node = random.pick(world.nodes);
    const other = random.pick(world.nodes.filter((candidate) => candidate !== node));
    return { from, to, ...random.pick(KINDS)({ world, random, node, other, from, to }) };
  });
}

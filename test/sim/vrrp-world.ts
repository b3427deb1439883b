/**
 * A cluster in virtual time: two or three nodes with the real heartbeat, a network that loses, delays and separates, and a list of
 * faults drawn from a seed. `runSeed` gives the verdicts; with `transcript` it also tells the story.
 */

import { decodeIpv4Advert } from '../../src/vrrp/codec/codec.js';
import type { HeartbeatConfig } from '../../src/vrrp/heartbeat-api.js';
import { Agenda } from './agenda.js';
import { Random } from './random.js';
import { SimNode } from './vrrp-node.js';

/** Delay of an undisturbed packet, at most. */
export const MAX_DELAY_MS = 0.5;
/** Priorities far enough apart that skew exceeds delay and timer lateness together even at adverts of 10 ms. */
const PRIORITIES = [250, 150, 50];
const HOLD_DOWN_MS = 500;
const LAPSE_HOLD_DOWN_MS = 1000;

export interface SentAdvert {
  at: number;
  priority: number;
  /** By node: was meant for it. */
  isAddressed: boolean[];
  /** By node: when it arrived in the socket; infinite: lost. */
  arrived: number[];
  /** By node: lost or late by a fault, not merely under way. */
  isDisturbed: boolean[];
}

export interface World {
  seed: number;
  intervalMs: number;
  nodes: SimNode[];
  sent: SentAdvert[][];
  faults: { from: number; to: number; text: string }[];
  hasStalls: boolean;
  faultsEnd: number;
  settledAt: number;
  end: number;
  preempt: boolean;
  /** Who held the lease at each look during the quiet end. */
  quietHolders: { at: number; nodes: number[] }[];
  transcript: string[];
}

interface Network {
  cut: boolean[][];
  loss: number;
  slowMs: number;
}

function configOf(
  index: number,
  seed: number,
  intervalMs: number,
  preempt: boolean,
  preemptDelayMs: number,
  unicast: number,
): HeartbeatConfig {
  const addresses = [1, 2, 3].slice(0, unicast).map((host) => `10.0.0.${host}`);
  const own = `10.0.0.${index + 1}`;
  return {
    node: `n${index + 1}`,
    instance: String(seed * 8 + index + 1),
    pinDir: '',
    socketPath: '',
    drainMs: 500,
    realtimePriority: 0,
    beats: null,
    groups: [
      {
        name: 'front',
        priority: PRIORITIES[index] ?? 1,
        advertIntervalMs: intervalMs,
        leaseIntervalMs: intervalMs,
        preempt,
        preemptDelayMs,
        announce: { repeat: 2, repeatGapMs: intervalMs, refreshMs: 100 * intervalMs },
        trackedInterfaces: [],
        members: [
          {
            name: 'front',
            vrid: 51,
            slot: 0,
            interface: 'eth0',
            sourceAddress: own,
            addresses: ['10.0.0.100'],
            announced: [{ address: '10.0.0.100', interface: 'eth0' }],
            dataInterfaces: ['eth0'],
            unicastPeers: addresses.filter((address) => address !== own),
          },
        ],
      },
    ],
  };
}

export function runSeed(seed: number, withTranscript: boolean): World {
  const random = new Random(seed);
  const agenda = new Agenda();
  const count = 2 + random.below(2);
  const intervalMs = random.pick([10, 10, 100, 100, 1000]);
  const preempt = random.chance(0.8);
  const preemptDelayMs = random.chance(0.2) ? 3 * intervalMs : 0;
  const isUnicast = random.chance(0.2);
  const transcript: string[] = [];
  const network: Network = { cut: Array.from({ length: count }, () => new Array<boolean>(count).fill(false)), loss: 0, slowMs: 0 };
  const note = (node: number, text: string, at: number): void => {
    if (withTranscript) transcript.push(`${at.toFixed(3).padStart(12)} ms  n${node + 1}  ${text}`);
  };
  const sent: SentAdvert[][] = Array.from({ length: count }, () => []);
  const nodes: SimNode[] = [];
  const send = (from: number, packet: Buffer, destination: string, at: number): void => {
    const disturbed = new Array<boolean>(count).fill(false);
    const addressed = new Array<boolean>(count).fill(false);
    const arrived = new Array<number>(count).fill(Number.POSITIVE_INFINITY);
    for (const node of nodes) {
      const to = node.index;
      if (to === from || (!destination.startsWith('224.') && destination !== node.address)) continue;
      addressed[to] = true;
      const isLost = network.cut[from]?.[to] || nodes[from]?.isLinkUp === false || !node.isLinkUp || random.chance(network.loss);
      const delay = random.between(0.05, MAX_DELAY_MS) + (network.slowMs > 0 ? random.between(0, network.slowMs) : 0);
      disturbed[to] = isLost || network.slowMs > 0;
      if (isLost) continue;
      agenda.add(at + delay, () => {
        if (node.deliver(packet)) arrived[to] = at + delay;
        else disturbed[to] = true;
      });
    }
    const priority = priorityOf(packet);
    sent[from]?.push({ at, priority, isAddressed: addressed, arrived, isDisturbed: disturbed });
    note(from, `sends ${priority} to ${destination}${disturbed.includes(true) ? ' (disturbed)' : ''}`, at);
  };
  for (let index = 0; index < count; index++) {
    const config = configOf(index, seed, intervalMs, preempt, preemptDelayMs, isUnicast ? count : 0);
    nodes.push(new SimNode(index, config, agenda, random, { send, note }));
  }
  for (const node of nodes) agenda.add(random.between(0, 2 * intervalMs), () => node.startProcess());

  const faultsFrom = 10 * intervalMs;
  const faultsEnd = faultsFrom + 50 * intervalMs;
  const settledAt = faultsEnd + LAPSE_HOLD_DOWN_MS + preemptDelayMs + 12 * intervalMs + 50;
  const end = settledAt + 20 * intervalMs;
  const world: World = {
    seed,
    intervalMs,
    nodes,
    sent,
    faults: [],
    hasStalls: false,
    faultsEnd,
    settledAt,
    end,
    preempt,
    quietHolders: [],
    transcript,
  };
  drawFaults(world, agenda, random, network, faultsFrom);
  for (let at = settledAt; at < end; at += intervalMs / 2) {
    agenda.add(at, () => world.quietHolders.push({ at, nodes: nodes.filter((node) => node.holds).map((node) => node.index) }));
  }
  agenda.runUntil(end);
  return world;
}

/** Position 22: behind an IPv4 header without options. Decoded properly where it matters, in the nodes. */
function priorityOf(packet: Buffer): number {
  const decoded = decodeIpv4Advert(packet);
  if (!decoded.ok) throw new Error(`a node sent what no node would accept: ${decoded.reason}`);
  return decoded.advert.priority;
}

interface Fault {
  text: string;
  begin(): void;
  finish(): void;
}

function drawFaults(world: World, agenda: Agenda, random: Random, network: Network, from: number): void {
  const { intervalMs, faultsEnd } = world;
  const count = random.below(7);
  for (let index = 0; index < count; index++) {
    const at = random.between(from, faultsEnd - 2 * intervalMs);
    const until = Math.min(faultsEnd, at + random.between(0.2 * intervalMs, random.chance(0.5) ? 5 * intervalMs : 25 * intervalMs));
    const fault = drawFault(world, agenda, random, network, until);
    world.faults.push({ from: at, to: until, text: fault.text });
    const say = (text: string): void => {
      world.transcript.push(`${agenda.now.toFixed(3).padStart(12)} ms  --  ${text}`);
    };
    agenda.add(at, () => {
      say(`fault: ${fault.text}`);
      fault.begin();
    });
    agenda.add(until, () => {
      say(`ends: ${fault.text}`);
      fault.finish();
    });
  }
  // Whatever was broken is whole at the end, and every node has had the time to get in sync.
  agenda.add(faultsEnd, () => {
    for (const node of world.nodes) {
      node.isSynced = true;
      node.track(1);
    }
  });
}

function drawFault(world: World, agenda: Agenda, random: Random, network: Network, until: number): Fault {
  const node = random.pick(world.nodes);
  const name = `n${node.index + 1}`;
  const other = random.pick(world.nodes.filter((candidate) => candidate !== node));
  const onNode = (text: string, begin: () => void, finish: () => void): Fault => ({ text: `${name} ${text}`, begin, finish });
  const toggle = (text: string, set: (isOn: boolean) => void): Fault =>
    onNode(
      text,
      () => set(true),
      () => set(false),
    );
  const faults: (() => Fault)[] = [
    () =>
      onNode(
        'loses power',
        () => node.powerOff(),
        () => (node.isPowered ? undefined : node.powerOn()),
      ),
    () =>
      onNode(
        'heartbeat killed',
        () => node.killProcess(),
        () => node.isPowered && !node.hasProcess && node.startProcess(),
      ),
    () =>
      onNode(
        `stopped until ${until.toFixed(1)}`,
        () => node.pause(until),
        () => undefined,
      ),
    () =>
      onNode(
        `stopped until ${until.toFixed(1)}`,
        () => node.pause(until),
        () => undefined,
      ),
    () => cutFault(network, node.index, other.index, true),
    () => cutFault(network, node.index, other.index, false),
    () => lossFault(network, random.between(0.1, 0.6)),
    () => slowFault(network, world.intervalMs * random.between(0.1, 2)),
    () => toggle('cannot send', (isOn) => (node.sendFails = isOn)),
    () => toggle('has no carrier', (isOn) => (node.isLinkUp = !isOn)),
    () => toggle('program detached', (isOn) => (node.isAttached = !isOn)),
    () => stallFault(world, node, random),
    () => switchoverFault(agenda, random, node, other),
    () =>
      onNode(
        'not in sync',
        () => resync(node, false),
        () => resync(node, true),
      ),
  ];
  return random.pick(faults)();
}

function resync(node: SimNode, isSynced: boolean): void {
  node.isSynced = isSynced;
  node.track(1);
}

function cutFault(network: Network, a: number, b: number, isBoth: boolean): Fault {
  const set = (isCut: boolean): void => {
    (network.cut[a] as boolean[])[b] = isCut;
    if (isBoth) (network.cut[b] as boolean[])[a] = isCut;
  };
  return { text: `cut n${a + 1} ${isBoth ? '<' : ''}-> n${b + 1}`, begin: () => set(true), finish: () => set(false) };
}

function lossFault(network: Network, probability: number): Fault {
  const set = (loss: number): void => {
    network.loss = loss;
  };
  return { text: `loss of ${(probability * 100).toFixed(0)} %`, begin: () => set(probability), finish: () => set(0) };
}

function slowFault(network: Network, slowMs: number): Fault {
  const set = (ms: number): void => {
    network.slowMs = ms;
  };
  return { text: `delays up to ${slowMs.toFixed(1)} ms`, begin: () => set(slowMs), finish: () => set(0) };
}

function stallFault(world: World, node: SimNode, random: Random): Fault {
  world.hasStalls = true;
  const stallMs = world.intervalMs * random.between(0.1, 4);
  return {
    text: `n${node.index + 1} is starved inside its steps`,
    begin: () => {
      node.stallChance = 0.03;
      node.stallMs = stallMs;
    },
    finish: () => {
      node.stallChance = 0;
    },
  };
}

/** As the daemons do it: the holder yields first, and only when it has is the other told. */
function switchoverFault(agenda: Agenda, random: Random, from: SimNode, to: SimNode): Fault {
  const begin = (): void => {
    if (!from.isRunning || !to.isRunning) return;
    from.command({ type: 'yield', routers: [], reason: 'switchover', holdDownMs: HOLD_DOWN_MS });
    if (from.holds) return;
    agenda.add(agenda.now + random.between(0.5, 2), () => to.command({ type: 'takeOver', routers: [], reason: 'switchover' }));
  };
  return { text: `switchover n${from.index + 1} to n${to.index + 1}`, begin, finish: () => undefined };
}

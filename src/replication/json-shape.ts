/**
 * Checks the shape of JSON that came from a peer. Every reader answers `undefined` for anything that is not exactly right, so that a
 * decoder can be written as one list of fields. Pure; never throws.
 */
import type {
  AdminState,
  ControlMessage,
  MemberAdvice,
  OverrideOrigin,
  PeerInterface,
  PoolGeneration,
  PoolMember,
  ServerOverride,
  WeightOverride,
} from './api.js';
import type { Hello, RouterDigest } from './frames.js';

/** Longest name or reason accepted. */
const MAX_TEXT = 1024;
/** Longest list accepted: above the number of virtual routers, pools and gateways that the data plane can hold. */
const MAX_LIST = 16_384;

type Fields = Record<string, unknown>;

export const fields = (value: unknown): Fields | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;

export const text = (value: unknown): string | undefined => (typeof value === 'string' && value.length <= MAX_TEXT ? value : undefined);

export const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;

export const truth = (value: unknown): boolean | undefined => (typeof value === 'boolean' ? value : undefined);

export function list<T>(value: unknown, read: (item: unknown) => T | undefined): T[] | undefined {
  if (!Array.isArray(value) || value.length > MAX_LIST) return undefined;
  const items: T[] = [];
  for (const item of value) {
    const read1 = read(item);
    if (read1 === undefined) return undefined;
    items.push(read1);
  }
  return items;
}

/** Of 64 bits, in decimal. */
const bigCount = (value: unknown): string | undefined =>
  typeof value === 'string' && /^\d{1,20}$/.test(value) && BigInt(value) < 2n ** 64n ? value : undefined;

/** The object when no field of it is undefined. */
function complete<T extends object>(candidate: { [K in keyof T]: T[K] | undefined }): T | undefined {
  return Object.values(candidate).includes(undefined) ? undefined : (candidate as T);
}

export function readHello(value: unknown): Hello | undefined {
  const from = fields(value);
  if (from === undefined) return undefined;
  const byteOrder = from.byteOrder === 'little' || from.byteOrder === 'big' ? from.byteOrder : undefined;
  return complete<Hello>({
    versionMin: count(from.versionMin),
    versionMax: count(from.versionMax),
    capabilities: count(from.capabilities),
    node: text(from.node),
    cluster: text(from.cluster),
    configDigest: text(from.configDigest),
    instance: text(from.instance),
    abi: count(from.abi),
    recordBytes: count(from.recordBytes),
    byteOrder,
    software: text(from.software),
  });
}

export function readRouterDigest(value: unknown): RouterDigest | undefined {
  const from = fields(value);
  if (from === undefined) return undefined;
  const digest = text(from.digest);
  return complete<RouterDigest>({
    router: text(from.router),
    digest: digest !== undefined && /^[0-9a-f]{16}$/.test(digest) ? digest : undefined,
    flows: typeof from.flows === 'number' && Number.isSafeInteger(from.flows) ? from.flows : undefined,
  });
}

export function readControl(value: unknown): ControlMessage | undefined {
  const from = fields(value);
  if (from === undefined) return undefined;
  switch (from.type) {
    case 'pools': {
      const generations = list(from.generations, readGeneration);
      return generations && { type: 'pools', generations };
    }
    case 'overrides': {
      const overrides = list(from.overrides, readOverride);
      return overrides && { type: 'overrides', overrides };
    }
    case 'nextHops': {
      const addresses = list(from.addresses, text);
      return addresses && { type: 'nextHops', addresses };
    }
    case 'holding': {
      const routers = list(from.routers, text);
      return routers && { type: 'holding', routers };
    }
    case 'takeOver': {
      const routers = list(from.routers, text);
      const reason = text(from.reason);
      if (routers === undefined || reason === undefined) return undefined;
      if (from.terms === undefined) return { type: 'takeOver', routers, reason };
      const terms = list(from.terms, count);
      return terms && { type: 'takeOver', routers, reason, terms };
    }
    case 'drill':
    case 'drillOver':
    case 'verified':
    case 'handBack':
    case 'handedBack':
      return readDrill(from.type, from);
    case 'interfaces': {
      const interfaces = list(from.interfaces, readInterface);
      return interfaces && { type: 'interfaces', interfaces };
    }
    case 'beatKey':
      return readBeatKey(from);
    default:
      return undefined;
  }
}

function readDrill(type: 'drill' | 'drillOver' | 'verified' | 'handBack' | 'handedBack', from: Fields): ControlMessage | undefined {
  const routers = list(from.routers, text);
  const id = text(from.id);
  switch (type) {
    case 'drill':
      return complete<Extract<ControlMessage, { type: 'drill' }>>({ type, routers, returnMs: count(from.returnMs) });
    case 'drillOver':
      return routers && { type, routers };
    case 'verified':
      return complete<Extract<ControlMessage, { type: 'verified' }>>({ type, router: text(from.router) });
    case 'handBack':
      return complete<Extract<ControlMessage, { type: 'handBack' }>>({ type, id, routers });
    case 'handedBack':
      return complete<Extract<ControlMessage, { type: 'handedBack' }>>({
        type,
        id,
        ok: truth(from.ok),
        message: text(from.message),
        durationUs: count(from.durationUs),
        connections: count(from.connections),
        steered: count(from.steered),
        lost: count(from.lost),
      });
  }
}

function readInterface(value: unknown): PeerInterface | undefined {
  const from = fields(value);
  if (from === undefined) return undefined;
  const mac = text(from.mac);
  return complete<PeerInterface>({
    name: text(from.name),
    mac: mac !== undefined && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) ? mac : undefined,
    addresses: list(from.addresses, text),
  });
}

function readGeneration(value: unknown): PoolGeneration | undefined {
  const from = fields(value);
  if (from === undefined) return undefined;
  return complete<PoolGeneration>({
    pool: text(from.pool),
    generation: count(from.generation),
    members: list(from.members, readMember),
  });
}

/** What is optional has its reader here: absent is well, anything else but the right thing is not. */
const OPTIONAL_OF_MEMBER = {
  milliWeight: count,
  sizeWeight: count,
  state: (value: unknown) => adminState(value),
  up: truth,
  slowStartMs: count,
  advice: (value: unknown) => readAdvice(value),
} as const;

function readAdvice(value: unknown): MemberAdvice | undefined {
  const from = fields(value);
  if (from === undefined || (from.drain !== undefined && from.drain !== true)) return undefined;
  const drain: MemberAdvice = from.drain === undefined ? {} : { drain: true };
  return from.weightPercent === undefined ? drain : complete<MemberAdvice>({ ...drain, weightPercent: count(from.weightPercent) });
}

function readMember(value: unknown): PoolMember | undefined {
  const from = fields(value);
  if (from === undefined) return undefined;
  const given = Object.entries(OPTIONAL_OF_MEMBER).filter(([name]) => from[name] !== undefined);
  return complete<PoolMember>({
    name: text(from.name),
    address: text(from.address),
    port: count(from.port),
    weight: count(from.weight),
    alive: truth(from.alive),
    ...Object.fromEntries(given.map(([name, read]) => [name, read(from[name])])),
  });
}

const adminState = (value: unknown): AdminState | undefined =>
  value === 'ready' || value === 'drain' || value === 'disable' ? value : undefined;

/** Also of a file, where an earlier daemon wrote it. */
export function readOverride(value: unknown): ServerOverride | undefined {
  const from = fields(value);
  if (from === undefined) return undefined;
  const place = { pool: text(from.pool), server: text(from.server), origin: readOrigin(from.origin) };
  if (from.about === 'state')
    return complete<Extract<ServerOverride, { about: 'state' }>>({ ...place, about: 'state', value: orNull(from.value, adminState) });
  if (from.about !== 'weight') return undefined;
  return complete<Extract<ServerOverride, { about: 'weight' }>>({ ...place, about: 'weight', value: orNull(from.value, readWeight) });
}

const orNull = <T>(value: unknown, read: (value: unknown) => T | undefined): T | null | undefined => (value === null ? null : read(value));

function readWeight(value: unknown): WeightOverride | undefined {
  const from = fields(value);
  if (from === undefined) return undefined;
  if (from.percent === undefined) return complete<{ weight: number }>({ weight: count(from.weight) });
  return complete<{ percent: number }>({ percent: count(from.percent) });
}

function readOrigin(value: unknown): OverrideOrigin | undefined {
  const from = fields(value);
  if (from === undefined) return undefined;
  return complete<OverrideOrigin>({ stamp: count(from.stamp), node: text(from.node), by: text(from.by), why: text(from.why) });
}

function readBeatKey(from: Fields): ControlMessage | undefined {
  const key = text(from.key);
  if (key === undefined || !/^[0-9a-f]{32}$/.test(key)) return undefined;
  if (from.latest === undefined) return { type: 'beatKey', key };
  return complete<Extract<ControlMessage, { type: 'beatKey' }>>({ type: 'beatKey', key, latest: bigCount(from.latest) });
}

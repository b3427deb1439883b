/**
 * One Tandem node on lb1 and another maker's router on lb2, for the same virtual router: everything an election between two can bring.
 * The scenario is the same for every daemon, version and family.
 */
import type { Test } from 'tap';
import { judge } from './dissect.js';
import { loseFrames, stopLosing } from './faults.js';
import { lastWords, TEST_MAX_FLOWS } from './fixture.js';
import { type Family, virtualMac } from './frr.js';
import { createLab, type Lab } from './lab.js';
import { legOn, VIP6, VIP6_LINK_LOCAL, VRID } from './plan.js';
import { TandemSystem } from './tandem.js';
import type { LabDocument, TandemConfigOptions } from './tandem-config.js';
import { waitFor, waitForSteady } from './wait-for.js';

/** A daemon of somebody else; started anew it may have another priority. */
export interface OtherRouter {
  readonly node: string;
  start(): Promise<void>;
  isActive(family: Family): Promise<boolean>;
  stopGracefully(): Promise<void>;
  kill(): Promise<void>;
  log(): string;
}

export interface Interop {
  family: Family;
  version: 2 | 3;
  advertMs: number;
  checksum?: TandemConfigOptions['checksum'];
  /** What else the virtual router of Tandem says. */
  router?: Record<string, unknown>;
  other(lab: Lab, priority: number): OtherRouter;
}

const TANDEM = 'lb1';
/** Of the other router: Tandem has the middle. */
const LOW = 50;
const EQUAL = 150;
const HIGH = 200;
/** Version 2 counts in seconds, and machines are busy. */
const AGREE_LIMIT_MS = 30_000;
const NAME: Record<Family, string> = { ipv4: 'front', ipv6: 'front6' };
const NO_SERVERS = { services: [], pools: [] };

/** The document of one Tandem node with one virtual router of this kind, and nothing else. */
export const routerDocument =
  ({ family, version, router = {} }: Pick<Interop, 'family' | 'version' | 'router'>) =>
  (document: LabDocument): LabDocument => {
    const [front] = document.virtualRouters;
    if (front === undefined) throw new Error('the lab has a virtual router');
    const { otherAddresses, verifyAddresses, ...rest } = front;
    const addresses = family === 'ipv4' ? {} : { name: NAME.ipv6, id: VRID, addresses: [VIP6_LINK_LOCAL, VIP6] };
    return { ...document, ...NO_SERVERS, virtualRouters: [{ ...rest, version, ...addresses, ...router }] };
  };

interface Both {
  lab: Lab;
  tandem: TandemSystem;
  other: OtherRouter;
  /** Shows tshark all that Tandem said until now. */
  finish(): Promise<void>;
}

/** The other router is active before Tandem comes. */
async function start(t: Test, interop: Interop, priority: number): Promise<Both> {
  const { advertMs, checksum, family } = interop;
  const lab = await createLab({ nodes: 2, servers: 0, ipv6: family === 'ipv6' });
  const tandem = new TandemSystem(lab, {
    on: [TANDEM],
    maxFlows: TEST_MAX_FLOWS,
    election: { advertMs, priorities: [EQUAL], preempt: true },
    ...(checksum === undefined ? {} : { checksum }),
    change: routerDocument(interop),
  });
  const other = interop.other(lab, priority);
  t.teardown(() => {
    if (!t.passing()) t.comment(`${lastWords(tandem.logFile(TANDEM))}\n${other.log()}`);
    lab.close();
  });
  const capture = await lab.capture();
  await other.start();
  await waitFor('the other router to be active', () => other.isActive(family), { limitMs: 30_000 });
  await tandem.launch();
  await waitFor('Tandem to take part', async () => (await tandem.status(TANDEM)).routers[0]?.role !== 'initialize', { limitMs: 30_000 });
  const finish = async (): Promise<void> => {
    await capture.stop();
    const { adverts, complaints } = await judge(capture.file, macOf(interop, lab));
    t.ok(adverts > 0, `${adverts} adverts of Tandem`);
    t.same(complaints, [], 'tshark finds nothing wrong with them');
  };
  return { lab, tandem, other, finish };
}

const macOf = ({ family, router }: Interop, lab: Lab): string =>
  router?.virtualMac === true ? virtualMac(family, VRID) : legOn(lab.machine(TANDEM), 'client').mac;

/** Both agree, and go on agreeing for some intervals. */
async function agree(what: string, { tandem, other }: Both, interop: Interop, active: 'tandem' | 'other'): Promise<void> {
  const holds = async (): Promise<boolean> =>
    (await tandem.isActive(TANDEM)) === (active === 'tandem') && (await other.isActive(interop.family)) === (active === 'other');
  await waitForSteady(what, 4 * interop.advertMs, holds, { limitMs: AGREE_LIMIT_MS });
}

/** Tandem outranks: it takes over from the living, says goodbye, comes back, dies. */
export async function tandemOutranks(t: Test, interop: Interop): Promise<void> {
  const both = await start(t, interop, LOW);
  const { tandem, other } = both;
  await agree('Tandem to take over from a living router', both, interop, 'tandem');
  await tandem.stopGracefully(TANDEM);
  await waitFor('the other router to take over after priority 0', () => other.isActive(interop.family));
  await tandem.startNode(TANDEM);
  await agree('Tandem to come back', both, interop, 'tandem');
  await other.kill();
  await other.start();
  await agree('a router that comes back to find Tandem active', both, interop, 'tandem');
  await tandem.clear(TANDEM);
  await waitFor('the other router to take over after a crash', () => other.isActive(interop.family));
  await both.finish();
}

/** The other router outranks: Tandem follows, takes over when it dies, and gives way. */
export async function otherOutranks(t: Test, interop: Interop): Promise<void> {
  const both = await start(t, interop, HIGH);
  const { tandem, other } = both;
  await agree('Tandem to follow', both, interop, 'other');
  await other.kill();
  await waitFor('Tandem to take over after a crash', () => tandem.isActive(TANDEM));
  await other.start();
  await agree('the other router to pre-empt', both, interop, 'other');
  const told = async (): Promise<number> => (await transitions(both))['active:priorityZero'] ?? 0;
  const before = await told();
  await other.stopGracefully();
  await waitFor('Tandem to take over after priority 0', async () => (await told()) > before);
  await both.finish();
}

/** Equal priorities, both active after a cut: the greater address stays (RFC 9568 section 6.4.3), that is lb2's. */
export async function greaterAddressWins(t: Test, interop: Interop): Promise<void> {
  const both = await start(t, interop, EQUAL);
  const { lab, tandem, other } = both;
  await agree('an equal router that comes later to follow', both, interop, 'other');
  for (const direction of ['from', 'to'] as const) await loseFrames(lab, TANDEM, { side: 'client', direction });
  await waitFor('both to be active', async () => (await tandem.isActive(TANDEM)) && (await other.isActive(interop.family)));
  // On a machine that is late a lease of 30 ms may lapse before the better router is heard.
  const gaveWay = async (): Promise<number> => {
    const counted = await transitions(both);
    return (counted['backup:betterActive'] ?? 0) + (counted['backup:leaseLapsed'] ?? 0);
  };
  const before = await gaveWay();
  await stopLosing(lab);
  await waitFor('Tandem to give way', async () => (await gaveWay()) > before);
  await agree('the greater address to stay active', both, interop, 'other');
  await other.kill();
  await waitFor('Tandem to take over', () => tandem.isActive(TANDEM));
  await both.finish();
}

async function transitions({ tandem }: Both): Promise<Record<string, number>> {
  return (await tandem.status(TANDEM)).routers[0]?.counters.transitions ?? {};
}

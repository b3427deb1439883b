/**
 * Keeps the kernel's part of virtual routers: their virtual MACs on the interfaces, and the addresses of those that accept on `lo`. What
 * was put there is written down first, so that it is found again after a crash, a change of the configuration, or by `tandem unload`.
 *
 * The order matters: an address comes to `lo` only after the XDP program guards the interfaces, and goes before the program does. The
 * program decides who may reach it; the kernel alone would answer for it on every node.
 */
import { readFileSync, rmSync } from 'node:fs';
import type { Config } from '../config/model.js';
import { addressesOf, interfacesOf, virtualMacOf } from '../config/virtual-mac.js';
import { canonicalAddress } from '../system/ip-address.js';
import type { ExtraMac, KernelPresence, RaisedSetting } from '../system/kernel-presence.js';
import { replaceFile } from './state-dir.js';

export interface Presence {
  macs: ExtraMac[];
  addresses: string[];
}

const none: Presence = { macs: [], addresses: [] };

/** What the kernel should know for this configuration. */
export function wantedPresence(config: Pick<Config, 'virtualRouters'>): Presence {
  const macs = config.virtualRouters
    .filter((router) => router.virtualMac)
    .flatMap((router) => interfacesOf(router).map((name) => ({ interface: name, mac: virtualMacOf(router) })));
  const addresses = config.virtualRouters.filter((router) => router.accept).flatMap(addressesOf);
  return { macs, addresses: addresses.map((address) => canonicalAddress(address) ?? address) };
}

/**
 * For an IPv4 address on `lo`: the kernel must not answer ARP for it on any interface, nor name it in its own questions; and packets of
 * servers that the data plane has translated carry it as their source when they are handed to the kernel.
 */
export function neededSettings(presence: Presence, interfaces: readonly string[]): { key: string; least: number }[] {
  if (!presence.addresses.some((address) => !address.includes(':'))) return [];
  return [
    { key: 'net.ipv4.conf.all.arp_ignore', least: 1 },
    { key: 'net.ipv4.conf.all.arp_announce', least: 2 },
    ...interfaces.map((name) => ({ key: `net.ipv4.conf.${name.replaceAll('.', '/')}.accept_local`, least: 1 })),
  ];
}

const macId = ({ interface: name, mac }: ExtraMac): string => `${name} ${mac}`;

/** What is in `a` or in `b`. */
const union = (a: Presence, b: Presence): Presence => ({
  macs: [...new Map([...a.macs, ...b.macs].map((extra) => [macId(extra), extra])).values()],
  addresses: [...new Set([...a.addresses, ...b.addresses])],
});

const without = (a: Presence, b: Presence): Presence => {
  const macs = new Set(b.macs.map(macId));
  return {
    macs: a.macs.filter((extra) => !macs.has(macId(extra))),
    addresses: a.addresses.filter((address) => !b.addresses.includes(address)),
  };
};

/** No file, or a damaged one: nothing. It is written in one step, so damage is somebody else's work. */
function readPresence(file: string): Presence {
  try {
    const found = JSON.parse(readFileSync(file, 'utf8')) as Partial<Presence>;
    return Array.isArray(found.macs) && Array.isArray(found.addresses) ? { macs: found.macs, addresses: found.addresses } : none;
  } catch {
    return none;
  }
}

const write = (file: string, presence: Presence): void => replaceFile(file, `${JSON.stringify(presence)}\n`);

async function removeAll(door: KernelPresence, presence: Presence): Promise<void> {
  for (const address of presence.addresses) await door.removeAddress(address);
  for (const extra of presence.macs) await door.removeMac(extra);
}

/** To be called once the program is attached. Throws PresenceError. Returns the settings that had to be raised. */
export async function installPresence(door: KernelPresence, file: string, config: Config): Promise<RaisedSetting[]> {
  const [found, wanted] = [readPresence(file), wantedPresence(config)];
  write(file, union(found, wanted));
  await removeAll(door, without(found, wanted));
  const raised = neededSettings(wanted, config.dataPlane.interfaces).flatMap(({ key, least }) => door.raise(key, least) ?? []);
  for (const extra of wanted.macs) await door.addMac(extra);
  for (const address of wanted.addresses) await door.addAddress(address);
  write(file, wanted);
  return raised;
}

/** A node that stops has no use for the addresses; its NICs go on taking frames for the flows that drain. */
export async function removeAddresses(door: KernelPresence, file: string): Promise<void> {
  const { macs, addresses } = readPresence(file);
  await removeAll(door, { macs: [], addresses });
  write(file, { macs, addresses: [] });
}

/** `unload` takes the data plane out of the kernel: after the addresses, before the MACs. */
export async function removePresence(door: KernelPresence, file: string, unload: () => void): Promise<void> {
  await removeAddresses(door, file);
  unload();
  await removeAll(door, readPresence(file));
  rmSync(file, { force: true });
}

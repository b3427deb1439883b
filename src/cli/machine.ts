/**
 * The interfaces and IPv4 addresses of this machine, for `tandem check --node`.
 */
import { readdirSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { Machine, MachineAddress } from '../config/machine-checks.js';

export function readMachine(): Machine {
  const addresses = Object.entries(networkInterfaces()).flatMap(([name, entries]) =>
    (entries ?? [])
      .filter((entry) => entry.family === 'IPv4')
      .map((entry): MachineAddress => ({ interface: name, address: entry.address, prefixLength: Number(entry.cidr?.split('/')[1] ?? 32) })),
  );
  return { interfaces: interfaceNames(addresses), addresses };
}

/** An interface that is down or without address is missing above. */
function interfaceNames(addresses: readonly MachineAddress[]): string[] {
  try {
    return readdirSync('/sys/class/net');
  } catch {
    return [...new Set(addresses.map((each) => each.interface))];
  }
}

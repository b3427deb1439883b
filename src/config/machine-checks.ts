/**
 * What only the machine can say about a configuration: are the interfaces there, does each address lie in a network of its interface, do
 * NAT servers lie in the clients' network. Works on addresses handed in. Pure.
 */
import { type Family, familyOfText, isInNetwork, isLinkLocal, parseAddress } from '../system/ip-address.js';
import type { NetworkFacts } from '../system/network-facts.js';
import { nearServer } from './check-services.js';
import { OWNER_PRIORITY } from './limits.js';
import type { LoadedConfig } from './load.js';
import type { VirtualRouterConfig } from './model.js';
import { suggestion } from './nearest.js';
import { type Problem, sortProblems } from './problem.js';
import { type Report, reportInto } from './report.js';
import type { Path } from './source.js';

/** One address of an interface of this machine. */
export interface MachineAddress {
  interface: string;
  address: string;
  prefixLength: number;
}

export interface Machine {
  interfaces: readonly string[];
  addresses: readonly MachineAddress[];
}

export const machineOf = ({ links }: NetworkFacts): Machine => ({
  interfaces: links.map((link) => link.name),
  addresses: links.flatMap((link) => [...link.addresses, ...(link.ipv6Addresses ?? [])].map((each) => ({ interface: link.name, ...each }))),
});

/** Does the address lie in the network that this address of the machine spans? */
function isNear(address: string, own: MachineAddress): boolean {
  const [wanted, base] = [parseAddress(address), parseAddress(own.address)];
  return wanted !== null && base !== null && isInNetwork(wanted, base, own.prefixLength);
}

export function checkMachine(loaded: LoadedConfig, machine: Machine, node: string): Problem[] {
  const problems: Problem[] = [];
  const report = reportInto(loaded.source, problems);
  checkInterfaces(loaded, machine, report);
  for (const [i, router] of loaded.config.virtualRouters.entries()) {
    const at: Path = ['virtualRouters', i];
    if (router.priority[node] === OWNER_PRIORITY) checkOwner(machine, router, at, report);
    else
      for (const [j, address] of router.addresses.entries())
        checkNetwork(machine, address, router.interface, [...at, 'addresses', j], report);
    for (const [j, other] of router.otherAddresses.entries()) {
      checkNetwork(machine, other.address, other.interface, [...at, 'otherAddresses', j, 'address'], report);
    }
  }
  checkTrackedLinks(loaded, machine, report);
  checkNodeAddress(loaded, machine, node, report);
  checkOneArm(loaded, machine, report);
  return sortProblems(problems);
}

function checkInterfaces(loaded: LoadedConfig, machine: Machine, report: Report): void {
  loaded.config.dataPlane.interfaces.forEach((name, i) => {
    if (machine.interfaces.includes(name)) return;
    report.error(
      ['dataPlane', 'interfaces', i],
      'value',
      `this machine has no interface "${name}"; ${suggestion(name, machine.interfaces, 'interfaces')}`,
    );
  });
}

/** Priority 255 is a statement about the addresses (RFC 9568 section 5.2.4): the owner has them, and nobody else says so. */
function checkOwner(machine: Machine, router: VirtualRouterConfig, path: Path, report: Report): void {
  if (!machine.interfaces.includes(router.interface)) return;
  for (const [i, address] of router.addresses.entries()) {
    if (machine.addresses.some((each) => each.interface === router.interface && each.address === address)) continue;
    report.error(
      [...path, 'addresses', i],
      'value',
      `${address} is not on ${router.interface}, but priority ${OWNER_PRIORITY} says that this node owns it: \`ip address add ${address}/... dev ${router.interface}\`, or choose a priority up to ${OWNER_PRIORITY - 1}`,
    );
  }
}

/** What an interface needs for addresses of a family to move to it. */
const NEEDED: Record<Family, string> = { ipv4: 'IPv4 address', ipv6: 'link-local IPv6 address' };

function checkNetwork(machine: Machine, address: string, interfaceName: string, path: Path, report: Report): void {
  if (!machine.interfaces.includes(interfaceName)) return;
  const family = familyOfText(address);
  const networks = machine.addresses.filter((each) => each.interface === interfaceName && familyOfText(each.address) === family);
  if (!networks.some((each) => family === 'ipv4' || isLinkLocal(parseAddress(each.address) ?? 0n))) {
    const why = family === 'ipv4' ? `nothing says which network ${address} belongs to` : `adverts of ${address} could not be sent`;
    report.error(path, 'value', `${interfaceName} has no ${NEEDED[family]}, so ${why}; give it one`);
    return;
  }
  const own = networks.find((each) => each.address === address);
  if (own)
    report.error(
      path,
      'value',
      `${address} is configured on ${interfaceName}; an address that moves must not be: \`ip address del ${address}/${own.prefixLength} dev ${interfaceName}\``,
    );
  else if (!networks.some((each) => isNear(address, each))) {
    const known = networks.map((each) => `${each.address}/${each.prefixLength}`).join(', ');
    report.error(
      path,
      'value',
      `${address} is outside the network of ${interfaceName} (${known}): neighbours would never ask for it there`,
    );
  }
}

/** One that comes later (a tunnel, say) is no mistake, so this is only said. */
function checkTrackedLinks(loaded: LoadedConfig, machine: Machine, report: Report): void {
  for (const [i, router] of loaded.config.virtualRouters.entries()) {
    for (const [j, { interface: name }] of router.track.entries()) {
      if (name === null || machine.interfaces.includes(name)) continue;
      const words = `this machine has no interface "${name}" now; until it has, this counts as failed; ${suggestion(name, machine.interfaces, 'interfaces')}`;
      report.warning(['virtualRouters', i, 'track', j, 'interface'], 'value', words);
    }
  }
}

function checkNodeAddress(loaded: LoadedConfig, machine: Machine, node: string, report: Report): void {
  const own = loaded.config.cluster.nodes.find((each) => each.name === node);
  if (own === undefined || machine.addresses.some((each) => each.address === own.address)) return;
  report.error(['cluster', 'nodes', node, 'address'], 'value', `this machine does not have the address ${own.address} of node "${node}"`);
}

/** What the cross-check could not guess because the network is larger than it assumed. */
function checkOneArm(loaded: LoadedConfig, machine: Machine, report: Report): void {
  loaded.config.services.forEach((service, i) => {
    const router = loaded.config.virtualRouters.find((each) => each.name === service.virtualRouter);
    const pool = loaded.config.pools.find((each) => each.name === service.pool);
    const networks = machine.addresses.filter((each) => each.interface === router?.interface && isNear(service.address, each));
    const near = pool?.servers.find((server) => networks.some((each) => isNear(server.address, each)));
    if (service.forward !== 'nat' || near === undefined || nearServer(pool?.servers ?? [], service.address) !== undefined) return;
    report.warning(
      ['services', i, 'forward'],
      'value',
      `server "${near.name}" (${near.address}) is in the network of the VIP: it answers clients of that network past this node; use \`forward: dsr\` or a network of its own`,
    );
  });
}

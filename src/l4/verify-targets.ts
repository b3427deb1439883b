/**
 * Whom a node asks, by an echo from the VIP, whether a take-over landed: addresses from the configuration, or else the default gateway and
 * the next hops that clients were last answered through. Pure.
 */
import type { VirtualRouterConfig } from '../config/model.js';
import { defaultGateway, type Hop, type NetworkFacts, nextHopTo } from '../system/network-facts.js';
import type { VerifyTarget } from './api.js';

/** One answer is enough; a few are asked because hosts may not answer pings. */
export const MAX_TARGETS = 4;

/** Addresses that may be asked for this router, best first. */
export function verifyCandidates(router: VirtualRouterConfig, facts: NetworkFacts, recent: readonly string[]): string[] {
  if (router.verifyAddresses.length > 0) return router.verifyAddresses;
  const gateway = defaultGateway(facts, router.interface);
  return [...new Set([...(gateway === null ? [] : [gateway]), ...recent])];
}

/** Neighbours on the way to a candidate, if it is reached through the router's own interface. */
export function verifyHop(router: VirtualRouterConfig, facts: NetworkFacts, address: string): Hop | null {
  const hop = nextHopTo(facts, address);
  return hop?.interface === router.interface ? hop : null;
}

export function verifyTargets(
  routers: readonly VirtualRouterConfig[],
  facts: NetworkFacts,
  recentOn: (interfaceName: string) => readonly string[],
  macOf: (interfaceName: string, address: string) => string | null,
): VerifyTarget[] {
  const targets = routers.flatMap((router) =>
    verifyCandidates(router, facts, recentOn(router.interface))
      .flatMap((address) => {
        const hop = verifyHop(router, facts, address);
        const mac = hop && macOf(hop.interface, hop.address);
        return mac ? [{ interface: router.interface, address, mac }] : [];
      })
      .slice(0, MAX_TARGETS),
  );
  const seen = new Set<string>();
  return targets.filter(({ interface: name, address }) => !seen.has(`${name} ${address}`) && seen.add(`${name} ${address}`));
}

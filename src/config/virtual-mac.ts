/**
 * The virtual MAC of a virtual router (RFC 9568, section 7.3) and where it is in use. Pure.
 */
import type { ConfigDocument } from './schema.js';

type Router = Pick<ConfigDocument['virtualRouters'][number], 'id' | 'interface' | 'addresses' | 'otherAddresses'>;

/** 00:00:5e:00:01:ID for IPv4, 00:00:5e:00:02:ID for IPv6. */
export function virtualMacOf({ id, addresses }: Pick<Router, 'id' | 'addresses'>): string {
  const family = addresses.some((address) => address.includes(':')) ? '02' : '01';
  return `00:00:5e:00:${family}:${id.toString(16).padStart(2, '0')}`;
}

/** Interfaces on which the router has an address, its own first. */
export const interfacesOf = (router: Router): string[] => [
  ...new Set([router.interface, ...router.otherAddresses.map((other) => other.interface)]),
];

/** Every address that moves along with the router. */
export const addressesOf = (router: Router): string[] => [...router.addresses, ...router.otherAddresses.map((other) => other.address)];

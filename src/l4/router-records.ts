/**
 * Codec of the maps about virtual routers and peers: what a virtual router is on this node, MACs that matter, where frames are steered.
 * Pure; as records.ts.
 */
import { macKeyLayout, routerFlag, steerKeyLayout, steerLayout, virtualRouterLayout } from './abi.gen.js';
import { getMac, NO_MAC, putMac } from './records.js';

export interface RouterValue {
  /** Null: the MAC of the interface answers. */
  virtualMac: string | null;
  /** What no service listens for goes to the kernel. */
  accept: boolean;
}

export interface MacKey {
  ifindex: number;
  mac: string;
}

export interface SteerKey {
  ifindex: number;
  virtualRouter: number;
}

export interface SteerValue {
  mac: string;
  untilNs: bigint;
}

/** All zero: an ordinary router, or none at all. */
export function encodeRouter({ virtualMac, accept }: RouterValue): Buffer {
  const bytes = Buffer.alloc(virtualRouterLayout.size);
  putMac(bytes, virtualRouterLayout.mac, virtualMac ?? NO_MAC);
  bytes[virtualRouterLayout.flags] = (virtualMac === null ? 0 : routerFlag.virtualMac) | (accept ? routerFlag.accept : 0);
  return bytes;
}

export function decodeRouter(bytes: Buffer): RouterValue {
  const flags = bytes[virtualRouterLayout.flags] ?? 0;
  return {
    virtualMac: (flags & routerFlag.virtualMac) === 0 ? null : getMac(bytes, virtualRouterLayout.mac),
    accept: (flags & routerFlag.accept) !== 0,
  };
}

export function encodeMacKey({ ifindex, mac }: MacKey): Buffer {
  const bytes = Buffer.alloc(macKeyLayout.size);
  bytes.writeUInt32LE(ifindex, macKeyLayout.ifindex);
  putMac(bytes, macKeyLayout.mac, mac);
  return bytes;
}

export const decodeMacKey = (bytes: Buffer): MacKey => ({
  ifindex: bytes.readUInt32LE(macKeyLayout.ifindex),
  mac: getMac(bytes, macKeyLayout.mac),
});

export function encodeSteerKey({ ifindex, virtualRouter }: SteerKey): Buffer {
  const bytes = Buffer.alloc(steerKeyLayout.size);
  bytes.writeUInt32LE(ifindex, steerKeyLayout.ifindex);
  bytes.writeUInt32LE(virtualRouter, steerKeyLayout.virtualRouter);
  return bytes;
}

export const decodeSteerKey = (bytes: Buffer): SteerKey => ({
  ifindex: bytes.readUInt32LE(steerKeyLayout.ifindex),
  virtualRouter: bytes.readUInt32LE(steerKeyLayout.virtualRouter),
});

export function encodeSteer({ mac, untilNs }: SteerValue): Buffer {
  const bytes = Buffer.alloc(steerLayout.size);
  bytes.writeBigUInt64LE(untilNs, steerLayout.untilNs);
  putMac(bytes, steerLayout.mac, mac);
  return bytes;
}

export const decodeSteer = (bytes: Buffer): SteerValue => ({
  mac: getMac(bytes, steerLayout.mac),
  untilNs: bytes.readBigUInt64LE(steerLayout.untilNs),
});

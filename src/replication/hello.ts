/**
 * Decides whether two nodes can replicate to each other. A difference of the configuration digest is no obstacle (a reload reaches the
 * nodes one after the other); it is only said. Pure.
 */
import type { Hello } from './frames.js';

/** Why not, or null. `expected`: the node that was dialled; null for the accepting side, where the certificate names the node. */
export function incompatibility(own: Hello, peer: Hello, expected: string | null): string | null {
  if (peer.node === own.node) return `the peer calls itself ${peer.node}, as this node does`;
  if (expected !== null && peer.node !== expected) return `the peer is ${peer.node}, not ${expected}`;
  if (peer.cluster !== own.cluster) return `the peer belongs to cluster ${peer.cluster}, this node to ${own.cluster}`;
  if (peer.versionMax < own.versionMin || peer.versionMin > own.versionMax) {
    return `the peer speaks protocol ${range(peer)}, this node ${range(own)}`;
  }
  if (peer.abi !== own.abi || peer.recordBytes !== own.recordBytes || peer.byteOrder !== own.byteOrder) {
    return `the peer's flow records are ${layout(peer)}, this node's ${layout(own)}`;
  }
  return null;
}

const range = (hello: Hello): string =>
  hello.versionMin === hello.versionMax ? `version ${hello.versionMin}` : `versions ${hello.versionMin} to ${hello.versionMax}`;

const layout = (hello: Hello): string => `layout ${hello.abi} with ${hello.recordBytes} bytes, ${hello.byteOrder}-endian`;

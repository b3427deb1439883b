/** What a node says of itself on a replication stream. */
import type { Hello } from '../../src/replication/frames.js';
import { RECORD_BYTES } from '../../src/replication/limits.js';

export const hello = (node: string, instance = `instance of ${node}`): Hello => ({
  versionMin: 1,
  versionMax: 1,
  capabilities: 0,
  node,
  cluster: 'shop',
  configDigest: 'a',
  instance,
  abi: 1,
  recordBytes: RECORD_BYTES,
  byteOrder: 'little',
  software: '1',
});

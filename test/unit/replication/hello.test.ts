import t from 'tap';
import type { Hello } from '../../../src/replication/frames.js';
import { incompatibility } from '../../../src/replication/hello.js';

const own: Hello = {
  versionMin: 2,
  versionMax: 3,
  capabilities: 0,
  node: 'lb1',
  cluster: 'shop',
  configDigest: 'a',
  instance: 'i',
  abi: 1,
  recordBytes: 56,
  byteOrder: 'little',
  software: '1',
};
const peer: Hello = { ...own, node: 'lb2', configDigest: 'b', software: '2', instance: 'j', capabilities: 9 };

const ROWS: { what: string; change: Partial<Hello>; expected: RegExp | null }[] = [
  { what: 'the same', change: {}, expected: null },
  { what: 'a newer peer that still speaks ours', change: { versionMin: 3, versionMax: 9 }, expected: null },
  { what: 'an older peer that already speaks ours', change: { versionMin: 1, versionMax: 2 }, expected: null },
  { what: 'a peer too old', change: { versionMin: 1, versionMax: 1 }, expected: /speaks protocol version 1, this node versions 2 to 3/ },
  { what: 'a peer too new', change: { versionMin: 4, versionMax: 5 }, expected: /versions 4 to 5/ },
  { what: 'another cluster', change: { cluster: 'market' }, expected: /cluster market, this node to shop/ },
  { what: 'ourselves', change: { node: 'lb1' }, expected: /calls itself lb1/ },
  { what: 'somebody else', change: { node: 'lb3' }, expected: /is lb3, not lb2/ },
  { what: 'another layout', change: { abi: 2 }, expected: /layout 2/ },
  { what: 'another size', change: { recordBytes: 64 }, expected: /64 bytes/ },
  { what: 'another byte order', change: { byteOrder: 'big' }, expected: /big-endian/ },
];

t.test('who may replicate to whom', async (t) => {
  for (const { what, change, expected } of ROWS) {
    const problem = incompatibility(own, { ...peer, ...change }, 'lb2');
    if (expected === null) t.equal(problem, null, what);
    else t.match(problem, expected, what);
  }
  t.equal(incompatibility(own, { ...peer, node: 'lb3' }, null), null, 'the accepting side knows the name from the certificate');
});

/**
 * Mistakes in a good configuration, one at a time: what must be said about each, and where. Every finding is listed, so a second message
 * for the same mistake fails too.
 */
import t from 'tap';
import { parseConfig } from '../../src/config/load.js';
import { formatProblem } from '../../src/config/problem.js';

export const GOOD = `cluster:
  name: shop
  nodes:
    lb1: { address: 10.1.0.11 }
    lb2: { address: 10.1.0.12 }
dataPlane:
  interfaces: [eth0, eth1]
  maxFlows: 65536
virtualRouters:
  - name: front
    id: 51
    interface: eth0
    addresses: [10.1.0.100, 10.1.0.101]
    otherAddresses: [{ address: 10.2.0.1, interface: eth1 }]
    advertInterval: 100ms
    priority: { lb1: 200, lb2: 100 }
services:
  - { name: web, listen: 10.1.0.100:80/tcp, forward: nat, pool: web }
  - { name: video, listen: 10.1.0.101:443/tcp, forward: dsr, pool: video }
pools:
  - name: web
    servers:
      - { name: be1, address: 10.2.0.21:8080 }
      - { name: be2, address: 10.2.0.22:8080 }
    healthCheck: { type: http, path: /health, interval: 5s, timeout: 3s }
  - name: video
    scheduler: maglev
    servers:
      - { name: v1, address: 10.1.0.31:443 }
`;

export interface Mistake {
  mistake: string;
  change: [from: string, to: string][];
  /** `line:column: severity: words` of each finding, in order; words need only be contained. */
  said: [place: string, words: string][];
}

export function proveMistakes(rows: readonly Mistake[]): void {
  for (const { mistake, change, said } of rows) {
    t.test(mistake, async (t) => {
      let text = GOOD;
      for (const [from, to] of change) {
        t.ok(text.includes(from), `"${from}" is in the good configuration`);
        text = text.replace(from, to);
      }
      const result = parseConfig('tandem.yaml', text);
      const problems = result.ok ? result.warnings : result.problems;
      t.equal(result.ok, !said.some(([place]) => place.endsWith('error')), 'errors refuse the file, warnings do not');
      const heads = problems.map((problem) => formatProblem(problem).split('\n')[0] ?? '');
      t.equal(heads.length, said.length, heads.join('\n'));
      said.forEach(([place, words], i) => {
        t.ok(heads[i]?.startsWith(`tandem.yaml:${place}: `), `at ${place}: ${heads[i]}`);
        t.ok(heads[i]?.includes(words), `"${words}" in: ${heads[i]}`);
      });
    });
  }
}

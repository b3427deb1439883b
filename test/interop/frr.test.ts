/**
 * Tandem and vrrpd of FRR as the two routers of one virtual router: both versions, both families. FRR takes part through an interface
 * with the virtual MAC, and so does Tandem here where it says so.
 */
import t from 'tap';
import { labIsImpossible, programsMissing } from '../support/lab/fixture.js';
import { FRR_PROGRAMS, FrrRouter } from '../support/lab/frr.js';
import { greaterAddressWins, type Interop, otherOutranks, tandemOutranks } from '../support/lab/interop.js';

function frr(kind: Omit<Interop, 'other'>): Interop {
  const { advertMs, family, version } = kind;
  return { ...kind, other: (lab, priority) => new FrrRouter(lab, { on: 'lb2', priority, advertMs, version, families: [family] }) };
}

const KINDS: Record<string, Interop> = {
  'version 3, IPv4, virtual MAC': frr({ family: 'ipv4', version: 3, advertMs: 100, checksum: 'auto', router: { virtualMac: true } }),
  'version 2': frr({ family: 'ipv4', version: 2, advertMs: 1000 }),
  'version 3, IPv6, virtual MAC': frr({ family: 'ipv6', version: 3, advertMs: 100, router: { virtualMac: true } }),
};

const LABS_AT_ONCE = 3;

const impossible = labIsImpossible() ?? programsMissing(...FRR_PROGRAMS);
if (impossible !== null) t.plan(0, impossible);
else {
  // Each has a lab of its own, and waits for timers most of its time.
  t.jobs = LABS_AT_ONCE;
  for (const [name, interop] of Object.entries(KINDS)) {
    t.test(`${name}: Tandem outranks`, { buffered: true }, (t) => tandemOutranks(t, interop));
    t.test(`${name}: FRR outranks`, { buffered: true }, (t) => otherOutranks(t, interop));
    t.test(`${name}: a tie`, { buffered: true }, (t) => greaterAddressWins(t, interop));
  }
}

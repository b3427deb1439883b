/**
 * Tandem and keepalived as the two routers of one virtual router: both versions, both families, to the group and to the peer, and as
 * fast as the protocol goes.
 */
import t from 'tap';
import { labIsImpossible, programsMissing } from '../support/lab/fixture.js';
import { greaterAddressWins, type Interop, otherOutranks, tandemOutranks } from '../support/lab/interop.js';
import { KEEPALIVED_PROGRAMS, KeepalivedRouter } from '../support/lab/keepalived-router.js';

const OTHER = 'lb2';
const TANDEM = 'lb1';

function keepalived(kind: Omit<Interop, 'other'>, unicastTo: string | null = null): Interop {
  const { advertMs, family, version } = kind;
  return { ...kind, other: (lab, priority) => new KeepalivedRouter(lab, { on: OTHER, priority, advertMs, family, version, unicastTo }) };
}

const KINDS: Record<string, Interop> = {
  'version 3, IPv4': keepalived({ family: 'ipv4', version: 3, advertMs: 100, checksum: 'auto' }),
  'version 3, IPv4, 10 ms, unicast': keepalived(
    {
      family: 'ipv4',
      version: 3,
      advertMs: 10,
      checksum: 'rfc5798',
      router: { unicastPeers: { lb1: '10.1.0.11' }, unicastRouters: ['10.1.0.12'] },
    },
    TANDEM,
  ),
  'version 2': keepalived({ family: 'ipv4', version: 2, advertMs: 1000 }),
  'version 3, IPv6': keepalived({ family: 'ipv6', version: 3, advertMs: 100 }),
};

const LABS_AT_ONCE = 3;

const impossible = labIsImpossible() ?? programsMissing(...KEEPALIVED_PROGRAMS);
if (impossible !== null) t.plan(0, impossible);
else {
  // Each has a lab of its own, and waits for timers most of its time.
  t.jobs = LABS_AT_ONCE;
  for (const [name, interop] of Object.entries(KINDS)) {
    t.test(`${name}: Tandem outranks`, { buffered: true }, (t) => tandemOutranks(t, interop));
    t.test(`${name}: keepalived outranks`, { buffered: true }, (t) => otherOutranks(t, interop));
    t.test(`${name}: a tie`, { buffered: true }, (t) => greaterAddressWins(t, interop));
  }
}

/**
 * Questions for the virtual addresses, each from another asker of the same machine: the answer names the asker, so that it is known when
 * what it answers was asked. Pure.
 */
import { legOn, type Plan, VIP, VIP6 } from '../lab/plan.js';
import { arpFrame } from '../packet/build.js';
import { solicitation } from '../packet/build6.js';

/** An asker comes again after so many questions of its family: much longer than any answer takes. */
const ASKERS = 40;
/** Hosts of the client side that nobody else has. */
const FIRST_HOST = 60;

/** Frames of the first client, by ARP and by Neighbour Solicitation in turn, as hexadecimal digits. */
export function questionsFor(plan: Plan): string[] {
  const [client] = plan.clients;
  if (client === undefined) throw new Error('a lab without clients cannot ask');
  const { mac } = legOn(client, 'client');
  return Array.from({ length: ASKERS }, (_, index) => FIRST_HOST + index)
    .flatMap((host) => [
      arpFrame({ operation: 'request', senderMac: mac, senderAddress: `10.1.0.${host}`, targetAddress: VIP }),
      solicitation({ target: VIP6, from: `fd00:1::${host}`, mac }),
    ])
    .map((frame) => frame.toString('hex'));
}

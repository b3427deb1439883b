/**
 * The groups of VRRP are for the link: what is sent to them is never moved on, also when it comes from a server's endpoint or to the
 * gateway's MAC, with the lease and without (RFC 9568, sections 5.1.1.2 and 5.1.2.2).
 */
import t from 'tap';
import { proves } from '../rfc/requirement.js';
import { ethernet, etherTypes, ipv4, type Party, udpFrame } from '../support/packet/build.js';
import { address6ToBytes, ipv6 } from '../support/packet/build6.js';
import { inSandbox } from '../support/packet/sandbox.js';
import { backMac, client, makeInterfaces, ROUTER, type World, withWorld, worldServers } from '../support/packet/world.js';

const GROUP = { mac: '01:00:5e:00:00:12', address: '224.0.0.18' };
const GROUP6 = { mac: '33:33:00:00:00:12', address: 'ff02::12' };
const VRRP = 112;
const ADVERT = Buffer.from('3133960100640000', 'hex');
const successorMac = '02:00:00:00:02:02';
const server: Party = worldServers[0]?.party ?? client;
const toGroup = (mac: string): Buffer => udpFrame({ from: server, to: { mac, address: GROUP.address, port: 53 } });

const frames: [string, Buffer][] = [GROUP.mac, backMac].flatMap((mac): [string, Buffer][] => [
  [`an advert at ${mac}`, ethernet(mac, server.mac, etherTypes.ipv4, ipv4(server.address, GROUP.address, VRRP, ADVERT, { ttl: 255 }))],
  [`UDP of a server at ${mac}`, toGroup(mac)],
]);
const advert6 = ipv6(address6ToBytes('fe80::21'), address6ToBytes(GROUP6.address), VRRP, ADVERT, { hopLimit: 255 });
for (const mac of [GROUP6.mac, backMac]) frames.push([`an IPv6 advert at ${mac}`, ethernet(mac, server.mac, etherTypes.ipv6, advert6)]);

/** Both ways of moving a server's packet on: by the flow table, and to a successor. */
function withoutLease(world: World): void {
  world.release(ROUTER);
  world.steer(ROUTER, 'back', successorMac);
}

await inSandbox(import.meta.url, async () => {
  const interfaces = makeInterfaces();

  t.test(
    'nothing to a group leaves again',
    proves({ positive: ['R13'] }, (test) =>
      withWorld({}, interfaces, (world) => {
        for (const prepare of [() => undefined, withoutLease]) {
          prepare(world);
          for (const [what, frame] of frames) test.not(world.send(frame, 'back').verdict, 'REDIRECT', what);
        }
      }),
    ),
  );

  t.test(
    'what the same server sends to a client does',
    proves({ negative: ['R13'] }, (test) =>
      withWorld({}, interfaces, (world) => {
        withoutLease(world);
        const frame = udpFrame({ from: server, to: { ...client, mac: backMac } });
        test.match(world.send(frame, 'back'), { verdict: 'REDIRECT', parsed: { destinationMac: successorMac } });
      }),
    ),
  );
});

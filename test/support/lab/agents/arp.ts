/**
 * Asks by ARP for an address, again and again, whatever is known already: the capture on the switch shows who answers. Needs the addon.
 * Argument: interface.
 */
import { loadNative } from '../../../../src/l4/native.js';
import type { ArpApi } from '../workload-api.js';
import { monotonicMs, serveCalls } from './agent-host.js';

const [netInterface = 'eth0'] = process.argv.slice(2);
const ETHERTYPE_SEND_ONLY = 0;

const socket = loadNative().openFrames(netInterface, ETHERTYPE_SEND_ONLY);
let running: { frame: Buffer; everyMs: number; nextMs: number } | null = null;
let sent = 0;

const macBytes = (mac: string): Buffer => Buffer.from(mac.replaceAll(':', ''), 'hex');
const addressBytes = (address: string): Buffer => Buffer.from(address.split('.').map(Number));

function request({ address, ownAddress, ownMac }: Parameters<ArpApi['start']>[0]): Buffer {
  const own = macBytes(ownMac);
  return Buffer.concat([
    Buffer.alloc(6, 0xff),
    own,
    // Ethertype ARP; Ethernet, IPv4, lengths 6 and 4, request.
    Buffer.from([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]),
    own,
    addressBytes(ownAddress),
    Buffer.alloc(6),
    addressBytes(address),
  ]);
}

setInterval(() => {
  if (running === null || monotonicMs() < running.nextMs) return;
  running.nextMs = monotonicMs() + running.everyMs;
  sent += 1;
  socket.send(running.frame);
}, 1);

const api: ArpApi = {
  hello: () => null,
  start: (options) => {
    running = { frame: request(options), everyMs: options.everyMs, nextMs: 0 };
    return null;
  },
  stop: () => {
    running = null;
    return { sent };
  },
};
serveCalls(api);

/** The hop limit filter on a raw IPv6 socket: whole packets from this link, one byte of any other. */
import { spawnSync } from 'node:child_process';
import t from 'tap';
import { addonPath } from '../../src/system/paths.js';
import { ADDON_VARIABLE, unsupported } from './fixture.js';

const RECEIVE = `
const native = require(process.argv[1]);
const raw = require('raw-socket');
const SOL_SOCKET = 1, SO_ATTACH_BPF = 50, IPPROTO_IPV6 = 41, IPV6_UNICAST_HOPS = 16;
const open = () => raw.createSocket({ protocol: 112, addressFamily: raw.AddressFamily.IPv6 });
const [filtered, plain, sender] = [open(), open(), open()];
const filter = native.openHopLimitFilter();
filtered.setOption(SOL_SOCKET, SO_ATTACH_BPF, filter.fd);
filter.close();
filter.close();
const seen = { filtered: [], plain: [] };
const finish = () => {
  if (seen.filtered.length < 3 || seen.plain.length < 3) return;
  console.log(JSON.stringify(seen));
  process.exit();
};
for (const [name, socket] of Object.entries({ filtered, plain })) socket.on('message', (packet) => { seen[name].push(packet.toString()); finish(); });
for (const hops of [255, 254, 1]) {
  sender.setOption(IPPROTO_IPV6, IPV6_UNICAST_HOPS, hops);
  const packet = Buffer.from('packet with ' + hops);
  sender.wrap.send(packet, 0, packet.length, '::1', () => undefined);
}
setTimeout(() => { console.log(JSON.stringify(seen)); process.exit(3); }, 20000);
`;

if (unsupported) {
  t.pass('needs the kernel', { skip: unsupported });
} else {
  t.test('packets of a raw socket with the filter, and of one without', (t) => {
    const addon = process.env[ADDON_VARIABLE] ?? addonPath;
    const words = ['-n', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', process.execPath, '-e', RECEIVE, addon];
    const { stdout, stderr, status } = spawnSync('unshare', words, { encoding: 'utf8' });
    t.equal(status, 0, `${stdout}${stderr}`);
    t.same(JSON.parse(stdout), {
      filtered: ['packet with 255', 'p', 'p'],
      plain: ['packet with 255', 'packet with 254', 'packet with 1'],
    });
    t.end();
  });
}

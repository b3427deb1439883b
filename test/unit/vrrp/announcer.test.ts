import t from 'tap';
import { echoRequest, gratuitousArp, parseMac } from '../../../src/vrrp/announcer.js';
import { formatIpv4, ipv4, onesSum, parseIpv4 } from '../../../src/vrrp/ipv4.js';

const mac = Buffer.from('020000000001', 'hex');
const peer = Buffer.from('020000000002', 'hex');

t.test('gratuitous ARP is a broadcast request for the address from itself', (t) => {
  const frame = gratuitousArp(mac, ipv4('10.9.0.100')).toString('hex');
  const ethernet = 'ffffffffffff0200000000010806';
  const arp = '0001080006040001020000000001' + '0a090064' + '000000000000' + '0a090064';
  t.equal(frame, ethernet + arp + '00'.repeat(18), 'padded with zeros to 60 bytes');
  t.end();
});

t.test('the echo goes from the virtual address to the neighbour, with right checksums', (t) => {
  const frame = echoRequest({
    sourceMac: mac,
    targetMac: peer,
    source: ipv4('10.9.0.100'),
    target: ipv4('10.9.0.254'),
    identifier: 0x7464,
    sequence: 3,
  });
  t.equal(frame.subarray(0, 14).toString('hex'), '0200000000020200000000010800');
  t.same([formatIpv4(frame.readUInt32BE(26)), formatIpv4(frame.readUInt32BE(30))], ['10.9.0.100', '10.9.0.254']);
  t.equal(onesSum(frame, 14, 20), 0xffff, 'header');
  t.equal(onesSum(frame, 34, 16), 0xffff, 'message');
  t.same([frame[34], frame.readUInt16BE(38), frame.readUInt16BE(40)], [8, 0x7464, 3]);
  t.end();
});

t.test('addresses are read strictly', (t) => {
  t.equal(parseIpv4('255.255.255.255'), 0xffffffff);
  for (const wrong of ['1.2.3', '1.2.3.256', '1.2.3.4.5', 'a.b.c.d', '', '1.2.3.-1', '1.2.3. 4']) t.equal(parseIpv4(wrong), null, wrong);
  t.same(parseMac('02:00:00:00:00:01'), mac);
  for (const wrong of ['02:00:00:00:00', '02-00-00-00-00-01', 'zz:00:00:00:00:01']) t.equal(parseMac(wrong), null, wrong);
  t.end();
});

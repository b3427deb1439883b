import t from 'tap';
import { addressOf, formatAddress } from '../../../src/system/ip-address.js';
import { announcement, echoRequest, framed, gratuitousArp, multicastMac, parseMac, virtualMac } from '../../../src/vrrp/announcer.js';
import { VRRP_GROUP, VRRP_GROUP_IPV6 } from '../../../src/vrrp/codec/advert.js';
import { onesSum, pseudoHeaderSum } from '../../../src/vrrp/codec/checksum.js';

const mac = Buffer.from('020000000001', 'hex');
const ipv4 = (text: string): number => addressOf(text) as number;
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
  t.same([formatAddress(frame.readUInt32BE(26)), formatAddress(frame.readUInt32BE(30))], ['10.9.0.100', '10.9.0.254']);
  t.equal(onesSum(frame, 14, 20), 0xffff, 'header');
  t.equal(onesSum(frame, 34, 16), 0xffff, 'message');
  t.same([frame[34], frame.readUInt16BE(38), frame.readUInt16BE(40)], [8, 0x7464, 3]);
  t.end();
});

const ICMPV6 = 58;
const ipv6 = (text: string): bigint => addressOf(text) as bigint;

t.test('an IPv6 address is announced to all nodes as a router, overriding, not solicited', (t) => {
  const vip = ipv6('fe80::64');
  const frame = announcement(virtualMac('ipv6', 51), vip);
  t.equal(frame.subarray(0, 14).toString('hex'), '33330000000100005e00023386dd', 'from the virtual MAC to ff02::1');
  t.equal(frame.subarray(14, 22).toString('hex'), '6000000000203aff', '32 bytes of ICMPv6 with hop limit 255');
  t.equal(frame.subarray(22, 38).toString('hex'), 'fe800000000000000000000000000064', 'from the address itself');
  t.equal(frame.subarray(38, 54).toString('hex'), 'ff020000000000000000000000000001');
  t.equal(frame.subarray(54, 56).toString('hex'), '8800');
  t.equal(frame.subarray(58).toString('hex'), 'a0000000fe800000000000000000000000000064020100005e000233');
  t.equal(onesSum(frame, 54, 32, pseudoHeaderSum(vip, ipv6('ff02::1'), ICMPV6, 32)), 0xffff, 'checksum');
  t.same(announcement(mac, ipv4('10.9.0.100')), gratuitousArp(mac, ipv4('10.9.0.100')), 'an IPv4 address by gratuitous ARP');
  t.end();
});

t.test('an echo from an IPv6 address', (t) => {
  const [source, target] = [ipv6('2001:db8::64'), ipv6('2001:db8::fe')];
  const frame = echoRequest({ sourceMac: mac, targetMac: peer, source, target, identifier: 0x7464, sequence: 3 });
  t.equal(frame.subarray(0, 14).toString('hex'), '02000000000202000000000186dd');
  t.equal(frame.subarray(14, 22).toString('hex'), '6000000000103a40');
  t.equal(onesSum(frame, 54, 16, pseudoHeaderSum(source, target, ICMPV6, 16)), 0xffff, 'checksum');
  t.same([frame[54], frame.readUInt16BE(58), frame.readUInt16BE(60)], [128, 0x7464, 3]);
  t.end();
});

t.test('virtual and multicast MAC addresses', (t) => {
  t.equal(virtualMac('ipv4', 51).toString('hex'), '00005e000133');
  t.equal(virtualMac('ipv6', 255).toString('hex'), '00005e0002ff');
  t.equal(multicastMac(VRRP_GROUP).toString('hex'), '01005e000012');
  t.equal(multicastMac(ipv4('239.255.1.2')).toString('hex'), '01005e7f0102', '23 bits of the group');
  t.equal(multicastMac(VRRP_GROUP_IPV6).toString('hex'), '333300000012');
  t.equal(multicastMac(ipv6('ff02::1:ff12:3456')).toString('hex'), '3333ff123456');
  t.end();
});

t.test('a packet in its frame is padded and shares its memory', (t) => {
  const { frame, packet } = framed(Buffer.alloc(32, 7), virtualMac('ipv4', 51), VRRP_GROUP);
  t.equal(frame.toString('hex'), `01005e00001200005e0001330800${'07'.repeat(32)}${'00'.repeat(14)}`);
  packet[0] = 9;
  t.equal(frame[14], 9);
  t.equal(framed(Buffer.alloc(300), mac, VRRP_GROUP_IPV6).frame.length, 314, 'a long one is not padded');
  t.end();
});

t.test('MAC addresses are read strictly', (t) => {
  t.same(parseMac('02:00:00:00:00:01'), mac);
  for (const wrong of ['02:00:00:00:00', '02-00-00-00-00-01', 'zz:00:00:00:00:01']) t.equal(parseMac(wrong), null, wrong);
  t.end();
});

/**
 * Mistakes in what a virtual router says on the wire: versions, address families, the source check.
 */
import { type Mistake, proveMistakes } from '../../support/config-mistakes.js';

const IPV6_ROUTER = (addresses: string, rest = ''): string => `  - name: front6
    id: 51
    interface: eth0
    addresses: [${addresses}]
    priority: { lb1: 200, lb2: 100 }
${rest}services:`;

const rows: Mistake[] = [
  {
    mistake: 'two families in one virtual router',
    change: [['10.1.0.101]', '"2001:db8::1"]']],
    said: [
      ['13:29: error', '2001:db8::1 is IPv6, the virtual router is IPv4: make a second one for the other family; it may have the same id'],
      ['19:28: error', 'no virtual router has the address 10.1.0.101'],
    ],
  },
  {
    mistake: 'neither IPv4 nor IPv6',
    change: [['10.1.0.101]', '"fe80::1::2"]']],
    said: [['13:29: error', 'virtualRouters[0].addresses[1]: expected an IPv4 or IPv6 address such as 10.1.0.100 or 2001:db8::100']],
  },
  {
    mistake: 'IPv6 without a link-local address in front',
    change: [['services:', IPV6_ROUTER('"2001:db8:1::100", "fe80::7"')]],
    said: [
      [
        '20:17: error',
        'the first address of an IPv6 virtual router has to be link-local (RFC 9568 section 5.2.9); put one in front, for example fe80::51',
      ],
    ],
  },
  {
    mistake: 'IPv6 with addresses of IPv4 around',
    change: [
      [
        'services:',
        IPV6_ROUTER(
          '"fe80::7"',
          '    otherAddresses: [{ address: 10.2.0.9, interface: eth1 }]\n    verifyAddresses: [10.1.0.1]\n    unicastPeers: { lb1: 10.1.0.11, lb2: "fe80::2" }\n',
        ),
      ],
    ],
    said: [
      ['22:33: error', '10.2.0.9 is IPv4, the virtual router is IPv6'],
      ['23:23: error', '10.1.0.1 is IPv4, the virtual router is IPv6'],
      ['24:26: error', '10.1.0.11 is IPv4, the virtual router is IPv6'],
    ],
  },
  {
    mistake: 'one VRID twice in one family; an IPv6 address in two spellings',
    change: [['services:', `${IPV6_ROUTER('"fe80::7"').replace('services:', '')}${IPV6_ROUTER('"FE80:0::7"').replace('front6', 'again')}`]],
    said: [
      ['23:9: error', 'VRID 51 on eth0 is used by virtual router "front6"'],
      ['25:17: error', 'fe80::7 is an address of virtual router "front6" already'],
    ],
  },
  {
    mistake: 'version 2 with IPv6 and a part of a second',
    change: [['services:', IPV6_ROUTER('"fe80::7"', '    version: 2\n    advertInterval: 1500ms\n    checksum: auto\n')]],
    said: [
      ['22:14: error', 'version 2 is for IPv4 only; IPv6 needs version 3'],
      ['23:21: error', 'version 2 counts whole seconds, not 1500ms: write 1s or more on every router'],
      ['24:15: error', 'version 2 has one form of checksum; remove the key'],
    ],
  },
  { mistake: 'a version that is none', change: [['id: 51', 'id: 51\n    version: 4']], said: [['12:14: error', 'expected 2 or 3']] },
  {
    mistake: 'version 2 faster than it can',
    change: [['id: 51', 'id: 51\n    version: 2']],
    said: [['16:21: error', 'version 2 counts whole seconds, not 100ms']],
  },
  { mistake: 'version 2 slower than it can', change: [['100ms', '256s']], said: [['15:21: error', 'too long: at most 255s']] },
  {
    mistake: 'a checksum for IPv6',
    change: [['services:', IPV6_ROUTER('"fe80::7"', '    checksum: rfc5798\n')]],
    said: [['22:15: error', 'IPv6 has one form of checksum; remove the key']],
  },
  {
    mistake: 'unicast routers without peers',
    change: [['id: 51', 'id: 51\n    unicastRouters: [10.1.0.13]']],
    said: [['12:5: error', 'write `unicastPeers`, too']],
  },
  {
    mistake: 'unicast routers that are something else',
    change: [
      [
        'id: 51',
        'id: 51\n    unicastPeers: { lb1: 10.1.0.11, lb2: 10.1.0.12 }\n    unicastRouters: [10.1.0.12, 10.1.0.100, "fe80::1", 10.1.0.13]',
      ],
    ],
    said: [
      ['13:22: error', '10.1.0.12 is in unicastPeers already'],
      ['13:33: error', '10.1.0.100 is a virtual address'],
      ['13:45: error', 'fe80::1 is IPv6, the virtual router is IPv4'],
    ],
  },
  {
    mistake: 'a source check of nobody',
    change: [['id: 51', 'id: 51\n    unicastSourceCheck: false']],
    said: [['12:5: warning', 'without unicastPeers every sender is believed anyway; remove the key']],
  },
];

proveMistakes(rows);

/**
 * What the RFCs ask of a VRRP router, row by row, in our own words; what of it this implementation does otherwise, and why. Each row has to
 * be proved by a test that it is kept and one that the opposite is told apart: docs/conformance.md lists both, from the tests themselves.
 * Ids: T what is sent, R what is received, F states and timers.
 */

export type Level = 'MUST' | 'SHOULD' | 'MAY' | 'ours';

export interface RequirementRow {
  /** Document and sections. */
  section: string;
  /** `ours`: no RFC asks for it, the election of this project does. */
  level: Level;
  text: string;
  /** Errata of RFC 9568 that the text follows. */
  errata?: readonly number[];
  /** What is done otherwise, or not at all, and why. */
  deviation?: string;
}

export const REQUIREMENTS = {
  T1: { section: 'RFC 9568 sections 5.1.1.3, 5.1.2.3', level: 'MUST', text: 'An advert leaves with a TTL or hop limit of 255.' },
  T2: {
    section: 'RFC 9568 sections 5.1.1, 5.1.2, 7.2',
    level: 'MUST',
    text: 'It is IP protocol 112, to 224.0.0.18 or ff02::12, from the primary IPv4 or the link-local IPv6 address of its interface.',
    deviation: 'With `unicastPeers` it goes to each peer instead, for networks that carry no multicast.',
  },
  T3: {
    section: 'RFC 9568 sections 7.2, 7.3',
    level: 'MUST',
    text: 'The frame of an advert comes from the virtual MAC: 00-00-5E-00-01-VRID for IPv4, 00-00-5E-00-02-VRID for IPv6.',
    deviation:
      'Only with `virtualMac: true`, and not to unicast peers. The default is the MAC of the interface, because many clouds and switches know one MAC per port; announcements then tell every take-over.',
  },
  T4: {
    section: 'RFC 9568 sections 5.2.1, 5.2.2, 5.2.6, 5.2.7',
    level: 'MUST',
    errata: [8301],
    text: 'Version 3, type 1, reserved bits zero, the interval in 12 bits of centiseconds from 1 to 4095.',
  },
  T5: {
    section: 'RFC 9568 sections 5.2.5, 5.2.9',
    level: 'MUST',
    errata: [8299, 8300],
    text: 'At least one address, all of the family of the IP header; over IPv6 the first is link-local.',
  },
  T6: {
    section: 'RFC 9568 section 5.2.8',
    level: 'MUST',
    text: 'The checksum covers the VRRP message, and over IPv6 a pseudo-header before it.',
    deviation:
      '`checksum: rfc5798` puts the pseudo-header into that of IPv4, too, and `auto` does as the last router heard: older routers read RFC 5798 so and believe nothing else.',
  },
  T7: {
    section: 'RFC 9568 section 5.2.4',
    level: 'MUST',
    text: 'Priority 255 is said by the owner of the addresses and by nobody else; 0 only when an active router gives up.',
    deviation: 'Giving way to a better router is giving up as well: that one alone is sent priority 0, so that it need not wait.',
  },
  T8: {
    section: 'RFC 3768 section 5.3',
    level: 'MUST',
    text: 'Version 2: whole seconds from 1 to 255, authentication type 0 with eight bytes of zeros, a checksum without pseudo-header.',
  },
  T9: {
    section: 'RFC 9568 section 5.2.9',
    level: 'SHOULD',
    text: 'All routers advertise the addresses in one order: that of the configuration, which is one file for all nodes.',
  },
  T10: { section: 'RFC 9568 section 5.2.3', level: 'MUST', text: 'The VRID is a number from 1 to 255.' },
  R1: { section: 'RFC 9568 section 7.1', level: 'MUST', text: 'A TTL or hop limit other than 255 is discarded, of unicast peers, too.' },
  R2: { section: 'RFC 9568 sections 5.2.2, 7.1', level: 'MUST', text: 'Another version or another type is discarded.' },
  R3: {
    section: 'RFC 9568 section 7.1',
    level: 'MUST',
    text: 'A packet that is too short is discarded before its addresses are read; what pads a short Ethernet frame is not part of it.',
  },
  R4: {
    section: 'RFC 9568 section 7.1',
    level: 'MUST',
    text: 'A wrong checksum is discarded.',
    deviation:
      'Over IPv4 both forms (see T6) are believed, and counted apart; whatever the setting is, a sum that is wrong in both is wrong.',
  },
  R5: { section: 'RFC 9568 section 7.1', level: 'MUST', text: 'A VRID that is not configured on that interface and family is discarded.' },
  R6: { section: 'RFC 9568 section 5.2.5', level: 'MUST', errata: [8299], text: 'An advert without addresses is discarded.' },
  R7: { section: 'RFC 9568 section 5.2.7', level: 'MUST', errata: [8301], text: 'An interval of 0 is discarded, and not learned.' },
  R8: {
    section: 'RFC 9568 section 5.2.9',
    level: 'MUST',
    errata: [8300],
    text: 'Over IPv6 an advert whose first address is not link-local is discarded.',
  },
  R9: {
    section: 'RFC 9568 section 7.1',
    level: 'SHOULD',
    errata: [8298],
    text: 'The owner of the addresses tells when it hears another router speak for them, and is not moved by it.',
  },
  R10: {
    section: 'RFC 9568 section 7.1, RFC 3768 section 7.1',
    level: 'MUST',
    text: 'An interval that differs from ours is accepted and told in version 3, discarded in version 2.',
  },
  R11: {
    section: 'RFC 9568 section 7.1',
    level: 'MAY',
    text: 'Adverts with other addresses than ours are accepted, counted and told.',
  },
  R12: { section: 'RFC 9568 section 5.2.6', level: 'MUST', text: 'The reserved bits are ignored on receipt.' },
  R13: {
    section: 'RFC 9568 sections 5.1.1.2, 5.1.2.2',
    level: 'MUST',
    text: 'Packets to 224.0.0.18 or ff02::12 are never forwarded, whatever their TTL is.',
  },
  R14: {
    section: 'RFC 9568 section 7.1',
    level: 'SHOULD',
    text: 'Whatever is discarded is counted by its reason and logged, each kind at most once a second with the number of those left out.',
  },
  R15: {
    section: 'RFC 3768 section 5.3.6, RFC 2338 section 5.3.6',
    level: 'MUST',
    text: 'Version 2 with any authentication type but 0 is discarded.',
  },
  R16: {
    section: 'beyond the RFC: unicast',
    level: 'ours',
    text: 'With `unicastPeers` an advert is believed when its source is one of them.',
    deviation: '`unicastSourceCheck: false` believes everybody on the link, as multicast does.',
  },
  F1: {
    section: 'RFC 9568 section 6.1, RFC 3768 section 6.1',
    level: 'MUST',
    text: 'The skew is (256 - priority) / 256 of the interval of the active router; in version 2 of one second.',
  },
  F2: { section: 'RFC 9568 section 6.1', level: 'MUST', text: 'An active router is down after three of its intervals and the skew.' },
  F3: {
    section: 'RFC 9568 section 6.4.1',
    level: 'MUST',
    errata: [7947],
    text: 'The owner of the addresses advertises, announces them and is active at once.',
    deviation: 'When the beats of another node say that it stands in, that one is told first, and has let go a moment later (see F9).',
  },
  F4: {
    section: 'RFC 9568 section 6.4.1',
    level: 'MUST',
    text: 'Anybody else starts as Backup and waits three of its own intervals and the skew.',
    deviation:
      'Nobody starts before the flow table may serve; and a process that is started anew within its lease goes on as Active, for its data plane never stopped.',
  },
  F5: {
    section: 'RFC 9568 section 6.4.2',
    level: 'MUST',
    text: 'Backup: no answer to ARP or Neighbour Solicitations for the addresses, frames to the virtual MAC are dropped, packets to the addresses are not accepted.',
    deviation:
      'Connections with a record are still served for `dataPlane.drain` after the role is lost, for neighbours that have not learned of it yet.',
  },
  F6: {
    section: 'RFC 9568 section 6.4.2',
    level: 'MUST',
    text: 'Backup: priority 0 shortens the wait to the skew.',
    deviation: 'Not when it comes from another than the active router and that one is still heard: nothing has become vacant.',
  },
  F7: {
    section: 'RFC 9568 section 6.4.2',
    level: 'MUST',
    text: 'Backup: an advert of the same or a higher priority, or of any while pre-emption is off, teaches the interval and starts the wait anew.',
  },
  F8: {
    section: 'RFC 9568 section 6.4.2',
    level: 'MUST',
    text: 'Backup: an advert of a lower priority does not touch the timer when this router may pre-empt.',
    deviation: 'A node whose flow table is not in sync may not, and one with `preemptDelay` not yet.',
  },
  F9: {
    section: 'RFC 9568 section 6.4.2',
    level: 'MUST',
    errata: [7949],
    text: 'Backup: when the wait is over it advertises, announces every address (gratuitous ARP; Neighbour Advertisement with R and O, without S) and is active; over IPv6 it listens to the solicited-node groups.',
    deviation:
      'The lease of the data plane comes before the announcement; and when a living router is pre-empted, it is taken once that router has let go.',
  },
  F10: {
    section: 'RFC 9568 section 6.4.3',
    level: 'MUST',
    text: 'Active: advertises each interval, and says priority 0 when it is shut down.',
  },
  F11: { section: 'RFC 9568 section 6.4.3', level: 'MUST', text: 'Active: priority 0 is answered with an advert at once.' },
  F12: {
    section: 'RFC 9568 section 6.4.3',
    level: 'MUST',
    text: 'Active: gives way to a higher priority, or the same from a greater address (unsigned, in network order), and learns its interval.',
    deviation:
      'The lease is given up first, and the other is told (see T7). One that was active in an earlier term and only slept, as its beats say, is answered instead.',
  },
  F13: {
    section: 'RFC 9568 section 6.4.3',
    level: 'MUST',
    text: 'Active: a lower priority, or a tie that the other loses, is answered with an advert at once.',
  },
  F14: {
    section: 'RFC 9568 sections 6.4.3, 8.1.2, 8.2.2',
    level: 'MUST',
    text: 'Active: ARP and Neighbour Solicitations for the addresses are answered with the virtual MAC and no other, and frames to it are forwarded.',
    deviation:
      'The virtual MAC only with `virtualMac: true` (see T3), else the one of the interface. No Router Advertisements are sent: hosts get their gateway by other means, a daemon for them can run beside.',
  },
  F15: {
    section: 'RFC 9568 sections 6.1, 6.4.3',
    level: 'MUST',
    text: 'Without `accept` packets to the addresses themselves are dropped, but Neighbour Solicitations and Advertisements never.',
    deviation: 'Services listen on the addresses, and ping is answered: a load balancer is reached there.',
  },
  F16: {
    section: 'RFC 9568 sections 8.1.2, 8.2.2',
    level: 'MUST',
    text: 'Nothing is announced before the addresses and the virtual MAC answer.',
  },
  F17: {
    section: 'RFC 9568 section 7.4',
    level: 'MUST',
    text: 'No interface identifier is derived from the virtual MAC.',
  },
  F18: {
    section: 'RFC 9568 section 8.3.2',
    level: 'SHOULD',
    text: 'Two active routers of one priority, and two owners, are logged.',
  },
  F19: {
    section: 'RFC 9568 section 8.4',
    level: 'MAY',
    text: 'A virtual router speaks one version; adverts of the other are discarded, counted and told.',
    deviation: 'Versions 2 and 3 at once are not offered: a migration changes `version` in one step on all routers.',
  },
  F20: {
    section: 'RFC 9568 section 8.2.4',
    level: 'SHOULD',
    text: 'Unsolicited Neighbour Advertisements of others reach the neighbour cache of this machine.',
  },
  F21: {
    section: 'RFC 9568 section 2.5',
    level: 'SHOULD',
    text: 'Delay of our own is counted and logged, and is not taken for the silence of another.',
  },
  F22: {
    section: 'beyond the RFC: clocks',
    level: 'ours',
    text: 'Steps of the wall clock change nothing: timers live on a monotonic one.',
  },
  F23: {
    section: 'beyond the RFC: races',
    level: 'ours',
    text: 'A timer that was overtaken by an advert does nothing.',
  },
} as const satisfies Record<string, RequirementRow>;

export type RequirementId = keyof typeof REQUIREMENTS;

export const REQUIREMENT_IDS = Object.keys(REQUIREMENTS) as RequirementId[];

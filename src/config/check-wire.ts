/**
 * Cross-checks of one virtual router: what VRRP can say on the wire, in which version and for which address family. Pure.
 */
import { type Family, familyOfText, isLinkLocal, parseAddress } from '../system/ip-address.js';
import { MAX_ADVERT_INTERVAL_MS, VERSION_2_INTERVAL_STEP_MS } from './limits.js';
import type { Report } from './report.js';
import { formatDuration } from './scalars.js';
import type { ConfigDocument } from './schema.js';
import type { Path } from './source.js';

type Router = ConfigDocument['virtualRouters'][number];

const FAMILY_NAME: Record<Family, string> = { ipv4: 'IPv4', ipv6: 'IPv6' };

/** The family of the first address: all others have to be of the same. */
export const familyOfRouter = (router: Pick<Router, 'addresses'>): Family => familyOfText(router.addresses[0] ?? '');

/** The interval that Skew_Time is a share of. */
export const skewIntervalMs = (router: Router): number => (router.version === 2 ? VERSION_2_INTERVAL_STEP_MS : router.advertIntervalMs);

export function checkWire(router: Router, path: Path, report: Report): void {
  checkFamilies(router, path, report);
  if (router.version === 2) checkVersion2(router, path, report);
  else if (router.advertIntervalMs > MAX_ADVERT_INTERVAL_MS) {
    const longest = `${MAX_ADVERT_INTERVAL_MS / 1000}s`;
    report.error([...path, 'advertInterval'], 'value', `too long: at most ${longest} in version 3; version 2 goes up to 255s`);
  }
  const hasOneForm = router.version === 2 || familyOfRouter(router) === 'ipv6';
  if (hasOneForm && router.checksum !== 'rfc9568') {
    const where = router.version === 2 ? 'version 2' : 'IPv6';
    report.error([...path, 'checksum'], 'value', `${where} has one form of checksum; remove the key`);
  }
  checkUnicastOthers(router, path, report);
}

function checkUnicastOthers(router: Router, path: Path, report: Report): void {
  const peers = Object.values(router.unicastPeers);
  if (peers.length === 0) {
    if (!router.unicastSourceCheck)
      report.warning([...path, 'unicastSourceCheck'], 'key', 'without unicastPeers every sender is believed anyway; remove the key');
    if (router.unicastRouters.length > 0)
      report.error(
        [...path, 'unicastRouters'],
        'key',
        'write `unicastPeers`, too: the addresses of the nodes themselves on this interface',
      );
  }
  router.unicastRouters.forEach((address, i) => {
    const at = [...path, 'unicastRouters', i];
    if (peers.includes(address)) report.error(at, 'value', `${address} is in unicastPeers already`);
    if (router.addresses.includes(address))
      report.error(at, 'value', `${address} is a virtual address; adverts go to the addresses of the routers themselves`);
  });
}

function checkFamilies(router: Router, path: Path, report: Report): void {
  const family = familyOfRouter(router);
  const places: [string, Path][] = [
    ...router.addresses.map((address, i): [string, Path] => [address, [...path, 'addresses', i]]),
    ...router.otherAddresses.map(({ address }, i): [string, Path] => [address, [...path, 'otherAddresses', i, 'address']]),
    ...Object.entries(router.unicastPeers).map(([node, address]): [string, Path] => [address, [...path, 'unicastPeers', node]]),
    ...router.unicastRouters.map((address, i): [string, Path] => [address, [...path, 'unicastRouters', i]]),
    ...router.verifyAddresses.map((address, i): [string, Path] => [address, [...path, 'verifyAddresses', i]]),
  ];
  for (const [address, at] of places) {
    if (familyOfText(address) === family) continue;
    report.error(
      at,
      'value',
      `${address} is ${FAMILY_NAME[familyOfText(address)]}, the virtual router is ${FAMILY_NAME[family]}: make a second one for the other family; it may have the same id`,
    );
  }
  const [first = ''] = router.addresses;
  if (family === 'ipv6' && !isLinkLocal(parseAddress(first) ?? 0n))
    report.error(
      [...path, 'addresses', 0],
      'value',
      `the first address of an IPv6 virtual router has to be link-local (RFC 9568 section 5.2.9); put one in front, for example fe80::${router.id}`,
    );
}

function checkVersion2(router: Router, path: Path, report: Report): void {
  if (familyOfRouter(router) === 'ipv6') report.error([...path, 'version'], 'value', 'version 2 is for IPv4 only; IPv6 needs version 3');
  if (router.advertIntervalMs % VERSION_2_INTERVAL_STEP_MS === 0) return;
  report.error(
    [...path, 'advertInterval'],
    'value',
    `version 2 counts whole seconds, not ${formatDuration(router.advertIntervalMs)}: write 1s or more on every router`,
  );
}

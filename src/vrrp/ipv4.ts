/**
 * IPv4 addresses as unsigned 32-bit numbers: compared by value as RFC 9568 section 6.4.3 wants ("unsigned integers in network byte
 * order"), written to packets without allocation. Pure.
 */

/** Dotted decimal to number; null when it is not an address. */
export function parseIpv4(text: string): number | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  let address = 0;
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part)) return null;
    const byte = Number(part);
    if (byte > 255) return null;
    address = address * 256 + byte;
  }
  return address;
}

/** As `parseIpv4`, for addresses that were validated before: anything else is a bug. */
export function ipv4(text: string): number {
  const address = parseIpv4(text);
  if (address === null) throw new Error(`not an IPv4 address: ${text}`);
  return address;
}

export const formatIpv4 = (address: number): string =>
  `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;

/**
 * IPv4 addresses as the kernel's tools print them and as unsigned numbers. Pure; everything else about addresses lives with its user.
 */

/** Dotted decimal to an unsigned 32-bit number; null when it is not an address. */
export function ipv4Number(text: string): number | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return null;
  let number = 0;
  for (const part of match.slice(1)) {
    if (Number(part) > 255) return null;
    number = number * 256 + Number(part);
  }
  return number;
}

export const ipv4Text = (number: number): string => `${number >>> 24}.${(number >>> 16) & 255}.${(number >>> 8) & 255}.${number & 255}`;

/** Is `address` inside `network`/`prefixLength`? Both as numbers. */
export function isInPrefix(address: number, network: number, prefixLength: number): boolean {
  const block = 2 ** (32 - prefixLength);
  return Math.floor(address / block) === Math.floor(network / block);
}

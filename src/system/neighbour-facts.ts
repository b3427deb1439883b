/**
 * Reads what `ip -json neigh` and `ip monitor neigh` print about IPv4 neighbours. Pure. A MAC counts while the kernel itself would send to
 * it: a stale one too, a failed one not.
 */
import { ipv4Number } from './ipv4.js';

export interface Neighbour {
  interface: string;
  address: string;
  /** Null: not resolved. */
  mac: string | null;
  /** The kernel keeps it resolved. */
  isManaged: boolean;
  /** It is no longer in the table. */
  isGone: boolean;
}

const UNUSABLE = new Set(['FAILED', 'INCOMPLETE', 'NONE', 'NOARP']);

/** From `ip -json -4 neigh show`. */
export function parseNeighbours(json: unknown): Neighbour[] {
  if (!Array.isArray(json)) return [];
  return json.flatMap((entry: Record<string, unknown>) => {
    if (typeof entry.dst !== 'string' || typeof entry.dev !== 'string' || ipv4Number(entry.dst) === null) return [];
    const states = Array.isArray(entry.state) ? entry.state : [];
    const isUsable = typeof entry.lladdr === 'string' && !states.some((state) => UNUSABLE.has(String(state)));
    return [
      {
        interface: entry.dev,
        address: entry.dst,
        mac: isUsable ? String(entry.lladdr) : null,
        isManaged: 'managed' in entry,
        isGone: false,
      },
    ];
  });
}

/** One line of `ip monitor neigh`; null when it is not about an IPv4 neighbour. */
export function parseNeighbourLine(line: string): Neighbour | null {
  const words = line.trim().split(/\s+/);
  const isGone = words[0] === 'Deleted';
  if (isGone) words.shift();
  const address = words[0] ?? '';
  const interfaceName = words[words.indexOf('dev') + 1];
  if (ipv4Number(address) === null || !words.includes('dev') || interfaceName === undefined) return null;
  const mac = words.includes('lladdr') ? (words[words.indexOf('lladdr') + 1] ?? null) : null;
  const isUsable = !isGone && mac !== null && !UNUSABLE.has(words.at(-1) ?? '');
  return { interface: interfaceName, address, mac: isUsable ? mac : null, isManaged: !isGone && words.includes('managed'), isGone };
}

/**
 * What the daemon keeps on disk of peers and elections, for the next one, and for a heartbeat that is started while no daemon speaks. Imports
 * next to nothing: that heartbeat may hold a lease which runs out.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ToHeartbeat } from '../vrrp/heartbeat-api.js';

export const PEER_KEYS_FILE = 'peer-keys.json';
export const TERMS_FILE = 'terms.json';
export const BEAT_KEY = /^[0-9a-f]{32}$/;

/** By name; empty when there is no such file or it is damaged. */
export function readTexts(directory: string, file: string): [string, string][] {
  try {
    const read: unknown = JSON.parse(readFileSync(join(directory, file), 'utf8'));
    return Object.entries(read ?? {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  } catch {
    return [];
  }
}

/** By node, right until it boots: its beats are understood before its daemon can be asked, or when that is not there. */
export const readPeerKeys = (directory: string): Map<string, string> =>
  new Map(readTexts(directory, PEER_KEYS_FILE).filter(([, key]) => BEAT_KEY.test(key)));

/** By virtual router: the latest that this node knew of when its daemon last ran. */
export const readTerms = (directory: string): Map<string, number> =>
  new Map(
    readTexts(directory, TERMS_FILE)
      .filter(([, term]) => /^\d{1,8}$/.test(term))
      .map(([router, term]) => [router, Number(term)]),
  );

/** As the daemon would say it. */
export const knownBefore = (peerKeys: ReadonlyMap<string, string>, terms: ReadonlyMap<string, number>): ToHeartbeat[] => [
  ...[...peerKeys].map(([node, key]): ToHeartbeat => ({ type: 'peerKey', node, key, addresses: [] })),
  ...[...terms].map(([router, term]): ToHeartbeat => ({ type: 'term', router, term })),
];

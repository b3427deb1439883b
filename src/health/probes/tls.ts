/**
 * TLS of probes: whom to trust and under which name. The file of a CA is read for each probe, so that a new one is used without a word.
 */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { TlsCheck } from '../../config/health-model.js';
import { type Answer, bad } from './answer.js';

/** Calls `go` with the certificates to trust (undefined: those that Node trusts), unless the probe ended meanwhile. */
export function withAuthorities({ ca, verify }: TlsCheck, answer: Answer, go: (ca: Buffer | undefined) => void): void {
  if (ca === null || !verify) {
    go(undefined);
    return;
  }
  readFile(ca).then(
    (pem) => {
      if (!answer.isOver()) go(pem);
    },
    (error: Error) => answer(bad(`cannot read the CA file: ${error.message}`)),
  );
}

/** For SNI and for the certificate; undefined: the certificate must name the address (RFC 6066 has no addresses in SNI). */
export function nameForTls(serverName: string | null, host: string | null): string | undefined {
  const name = serverName ?? host?.replace(/^([^:]*):\d+$/, '$1') ?? '';
  return name === '' || isIP(name) !== 0 ? undefined : name;
}

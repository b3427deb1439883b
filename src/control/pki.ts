/**
 * A small certificate authority for one cluster: a CA and one certificate per node (EC P-256), for the mutual TLS between nodes. A node's
 * certificate names the node and its address. Nothing that exists is overwritten unless it is forced; every file is 0600.
 * reflect-metadata comes first: the x509 library asks for it while it is loaded.
 */
import 'reflect-metadata';
import type { webcrypto } from 'node:crypto';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

export interface PkiOptions {
  directory: string;
  cluster: string;
  nodes: readonly { name: string; address: string }[];
  force: boolean;
  /** Wall clock, milliseconds since the epoch. */
  nowMs: number;
}

export interface PkiFiles {
  ca: string;
  caKey: string;
  nodes: { name: string; cert: string; key: string }[];
}

export class PkiError extends Error {
  readonly source = 'config';
  readonly retryable = false;
  readonly code: 'PKI_EXISTS' | 'PKI_NAME' | 'PKI_WRITE';
  constructor(code: PkiError['code'], message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'PkiError';
    this.code = code;
  }
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;
/** Clocks of nodes may differ: valid a little before now. */
const BACKDATE_MS = DAY_MS;
/** Ten years: these certificates serve one cluster, and an expiry nobody watches would end its replication. */
const VALID_MS = 3650 * DAY_MS;

/** Writes ca.pem, ca.key and, per node, NODE.pem and NODE.key. The CA's key is needed only to add nodes later. */
export async function initPki(options: PkiOptions): Promise<PkiFiles> {
  for (const { name } of options.nodes) {
    if (!/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(name)) throw new PkiError('PKI_NAME', `a certificate cannot name "${name}"`);
  }
  const file = (name: string): string => join(options.directory, name);
  const files: PkiFiles = {
    ca: file('ca.pem'),
    caKey: file('ca.key'),
    nodes: options.nodes.map(({ name }) => ({ name, cert: file(`${name}.pem`), key: file(`${name}.key`) })),
  };
  const ca = await createAuthority(options);
  const contents = new Map([
    [files.ca, ca.certificate.toString('pem')],
    [files.caKey, await pemKey(ca.keys)],
  ]);
  for (const [index, node] of options.nodes.entries()) {
    const issued = await issue(ca, node, options, index + 2);
    const paths = files.nodes[index];
    if (paths === undefined) continue;
    contents.set(paths.cert, issued.certificate.toString('pem'));
    contents.set(paths.key, await pemKey(issued.keys));
  }
  await writeAll(options.directory, contents, options.force);
  return files;
}

interface Issued {
  certificate: x509.X509Certificate;
  keys: webcrypto.CryptoKeyPair;
}

const generateKeys = (): Promise<webcrypto.CryptoKeyPair> =>
  crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>;

const validity = (nowMs: number) => ({ notBefore: new Date(nowMs - BACKDATE_MS), notAfter: new Date(nowMs + VALID_MS) });

async function createAuthority({ cluster, nowMs }: PkiOptions): Promise<Issued> {
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: [{ CN: [`Tandem ${cluster}`] }],
    ...validity(nowMs),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate, keys };
}

async function issue(ca: Issued, node: { name: string; address: string }, { nowMs }: PkiOptions, serial: number): Promise<Issued> {
  const keys = await generateKeys();
  const names: x509.JsonGeneralNames = [{ type: 'dns', value: node.name }];
  names.push({ type: isIP(node.address) === 0 ? 'dns' : 'ip', value: node.address });
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial.toString(16).padStart(2, '0'),
    subject: [{ CN: [node.name] }],
    issuer: ca.certificate.subject,
    ...validity(nowMs),
    publicKey: keys.publicKey,
    signingKey: ca.keys.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension(names),
      await x509.AuthorityKeyIdentifierExtension.create(ca.keys.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate, keys };
}

async function pemKey({ privateKey }: webcrypto.CryptoKeyPair): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', privateKey), 'PRIVATE KEY');
}

/** All or nothing for what exists: every file is claimed before the first one is written. */
async function writeAll(directory: string, contents: ReadonlyMap<string, string>, force: boolean): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const claimed: { path: string; handle: FileHandle }[] = [];
  try {
    for (const path of contents.keys()) {
      if (force) await rm(path, { force: true });
      claimed.push({ path, handle: await open(path, 'wx', 0o600) });
    }
    for (const { path, handle } of claimed) await handle.writeFile(`${contents.get(path) ?? ''}\n`);
  } catch (error) {
    for (const { path } of claimed) await rm(path, { force: true });
    if (isExists(error)) throw new PkiError('PKI_EXISTS', `${error.path} exists; nothing was changed (--force overwrites)`, error);
    throw new PkiError('PKI_WRITE', `cannot write certificates: ${(error as Error).message}`, error);
  } finally {
    for (const { handle } of claimed) await handle.close();
  }
}

const isExists = (error: unknown): error is NodeJS.ErrnoException => (error as NodeJS.ErrnoException).code === 'EEXIST';

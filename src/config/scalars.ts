/**
 * The words of a configuration: durations, addresses, names. Each has one message that says what is expected and shows an example.
 * The pattern goes into the JSON Schema, so an editor refuses what the validation refuses.
 */
import { z } from 'zod';
import { canonicalAddress } from '../system/ip-address.js';
import { MAX_DURATION_MS, MAX_INTERFACE_NAME } from './limits.js';

export interface Endpoint {
  address: string;
  port: number;
}

export interface Listen extends Endpoint {
  protocol: 'tcp' | 'udp';
}

const OCTET = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
const PORT = '(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})';
const IPV4 = `${OCTET}(\\.${OCTET}){3}`;
const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** What an IPv6 address is made of; whether it is one is asked afterwards. */
const IPV6_LOOK = '[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*';

const ipv4Pattern = new RegExp(`^${IPV4}$`);
const addressPattern = new RegExp(`^(${IPV4}|${IPV6_LOOK})$`);
const endpointPattern = new RegExp(`^${IPV4}:${PORT}$`);
const prefixPattern = new RegExp(`^${IPV4}(/(3[0-2]|[12]?[0-9]))?$`);
const listenPattern = new RegExp(`^${IPV4}:${PORT}(/(tcp|udp))?$`);
const durationPattern = /^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$/;
const namePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;
const interfacePattern = new RegExp(`^[^\\s/:.][^\\s/:]{0,${MAX_INTERFACE_NAME - 1}}$`);

/** Two colons or a bracket make it an IPv6 address (an IPv4 one has at most the colon before the port). */
const looksLikeIpv6 = (value: unknown): boolean => typeof value === 'string' && /^\[|:.*:/.test(value);

/** Extra keyword of the generated JSON Schema: what the reference calls this kind of value. */
export const KIND_KEYWORD = 'x-kind';
const kind = (text: string) => ({ [KIND_KEYWORD]: text });

const addressText = (pattern: RegExp, expected: string, what: string) => {
  const error = (issue: { input?: unknown }): string =>
    looksLikeIpv6(issue.input) ? `IPv4 only here in this version; expected ${expected}` : `expected ${expected}`;
  return z.string({ error }).regex(pattern, { error }).meta(kind(what));
};

export const ipv4 = () => addressText(ipv4Pattern, 'an IPv4 address such as 10.1.0.100', 'IPv4 address');

/** Either family; an IPv6 address in its one spelling (RFC 5952), so that equal addresses are equal texts. */
export const ipAddress = () => {
  const error = 'expected an IPv4 or IPv6 address such as 10.1.0.100 or 2001:db8::100';
  return z
    .string({ error })
    .regex(addressPattern, { error })
    .meta(kind('IP address'))
    .transform((text, context) => {
      const address = canonicalAddress(text);
      if (address !== null) return address;
      context.addIssue({ code: 'custom', message: error, input: text });
      return z.NEVER;
    });
};

export const prefix = () => addressText(prefixPattern, 'a network such as 10.3.0.0/16, or an address', 'network');

function splitEndpoint(text: string): Endpoint {
  const colon = text.lastIndexOf(':');
  return { address: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
}

export const endpoint = () =>
  addressText(endpointPattern, 'an IPv4 address and a port such as 10.2.0.21:8080', 'address:port').transform(splitEndpoint);

export const listen = () =>
  addressText(listenPattern, 'an IPv4 address, a port and a protocol such as 10.1.0.100:80/tcp', 'address:port/protocol').transform(
    (text): Listen => {
      const [where = '', protocol = 'tcp'] = text.split('/');
      return { ...splitEndpoint(where), protocol: protocol === 'udp' ? 'udp' : 'tcp' };
    },
  );

export interface DurationLimits {
  minMs: number;
  maxMs?: number;
  stepMs?: number;
}

export function parseDurationMs(text: string): number {
  const match = /^([0-9.]+)([a-z]+)$/.exec(text);
  return Number(match?.[1]) * (UNIT_MS[match?.[2] ?? ''] ?? Number.NaN);
}

/** The longest unit that writes it without a fraction. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  const unit = ['d', 'h', 'm', 's'].find((name) => ms % (UNIT_MS[name] ?? 1) === 0) ?? 'ms';
  return `${ms / (UNIT_MS[unit] ?? 1)}${unit}`;
}

function durationFault(ms: number, limits: DurationLimits): string | null {
  const maxMs = limits.maxMs ?? MAX_DURATION_MS;
  if (ms < limits.minMs) return `too short: at least ${formatDuration(limits.minMs)}`;
  if (ms > maxMs) return `too long: at most ${longest(maxMs)}`;
  if (!Number.isInteger(ms)) return 'finer than a millisecond';
  if (limits.stepMs !== undefined && ms % limits.stepMs !== 0) return `must be a multiple of ${formatDuration(limits.stepMs)}`;
  return null;
}

function durationKind({ minMs, maxMs }: DurationLimits): string {
  const from = minMs === 0 ? '' : ` from ${formatDuration(minMs)}`;
  return `duration${from}${maxMs === undefined ? '' : ` to ${longest(maxMs)}`}`;
}

const longest = (maxMs: number): string => (maxMs % 1000 === 0 ? formatDuration(maxMs) : `${maxMs / 1000}s`);

export const duration = (limits: DurationLimits) => {
  const error = 'expected a duration with its unit such as 100ms, 5s, 15m';
  return z
    .string({ error })
    .regex(durationPattern, { error })
    .meta(kind(durationKind(limits)))
    .transform((text, context) => {
      const ms = parseDurationMs(text);
      const message = durationFault(ms, limits);
      if (message === null) return ms;
      context.addIssue({ code: 'custom', message, input: text });
      return z.NEVER;
    });
};

export const integer = (min: number, max: number) => {
  const error = `expected a whole number from ${min} to ${max}`;
  return z.number({ error }).int({ error }).min(min, { error }).max(max, { error });
};

export const port = () => integer(1, 65535);

const nameError = 'expected a name of letters, digits, "-", "_" and "." (up to 63, the first a letter or digit)';
export const name = () => z.string({ error: nameError }).regex(namePattern, { error: nameError }).meta(kind('name'));

const interfaceError = `expected the name of a network interface such as eth0 (up to ${MAX_INTERFACE_NAME} characters)`;
export const interfaceName = () =>
  z.string({ error: interfaceError }).regex(interfacePattern, { error: interfaceError }).meta(kind('interface'));

/** An optional key whose absence the model writes as null. */
export const orNull = <S extends z.ZodType>(schema: S) => schema.optional().transform((value): z.output<S> | null => value ?? null);

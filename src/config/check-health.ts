/**
 * Cross-checks of health checks: which keys belong to which type, and what must fit between them. Pure.
 */
import { familyOfText, parseAddress } from '../system/ip-address.js';
import { HEALTH_TYPES, type HealthDocument, type HealthType } from './health-schema.js';
import type { Report } from './report.js';
import type { Path } from './source.js';

type CommonKey = 'type' | 'interval' | 'fastInterval' | 'downInterval' | 'timeout' | 'rise' | 'fall';
type TypeKey = Exclude<keyof HealthDocument, CommonKey>;

interface TypeRules {
  needed: readonly TypeKey[];
  allowed: readonly TypeKey[];
  /** It asks over TCP for something of its own protocol. */
  isTcpProtocol: boolean;
}

const EXCHANGE: readonly TypeKey[] = ['send', 'expect', 'encoding'];
const REQUEST: readonly TypeKey[] = ['path', 'status', 'body', 'host'];
const TLS: readonly TypeKey[] = ['serverName', 'verify', 'ca'];
const TLS_SWITCH: TypeKey = 'tls';

const RULES: Record<HealthType, TypeRules> = {
  tcp: { needed: [], allowed: ['port', ...EXCHANGE], isTcpProtocol: false },
  http: { needed: [], allowed: ['port', ...REQUEST], isTcpProtocol: true },
  https: { needed: [], allowed: ['port', ...REQUEST, ...TLS], isTcpProtocol: true },
  redis: { needed: [], allowed: ['port'], isTcpProtocol: true },
  smtp: { needed: [], allowed: ['port', 'host'], isTcpProtocol: true },
  mysql: { needed: [], allowed: ['port', 'user'], isTcpProtocol: true },
  postgres: { needed: [], allowed: ['port', 'user'], isTcpProtocol: true },
  dns: { needed: ['query'], allowed: ['port', 'recordType', 'rcode', 'answer'], isTcpProtocol: false },
  udp: { needed: ['send'], allowed: ['port', 'expect', 'encoding', 'silence'], isTcpProtocol: false },
  grpc: { needed: [], allowed: ['port', 'service', TLS_SWITCH, ...TLS], isTcpProtocol: true },
  script: { needed: ['command'], allowed: ['port', 'environment'], isTcpProtocol: false },
  agent: { needed: ['port'], allowed: ['send'], isTcpProtocol: false },
};

const isKeyOf = (type: HealthType, name: TypeKey): boolean => RULES[type].needed.includes(name) || RULES[type].allowed.includes(name);
const isWritten = (check: HealthDocument, name: TypeKey): boolean => check[name] !== null;

export function checkHealth(check: HealthDocument, path: Path, report: Report): void {
  checkTimes(check, path, report);
  checkKeys(check, path, report);
  checkExchange(check, path, report);
  checkTls(check, path, report);
  checkDns(check, path, report);
  checkScript(check, path, report);
}

function checkTimes({ timeout, interval, fastInterval }: HealthDocument, path: Path, report: Report): void {
  if (timeout > interval) {
    report.error(
      [...path, 'timeout'],
      'value',
      `timeout (${timeout} ms) is longer than interval (${interval} ms); checks of one server must not overlap`,
    );
  }
  if (fastInterval !== null && fastInterval > interval)
    report.error([...path, 'fastInterval'], 'value', `fastInterval (${fastInterval} ms) is slower than interval (${interval} ms)`);
}

/** Keys of another type would be ignored silently. */
function checkKeys(check: HealthDocument, path: Path, report: Report): void {
  for (const name of RULES[check.type].needed) {
    if (!isWritten(check, name)) report.error(path, 'key', `missing key "${name}": a check of type ${check.type} needs it`);
  }
  const all = new Set(HEALTH_TYPES.flatMap((type) => [...RULES[type].needed, ...RULES[type].allowed]));
  for (const name of all) {
    if (!isWritten(check, name) || isKeyOf(check.type, name)) continue;
    const types = HEALTH_TYPES.filter((type) => isKeyOf(type, name)).map((type) => `\`type: ${type}\``);
    report.error(
      [...path, name],
      'key',
      `"${name}" has no meaning for a check of type ${check.type}; leave it out or write ${types.join(' or ')}`,
    );
  }
}

function checkExchange(check: HealthDocument, path: Path, report: Report): void {
  if (check.type === 'tcp' && check.send !== null && check.expect === null)
    report.error([...path, 'send'], 'key', 'nobody looks at the answer: add "expect", or leave "send" out to check the connection alone');
  if (check.encoding !== 'hex') return;
  for (const name of ['send', 'expect'] as const) {
    if (check[name] !== null && !/^([0-9A-Fa-f]{2})+$/.test(check[name]))
      report.error([...path, name], 'value', 'expected hex digits, two a byte such as 0a00ff, since `encoding: hex` is written');
  }
}

function checkTls(check: HealthDocument, path: Path, report: Report): void {
  if (check.verify === false && check.ca !== null)
    report.error([...path, 'ca'], 'key', 'nothing is compared with this CA while `verify: false` is written; leave one of them out');
  if (check.type !== 'grpc' || check.tls === true) return;
  for (const name of TLS) {
    if (isWritten(check, name)) report.error([...path, name], 'key', `"${name}" has no meaning without TLS; add \`tls: true\``);
  }
}

function checkDns({ type, answer, recordType, rcode }: HealthDocument, path: Path, report: Report): void {
  if (type !== 'dns' || answer === null) return;
  if (rcode !== null && rcode !== 'noerror')
    report.error([...path, 'answer'], 'key', `there is no answer with ${rcode}; leave "answer" or "rcode" out`);
  const wanted = recordType ?? 'A';
  const family = wanted === 'A' ? 'ipv4' : wanted === 'AAAA' ? 'ipv6' : null;
  if (family !== null && (parseAddress(answer) === null || familyOfText(answer) !== family))
    report.error(
      [...path, 'answer'],
      'value',
      `expected an ${family === 'ipv4' ? 'IPv4' : 'IPv6'} address, as records of type ${wanted} are`,
    );
}

function checkScript({ command, environment }: HealthDocument, path: Path, report: Report): void {
  if (command?.[0]?.startsWith('/') === false)
    report.error([...path, 'command', 0], 'value', `the program must be an absolute path such as /usr/local/bin/${command[0]}`);
  for (const name of Object.keys(environment ?? {})) {
    if (name.startsWith('TANDEM_'))
      report.error([...path, 'environment', name], 'key', 'names that start with TANDEM_ are set by the check itself; choose another');
  }
}

/** `service` is what people call it. */
export function checkHealthOfUdp(check: HealthDocument, path: Path, service: string, report: Report): void {
  if (!RULES[check.type].isTcpProtocol || check.port !== null) return;
  report.error(
    [...path, 'type'],
    'value',
    `service ${service} is UDP: a check of type ${check.type} of its servers needs a \`port\` on which they speak it over TCP`,
  );
}

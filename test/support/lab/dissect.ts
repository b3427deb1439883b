/** tshark's opinion of captured advertisements: a dissector that shares no line with ours. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ChecksumForm } from '../../../src/vrrp/codec/advert.js';

const FIELDS = [
  ['ip.src', 'source'],
  ['ip.dst', 'destination'],
  ['ip.ttl', 'ttl'],
  ['ip.checksum.status', 'ipChecksum'],
  ['vrrp.version', 'version'],
  ['vrrp.type', 'type'],
  ['vrrp.virt_rtr_id', 'vrid'],
  ['vrrp.prio', 'priority'],
  ['vrrp.addr_count', 'count'],
  ['vrrp.short_adver_int', 'intervalCs'],
  ['vrrp.ip_addr', 'addresses'],
  ['vrrp.checksum.status', 'checksum'],
  ['_ws.expert.message', 'complaints'],
  ['_ws.malformed', 'malformed'],
] as const;

/** What tshark says about each advertisement in a capture; `form` tells it which checksum is the right one. */
export async function dissect(file: string, form: ChecksumForm, sourceMac: string | null = null): Promise<Record<string, string>[]> {
  const preferences = [`vrrp.v3_checksum_as_in_v2:${form === 'rfc9568'}`, 'ip.check_checksum:TRUE'].flatMap((each) => ['-o', each]);
  const fields = FIELDS.flatMap(([name]) => ['-e', name]);
  const args = [
    '-n',
    '-r',
    file,
    '-Y',
    sourceMac === null ? 'vrrp' : `vrrp && sll.src.eth == ${sourceMac}`,
    ...preferences,
    '-T',
    'fields',
    '-E',
    'separator=|',
    ...fields,
  ];
  const { stdout } = await promisify(execFile)('tshark', args, { maxBuffer: 16 * 1024 * 1024 });
  const rows = stdout.split('\n').filter((line) => line !== '');
  return rows.map((line) => Object.fromEntries(line.split('|').map((value, at) => [FIELDS[at]?.[1] ?? at, value])));
}

export interface Opinion {
  adverts: number;
  /** What is wrong with them, each once. */
  complaints: string[];
}

/** Of the advertisements that came from this MAC address: a checksum may have either form where routers follow each other. */
export async function judge(file: string, sourceMac: string): Promise<Opinion> {
  const [rfc9568, rfc5798] = await Promise.all([dissect(file, 'rfc9568', sourceMac), dissect(file, 'rfc5798', sourceMac)]);
  const complaints = rfc9568.flatMap((advert, index) => {
    const isSummed = [advert, rfc5798[index]].some((each) => each?.checksum === '1');
    // The form that was not meant is complained of as a checksum: nothing else may be.
    const others = [advert, rfc5798[index]].find((each) => each?.checksum === '1') ?? advert;
    const wrong = [isSummed ? '' : `checksum ${advert.checksum}`, others.complaints ?? '', others.malformed ?? ''].filter(
      (each) => each !== '',
    );
    return wrong.map((each) => `priority ${advert.priority}: ${each}`);
  });
  return { adverts: rfc9568.length, complaints: [...new Set(complaints)] };
}

/**
 * The limits of a configuration and those of the data plane are the same numbers.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import * as limits from '../../../src/config/limits.js';
import { projectRoot } from '../../../src/system/paths.js';

const header = readFileSync(join(projectRoot, 'native/include/tandem_abi.h'), 'utf8');

function fromHeader(name: string): number {
  const match = new RegExp(`\\b${name} = (\\d+)`).exec(header);
  if (match === null) throw new Error(`${name} is not in tandem_abi.h`);
  return Number(match[1]);
}

t.equal(limits.MAX_VIRTUAL_ROUTERS, fromHeader('TANDEM_MAX_VIRTUAL_ROUTERS'));
t.equal(limits.MAX_SERVICES, fromHeader('TANDEM_MAX_SERVICES'));
t.equal(limits.MAX_SERVER_SLOTS, fromHeader('TANDEM_MAX_SERVER_SLOTS'));
t.equal(limits.MAX_ADDRESSES, fromHeader('TANDEM_MAX_ADDRESSES'));
t.equal(limits.MAX_SERVICES_PER_ENDPOINT, fromHeader('TANDEM_MAX_ENDPOINT_SLOTS'));
t.equal(limits.DEFAULT_MAX_FLOWS, fromHeader('TANDEM_DEFAULT_MAX_FLOWS'));
t.equal(limits.MAX_ADVERT_INTERVAL_MS % limits.ADVERT_INTERVAL_STEP_MS, 0);
t.equal(limits.MAX_ADVERT_INTERVAL_MS / limits.ADVERT_INTERVAL_STEP_MS, 0xfff, 'twelve bits of centiseconds');

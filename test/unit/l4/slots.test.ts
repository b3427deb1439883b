import t from 'tap';
import type { Config } from '../../../src/config/model.js';
import { addressKind } from '../../../src/l4/abi.gen.js';
import { type Contents, emptyContents } from '../../../src/l4/contents.js';
import { assignSlots } from '../../../src/l4/slots.js';
import { sampleConfig, samplePool, sampleServer, sampleService } from '../../support/sample-config.js';

const assign = (config: Config, present: Contents = emptyContents, reserved: number[] = []) =>
  assignSlots(config, new Map(), present, new Set(reserved));
const [router] = sampleConfig().virtualRouters;
if (router === undefined) throw new Error('the sample has a router');

t.test('first come, lowest slot; server slot 0 is never used', async (t) => {
  const slots = assign(sampleConfig());
  t.same([...slots.routers], [['front', 0]]);
  t.same([...slots.services], [['10.1.0.100:80/tcp', 0]]);
  t.same(
    [...slots.servers],
    [
      ['10.1.0.100:80/tcp>10.2.0.21:8080', 1],
      ['10.1.0.100:80/tcp>10.2.0.22:8080', 2],
    ],
  );
});

t.test('routers are recognised by their addresses, whatever their names and order', async (t) => {
  const at = (virtualRouter: number) => ({ ifindex: 2, virtualRouter, kind: addressKind.virtual });
  const present: Contents = {
    ...emptyContents,
    addresses: new Map([
      ['10.1.0.100', at(4)],
      ['10.1.0.101', at(2)],
    ]),
  };
  const config = sampleConfig({
    virtualRouters: [
      { ...router, name: 'new', addresses: ['10.1.0.102'] },
      { ...router, name: 'renamed', addresses: ['10.1.0.101'] },
      { ...router, name: 'front', addresses: ['10.1.0.100'] },
    ],
  });
  t.same(Object.fromEntries(assign(config, present).routers), { renamed: 2, front: 4, new: 0 });
});

t.test('two routers never end in one slot, even when an address moved from one to the other', async (t) => {
  const present: Contents = {
    ...emptyContents,
    addresses: new Map(
      ['10.1.0.100', '10.1.0.101'].map((address) => [address, { ifindex: 2, virtualRouter: 3, kind: addressKind.virtual }]),
    ),
  };
  const config = sampleConfig({
    virtualRouters: [
      { ...router, name: 'a', addresses: ['10.1.0.100'] },
      { ...router, name: 'b', addresses: ['10.1.0.101'] },
    ],
  });
  t.same(Object.fromEntries(assign(config, present).routers), { a: 3, b: 0 });
});

t.test('a new router does not inherit a lease that is still in use', async (t) => {
  t.same([...assign(sampleConfig(), emptyContents, [0, 1]).routers], [['front', 2]]);
});

t.test('more than the data plane has room for is a configuration error', async (t) => {
  const virtualRouters = Array.from({ length: 65 }, (_, index) => ({ ...router, name: `r${index}`, addresses: [`10.1.1.${index}`] }));
  t.throws(() => assign(sampleConfig({ virtualRouters })), { code: 'LIMIT_EXCEEDED', source: 'config', retryable: false });
  const services = Array.from({ length: 8192 }, (_, index) => ({ ...sampleService, name: `s${index}`, port: index + 1 }));
  t.throws(() => assign(sampleConfig({ services: services.slice(0, 4097) })), { message: /services/ });
  const servers = Array.from({ length: 20 }, (_, index) => sampleServer({ name: `be${index}`, address: `10.2.0.${index}`, port: 80 }));
  t.throws(() => assign(sampleConfig({ services: services.slice(0, 820), pools: [{ ...samplePool, servers }] })), {
    message: /servers.*16383/,
  });
});

/** src/l4/abi.gen.ts is what the compiled object says, and a difference is noticed. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { commonPrefix, generateAbi, renderAbi, toCamel } from '../../scripts/lib/generate-abi.js';
import { projectRoot } from '../../src/system/paths.js';

t.test('the committed file is up to date', (t) => {
  t.equal(generateAbi({ check: true }), null);
  t.end();
});

t.test('a difference is found, shown and mended', (t) => {
  const outputPath = path.join(t.testdir({}), 'abi.gen.ts');
  const right = readFileSync(path.join(projectRoot, 'src/l4/abi.gen.ts'), 'utf8');
  writeFileSync(outputPath, right.replace('serverAddr: 16', 'serverAddr: 17'));
  const complaint = generateAbi({ check: true, outputPath });
  t.match(complaint, /run scripts\/generate/);
  t.match(complaint, /- {3}serverAddr: 17,\n\+ {3}serverAddr: 16,/);
  t.equal(generateAbi({ check: false, outputPath }), null);
  t.equal(readFileSync(outputPath, 'utf8'), right);
  t.end();
});

t.test('names', (t) => {
  t.equal(toCamel('last_seen_ns'), 'lastSeenNs');
  t.equal(toCamel('MAX_FLOWS'), 'maxFlows');
  t.equal(commonPrefix(['TANDEM_FLOW_SYN', 'TANDEM_FLOW_SYN_ACK']), 'TANDEM_FLOW_');
  t.equal(commonPrefix(['TANDEM_TCP', 'TANDEM_UDP']), 'TANDEM_');
  t.equal(commonPrefix(['TANDEM_ONLY_ONE']), 'TANDEM_');
  t.end();
});

t.test('what cannot be described', (t) => {
  const int = { id: 1, kind: 'INT', name: 'int', size: 4 };
  t.throws(() => renderAbi([int]), /built with -g/);
  const values = [{ name: 'TANDEM_A', val: 0 }];
  const kind = { id: 2, kind: 'ENUM', name: 'tandem_kind', values };
  const clash = { id: 3, kind: 'STRUCT', name: 'tandem_clash', size: 4, members: [{ name: 'size', type_id: 1, bits_offset: 0 }] };
  t.throws(() => renderAbi([kind, clash]), /would hide the size/);
  t.end();
});

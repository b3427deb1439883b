/**
 * The import rules of the project, proved on its sources, and proved to bite on made-up ones.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { projectRoot } from '../../../src/system/paths.js';
import { cycles, falseEntries, needlessShells, type Project, violations } from './check.js';
import { SHELLS } from './house.js';
import { readSource } from './source-file.js';

const sourceRoot = path.join(projectRoot, 'src');

function readProject(): Project {
  const files = readdirSync(sourceRoot, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  return new Map(files.sort().map((file) => [file, readSource(readFileSync(path.join(sourceRoot, file), 'utf8'))]));
}

const project = readProject();

t.test('the sources keep the rules', async (t) => {
  t.ok(project.size > 0, 'there are sources');
  t.same(violations(project, SHELLS), []);
  t.same(cycles(project), [], 'no circles');
  t.same(falseEntries(project), [], 'pure ground is pure, contracts are types');
  t.same(needlessShells(project, SHELLS), [], 'every shell has to be one');
});

const made = (files: Record<string, string>): Project => new Map(Object.entries(files).map(([file, text]) => [file, readSource(text)]));
const complaints = (files: Record<string, string>, shells: string[] = []): string[] => violations(made(files), new Set(shells));

t.test('arrows go down only', async (t) => {
  t.same(complaints({ 'control/a.ts': `import { b } from '../vrrp/b.js';`, 'cli/c.ts': `import { a } from '../control/a.js';` }), []);
  t.match(complaints({ 'vrrp/a.ts': `import type { B } from '../control/b.js';` }), [/vrrp may not import control/]);
  t.match(complaints({ 'config/a.ts': `import { b } from '../telemetry/b.js';` }), [/config may not import telemetry/]);
  t.match(complaints({ 'vrrp/a.ts': `export type { B } from '../replication/b.js';` }), [/vrrp may not import replication/]);
  t.match(complaints({ 'misc/a.ts': `import { b } from '../system/b.js';` }), [/misc stands on no floor/]);
});

t.test('types of a contract may be known anywhere, values of it may not', async (t) => {
  t.same(complaints({ 'telemetry/a.ts': `import type { NodeStatus } from '../control/status.js';` }), []);
  t.match(complaints({ 'telemetry/a.ts': `import { value } from '../control/status.js';` }), [/arrows go down only/]);
  t.same(falseEntries(made({ 'control/status.ts': 'export const a = 1;' })).includes('control/status.ts'), true);
  t.same(
    falseEntries(made({ 'control/status.ts': `import type { A } from './a.js'; export interface B { a: A }` })).includes(
      'control/status.ts',
    ),
    false,
  );
  t.same(falseEntries(made({ 'system/ipv4.ts': `import net from 'node:net';` })).includes('system/ipv4.ts'), true);
});

t.test('features do not import shells of other features', async (t) => {
  const shells = ['l4/native.ts', 'vrrp/heartbeat.ts'];
  t.same(complaints({ 'vrrp/heartbeat.ts': `import type { NativeL4 } from '../l4/native.js';` }, shells), []);
  t.match(complaints({ 'vrrp/heartbeat.ts': `import { loadNative } from '../l4/native.js';` }, shells), [/shells meet in control and bin/]);
});

t.test('pure modules import types and pure modules', async (t) => {
  t.same(complaints({ 'vrrp/machine.ts': `import type { S } from 'node:net'; import { step } from './active.js';` }), []);
  t.same(complaints({ 'vrrp/machine.ts': `import { type Monotonic, after } from '../system/clock.js';` }), []);
  t.match(
    complaints({ 'vrrp/machine.ts': `import { after, systemClock } from '../system/clock.js';` }),
    [/not pure/],
    'a clock itself is not',
  );
  t.match(complaints({ 'vrrp/machine.ts': `import * as clock from '../system/clock.js';` }), [/not pure/]);
  t.match(complaints({ 'vrrp/machine.ts': `import net from 'node:net';` }), [/may not import node:net/]);
  t.match(complaints({ 'vrrp/machine.ts': `import { type A, pino } from 'pino';` }), [/may not import pino/]);
  t.match(complaints({ 'vrrp/machine.ts': `const fs = await import('node:fs');` }), [/may not import node:fs/]);
  t.match(complaints({ 'vrrp/machine.ts': `const fs = require('node:fs');` }), [/may not import node:fs/]);
  t.match(complaints({ 'vrrp/machine.ts': `import { s } from './shell.js';` }, ['vrrp/shell.ts']), [/not pure/]);
  t.match(complaints({ 'l4/maglev.ts': `import { read } from '../config/load.js';` }), [/not pure/]);
});

t.test('time and chance come from src/system', async (t) => {
  const uses = [
    'Date.now()',
    'new Date()',
    'Math.random()',
    'process.hrtime.bigint()',
    'performance.now()',
    'setTimeout(f, 1)',
    'f(setInterval)',
  ];
  for (const use of uses) {
    t.match(complaints({ 'control/a.ts': `${use};` }), [/for src\/system only/], use);
    t.same(complaints({ 'system/a.ts': `${use};` }), [], `${use} in src/system`);
  }
  t.same(complaints({ 'control/a.ts': 'new Date(wallMs); clock.setTimeout(f); const o = { setTimeout: f };' }), []);
});

t.test('circles of values are found, circles of types are none', async (t) => {
  const circle = { 'l4/a.ts': `import { b } from './b.js';`, 'l4/b.ts': `import { a } from './a.js';` };
  t.same(cycles(made(circle)), [['l4/a.ts', 'l4/b.ts', 'l4/a.ts']]);
  t.same(cycles(made({ ...circle, 'l4/b.ts': `import type { A } from './a.js';` })), []);
});

t.test('a shell that could be pure is found', async (t) => {
  const files = made({ 'l4/a.ts': `import { b } from './b.js';`, 'l4/c.ts': `import fs from 'node:fs';` });
  t.same(needlessShells(files, new Set(['l4/a.ts', 'l4/c.ts', 'l4/gone.ts'])), ['l4/a.ts', 'l4/gone.ts']);
});

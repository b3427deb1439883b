import { existsSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { projectRoot } from '../../../src/system/paths.js';
import { type NamedDocument, readDocuments } from './documents.js';
import { readMarkdown } from './markdown.js';

const documents = readDocuments();

function brokenLinks(document: NamedDocument): string[] {
  return document.links.filter(({ to }) => !isFine(document, to)).map(({ to, line }) => `${document.file}:${line}: ${to}`);
}

function isFine(document: NamedDocument, to: string): boolean {
  if (/^https:\/\//.test(to)) return true;
  const [file = '', anchor] = to.split('#');
  const target = file === '' ? document.file : path.posix.join(path.posix.dirname(document.file), file);
  if (!existsSync(path.join(projectRoot, target))) return false;
  return anchor === undefined || (documents.find((one) => one.file === target.replace(/\/$/, ''))?.anchors.has(anchor) ?? false);
}

t.test('links lead somewhere', async (t) => {
  t.ok(documents.some((document) => document.file === 'README.md'));
  t.same(documents.flatMap(brokenLinks), []);
});

t.test('paths in code exist', async (t) => {
  const path_ = /^(src|native|scripts|config|docs|test)\/[\w./-]+$/;
  const missing = documents.flatMap((document) =>
    document.spans
      .filter(({ text }) => path_.test(text) && !existsSync(path.join(projectRoot, text)))
      .map(({ text, line }) => `${document.file}:${line}: ${text}`),
  );
  t.same(missing, []);
});

t.test('broken ones are noticed', async (t) => {
  const broken = (text: string): string[] => brokenLinks({ file: 'README.md', ...readMarkdown(text) });
  t.same(broken('[a](docs/design.md) [b](docs/design.md#words) [c](https://example.org/x) [d](docs/)'), []);
  t.same(broken('see\n[a](docs/nothing.md)'), ['README.md:2: docs/nothing.md']);
  t.same(broken('[a](docs/design.md#nothing)'), ['README.md:1: docs/design.md#nothing']);
  t.same(broken('`[a](nothing.md)`\n```\n[b](nothing.md)\n```'), [], 'code is not prose');
});

/** The project's own Markdown files. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../../../src/system/paths.js';
import { type Document, readMarkdown } from './markdown.js';

const FOLDERS = ['docs', 'config', 'native', 'scripts', 'src', 'test', 'vagrant'];

export interface NamedDocument extends Document {
  /** Relative to the project root. */
  file: string;
}

export function readDocuments(): NamedDocument[] {
  const list = (folder: string, recursive: boolean): string[] =>
    readdirSync(path.join(projectRoot, folder), { recursive, encoding: 'utf8' }).map((file) => path.posix.join(folder, file));
  const files = [
    ...list('.', false),
    ...FOLDERS.filter((folder) => existsSync(path.join(projectRoot, folder))).flatMap((folder) => list(folder, true)),
  ].filter((file) => file.endsWith('.md'));
  return files.sort().map((file) => ({ file, ...readMarkdown(readFileSync(path.join(projectRoot, file), 'utf8')) }));
}

/**
 * Small rooms: files under 500 lines, functions that fit a screen or two, no file that promises nothing by its name.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { projectRoot } from '../../../src/system/paths.js';
import { readSource } from './source-file.js';

const MAX_FILE_LINES = 500;
/** Two screens: what is longer has a second idea in it. */
const MAX_FUNCTION_LINES = 70;

const files = ['src', 'scripts', 'test', 'native']
  .flatMap((folder) =>
    readdirSync(path.join(projectRoot, folder), { recursive: true, encoding: 'utf8' }).map((file) => path.join(folder, file)),
  )
  .filter((file) => /\.(ts|c|h|cpp|sh)$/.test(file) && !file.endsWith('.gen.ts'));

const read = (file: string): string => readFileSync(path.join(projectRoot, file), 'utf8');

t.test('files stay small', async (t) => {
  const long = files.map((file) => ({ file, lines: read(file).split('\n').length - 1 })).filter((one) => one.lines > MAX_FILE_LINES);
  t.same(long, []);
});

t.test('functions stay small', async (t) => {
  const [inner, outer] = readSource('const outer = () => {\n  one();\n  function inner() {\n    two();\n  }\n};').functions;
  t.match([inner, outer], [{ name: 'inner', lines: 3 }, { lines: 3 }], 'lines of a function inside are its own');
  const long = files
    .filter((file) => file.startsWith('src/') || file.startsWith('scripts/'))
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) =>
      readSource(read(file))
        .functions.filter((one) => one.lines > MAX_FUNCTION_LINES)
        .map((one) => ({ file, ...one })),
    );
  t.same(long, []);
});

t.test('names say what a file is about', async (t) => {
  t.same(
    files.filter((file) => /(^|\/)(utils?|helpers?|misc|index)\.ts$/.test(file)),
    [],
  );
});

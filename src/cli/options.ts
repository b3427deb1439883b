/**
 * Options that several commands share, with one wording.
 */
import { InvalidArgumentError, Option } from 'commander';
import { DEFAULT_STATE_DIR } from './admin-client.js';

export const stateDirOption = (): Option =>
  new Option('--state-dir <dir>', 'state directory of the node').default(DEFAULT_STATE_DIR).env('TANDEM_STATE_DIR');

export const jsonOption = (): Option => new Option('--json', 'print JSON');

export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('expected a whole number from 1.');
  return value;
}

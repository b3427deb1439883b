/**
 * Counts the assertions of one TAP stream: test points that are not merely the sum of a subtest. What has no test point of its own but
 * failed (no plan, a bail-out, a parent that timed out) counts as one failure, so that nothing that went wrong adds up to zero.
 */
import { Parser } from 'tap-parser';

export interface Skip {
  name: string;
  reason: string;
}

export interface Tally {
  passed: number;
  failed: number;
  skips: Skip[];
  /** Names of failed assertions, outermost test first. */
  failures: string[];
}

interface Point {
  ok: boolean;
  name: string;
  fullname: string;
  skip: string | boolean;
  todo: string | boolean;
}

function follow(parser: Parser, tally: Tally): void {
  let childFailures: number | null = null;
  parser.on('child', (child: Parser) => {
    childFailures = tally.failed;
    follow(child, tally);
  });
  parser.on('assert', (point: Point) => {
    const before = childFailures;
    childFailures = null;
    if (before !== null && (point.ok || tally.failed > before)) return;
    countPoint(point, tally);
  });
}

function countPoint(point: Point, tally: Tally): void {
  if (point.skip || point.todo) {
    const reason = [point.skip, point.todo].find((text) => typeof text === 'string');
    tally.skips.push({ name: point.fullname || point.name, reason: typeof reason === 'string' ? reason : 'no reason given' });
  } else if (point.ok) tally.passed += 1;
  else fail(tally, point.fullname || point.name || 'unnamed assertion');
}

function fail(tally: Tally, name: string): void {
  tally.failed += 1;
  tally.failures.push(name);
}

/** A parser to be fed a stream; `finish` closes it and returns the counts. */
export function createTally(): { write(chunk: string): void; finish(): Tally } {
  const tally: Tally = { passed: 0, failed: 0, skips: [], failures: [] };
  const parser = new Parser();
  follow(parser, tally);
  return {
    write: (chunk) => void parser.write(chunk),
    finish: () => {
      parser.end();
      const isEmpty = parser.count === 0;
      const skip = /^skip:? (.+)$/i.exec(parser.results?.plan.comment ?? '');
      if (isEmpty && skip) {
        tally.skips.push({ name: 'the whole file', reason: skip[1] ?? '' });
      } else if (tally.failed === 0 && (isEmpty || !parser.ok)) {
        fail(tally, parser.bailedOut ? `bailed out: ${parser.bailedOut}` : isEmpty ? 'no test ran' : 'the plan was not met');
      }
      return tally;
    },
  };
}

/** Dispatches scripts/bench to one benchmark. Each is loaded only when asked for: they need different programs of this machine. */
import { type Parsed, parseBenchArguments } from './options.js';

async function run(parsed: Exclude<Parsed, { problem: string }>): Promise<void> {
  switch (parsed.benchmark) {
    case 'failover':
      return (await import('./failover.js')).runFailover(parsed.options);
    case 'packet':
      return (await import('./packet.js')).runPacket(parsed.options);
    case 'replication':
      return (await import('./replication.js')).runReplication(parsed.options);
  }
}

const parsed = parseBenchArguments(process.argv.slice(2));
if ('problem' in parsed) {
  console.error(`scripts/bench: ${parsed.problem}; see scripts/bench --help`);
  process.exitCode = 2;
} else {
  await run(parsed);
}

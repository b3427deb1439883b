/**
 * `scripts/demo`: a pair of load balancers in network namespaces, live connections, a power cut, and the bill.
 * Exit status 0: every established connection survived. 1: one was lost, or something failed. 2: usage.
 */
import pc from 'picocolors';
import { bringUp, type Cluster, runFault } from './cluster.js';
import { type DemoFault, type DemoOptions, parseDemoOptions } from './options.js';
import { createProgress, type Progress } from './progress.js';
import { renderCommands, renderReport } from './report.js';

/** The configuration's default; the lab does not change it. */
const METRICS_PORT = 9107;

const lookFurther = [
  `Metrics: every node serves http://127.0.0.1:${METRICS_PORT}/metrics inside its namespace.`,
  'Further: scripts/demo --keep leaves the cluster up and says how to enter it; --fault kill|stop|cable|switchover.',
].join('\n');

async function demo(options: DemoOptions): Promise<number> {
  const progress = createProgress(options.json ? process.stderr : process.stdout);
  let cluster: Cluster | null = null;
  try {
    cluster = await bringUp(progress);
    const result = await runFault(cluster, options, progress);
    const nodes = cluster.system.nodes;
    if (options.json) console.log(JSON.stringify(result));
    else console.log(renderReport(result, nodes));
    if (options.keep) await stayUp(cluster, result.victim, options.fault, progress);
    else if (!options.json) console.log(pc.dim(lookFurther));
    return result.ok ? 0 : 1;
  } catch (error) {
    console.error(`\n${pc.red('The demo failed:')} ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  } finally {
    cluster?.lab.close();
  }
}

/** Brings the victim back, prints how to look around, and stays until Ctrl-C; the lab then removes itself. */
async function stayUp({ lab, system }: Cluster, victim: string, fault: DemoFault, progress: Progress): Promise<void> {
  progress.say('');
  const active = await progress.step(
    'recovery',
    () => system.recover(victim, fault).then(() => system.waitReady()),
    (now) => `${victim} is back and in sync; ${now} is active`,
  );
  const nodes = system.nodes.map((name) => ({ name, stateDir: system.stateDir(name), log: system.logFile(name) }));
  const order = [...nodes.filter((node) => node.name === active), ...nodes.filter((node) => node.name !== active)];
  progress.say(`\n${renderCommands({ prefix: lab.plan.prefix, nodes: order, configFile: system.configFile, metricsPort: METRICS_PORT })}`);
  progress.say(`\n${pc.bold('The cluster stays up until Ctrl-C.')}`);
  await new Promise(() => setInterval(() => undefined, 60_000));
}

const parsed = parseDemoOptions(process.argv.slice(2));
if (parsed.ok) {
  process.exitCode = await demo(parsed.options);
  process.exit();
}
console.error(`scripts/demo: ${parsed.problem}; see scripts/demo --help`);
process.exitCode = 2;

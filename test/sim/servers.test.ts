/**
 * Commands to servers on two or three nodes while streams break, commands get lost and overtake each other, nodes restart and the role
 * moves. When it is over all nodes know the latest word on everything (unless a disk was lost) and have the same generation in force, the
 * one that the words ask for, and no slow start is left. What is commanded then is in force everywhere, whatever the clocks say.
 */
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import { merge, overridden } from '../../src/control/overrides.js';
import { isObeyed, untilSlowStartStep } from '../../src/control/pool-authority.js';
import type { ServerAction } from '../../src/control/server-command.js';
import type { PoolGeneration } from '../../src/replication/api.js';
import { Random } from './random.js';
import { config, type Mutant, SERVERS, type SimNode, World } from './servers/world.js';

const SEEDS = Number(process.env.TANDEM_SIM_SEEDS ?? 150);
const FIRST_SEED = Number(process.env.TANDEM_SIM_FIRST ?? 1);
const MUTANT_SEEDS = 60;
const EVENTS = 40;
/** A slow start, announcements, and the longest way of a message, twice. */
const QUIET_MS = 6000;
const ACTIONS: ServerAction[] = ['drain', 'disable', 'enable', 'weight', 'reset'];

function commandSomething(world: World, node: SimNode, action = world.random.pick(ACTIONS)): string {
  const { random } = world;
  const weight = random.chance(0.5) ? { weight: random.below(4) } : { percent: random.below(300) };
  const server = random.pick(SERVERS);
  node.command({ action, servers: [`web/${server}`], weight: action === 'weight' ? weight : null, by: '', why: '' });
  return server;
}

function disturb(world: World, losesDisks: boolean): void {
  const { random } = world;
  const some = random.below(world.nodes.length);
  const other = (some + 1 + random.below(world.nodes.length - 1)) % world.nodes.length;
  const node = world.node(some);
  const dice = random.next();
  if (dice < 0.45) {
    if (node.isUp) commandSomething(world, node);
  } else if (dice < 0.6) world.cut(some, other);
  else if (dice < 0.75) world.heal(some, other);
  else if (dice < 0.82) world.hold(some);
  else if (dice < 0.85) {
    for (const each of world.nodes) if (each.isUp) each.stop(false);
    for (const each of world.nodes) each.start();
  } else if (!node.isUp) node.start();
  else if (world.nodes.filter((each) => each.isUp).length > 1) node.stop(losesDisks && random.chance(0.5));
}

function calm(world: World): void {
  world.loss = 0;
  for (const node of world.nodes) if (!node.isUp) node.start();
  for (const a of world.nodes.keys()) for (const b of world.nodes.keys()) if (a < b) world.heal(a, b);
  // Streams that were whole all the time have lost commands, which a real one does not: they break once more.
  for (const a of world.nodes.keys()) {
    for (const b of world.nodes.keys()) {
      if (a >= b) continue;
      world.cut(a, b);
      world.heal(a, b);
    }
  }
}

const inForce = (node: SimNode): PoolGeneration => node.pools.current()[0] as PoolGeneration;
const wordsOf = ({ admin }: SimNode) => SERVERS.map((server) => admin.overridden('web', server));
/** The latest of all words that were ever given. */
const latest = ({ given }: World) => SERVERS.map((server) => overridden(merge(new Map(), given).known, 'web', server));

function faults(world: World): string[] {
  const [first, ...others] = world.nodes as [SimNode, ...SimNode[]];
  const [pool] = config.pools;
  if (pool === undefined) throw new Error('the world has a pool');
  const found = others.flatMap((node) => [
    ...(isDeepStrictEqual(wordsOf(node), wordsOf(first)) ? [] : [`${node.name} knows other words than ${first.name}`]),
    ...(isDeepStrictEqual(inForce(node), inForce(first)) ? [] : [`${node.name} has another generation than ${first.name}`]),
  ]);
  const late = SERVERS.filter((server) => !isObeyed(pool, inForce(first), server, first.admin.intentOf));
  const isSlow = untilSlowStartStep(pool, inForce(first)) !== null;
  return [...found, ...late.map((server) => `${server} is not as commanded`), ...(isSlow ? ['a slow start does not end'] : [])];
}

async function run(seed: number, mutant: Mutant | null): Promise<string[]> {
  const random = new Random(seed);
  const world = new World({ random, nodes: seed % 2 === 0 ? 2 : 3, mutant });
  world.loss = random.pick([0, 0.2, 0.5]);
  const losesDisks = random.chance(0.3);
  for (let event = 0; event < EVENTS; event++) {
    disturb(world, losesDisks);
    await world.advance(random.between(1, 400));
  }
  calm(world);
  await world.advance(QUIET_MS);
  const found = faults(world);
  if (!losesDisks && !isDeepStrictEqual(wordsOf(world.node(0)), latest(world))) found.push('a word was lost');
  if (found.length > 0) return found;
  // Whoever commands now has heard everything: this counts, whatever its clock says.
  const server = commandSomething(world, random.pick(world.nodes), 'disable');
  await world.advance(QUIET_MS);
  const obeying = world.nodes.filter((node) => inForce(node).members.find(({ name }) => name === server)?.state === 'disable');
  return [...faults(world), ...(obeying.length === world.nodes.length ? [] : ['the last command is not in force everywhere'])];
}

t.test(`${SEEDS} seeds from ${FIRST_SEED}: all nodes end with the same`, async (t) => {
  const failed: string[] = [];
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    const found = await run(seed, null);
    if (found.length > 0) failed.push(`seed ${seed}: ${found.join('; ')}`);
  }
  t.same(failed.slice(0, 10), []);
});

t.test('the same seed gives the same run', async (t) => {
  const told = async () => {
    const world = new World({ random: new Random(7), nodes: 3, mutant: null });
    world.loss = 0.5;
    for (let event = 0; event < EVENTS; event++) {
      disturb(world, true);
      await world.advance(world.random.between(1, 400));
    }
    return JSON.stringify(world.nodes.map((node) => [wordsOf(node), inForce(node)]));
  };
  t.equal(await told(), await told());
});

for (const mutant of ['noGreeting', 'lastHeardWins', 'forgetsOnRestart'] as const) {
  t.test(`a node that is wrong on purpose is noticed: ${mutant}`, async (t) => {
    let noticed = 0;
    for (let seed = 1; seed <= MUTANT_SEEDS && noticed === 0; seed++) noticed += (await run(seed, mutant)).length;
    t.ok(noticed > 0);
  });
}

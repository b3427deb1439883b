/**
 * A short nemesis: a cluster survives some rounds of faults that are drawn from a seed, and the judge at the end of the same chain (wire,
 * capture, signs) says no when there really is a second owner.
 */
import t from 'tap';
import { labIsImpossible, programsMissing } from '../support/lab/fixture.js';
import { legOn, VIP } from '../support/lab/plan.js';
import { sleep } from '../support/lab/wait-for.js';
import { startFrames } from '../support/lab/workload.js';
import { runCampaign } from '../support/nemesis/campaign.js';
import { describePlanned, FAULT_KINDS } from '../support/nemesis/schedule.js';
import { World } from '../support/nemesis/world.js';
import { arpFrame } from '../support/packet/build.js';

const ROUNDS = 3;
const SEED = 20;
const SETTING = { nodes: 3, advertMs: 100, paths: 'any', fast: false } as const;
const FORGED_ANSWERS = 20;
/** Until the owner has shown that it is one. */
const GENUINE_FIRST_MS = 300;
const NOBODY = '02:00:00:00:00:99';

const impossible = labIsImpossible() ?? programsMissing('nft');
if (impossible !== null) t.plan(0, impossible);
else {
  t.test('some rounds without a violation', async (t) => {
    const result = await runCampaign(
      {
        ...SETTING,
        preempt: null,
        seed: SEED,
        firstRound: 1,
        rounds: ROUNDS,
        forMs: Number.POSITIVE_INFINITY,
        kinds: FAULT_KINDS,
        keepIn: 'build/nemesis',
      },
      {
        onRound: (round, planned) => t.comment(`round ${round}: ${planned.map(describePlanned).join('; ')}`),
        onFinding: ({ timeline, directory }) => t.comment(`${timeline}\nfiles: ${directory}`),
      },
    );
    t.same(
      result.findings.flatMap(({ violations }) => violations),
      [],
    );
    t.equal(result.rounds, ROUNDS);
    t.ok(result.faults >= ROUNDS, `${result.faults} faults`);
    t.ok(result.newFlows > 500, `${result.newFlows} new flows were looked at`);
    t.ok(result.bytesVerified > 0, `${result.bytesVerified} bytes verified`);
  });

  t.test('a node that answers for the address without owning it is found', async (t) => {
    const world = await World.create({ ...SETTING, nodes: 2, preempt: false });
    t.teardown(() => world.close());
    const active = await world.active();
    const [backup] = world.lab.plan.nodes.filter((node) => node.name !== active);
    if (backup === undefined) throw new Error('there is no backup');
    const forger = await startFrames(world.lab, backup.name);
    const answer = arpFrame({
      operation: 'reply',
      // Seen on the switch, believed by nobody.
      to: NOBODY,
      senderMac: legOn(backup, 'client').mac,
      senderAddress: VIP,
      targetMac: NOBODY,
      targetAddress: '10.1.0.250',
    });
    const forge = async (): Promise<void> => {
      await sleep(GENUINE_FIRST_MS);
      for (let sent = 0; sent < FORGED_ANSWERS; sent += 1) {
        await forger.call('send', { frames: [answer.toString('hex')] });
        await sleep(10);
      }
    };
    const { violations, timeline } = await world.round([], forge);
    t.match(violations, [{ rule: 'twoOwners', text: new RegExp(`^${backup.name} answered ARP .* after ${active} had claimed`) }]);
    t.match(timeline, 'WRONG    twoOwners');
    t.same((await world.round([])).violations, [], 'and nothing is, when nobody does');
  });
}

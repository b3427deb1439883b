/**
 * Builds a lab with something running in it, prints its prefix, and stays: for tests of what happens to a lab when its process ends.
 */
import { createLab } from './lab.js';

const lab = await createLab();
lab.start('lb1', ['sleep', '300']);
process.stdout.write(`${lab.plan.prefix}\n`);
setInterval(() => undefined, 60_000);

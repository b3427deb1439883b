/**
 * An interface that takes VLAN tags off in hardware hides them from XDP: frames of a VLAN would look like the interface's own. With the
 * offload off the tag is part of the frame, which the program then passes to the kernel untouched.
 */
import { execFile } from 'node:child_process';

/** Neither call waits for the network. */
const COMMAND_LIMIT_MS = 5000;

export type VlanOffload =
  /** Tags are seen. */
  | { state: 'off' }
  /** It was on, and is off now. */
  | { state: 'turnedOff' }
  /** Tags may be hidden. */
  | { state: 'unknown'; reason: string };

export type Ethtool = (args: readonly string[]) => Promise<{ output: string } | { error: string }>;

const ethtool: Ethtool = (args) =>
  new Promise((resolve) => {
    execFile('ethtool', args, { timeout: COMMAND_LIMIT_MS }, (error, stdout, stderr) => {
      if (error === null) return resolve({ output: stdout });
      resolve({
        error: error.code === 'ENOENT' ? 'ethtool is not installed; run: apt-get install ethtool' : stderr.trim() || error.message,
      });
    });
  });

export async function turnOffVlanOffload(name: string, run: Ethtool = ethtool): Promise<VlanOffload> {
  const features = await run(['-k', name]);
  if ('error' in features) return { state: 'unknown', reason: features.error };
  if (!/^rx-vlan-offload: on/m.test(features.output)) return { state: 'off' };
  const turned = await run(['-K', name, 'rxvlan', 'off']);
  return 'error' in turned ? { state: 'unknown', reason: turned.error } : { state: 'turnedOff' };
}

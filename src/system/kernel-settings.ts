/**
 * Checks the kernel settings without which forwarding through this node fails in ways that are hard to see: IPv4 forwarding (the kernel
 * takes the first packets while a next hop is resolved) and reverse-path filtering (it drops translated packets as spoofed).
 */
import { readFileSync } from 'node:fs';

export interface SettingProblem {
  /** As sysctl names it. */
  key: string;
  value: string;
  /** What goes wrong, and the command that mends it. */
  message: string;
}

type ReadSetting = (key: string) => string | null;

const readSetting: ReadSetting = (key) => {
  try {
    // As sysctl has it: a slash stands for a dot inside a name (a VLAN interface).
    const path = key.replace(/[./]/g, (separator) => (separator === '.' ? '/' : '.'));
    return readFileSync(`/proc/sys/${path}`, 'utf8').trim();
  } catch {
    return null;
  }
};

/** rp_filter: 0 off, 1 strict, 2 loose; the kernel takes the greater of `all` and the interface's own. Only strict does harm. */
const STRICT = '1';

export function checkKernelSettings(interfaces: readonly string[], read: ReadSetting = readSetting): SettingProblem[] {
  const problems: SettingProblem[] = [];
  if (read('net.ipv4.ip_forward') === '0') {
    problems.push(problem('net.ipv4.ip_forward', '0', 'the kernel does not forward packets whose next hop is still being resolved', '1'));
  }
  for (const name of interfaces) {
    const all = read('net.ipv4.conf.all.rp_filter');
    const own = `net.ipv4.conf.${name.replaceAll('.', '/')}.rp_filter`;
    const effective = [all, read(own)]
      .filter((value) => value !== null)
      .sort()
      .at(-1);
    if (effective !== STRICT) continue;
    const key = all === STRICT ? 'net.ipv4.conf.all.rp_filter' : own;
    problems.push(problem(key, STRICT, `strict reverse-path filtering on ${name} drops translated packets`, '0'));
  }
  return problems.filter((entry, index) => problems.findIndex((other) => other.key === entry.key) === index);
}

const problem = (key: string, value: string, effect: string, wanted: string): SettingProblem => ({
  key,
  value,
  message: `${key} is ${value}: ${effect}; run: sysctl -w ${key}=${wanted}`,
});

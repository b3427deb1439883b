/**
 * Configuration of the peers Tandem is compared with: keepalived (VRRPv3), conntrackd (FT-FW), nftables DNAT. Pure.
 */
import { INNER_VIP, legOn, type Machine, type Plan, PORTS, PREFIX_LENGTH, VIP, VRID } from './plan.js';
import type { ElectionSettings } from './system-under-test.js';

/** As Tandem's heartbeat: real-time, so that the machine's load does not decide the comparison. */
const REALTIME_PRIORITY = 50;

export const keepalivedConfig = (priority: number, { advertMs, preempt }: ElectionSettings, realtime = true): string => `global_defs {
  vrrp_version 3
  ${realtime ? `vrrp_rt_priority ${REALTIME_PRIORITY}` : ''}
}
vrrp_instance front {
  state BACKUP
  interface eth0
  virtual_router_id ${VRID}
  priority ${priority}
  advert_int ${advertMs / 1000}
  ${preempt ? '' : 'nopreempt'}
  virtual_ipaddress {
    ${VIP}/${PREFIX_LENGTH} dev eth0
  }
  virtual_ipaddress_excluded {
    ${INNER_VIP}/${PREFIX_LENGTH} dev eth1
  }
}
`;

/** How the backup keeps what it is told: in its kernel at once, or in user space until a script commits it at take-over. */
export type ExternalCache = 'direct' | 'external';

export interface ConntrackdFiles {
  lock: string;
  socket: string;
  log: string;
}

export function conntrackdConfig(node: Machine, peer: Machine, cache: ExternalCache, files: ConntrackdFiles): string {
  const own = legOn(node, 'client').address;
  return `Sync {
  Mode FTFW {
    ResendQueueSize 131072
    ACKWindowSize 300
    DisableExternalCache ${cache === 'direct' ? 'On' : 'Off'}
  }
  UDP {
    IPv4_address ${own}
    IPv4_Destination_Address ${legOn(peer, 'client').address}
    Port 3780
    Interface eth0
    SndSocketBuffer 4194304
    RcvSocketBuffer 4194304
    Checksum on
  }
}
General {
  HashSize 32768
  HashLimit 262144
  LogFile ${files.log}
  Syslog off
  LockFile ${files.lock}
  UNIX {
    Path ${files.socket}
  }
  NetlinkBufferSize 2097152
  NetlinkBufferSizeMaxGrowth 8388608
  Filter From Userspace {
    Protocol Accept {
      TCP
      UDP
    }
    Address Ignore {
      IPv4_address 127.0.0.1
      IPv4_address ${own}
      IPv4_address ${legOn(peer, 'client').address}
    }
  }
}
`;
}

/** DNAT in turn over all servers. Packets of unknown connections are dropped from the start, never answered by the node itself. */
export function nftablesRules(plan: Plan): string {
  const count = plan.servers.length;
  const map = plan.servers.map((server, index) => `${index} : ${legOn(server, 'server').address}`).join(', ');
  const forward = (protocol: string, port: number, serverPort: number): string =>
    `    ip daddr ${VIP} ${protocol} dport ${port} dnat ip to numgen inc mod ${count} map { ${map} } : ${serverPort}`;
  return `table ip balance {
  chain prerouting {
    type nat hook prerouting priority dstnat;
${[
  forward('tcp', PORTS.echo, PORTS.echo),
  forward('tcp', PORTS.speak, PORTS.speak),
  forward('udp', PORTS.probe, PORTS.probe),
  forward('tcp', PORTS.web, PORTS.webServer),
].join('\n')}
  }
  chain forward {
    type filter hook forward priority filter;
    ct state invalid drop
  }
}
`;
}

/** Nothing is adopted in the middle of a connection: a missing entry shows. */
export const CONNTRACK_SYSCTLS = 'echo 0 > /proc/sys/net/netfilter/nf_conntrack_tcp_loose';

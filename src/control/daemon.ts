/**
 * `tandem run`: brings the parts of one node together and keeps them informed. Every decision is made elsewhere (readiness, pool-authority,
 * the machines behind replication, health and heartbeat); this file only carries news from one to the other.
 */
import { join } from 'node:path';
import type { Config, NodeConfig } from '../config/model.js';
import { loadConfig } from '../config/load.js';
import { createHealthChecker } from '../health/checker.js';
import { createEngine } from '../l4/engine.js';
import { loadNative } from '../l4/native.js';
import { createReplication } from '../replication/replication.js';
import type { ControlMessage, PeerStatus } from '../replication/api.js';
import { systemClock } from '../system/clock.js';
import type { ToHeartbeat } from '../vrrp/heartbeat-api.js';

/**
 * One probe of one server, by the type of the check.
 */
import type { DnsCheck, TcpCheck } from '../config/health-model.js';
import type { HealthCheckConfig } from '../config/model.js';
import { random } from '../system/random.js';
import { agentDialogue } from './probes/agent.js';
import type { CancelProbe, OnResult, ProbeTarget } from './probes/answer.js';
import { judgeDns } from './probes/dns.js';
import { encodeQuestion } from './probes/dns-codec.js';
import { probeGrpc } from './probes/grpc.js';
import { probeHttp } from './probes/http.js';
import { mysqlDialogue } from './probes/mysql.js';
import { postgresDialogue } from './probes/postgres.js';
import { redisDialogue } from './probes/redis.js';
import { probeScript } from './probes/script.js';
import { bytesOf, judgeAnswer, sendExpectDialogue } from './probes/send-expect.js';
import { smtpDialogue } from './probes/smtp.js';
import { probeConnection, probeDialogue } from './probes/tcp.js';
import { probeDatagram } from './probes/udp.js';

export type { CancelProbe, ProbeResult, ProbeTarget, ServerAdvice } from './probes/answer.js';

/** Sixteen bits tell an answer from one to an older question. */
const DNS_IDS = 0x10000;

/** Never throws, answers at most once and not after it was cancelled; the time limit is the machine's. */
export type Probe = (target: ProbeTarget, check: HealthCheckConfig, onResult: OnResult) => CancelProbe;

export const probe: Probe = (server, check, onResult) => {
  const target = { ...server, port: check.port ?? server.port };
  switch (check.type) {
    case 'tcp':
      return probeTcp(target, check, onResult);
    case 'http':
    case 'https':
      return probeHttp(target, check, onResult);
    case 'redis':
      return probeDialogue(target, redisDialogue, onResult);
    case 'smtp':
      return probeDialogue(target, smtpDialogue(check.host), onResult);
    case 'mysql':
      return probeDialogue(target, mysqlDialogue(check.user), onResult);
    case 'postgres':
      return probeDialogue(target, postgresDialogue(check.user), onResult);
    case 'dns':
      return probeDns(target, check, onResult);
    case 'udp':
      return probeDatagram(target, bytesOf(check.send ?? '', check.encoding), (answer) => judgeAnswer(answer, check), onResult);
    case 'grpc':
      return probeGrpc(target, check, onResult);
    case 'script':
      return probeScript(target, check, onResult);
    case 'agent':
      return probeDialogue(target, agentDialogue(check.send), onResult);
  }
};

function probeTcp(target: ProbeTarget, check: TcpCheck, onResult: OnResult): CancelProbe {
  return check.send === null && check.expect === null
    ? probeConnection(target, onResult)
    : probeDialogue(target, sendExpectDialogue(check), onResult);
}

function probeDns(target: ProbeTarget, check: DnsCheck, onResult: OnResult): CancelProbe {
  const id = Math.floor(random() * DNS_IDS);
  const question = encodeQuestion(id, { name: check.query, type: check.recordType });
  return probeDatagram(target, question, (answer) => judgeDns(answer, id, check), onResult);
}

/**
 * Mistakes in a health check.
 */
import { type Mistake, proveMistakes } from '../../support/config-mistakes.js';

const CHECK = '{ type: http, path: /health, interval: 5s, timeout: 3s }';
const written = (check: string): Mistake['change'] => [[CHECK, check]];
const UDP: Mistake['change'][number] = ['10.1.0.100:80/tcp', '10.1.0.100:80/udp'];

proveMistakes([
  {
    mistake: 'unknown type',
    change: written('{ type: htp }'),
    said: [['25:26: error', 'did you mean "http"?']],
  },
  {
    mistake: 'path without slash',
    change: [['/health', 'health']],
    said: [['25:38: error', 'expected a path that starts with /']],
  },
  {
    mistake: 'status out of range',
    change: [['path: /health', 'status: [42]']],
    said: [['25:41: error', 'expected a whole number from 100 to 599']],
  },
  {
    mistake: 'timeout above interval',
    change: [['timeout: 3s', 'timeout: 6s']],
    said: [['25:70: error', 'timeout (6000 ms) is longer than interval (5000 ms)']],
  },
  {
    mistake: 'default timeout above a short interval',
    change: [['interval: 5s, timeout: 3s', 'interval: 1s']],
    said: [['25:5: error', 'timeout (3000 ms) is longer than interval (1000 ms)']],
  },
  {
    mistake: 'http check of a UDP service',
    change: [UDP],
    said: [['25:26: error', 'a check of type http of its servers needs a `port` on which they speak it over TCP']],
  },
  { mistake: 'http check of a UDP service on another port', change: [UDP, ['path: /health', 'port: 8081']], said: [] },
  {
    mistake: 'keys of http in a tcp check',
    change: written('{ path: /health, status: [200] }'),
    said: [
      ['25:20: error', '"path" has no meaning for a check of type tcp; leave it out or write `type: http` or `type: https`'],
      ['25:35: error', '"status" has no meaning for a check of type tcp'],
    ],
  },
  {
    mistake: 'keys of tcp and https in an http check',
    change: written('{ type: http, send: a, verify: false }'),
    said: [
      ['25:32: error', '"send" has no meaning for a check of type http; leave it out or write `type: tcp` or `type: udp` or `type: agent`'],
      ['25:41: error', '"verify" has no meaning for a check of type http; leave it out or write `type: https` or `type: grpc`'],
    ],
  },
  {
    mistake: 'something is sent and nobody looks at the answer',
    change: written('{ type: tcp, send: PING }'),
    said: [['25:31: error', 'nobody looks at the answer: add "expect"']],
  },
  {
    mistake: 'no hex digits',
    change: written('{ type: tcp, send: abc, expect: "00fF", encoding: hex }'),
    said: [['25:37: error', 'expected hex digits, two a byte such as 0a00ff']],
  },
  {
    mistake: 'a CA that is never looked at',
    change: written('{ type: https, ca: ca.pem, verify: false }'),
    said: [['25:33: error', 'nothing is compared with this CA while `verify: false` is written']],
  },
  {
    mistake: 'TLS keys of a grpc check without TLS',
    change: written('{ type: grpc, serverName: a.example }'),
    said: [['25:32: error', '"serverName" has no meaning without TLS; add `tls: true`']],
  },
  { mistake: 'grpc with TLS', change: written('{ type: grpc, tls: true, serverName: a.example }'), said: [] },
  {
    mistake: 'nothing to ask DNS',
    change: written('{ type: dns }'),
    said: [['25:5: error', 'missing key "query": a check of type dns needs it']],
  },
  {
    mistake: 'no domain name',
    change: written('{ type: dns, query: a..b }'),
    said: [['25:38: error', 'expected a domain name such as shop.example']],
  },
  {
    mistake: 'an answer of another family',
    change: written('{ type: dns, query: a, recordType: AAAA, answer: 10.1.1.1 }'),
    said: [['25:67: error', 'expected an IPv6 address, as records of type AAAA are']],
  },
  {
    mistake: 'an answer to nothing',
    change: written('{ type: dns, query: a, rcode: nxdomain, answer: 10.1.1.1 }'),
    said: [['25:58: error', 'there is no answer with nxdomain; leave "answer" or "rcode" out']],
  },
  { mistake: 'a DNS check of a UDP service', change: [UDP, ...written('{ type: dns, query: . }')], said: [] },
  {
    mistake: 'nothing to send by UDP',
    change: written('{ type: udp, expect: a }'),
    said: [['25:5: error', 'missing key "send": a check of type udp needs it']],
  },
  {
    mistake: 'a script that is looked for in PATH',
    change: written('{ type: script, command: [check] }'),
    said: [['25:44: error', 'the program must be an absolute path such as /usr/local/bin/check']],
  },
  {
    mistake: 'no script',
    change: written('{ type: script }'),
    said: [['25:5: error', 'missing key "command": a check of type script needs it']],
  },
  {
    mistake: 'a variable that the check sets itself',
    change: written('{ type: script, command: [/c], environment: { TANDEM_POOL: x } }'),
    said: [['25:64: error', 'names that start with TANDEM_ are set by the check itself']],
  },
  {
    mistake: 'an agent on the port of the service',
    change: written('{ type: agent }'),
    said: [['25:5: error', 'missing key "port": a check of type agent needs it']],
  },
  {
    mistake: 'a user that no protocol can carry',
    change: written('{ type: mysql, user: "a b" }'),
    said: [['25:39: error', 'expected a user name of at most 32 characters']],
  },
  {
    mistake: 'fast, and slower than the interval',
    change: [['timeout: 3s', 'fastInterval: 6s']],
    said: [['25:75: error', 'fastInterval (6000 ms) is slower than interval (5000 ms)']],
  },
]);

// Feed and search requests at a constant arrival rate: arrivals do not wait for answers.
//   k6 run -e TARGET=127.0.0.1:7700 -e RATE=20 -e DURATION=20s -e USERS=users.txt -e QUERIES=queries.txt loadtest/k6.js
import { check } from 'k6';
import exec from 'k6/execution';
import { SharedArray } from 'k6/data';
import { Rate } from 'k6/metrics';
import grpc from 'k6/net/grpc';

const lines = (file) => open(file).split('\n').filter((line) => line !== '');
const users = new SharedArray('users', () => lines(__ENV.USERS));
const queries = new SharedArray('queries', () => lines(__ENV.QUERIES));

const degraded = new Rate('degraded');
const client = new grpc.Client();
let connected = false;

const arrivals = (call) => ({
  executor: 'constant-arrival-rate',
  exec: call,
  rate: Number(__ENV.RATE || 20),
  timeUnit: '1s',
  duration: __ENV.DURATION || '20s',
  preAllocatedVUs: 32,
  maxVUs: 128,
});

export const options = {
  scenarios: { feed: arrivals('feed'), search: arrivals('search') },
  thresholds: {
    dropped_iterations: ['count==0'],
    checks: ['rate==1'],
    degraded: [`rate<=${__ENV.MAX_DEGRADED || 0.001}`],
    'grpc_req_duration{scenario:feed}': ['p(99)<60000'],
    'grpc_req_duration{scenario:search}': ['p(99)<60000'],
  },
  summaryTrendStats: ['min', 'med', 'p(90)', 'p(99)', 'max'],
};

function call(method, request) {
  if (!connected) {
    client.connect(__ENV.TARGET || '127.0.0.1:7700', { plaintext: true, reflect: true });
    connected = true;
  }
  const response = client.invoke(`espalier.router.v1.RouterService/${method}`, request, { timeout: __ENV.TIMEOUT || '2s' });
  const answered = check(response, { answered: (r) => r.status === grpc.StatusOK && r.message.page.items.length > 0 });
  if (!answered) {
    console.error(`${method} ${JSON.stringify(request)}: ${JSON.stringify(response.error)}`);
  } else {
    degraded.add((response.message.page.degradations || []).length > 0);
  }
}

// Every arrival takes the next line, so that runs are alike.
const pick = (all) => all[exec.scenario.iterationInTest % all.length];

export function feed() {
  call('Recommend', { user: { id: pick(users) }, options: { page_size: 20 } });
}

export function search() {
  call('Search', { query: pick(queries), options: { page_size: 20 } });
}

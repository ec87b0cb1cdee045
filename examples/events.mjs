// A run as it happens: events for a dashboard, a signal that ends it, and the folder that stays.
//
//   node examples/events.mjs
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunAbortedError, startSimulation, syntheticTask } from 'heddle';

const parent = await mkdtemp(join(tmpdir(), 'heddle-events-'));
const controller = new AbortController();
const run = startSimulation({
  data: {
    source: syntheticTask('mnist', { seed: 1, trainSize: 3000, testSize: 500 }),
    partitioner: { type: 'iid', numPartitions: 30 },
  },
  model: { type: 'mlp', layers: [784, 32, 10] },
  run: { name: 'watched', numServerRounds: 1000 },
  signal: controller.signal,
  runDir: join(parent, 'run'),
});

for await (const event of run.events) {
  if (event.event === 'start') console.log(`start: ${event.clients} clients on ${event.backend}`);
  if (event.event === 'round') {
    const accuracy = event.metrics['central-val/accuracy'];
    if (event.round % 5 === 0) console.log(`round ${event.round}: accuracy ${(100 * accuracy).toFixed(1)} %`);
    // As Ctrl-C would: the round that runs is finished first.
    if (event.round === 15) controller.abort();
  }
  if (event.event === 'end') console.log(`end: ${event.status} after ${event.round} rounds`);
}

try {
  await run.result;
} catch (error) {
  if (!(error instanceof RunAbortedError)) throw error;
  // Nothing is lost: model, summary, metrics and report were written.
  console.log(`${error.code}: ${error.partial.summary.rounds} rounds kept`);
  console.log((await readdir(error.runDir)).sort().join(' '));
}
await rm(parent, { recursive: true });

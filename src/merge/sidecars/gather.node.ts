/** Measures a model on data and writes what merges weigh it by beside it. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset } from '../../data/dataset.js';
import { sharedF32 } from '../../data/shared-memory.js';
import { InvalidArgumentError } from '../../errors.js';
import type { Model } from '../../program/model.js';
import { ModelFileError } from '../../tensor/safetensors/errors.js';
import { encodeModel, type FlatTensor, readFlatModel } from '../../tensor/safetensors/flat-model.js';
import { modelSha256 } from '../../tensor/safetensors/model-hash.js';
import { paramsOfTensors } from '../../tensor/safetensors/param-model.js';
import { openModel } from '../../tensor/safetensors/reader.node.js';
import { fisherSums, inputGrams } from '../../train/statistics.js';
import type { TrainingSession } from '../../train/training-session.js';
import { writeWholeFile } from '../whole-file.node.js';
import { FISHER_FILE, GRAM_FILE, SIDECAR_KEYS } from './sidecar.js';

export interface GatherOptions {
  /** Diagonal Fisher information, for `merge_method: fisher`. Default: true. */
  fisher?: boolean;
  /**
   * Labels of the Fisher information: `data` takes the squared gradients at the labels of the data (the empirical Fisher); `model` their
   * expectation over the labels that the model itself would draw, as the paper has it, in as many passes as there are classes.
   * Default: 'data'.
   */
  labels?: 'data' | 'model';
  /** Gram matrices of layers' inputs, for `merge_method: regmean`. Default: true. */
  gram?: boolean;
  /** Examples, as indices into the data. Default: all. */
  index?: Uint32Array;
  /** Replace files of measurements. Default: refuse. */
  overwrite?: boolean;
  signal?: AbortSignal;
  /** Examples measured so far, of all; each counts once for every file. */
  onProgress?(done: number, of: number): void;
}

export interface GatherReport {
  readonly folder: string;
  /** Names of the files written. */
  readonly files: readonly string[];
  readonly examples: number;
  /** `modelSha256` of the model, which the files name. */
  readonly model: string;
  /** Modules that have a Gram matrix. */
  readonly modules: readonly string[];
}

/** Examples of a job: a multiple of the batches of both measurements, so that the cut changes no batch. */
const kJobExamples = 2560;

/**
 * Writes `fisher.safetensors` and `gram.safetensors` into a model's folder: each whole or not at all.
 *
 * @param session - of the model that the folder holds.
 * @throws {ModelFileError} `ERR_OUTPUT_EXISTS` unless `overwrite`; as `openModel` and for what the file system refuses.
 * @throws {ModelTensorError}, {ShapeMismatchError} if the folder holds another model.
 * @example await gatherSidecars('finetuned', session, data);
 */
export async function gatherSidecars(
  folder: string,
  session: TrainingSession,
  data: Dataset,
  options: GatherOptions = {},
): Promise<GatherReport> {
  const { fisher = true, labels = 'data', gram = true, overwrite = false, signal } = options;
  const index = options.index ?? Uint32Array.from({ length: data.size }, (_, i) => i);
  const files = [...(fisher ? [FISHER_FILE] : []), ...(gram ? [GRAM_FILE] : [])];
  if (files.length === 0)
    throw new InvalidArgumentError('gatherSidecars', 'options', 'fisher or gram', 'neither');
  if (index.length === 0)
    throw new InvalidArgumentError('gatherSidecars', 'index', 'at least one example', 'none');
  for (const file of files) if (!overwrite) await refuseExisting(join(folder, file));
  const source = await openModel(folder);
  try {
    const { model } = session;
    const params = paramsOfTensors(model.spec, await readFlatModel(source));
    const hash = await modelSha256(source, signal);
    const measure: Measure = {
      model,
      params,
      data,
      index,
      session,
      signal,
      tell: teller(options, index, files),
    };
    const metadata = { [SIDECAR_KEYS.examples]: String(index.length), [SIDECAR_KEYS.model]: hash };
    if (fisher)
      await writeTensors(folder, FISHER_FILE, await fisherTensors(measure, labels), {
        ...metadata,
        [SIDECAR_KEYS.labels]: labels,
      });
    const grams = gram ? await gramTensors(measure) : new Map<string, FlatTensor>();
    if (gram) await writeTensors(folder, GRAM_FILE, grams, metadata);
    return { folder, files, examples: index.length, model: hash, modules: [...grams.keys()] };
  } finally {
    await source.close();
  }
}

interface Measure {
  readonly model: Model;
  readonly params: Float32Array;
  readonly data: Dataset;
  readonly index: Uint32Array;
  readonly session: TrainingSession;
  readonly signal?: AbortSignal;
  tell(examples: number): void;
}

function teller(options: GatherOptions, index: Uint32Array, files: readonly string[]) {
  let done = 0;
  const all = index.length * files.length;
  return (examples: number): void => {
    done += examples;
    options.onProgress?.(done, all);
  };
}

/** Runs jobs over parts of the examples, as many side by side as the runner has workers, and takes them up in order. */
async function overParts<T>(
  { index, session, signal, tell }: Measure,
  job: (part: Uint32Array) => Promise<T>,
  take: (result: T, examples: number) => void,
): Promise<void> {
  const parts: Uint32Array[] = [];
  for (let at = 0; at < index.length; at += kJobExamples) parts.push(index.subarray(at, at + kJobExamples));
  const { workers } = session.runner;
  for (let at = 0; at < parts.length; at += workers) {
    signal?.throwIfAborted();
    const some = parts.slice(at, at + workers);
    const results = await Promise.all(some.map(job));
    results.forEach((result, k) => {
      take(result, some[k].length);
      tell(some[k].length);
    });
  }
}

async function fisherTensors(measure: Measure, labels: 'data' | 'model'): Promise<Map<string, FlatTensor>> {
  const { model, params, data, index, session, signal } = measure;
  const sums = new Float64Array(params.length);
  await overParts(
    measure,
    (part) =>
      fisherSums(model, session.runner, {
        ...{ params, data, labels, signal },
        index: part,
        gradient: sharedF32(params.length),
      }),
    (result) => {
      for (let i = 0; i < sums.length; i++) sums[i] += result[i];
    },
  );
  const means = Float32Array.from(sums, (sum) => sum / index.length);
  return new Map(
    model.spec.entries.map(({ name, shape }) => [
      name,
      { dtype: 'F32', shape, values: model.spec.slice(means, name) },
    ]),
  );
}

async function gramTensors(measure: Measure): Promise<Map<string, FlatTensor>> {
  const { model, params, data, index, session, signal } = measure;
  const sums = new Map<string, { width: number; sum: Float64Array }>();
  await overParts(
    measure,
    (part) => inputGrams(model, params, data, { index: part, runner: session.runner, signal }),
    ({ layers }, examples) => {
      for (const { layer, width, gram } of layers) {
        const known = sums.get(layer) ?? { width, sum: new Float64Array(width * width) };
        for (let i = 0; i < gram.length; i++) known.sum[i] += gram[i] * examples;
        sums.set(layer, known);
      }
    },
  );
  return new Map(
    [...sums].map(([layer, { width, sum }]) => [
      layer,
      { dtype: 'F32', shape: [width, width], values: Float32Array.from(sum, (v) => v / index.length) },
    ]),
  );
}

async function refuseExisting(path: string): Promise<void> {
  const there = await stat(path).then(
    () => true,
    () => false,
  );
  if (there)
    throw new ModelFileError(
      'ERR_OUTPUT_EXISTS',
      `${path} is there already`,
      'replace it with --overwrite (option overwrite), or keep it',
      { file: path },
    );
}

async function writeTensors(
  folder: string,
  name: string,
  tensors: ReadonlyMap<string, FlatTensor>,
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  await writeWholeFile(join(folder, name), await encodeModel({ tensors, metadata }));
}

/** Small models on disk, made for a test. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { philox4x32 } from '../../../src/kernels/reference/philox.js';
import { openModel } from '../../../src/tensor/safetensors/reader.node.js';
import { createModelWriter } from '../../../src/tensor/safetensors/writer.node.js';

const folders: string[] = [];
// Here and not where a folder is made: a test may not add hooks.
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

/** A folder that is gone after the file's tests. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'heddle-merge-'));
  folders.push(folder);
  return folder;
}

/** Uniform in [-0.5, 0.5) by (seed, element). */
export function uniform(length: number, seed: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => philox4x32(i, 0, 0, 0, seed, 7)[0] / 2 ** 32 - 0.5);
}

export type Tensors = Readonly<Record<string, { shape: readonly number[]; values: Float32Array }>>;

/** Writes float32 tensors as a model. */
export async function writeModel(folder: string, tensors: Tensors): Promise<string> {
  await mkdir(folder, { recursive: true });
  const outputs = Object.entries(tensors).map(([name, { shape }]) => ({
    name,
    shape,
    dtype: 'F32' as const,
  }));
  const writer = await createModelWriter(folder, outputs, { sync: false, overwrite: true });
  for (const [name, { values }] of Object.entries(tensors)) {
    await writer.write(name, 0, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    await writer.finish(name);
  }
  await writer.commit();
  return folder;
}

/**
 * A base and tunes of it with a matrix of several chunks, a small one, and a vector.
 *
 * @param more - further small matrices. A merge that stops at its first tensor still ends those that it is working on: with some more
 *   something is left.
 */
export async function writeFamily(folder: string, tunes: number, rows = 1061, more = 0): Promise<void> {
  const shapes = {
    ...{ 'layers.0.weight': [rows, 661], 'layers.1.weight': [37, 129], 'norm.weight': [129] },
    ...Object.fromEntries(Array.from({ length: more }, (_, i) => [`layers.${i + 2}.weight`, [61, 129]])),
  };
  for (let m = 0; m <= tunes; m++) {
    const tensors = Object.entries(shapes).map(([name, shape], t) => {
      const size = shape.reduce((a, b) => a * b, 1);
      const values = uniform(size, t + 1);
      const deltas = m > 0 ? uniform(size, 100 * m + t) : new Float32Array(size);
      for (let i = 0; i < size; i++) values[i] += 0.1 * deltas[i];
      return [name, { shape, values }] as const;
    });
    await writeModel(join(folder, m === 0 ? 'base' : `tune${m}`), Object.fromEntries(tensors));
  }
}

/** A recipe with weight and density for each tune, as its method has them. */
export function recipeOf(method: string, tunes: number, more = ''): string {
  const entries = Array.from(
    { length: tunes },
    (_, i) =>
      `  - model: tune${i + 1}\n    parameters: {weight: 0.${3 + i}${/ties|dare|crumbs|della/.test(method) ? ', density: 0.4' : ''}}\n`,
  );
  const models = /linear|ties|dare|crumbs|della|task/.test(method)
    ? entries.join('')
    : Array.from({ length: tunes }, (_, i) => `  - model: tune${i + 1}\n`).join('');
  return `merge_method: ${method}\n${method === 'linear' ? '' : 'base_model: base\n'}models:\n${models}${more}`;
}

/** Values of a stored model by tensor, read from the bytes of its files without the stream. */
export async function readValues(folder: string): Promise<Map<string, Float32Array>> {
  const model = await openModel(folder);
  try {
    const values = new Map<string, Float32Array>();
    for (const info of model.tensors.values()) {
      if (info.dtype !== 'F32') throw new Error(`${info.name} is ${info.dtype}`);
      const bytes = (await model.readBytes(info, 0, info.size)).slice();
      values.set(info.name, new Float32Array(bytes.buffer));
    }
    return values;
  } finally {
    await model.close();
  }
}

export async function readBytes(folder: string, file = 'model.safetensors'): Promise<Buffer> {
  return readFile(join(folder, file));
}

export async function writeText(path: string, text: string): Promise<string> {
  await writeFile(path, text);
  return path;
}

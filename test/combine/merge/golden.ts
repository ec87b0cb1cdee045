/** Reads the golden cases of test/golden/merge: tensors by name, recipe, tolerance. Shares no code with the package. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';

const root = new URL('../../golden/merge/', import.meta.url);

export interface Tensor {
  dtype: string;
  shape: number[];
  values: Float32Array;
}
export type Model = Map<string, Tensor>;

export interface GoldenCase {
  name: string;
  kind: string;
  method: string;
  tolerance?: { rtol: number; atol: number };
  compare?: string;
  expected_error?: string;
}

const view = new DataView(new ArrayBuffer(4));

/** A float16 bit pattern as a number. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

function brain(bits: number): number {
  view.setUint32(0, bits << 16);
  return view.getFloat32(0);
}

export function readTensors(path: string): Model {
  const bytes = readFileSync(new URL(path, root));
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const model: Model = new Map();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const data = bytes.subarray(8 + headerLength + data_offsets[0], 8 + headerLength + data_offsets[1]);
    const read =
      dtype === 'F32'
        ? (i: number) => data.readFloatLE(4 * i)
        : (i: number) => {
            const bits = data.readUInt16LE(2 * i);
            return dtype === 'F16' ? half(bits) : brain(bits);
          };
    const count = shape.reduce((product, n) => product * n, 1);
    model.set(name, { dtype, shape, values: Float32Array.from({ length: count }, (_, i) => read(i)) });
  }
  return model;
}

export const readModel = (path: string): Model =>
  readTensors(`${path.replace(/^\.\//, '')}/model.safetensors`);
export const readJson = <T>(path: string): T => JSON.parse(readFileSync(new URL(path, root), 'utf8')) as T;
export const has = (path: string): boolean => existsSync(new URL(path, root));

export const goldenCases: GoldenCase[] = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && has(`${entry.name}/case.json`))
  .map((entry) => ({ ...readJson<GoldenCase & { profile?: string }>(`${entry.name}/case.json`) }))
  .filter((each) => each.profile === 'flat');

type Value = number | boolean | { filter?: string; value: number }[];
export interface Recipe {
  merge_method: string;
  base_model?: string;
  models?: { model: string; parameters?: Record<string, Value> }[];
  parameters?: Record<string, Value>;
  dtype?: string;
  out_dtype?: string;
}

export function readRecipe(name: string): Recipe {
  const recipe = parse(readFileSync(new URL(`${name}/recipe.yml`, root), 'utf8')) as Recipe & {
    slices?: { sources: { model: string; parameters?: Record<string, Value> }[] }[];
  };
  return { ...recipe, models: recipe.models ?? recipe.slices?.[0].sources };
}

/** A parameter's value for one tensor, by the first entry whose filter is a part of its name. */
export function settle(value: Value | undefined, tensor: string): number | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) return Number(value);
  const hit = value.find(({ filter }) => filter === undefined || filter === '*' || tensor.includes(filter));
  return hit?.value;
}

/** Rounds to the stored type, nearest and ties to even. */
export function roundTo(dtype: string, value: number): number {
  if (dtype === 'F32' || !Number.isFinite(value)) return Math.fround(value);
  const magnitude = Math.abs(value);
  const exponent = magnitude === 0 ? -126 : Math.floor(Math.log2(magnitude));
  const step = dtype === 'F16' ? 2 ** (Math.max(exponent, -14) - 10) : 2 ** (Math.max(exponent, -126) - 7);
  const steps = value / step;
  const down = Math.floor(steps);
  const rest = steps - down;
  return (rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down) * step;
}

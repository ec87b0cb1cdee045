/**
 * Golden values from plans: an evaluator of a few lines runs each plan in memory, so that gradients, filters, precedence, layers,
 * tied heads, cut and permuted rows are held against the reference tool's numbers.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mergeInMemory } from '../../../src/combine/merge/method.js';
import { createReference } from '../../../src/kernels/reference.js';
import type { InputTensor, MergePlan } from '../../../src/merge/plan.js';
import { checkMethods, tensorContext } from '../../../src/merge/planner/context.js';
import { GOLDEN, planCase } from './golden.js';

const kernels = createReference();

function readValues(folder: string, name: string): Float32Array {
  for (const file of readdirSync(folder).filter((one) => one.endsWith('.safetensors'))) {
    const bytes = readFileSync(join(folder, file));
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
    if (header[name] === undefined) continue;
    const { dtype, data_offsets } = header[name] as { dtype: string; data_offsets: [number, number] };
    const data = bytes.subarray(8 + length + data_offsets[0], 8 + length + data_offsets[1]);
    if (dtype === 'F32')
      return Float32Array.from({ length: data.length / 4 }, (_, i) => data.readFloatLE(4 * i));
    if (dtype === 'F16')
      return Float32Array.from({ length: data.length / 2 }, (_, i) => halfValue(data.readUInt16LE(2 * i)));
    const word = new DataView(new ArrayBuffer(4));
    return Float32Array.from({ length: data.length / 2 }, (_, i) => {
      word.setUint32(0, data.readUInt16LE(2 * i) << 16);
      return word.getFloat32(0);
    });
  }
  throw new Error(`${folder} has no ${name}`);
}

/** IEEE 754 binary16. */
function halfValue(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const magnitude = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -magnitude : magnitude;
}

function inputValues(plan: MergePlan, input: InputTensor): Float32Array {
  const valuesOf = (model: number, name: string) => readValues(plan.models[model].path, name);
  const values = valuesOf(input.model, input.name);
  const { rows } = input;
  const width = input.shape[1];
  if (rows === undefined) return values;
  if (rows.kind === 'cut') {
    const [height, columns] = rows.shape;
    return Float32Array.from(
      { length: height * columns },
      (_, i) => values[Math.floor(i / columns) * width + (i % columns)],
    );
  }
  const out = new Float32Array(rows.from.length * width);
  rows.from.forEach((row, to) => {
    if (row >= 0) out.set(values.subarray(row * width, (row + 1) * width), to * width);
  });
  for (const { row, from } of rows.fill)
    for (const source of from)
      for (let j = 0; j < width; j++)
        out[row * width + j] += valuesOf(source.model, source.name)[source.row * width + j] / from.length;
  for (let row = rows.meanFrom ?? rows.from.length; row < rows.from.length; row++)
    for (let j = 0; j < width; j++) {
      let sum = 0;
      const count = rows.meanFrom ?? 0;
      for (let k = 0; k < count; k++) sum += out[k * width + j];
      out[row * width + j] = sum / count;
    }
  return out;
}

const cases = readdirSync(GOLDEN).filter(
  (name) => /^(llama|tokenizer)-/.test(name) && !name.endsWith('-error'),
);

describe('values of golden recipes', () => {
  for (const name of cases)
    it(name, () => {
      const plan = planCase(name, { allowSubmatrix: name === 'llama-vocab-mismatch-linear' });
      checkMethods(plan, kernels);
      const { tolerance } = JSON.parse(readFileSync(join(GOLDEN, name, 'case.json'), 'utf8')) as {
        tolerance: { rtol: number; atol: number };
      };
      expect(plan.outputs.length).toBeGreaterThan(0);
      for (const output of plan.outputs) {
        const inputs = output.inputs.map((input) => inputValues(plan, input));
        const got =
          output.method === undefined
            ? inputs[0]
            : mergeInMemory(output.method, tensorContext(plan, output, kernels), inputs);
        const want = readValues(join(GOLDEN, name, 'expected'), output.name);
        expect(got.length).toBe(want.length);
        const worst = want.reduce(
          (most, value, i) =>
            Math.max(most, Math.abs(got[i] - value) - tolerance.atol - tolerance.rtol * Math.abs(value)),
          Number.NEGATIVE_INFINITY,
        );
        expect(worst, output.name).toBeLessThanOrEqual(0);
      }
    });

  it('name the tokens of a union as the reference tool does', () => {
    for (const name of ['tokenizer-union', 'tokenizer-base-pad8']) {
      const stub = JSON.parse(
        readFileSync(join(GOLDEN, name, 'expected', 'tokenizer_stub.json'), 'utf8'),
      ) as {
        vocab: Record<string, number>;
      };
      expect(Object.fromEntries(planCase(name).vocabulary ?? [])).toEqual(stub.vocab);
    }
  });
});

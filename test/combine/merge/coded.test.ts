// Methods that take 16-bit floats as they are stored against the same methods on widened values: the same bits, whatever the chunks.
import { afterAll, describe, expect, it } from 'vitest';
import { mergeMethods } from '../../../src/combine/merge/registry.js';
import { loadBackend } from '../../../src/kernels/select.js';
import { createCodec } from '../../../src/tensor/safetensors/codecs.js';
import { contextOf, type MergeSetup, mergeInChunks, settings, setupOf } from './fixtures.js';

const backends = await Promise.all(
  (['native', 'wasm', 'reference'] as const).map((backend) =>
    loadBackend({ backend }).catch(() => undefined),
  ),
);
const formats = [
  ['BF16', 0],
  ['F16', 1],
] as const;
const shape = [700, 201];
const size = 700 * 201;
const CUTS = [64, 65_536, 100_001];

for (const kernels of backends)
  describe.skipIf(kernels === undefined)(
    `as they are stored, on ${kernels?.backend ?? 'a missing back end'}`,
    () => {
      if (kernels === undefined) return;
      afterAll(() => kernels.dispose());
      const taken: string[] = [];

      for (const setting of settings)
        it.each(formats)(`${setting.name} ${JSON.stringify(setting.global ?? {})} of %s`, (dtype, format) => {
          const codec = createCodec(kernels, dtype);
          const given = setupOf(setting, shape, kernels);
          const stored = given.inputs.map((x) => {
            const bytes = new Uint8Array(2 * size);
            codec.narrow(bytes, x);
            return bytes;
          });
          const setup: MergeSetup = {
            ...given,
            inputs: stored.map((bytes) => {
              const values = new Float32Array(size);
              codec.widen(values, bytes);
              return values;
            }),
          };
          const method = mergeMethods.find(({ name }) => name === setting.name);
          if (method === undefined) throw new Error(setting.name);
          const plan = method.plan(contextOf(setup));
          if (!plan.combineStored || plan.passes.some((pass) => !pass.acceptStored)) return;
          taken.push(setting.name);

          const reference = Math.max(0, setup.base ?? -1);
          const codes = stored.map((bytes) => new Uint16Array(bytes.buffer));
          const chunk = (begin: number, end: number) => ({
            codes: codes.map((each) => each.subarray(begin, end)),
            format,
            reference,
          });
          const ends = [...CUTS, size];
          for (const pass of plan.passes) {
            for (const [i, end] of ends.entries())
              pass.acceptStored?.(chunk(ends[i - 1] ?? 0, end), ends[i - 1] ?? 0);
            pass.end?.();
          }
          const got = new Uint16Array(size);
          const sums = new Float64Array(2);
          // Chunks of whole blocks, so that sums go on block by block.
          for (let begin = 0; begin < size; begin += 65_536) {
            const end = Math.min(size, begin + 65_536);
            plan.combineStored(got.subarray(begin, end), sums, chunk(begin, end), begin);
          }

          const values = mergeInChunks(method, setup, CUTS);
          const want = new Uint8Array(2 * size);
          codec.narrow(want, values);
          const measured = new Float64Array(2);
          kernels.measureChangeF64(measured, values, setup.inputs[reference]);
          expect(Buffer.compare(Buffer.from(got.buffer), want)).toBe(0);
          expect([...sums]).toEqual([...measured]);
        });

      it('is what these methods do', () => {
        expect([...new Set(taken)].sort()).toEqual([
          'karcher',
          'linear',
          'model_stock',
          'multislerp',
          'nuslerp',
          'slerp',
          'task_arithmetic',
          'uniform_soup',
        ]);
      });
    },
  );

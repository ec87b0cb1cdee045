// Every kernel of the table, on every back end and instruction set that runs here, against the reference of the same profile,
// to the bit. `exact` kernels are held to the plain reference on every back end.

import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { AnyArray } from '../../src/kernels/buffer.js';
import type { Case, KernelSpec } from '../../src/kernels/define.js';
import type { Kernels } from '../../src/kernels/kernels.js';
import { type CallArgs, copyArgs, makeOperands } from '../../src/kernels/operands.js';
import { createReference } from '../../src/kernels/reference.js';
import { availableBackends, findAddon } from '../../src/kernels/select.js';
import { kernelNames, specs } from '../../src/kernels/table.js';

const backends = await availableBackends();
const plain = createReference('plain');
const fused = createReference('fma');

function call(kernels: Kernels, name: (typeof kernelNames)[number], args: CallArgs): number | undefined {
  return (kernels[name] as (...values: unknown[]) => number | undefined)(...args);
}

/** Index of the first element whose bits differ (NaN equals NaN), or -1. */
function firstDifference(a: AnyArray, b: AnyArray): number {
  for (let i = 0; i < a.length; i++)
    if (!Object.is(a[i], b[i]) && !(Number.isNaN(a[i]) && Number.isNaN(b[i]))) return i;
  return -1;
}

function compare(name: string, spec: KernelSpec, values: Case, backend: Kernels, args: CallArgs): void {
  const oracle = spec.equality === 'profile' && backend.profile === 'fma' ? fused : plain;
  const expected = copyArgs(args);
  const received = copyArgs(args);
  const expectedResult = call(oracle, name as (typeof kernelNames)[number], expected);
  const result = call(backend, name as (typeof kernelNames)[number], received);
  const at = `${name} ${JSON.stringify(values)}`;
  expect(result, `${at}: result`).toBe(expectedResult);
  spec.args.forEach((arg, i) => {
    if (arg.kind !== 'vec') return;
    const want = expected[i] as AnyArray;
    const got = received[i] as AnyArray;
    const difference = firstDifference(want, got);
    if (difference >= 0)
      expect.fail(
        `${at}: ${arg.name}[${difference}] is ${got[difference]}, the reference has ${want[difference]}`,
      );
  });
}

describe('the conformance suite sees', () => {
  it('WASM, both reference profiles, and native where an addon is built', () => {
    const names = backends.map((backend) => `${backend.backend}/${backend.isa}/${backend.profile}`);
    expect(names).toContain('wasm/wasm-simd/plain');
    if (process.env.HEDDLE_REQUIRE_NATIVE === '1')
      expect(names.some((name) => name.startsWith('native'))).toBe(true);
    const found = findAddon();
    const compiled = 'addon' in found ? found.addon.levels() : [];
    for (const level of compiled.filter(({ runsHere }) => !runsHere))
      console.warn(`not run: native level ${level.name}, compiled but not supported by this processor`);
    console.info(
      `conformance runs on ${names.join(', ')}; sources in ${resolve('native/kernels')} also compile for neon`,
    );
  });
});

for (const backend of backends)
  describe(`${backend.backend} ${backend.isa} (${backend.profile})`, () => {
    for (const name of kernelNames) {
      const spec: KernelSpec = specs[name];
      it(`${name} equals the reference bit for bit`, () => {
        spec.cases.forEach((values, index) => {
          for (const offset of [0, 1]) {
            const options = { seed: 1000 + index, offset, specials: 'none' } as const;
            compare(name, spec, values, backend, makeOperands(spec, values, options));
            if (spec.specials !== 'none')
              compare(
                name,
                spec,
                values,
                backend,
                makeOperands(spec, values, { ...options, specials: spec.specials }),
              );
          }
        });
      });
    }
  });

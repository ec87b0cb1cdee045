// Every kernel of the table, on every back end and instruction set that runs here, against the reference of the same profile,
// to the bit. `exact` kernels are held to the plain reference on every back end.
import { afterAll, describe, expect, it } from 'vitest';
import type { AnyArray } from '../../src/kernels/buffer.js';
import type { KernelSpec } from '../../src/kernels/define.js';
import type { Kernels, Profile } from '../../src/kernels/kernels.js';
import { type CallArgs, copyArgs, makeOperands } from '../../src/kernels/operands.js';
import { createReference } from '../../src/kernels/reference.js';
import { availableBackends, findAddon } from '../../src/kernels/select.js';
import { type KernelName, kernelNames, specs } from '../../src/kernels/table.js';

const backends = (await availableBackends()).filter(({ backend }) => backend !== 'reference');
const references: Record<Profile, Kernels> = { plain: createReference('plain'), fma: createReference('fma') };

/** One call with what the reference makes of it, by profile; made once and used for all back ends. */
interface Expectation {
  at: string;
  args: CallArgs;
  outcome(profile: Profile): Outcome;
}
interface Outcome {
  args: CallArgs;
  result: number | undefined;
}

function run(kernels: Kernels, name: KernelName, args: CallArgs): Outcome {
  const copy = copyArgs(args);
  const body = kernels[name] as (...values: unknown[]) => number | undefined;
  return { args: copy, result: body(...copy) };
}

function expectations(name: KernelName, spec: KernelSpec): Expectation[] {
  const fillings = spec.specials === 'none' ? (['none'] as const) : (['none', spec.specials] as const);
  return spec.cases.flatMap((values, index) =>
    [0, 1].flatMap((offset) =>
      fillings.map((specials): Expectation => {
        const args = makeOperands(spec, values, { seed: 1000 + index, offset, specials });
        const known: Partial<Record<Profile, Outcome>> = {};
        return {
          at: `${name} ${JSON.stringify(values)}, offset ${offset}, specials ${specials}`,
          args,
          outcome: (profile) => {
            known[profile] ??= run(references[profile], name, args);
            return known[profile];
          },
        };
      }),
    ),
  );
}

/** Index of the first element whose bits differ (NaN equals NaN), or -1. */
function firstDifference(a: AnyArray, b: AnyArray): number {
  for (let i = 0; i < a.length; i++)
    if (!Object.is(a[i], b[i]) && !(Number.isNaN(a[i]) && Number.isNaN(b[i]))) return i;
  return -1;
}

function compare(
  name: KernelName,
  spec: KernelSpec,
  backend: Kernels,
  { at, args, outcome }: Expectation,
): void {
  const expected = outcome(spec.equality === 'profile' ? backend.profile : 'plain');
  const received = run(backend, name, args);
  expect(received.result, `${at}: result`).toBe(expected.result);
  spec.args.forEach((arg, i) => {
    if (arg.kind !== 'vec' || arg.scratch) return;
    const want = expected.args[i] as AnyArray;
    const got = received.args[i] as AnyArray;
    const difference = firstDifference(want, got);
    if (difference >= 0)
      expect.fail(
        `${at}: ${arg.name}[${difference}] is ${got[difference]}, the reference has ${want[difference]}`,
      );
  });
}

describe('the conformance suite sees', () => {
  it('WASM, and native where an addon is built', () => {
    const names = backends.map((backend) => `${backend.backend}/${backend.isa}/${backend.profile}`);
    expect(names).toContain('wasm/wasm-simd/plain');
    if (process.env.HEDDLE_REQUIRE_NATIVE === '1') expect(names.join()).toContain('native/base/plain');
    const found = findAddon();
    const compiled = 'addon' in found ? found.addon.levels() : [];
    for (const { name } of compiled.filter(({ runsHere }) => !runsHere))
      console.warn(`not run: native level ${name}, compiled but not supported by this processor`);
    const levels = compiled.map(({ name }) => name);
    for (const name of ['base', 'avx2', 'avx512', 'neon'].filter((level) => !levels.includes(level)))
      console.warn(`not run: native level ${name}, in the sources but not compiled for this processor`);
    console.info(`conformance runs on ${names.join(', ')}`);
  });
});

for (const name of kernelNames)
  describe(name, () => {
    const spec: KernelSpec = specs[name];
    let cases: Expectation[] | undefined;
    afterAll(() => {
      cases = undefined;
    });
    for (const backend of backends)
      it(`equals the reference bit for bit on ${backend.backend} ${backend.isa} (${backend.profile})`, () => {
        cases ??= expectations(name, spec);
        expect(cases.length).toBeGreaterThan(0);
        for (const each of cases) compare(name, spec, backend, each);
      });
  });

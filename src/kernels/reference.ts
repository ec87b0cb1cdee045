/** The reference back end: the normative kernels in plain TypeScript, with checked arguments. */
import { heapBuffer } from './allocate.js';
import type { AnyArray, KernelBuffer } from './buffer.js';
import { arrayTypes, checker } from './checked.js';
import type { Dtype } from './define.js';
import type { KernelFunctions } from './generated/interface.js';
import type { ArrayOfDtype, BoundKernel, Kernels, Profile } from './kernels.js';
import * as activation from './reference/activation.js';
import * as clip from './reference/clip.js';
import { convKernels } from './reference/conv.js';
import * as divergence from './reference/divergence.js';
import * as fisher from './reference/fisher.js';
import { gemmKernels } from './reference/gemm.js';
import * as gram from './reference/gram.js';
import * as layout from './reference/layout.js';
import { linalgKernels } from './reference/linalg.js';
import * as loss from './reference/loss.js';
import * as mask from './reference/mask.js';
import * as merge from './reference/merge.js';
import * as optimizer from './reference/optimizer.js';
import * as pool from './reference/pool.js';
import * as quant from './reference/quant.js';
import * as random from './reference/random.js';
import * as rank from './reference/rank.js';
import * as reduce from './reference/reduce.js';
import * as select from './reference/select.js';
import * as vector from './reference/vector.js';
import { type KernelName, kernelNames, specs } from './table.js';

type Body = (...args: never[]) => number | boolean | undefined;

/**
 * @param profile - `plain` (default) has the bits of WASM and of native `base`; `fma` those of AVX2, AVX-512 and NEON.
 */
export function createReference(profile: Profile = 'plain'): Kernels {
  const bodies = {
    ...vector,
    ...reduce,
    ...clip,
    ...select,
    ...random,
    ...quant,
    ...fisher,
    ...gemmKernels(profile),
    ...convKernels(profile),
    ...pool,
    ...activation,
    ...loss,
    ...layout,
    ...optimizer,
    ...merge,
    ...rank,
    ...mask,
    ...linalgKernels(profile),
    ...divergence,
    ...gram,
  } as unknown as Record<KernelName, Body>;
  const functions = Object.fromEntries(
    kernelNames.map((name) => {
      const check = checker(name, specs[name]);
      const body = bodies[name] as (...args: unknown[]) => unknown;
      return [name, (...args: unknown[]) => toResult(body(...check(args).args))];
    }),
  ) as unknown as KernelFunctions;
  return {
    ...functions,
    backend: 'reference',
    isa: 'javascript',
    profile,
    alloc: <D extends Dtype>(length: number, dtype?: D) =>
      heapBuffer(length, dtype ?? 'f32', () => new arrayTypes[dtype ?? 'f32'](length)) as KernelBuffer<
        ArrayOfDtype[D] & Float32Array
      >,
    bind: (name, operands) => bindBody(name, bodies[name], operands),
    dispose: () => {},
  };
}

function toResult(value: unknown): number | undefined {
  return typeof value === 'boolean' ? Number(value) : (value as number | undefined);
}

function bindBody(name: KernelName, body: Body, operands: readonly AnyArray[]): BoundKernel {
  const { args } = specs[name];
  const call = body as (...values: unknown[]) => unknown;
  const values: unknown[] = [];
  const scalarAt: number[] = [];
  const single: boolean[] = [];
  let operand = 0;
  args.forEach((arg, i) => {
    if (arg.kind === 'scalar') {
      scalarAt.push(i);
      single.push(arg.dtype === 'f32');
    } else values[i] = operands[operand++];
  });
  return (scalars) => {
    for (let s = 0; s < scalarAt.length; s++)
      values[scalarAt[s]] = single[s] ? Math.fround(scalars[s]) : scalars[s];
    return toResult(call(...values)) ?? 0;
  };
}

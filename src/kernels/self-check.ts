/** Holds one kernel of a loaded back end to the reference: what `heddle doctor` and the benches do before they trust it. */
import type { AnyArray } from './buffer.js';
import type { Case, KernelSpec } from './define.js';
import type { Kernels } from './kernels.js';
import { type CallArgs, copyArgs, makeOperands } from './operands.js';
import { createReference } from './reference.js';
import { type KernelName, specs } from './table.js';

/**
 * Runs `name` on operands made from `values`, on `kernels` and on the reference of the same numeric profile.
 *
 * @returns what differs, or undefined when every bit agrees (NaN equals NaN).
 */
export function differenceFromReference(
  kernels: Kernels,
  name: KernelName,
  values: Case,
  seed = 1,
): string | undefined {
  const spec: KernelSpec = specs[name];
  const reference = createReference(spec.equality === 'profile' ? kernels.profile : 'plain');
  const expected = makeOperands(spec, values, { seed, specials: 'none', offset: 0 });
  const received = copyArgs(expected);
  const wanted = callKernel(reference, name, expected);
  const result = callKernel(kernels, name, received);
  if (!same(result, wanted)) return `it returned ${result}, the reference ${wanted}`;
  for (const [i, arg] of spec.args.entries()) {
    if (arg.kind !== 'vec' || arg.access === 'in' || arg.scratch) continue;
    const want = expected[i] as AnyArray;
    const got = received[i] as AnyArray;
    for (let j = 0; j < want.length; j++)
      if (!same(got[j], want[j])) return `${arg.name}[${j}] is ${got[j]}, the reference has ${want[j]}`;
  }
  return undefined;
}

/** Calls a kernel by name with arguments in the table's order. */
export function callKernel(kernels: Kernels, name: KernelName, args: CallArgs): number | undefined {
  return (kernels[name] as (...values: unknown[]) => number | undefined)(...args);
}

function same(a: number | undefined, b: number | undefined): boolean {
  return Object.is(a, b);
}

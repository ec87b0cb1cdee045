/** In which order tensors are worked on, and which are shared between lanes. */
import { recipeMethods } from '../../combine/merge/registry.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { OutputTensor } from '../plan.js';
import { createScratch } from './scratch.js';
import type { TaskStart } from './task.js';
import { TensorTask } from './tensor-task.js';

/** Elements [begin, end) of an output. */
export interface Share {
  readonly output: OutputTensor;
  readonly begin: number;
  readonly end: number;
}

/** Elements of a share of a large tensor, fixed so that sums over shares are too; a multiple of a tensor's unit at the least. */
const SHARE_ELEMENTS = 1 << 23;

/** A tensor in ranges of `step` elements: a multiple of the block. */
export function sharesOf(output: OutputTensor, size: number, step: number = SHARE_ELEMENTS): Share[] {
  return Array.from({ length: Math.ceil(size / step) }, (_, i) => ({
    output,
    begin: i * step,
    end: Math.min(size, (i + 1) * step),
  }));
}

/**
 * Order of the plan, which is that of the files; but tensors that would leave the other lanes idle at the end come first. A large
 * tensor whose method takes no statistics and goes by no order is cut into shares: any range of it can be combined by itself.
 */
export function schedule(
  outputs: readonly OutputTensor[],
  startOf: (output: OutputTensor) => TaskStart,
  kernels: Kernels,
  lanes: number,
): Share[] {
  const sizeOf = ({ shape }: OutputTensor): number => shape.reduce((n, size) => n * size, 1);
  const total = outputs.reduce((sum, output) => sum + sizeOf(output), 0);
  const large = total / (8 * lanes);
  const shares = (output: OutputTensor): Share[] => {
    const size = sizeOf(output);
    const whole = [{ output, begin: 0, end: size }];
    if (size <= 2 * SHARE_ELEMENTS || (output.method !== undefined && !recipeMethods.get(output.method.name)))
      return whole;
    const { shape } = new TensorTask(startOf(output), output.method, kernels, createScratch(kernels));
    if (shape.passes > 0 || shape.inOrder || shape.unit > SHARE_ELEMENTS) return whole;
    return sharesOf(output, size, Math.floor(SHARE_ELEMENTS / shape.unit) * shape.unit);
  };
  const first = outputs.filter((output) => sizeOf(output) > large);
  const rest = outputs.filter((output) => sizeOf(output) <= large);
  return [...first.toSorted((a, b) => sizeOf(b) - sizeOf(a)), ...rest].flatMap(shares);
}

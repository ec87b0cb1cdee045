/**
 * Weighted sums of updates whose bits depend on the slots alone: not on threads, machines or arrival.
 *
 * Inside a shard of 32 slots: float64, slot order. Shards are the leaves of a fixed binary tree over the shard number,
 * node(l, k) = node(l - 1, 2k) + node(l - 1, 2k + 1); a side with no update is the identity (a copy, not + 0).
 */
import { DisposedError, InvalidArgumentError } from '../errors.js';
import type { KernelBuffer } from '../kernels/buffer.js';
import type { Kernels } from '../kernels/kernels.js';

export const kShardSlots = 32;

interface TreeNode {
  level: number;
  index: number;
  sum: KernelBuffer<Float64Array>;
}

export interface OrderedSum {
  /**
   * Hands the running float64 vector of the slot's shard to `accumulate`, which adds one update to it.
   * Slots must come in ascending order; missing ones are simply not called. A slot is used up even if `accumulate` throws.
   *
   * @throws {InvalidArgumentError} for a slot that goes back, or after `finish` without `reset`.
   */
  add(slot: number, accumulate: (acc: KernelBuffer<Float64Array>) => void): void;
  /** Whether anything was added. */
  readonly empty: boolean;
  /** Joins the shards. The buffer belongs to the sum and is valid until `reset` or `dispose`; a second call gives it again. */
  finish(): KernelBuffer<Float64Array>;
  /** Starts anew with the same memory. */
  reset(): void;
  dispose(): void;
}

/** @param size - elements of an update. Holds 1 + log2(shards) float64 vectors at most. */
export function createOrderedSum(kernels: Kernels, size: number): OrderedSum {
  const spare: KernelBuffer<Float64Array>[] = [];
  const all: KernelBuffer<Float64Array>[] = [];
  let stack: TreeNode[] = [];
  let shard = -1;
  let lastSlot = -1;
  let finished = false;
  let disposed = false;

  const checkAlive = (): void => {
    if (disposed) throw new DisposedError('an ordered sum');
  };

  const take = (): KernelBuffer<Float64Array> => {
    const known = spare.pop();
    if (known) {
      kernels.fillF64(known, 0);
      return known;
    }
    const made = kernels.alloc(size, 'f64');
    all.push(made);
    return made;
  };

  /** Puts a node on the stack, or adds it to its left neighbour where that stands for the same parent. */
  const put = (nodes: TreeNode[], node: TreeNode): void => {
    const left = nodes.at(-1);
    if (left?.level === node.level && left.index === node.index) {
      kernels.addF64(left.sum, node.sum);
      spare.push(node.sum);
    } else nodes.push(node);
  };
  const parent = (node: TreeNode): TreeNode => ({
    level: node.level + 1,
    index: node.index >>> 1,
    sum: node.sum,
  });

  /** Raises every subtree that ends before `nextShard` as far as it is complete, so that the stack stays logarithmic. */
  const joinCompleteBefore = (nextShard: number): void => {
    const complete = (node: TreeNode): boolean =>
      (parent(node).index + 1) * 2 ** (node.level + 1) <= nextShard;
    for (let top = stack.at(-1); top && complete(top); top = stack.at(-1)) {
      stack.pop();
      const below = stack.at(-1);
      if (below && below.level === top.level && parent(below).index === parent(top).index) {
        stack.pop();
        put(stack, parent(below));
      }
      put(stack, parent(top));
    }
  };

  /** Joins what is left, level by level from the leaves up. */
  const joinAll = (): void => {
    for (let level = 0; stack.length > 1; level++) {
      const next: TreeNode[] = [];
      for (const node of stack) put(next, node.level === level ? parent(node) : node);
      stack = next;
    }
  };

  const reset = (): void => {
    for (const node of stack) spare.push(node.sum);
    stack = [];
    shard = -1;
    lastSlot = -1;
    finished = false;
  };

  return {
    add(slot, accumulate) {
      checkAlive();
      if (finished)
        throw new InvalidArgumentError(
          'OrderedSum.add',
          'the call',
          'after reset()',
          'a call after finish()',
        );
      if (!(Number.isInteger(slot) && slot > lastSlot))
        throw new InvalidArgumentError('OrderedSum.add', 'slot', `an integer above ${lastSlot}`, slot);
      lastSlot = slot;
      const slotShard = Math.floor(slot / kShardSlots);
      if (slotShard !== shard) {
        joinCompleteBefore(slotShard);
        stack.push({ level: 0, index: slotShard, sum: take() });
        shard = slotShard;
      }
      const top = stack[stack.length - 1];
      accumulate(top.sum);
    },
    get empty() {
      return stack.length === 0;
    },
    finish() {
      checkAlive();
      finished = true;
      if (stack.length === 0) stack.push({ level: 0, index: 0, sum: take() });
      joinAll();
      return stack[0].sum;
    },
    reset,
    dispose() {
      disposed = true;
      for (const buffer of all) buffer.dispose();
      spare.length = 0;
      stack = [];
    },
  };
}

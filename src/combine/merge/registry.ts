/** All merge methods by name. */
import { linear, uniformSoup } from './linear.js';
import type { MergeMethod } from './method.js';
import { slerp } from './slerp.js';
import { taskArithmetic } from './task-arithmetic.js';
import { ties } from './ties.js';

export const mergeMethods: readonly MergeMethod[] = [linear, uniformSoup, slerp, taskArithmetic, ties];

/** The method of that name (snake_case), or undefined. */
export const findMergeMethod = (name: string): MergeMethod | undefined =>
  mergeMethods.find((method) => method.name === name);

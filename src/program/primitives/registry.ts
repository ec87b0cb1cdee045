import type { Primitive } from '../primitive.js';
import { activations } from './activation.js';
import { convolution } from './conv.js';
import { elementwise } from './elementwise.js';
import { leaves } from './leaf.js';
import { linear } from './linear.js';
import { losses } from './loss.js';
import { pools } from './pool.js';
import { rows } from './rows.js';
import { structure } from './structure.js';

/** Every operation that a graph can hold. */
export const primitives: Readonly<Record<string, Primitive>> = {
  ...leaves,
  ...elementwise,
  ...activations,
  ...structure,
  ...linear,
  ...convolution,
  ...pools,
  ...rows,
  ...losses,
};

/**
 * Every kernel, declared once, by family in `table/`. C++ declarations, bindings, the tape's dispatch, the TypeScript interface, the WASM exports,
 * the conformance suite and the benches derive from this file (`npm run generate`).
 *
 * Order of arguments: destination, sources, scalars. The meaning of each kernel is its reference version in
 * `reference/<family>.ts`; conventions shared by all are in `docs/kernels.md`.
 */
import type { KernelSpec } from './define.js';
import { activationKernels } from './table/activation.js';
import { clipKernels } from './table/clip.js';
import { convKernels } from './table/conv.js';
import { divergenceKernels } from './table/divergence.js';
import { fisherKernels } from './table/fisher.js';
import { gemmKernels } from './table/gemm.js';
import { gramKernels } from './table/gram.js';
import { layoutKernels } from './table/layout.js';
import { linalgKernels } from './table/linalg.js';
import { lossKernels } from './table/loss.js';
import { maskKernels } from './table/mask.js';
import { mergeKernels } from './table/merge.js';
import { optimizerKernels } from './table/optimizer.js';
import { poolKernels } from './table/pool.js';
import { quantKernels } from './table/quant.js';
import { randomKernels } from './table/random.js';
import { rankKernels } from './table/rank.js';
import { reduceKernels } from './table/reduce.js';
import { selectKernels } from './table/select.js';
import { vectorKernels } from './table/vector.js';

/** The order is the number of a kernel on a tape: append, never reorder. */
export const table = {
  ...vectorKernels,
  ...reduceKernels,
  ...clipKernels,
  ...selectKernels,
  ...randomKernels,
  ...quantKernels,
  ...fisherKernels,
  ...gemmKernels,
  ...convKernels,
  ...poolKernels,
  ...activationKernels,
  ...lossKernels,
  ...layoutKernels,
  ...optimizerKernels,
  ...mergeKernels,
  ...rankKernels,
  ...maskKernels,
  ...linalgKernels,
  ...divergenceKernels,
  ...gramKernels,
} satisfies Record<string, KernelSpec>;

export type KernelName = keyof typeof table;
export const kernelNames = Object.keys(table) as KernelName[];
/** The table as plain records, for code that walks it. */
export const specs: Readonly<Record<KernelName, KernelSpec>> = table;

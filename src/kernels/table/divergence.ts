/** divergence: Kullback-Leibler divergence between rows of two tensors, and what is scored by it. */
import { type Case, input, type KernelSpec, kernel, output, scalar } from '../define.js';
import { rowCases } from './shared.js';

const cols = scalar('cols', 'u32');
const cases: Case[] = [...rowCases, { rows: 3, cols: 16 }, { rows: 1, cols: 65_537 }];
const bench: Case[] = [{ rows: 512, cols: 4096 }];
const rows = (name: string) => input(name, 'f32', 'rows*cols');
const factors = input('factors', 'f64', 'rows');

export const divergenceKernels = {
  divergenceRowsF64: kernel(
    'divergence',
    [output('dst', 'f64', 'rows'), rows('x'), rows('base'), cols, scalar('floor', 'f64', 1e-8)],
    { cases, bench, bytes: '8*rows*cols', bound: 'compute' },
  ),
  scoreDeltaRowsF32: kernel(
    'divergence',
    [output('dst', 'f32', 'rows*cols'), rows('x'), rows('base'), factors, cols],
    { cases, bench, bytes: '12*rows*cols' },
  ),
  takeScoredRowsF32: kernel(
    'divergence',
    [output('dst', 'f32', 'rows*cols'), rows('x'), rows('base'), factors, cols, scalar('least', 'f32', 0.8)],
    { cases: [...cases, { rows: 3, cols: 5, least: 0 }], bench, bytes: '12*rows*cols' },
  ),
} satisfies Record<string, KernelSpec>;

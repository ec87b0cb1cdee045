/** merge: combinations of models and of their differences to a base, and what they are weighed by. */
import { type Case, input, inputs, type KernelSpec, kernel, output, scalar, update } from '../define.js';
import { base, withBase } from './deltas.js';

const listCases: Case[] = [0, 1, 3, 7, 16, 17, 100, 1023, 4099].flatMap((n) =>
  [1, 2, 3, 5].map((lists) => ({ n, lists })),
);
const halfCases: Case[] = [...listCases, ...[65_535, 65_536, 140_017].map((n) => ({ n, lists: 2 }))].flatMap(
  (each): Case[] => [each, { ...each, format: 1 }],
);
const changeSums = update('sums', 'f64', '2');
const bench = [{ n: 1 << 21, lists: 5 }];

export const mergeKernels = {
  deltaWeightedSumF32: kernel(
    'merge',
    [output('dst', 'f32'), input('base', 'f32'), inputs('sources'), input('weights', 'f64', 'lists')],
    { cases: listCases, bench, bytes: '4*n*lists+8*n', bound: 'copy' },
  ),
  dotDeltasF64: kernel(
    'merge',
    [update('dots', 'f64', 'lists'), inputs('sources'), input('x', 'f32'), base],
    {
      cases: [0, 1, 15, 16, 17, 1000, 65_536, 65_537, 140_000].flatMap((n): Case[] => [
        { n, lists: 1 },
        { n, lists: 3 },
        { n, lists: 2, with_base: 0 },
      ]),
      bench,
      bytes: '4*n*lists+8*n',
      bound: 'read',
    },
  ),
  sumAbsDeltaF64: kernel('merge', [update('sum', 'f64', '1'), input('x', 'f32'), base], {
    cases: withBase,
    bench: [{ n: 1 << 22 }],
    bytes: '8*n',
    bound: 'read',
  }),
  electMeanF32: kernel(
    'merge',
    [
      output('dst', 'f32'),
      input('base', 'f32'),
      inputs('deltas'),
      input('votes', 'f64', 'lists'),
      input('scales', 'f64', 'lists'),
      input('weights', 'f64', 'lists'),
      scalar('lambda', 'f64', 0.7),
      scalar('floor', 'f64', -Infinity),
      scalar('normalize', 'u32', 1),
    ],
    {
      cases: listCases.flatMap((each): Case[] => [each, { ...each, normalize: 0 }, { ...each, floor: 1e-6 }]),
      bench,
      bytes: '4*n*lists+8*n',
    },
  ),
  varianceF32: kernel(
    'merge',
    [output('dst', 'f32'), inputs('sources'), input('weights', 'f64', 'lists', { values: 'unit' })],
    { cases: listCases, bench, bytes: '4*n*lists+4*n' },
  ),
  addUniqueDeltasF32: kernel(
    'merge',
    [
      output('dst', 'f32'),
      input('base', 'f32'),
      inputs('sources'),
      input('uniqueScales', 'f64', 'lists'),
      scalar('epsilon', 'f64', 0.4),
    ],
    { cases: listCases, bench, bytes: '4*n*lists+8*n' },
  ),
  countUniqueF64: kernel(
    'merge',
    [
      update('shared', 'f64', 'lists', { values: 'label', below: '9' }),
      update('unique', 'f64', 'lists', { values: 'label', below: '9' }),
      input('base', 'f32'),
      inputs('sources'),
      scalar('epsilon', 'f64', 0.4),
    ],
    { cases: listCases, bench, bytes: '4*n*lists+4*n', bound: 'read' },
  ),
  nearSwapF32: kernel(
    'merge',
    [output('dst', 'f32'), input('base', 'f32'), input('y', 'f32'), scalar('t', 'f64', 0.3)],
    { bench: [{ n: 1 << 22 }], bytes: '12*n' },
  ),
  measureChangeF64: kernel('merge', [changeSums, input('x', 'f32'), input('base', 'f32')], {
    bench: [{ n: 1 << 22 }],
    bytes: '8*n',
    bound: 'read',
  }),
  deltaWeightedSumHalf: kernel(
    'merge',
    [
      output('dst', 'u16'),
      changeSums,
      input('base', 'u16', 'n', { values: 'halves' }),
      inputs('sources', 'u16'),
      input('weights', 'f64', 'lists'),
      scalar('format', 'u32', 0),
    ],
    { requires: ['format <= 1'], cases: halfCases, bench, bytes: '2*n*lists+4*n', bound: 'copy' },
  ),
  weightedSumHalf: kernel(
    'merge',
    [
      output('dst', 'u16'),
      changeSums,
      input('reference', 'u16', 'n', { values: 'halves' }),
      inputs('sources', 'u16'),
      input('weights', 'f64', 'lists'),
      scalar('format', 'u32', 0),
    ],
    { requires: ['format <= 1'], cases: halfCases, bench, bytes: '2*n*lists+4*n', bound: 'copy' },
  ),
} satisfies Record<string, KernelSpec>;

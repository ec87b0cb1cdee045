/** gram: inner products of models, or of their differences to a base. */
import { type Case, input, inputs, type KernelSpec, kernel, scalar, update } from '../define.js';
import { base } from './deltas.js';

const cases: Case[] = [0, 1, 15, 16, 17, 1000, 4099].flatMap((n): Case[] =>
  [1, 2, 3, 4, 5, 7].flatMap((lists): Case[] => [
    { n, lists },
    { n, lists, with_base: 0 },
  ]),
);
const long: Case[] = [65_536, 65_537, 140_000].flatMap((n): Case[] => [
  { n, lists: 2 },
  { n, lists: 5, with_base: 0 },
]);
const bench = [{ n: 1 << 21, lists: 4 }];
const sums = [
  update('gram', 'f64', 'lists*lists', { values: 'unit' }),
  update('baseSquare', 'f64', '1', { values: 'unit' }),
];

export const gramKernels = {
  addDeltaGramF32: kernel('gram', [...sums, inputs('vectors'), base], {
    cases: [...cases, ...long],
    bench,
    bytes: '4*n*lists+4*n',
    bound: 'read',
  }),
  addDeltaGramHalf: kernel(
    'gram',
    [
      ...sums,
      inputs('vectors', 'u16'),
      input('base', 'u16', 'n', { optional: true, values: 'halves' }),
      scalar('format', 'u32', 0),
    ],
    {
      requires: ['format <= 1'],
      cases: [...cases, ...long].flatMap((each): Case[] => [each, { ...each, format: 1 }]),
      bench,
      bytes: '2*n*lists+2*n',
      bound: 'read',
    },
  ),
} satisfies Record<string, KernelSpec>;

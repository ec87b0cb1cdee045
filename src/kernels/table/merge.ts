/** merge: passes over task vectors, d = x - base. */
import {
  type Case,
  input,
  inputs,
  type KernelSpec,
  kernel,
  lengths,
  output,
  scalar,
  update,
} from '../define.js';
import { address } from './shared.js';

const base = input('base', 'f32', 'n', { optional: true });
const withBase: Case[] = lengths().flatMap((each): Case[] => [each, { ...each, with_base: 0 }]);
const listCases: Case[] = [0, 1, 3, 7, 16, 17, 100, 1023, 4099].flatMap((n) =>
  [1, 2, 3, 5].map((lists) => ({ n, lists })),
);
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
  countMagnitudesU32: kernel(
    'merge',
    [
      update('counts', 'u32', 'digits', { values: 'label', below: '1000' }),
      input('x', 'f32'),
      base,
      scalar('prefix', 'u32', 0),
      scalar('prefixShift', 'u32', 31),
      scalar('shift', 'u32', 18),
      scalar('digits', 'u32', 8192),
    ],
    {
      cases: [
        ...withBase,
        ...[1, 17, 4099, 70_001].map((n) => ({
          n,
          prefix: 0x3f800000 >>> 18,
          prefixShift: 18,
          shift: 0,
          digits: 1 << 18,
        })),
        { n: 4099, with_base: 0, prefix: 0x3f000000 >>> 18, prefixShift: 18, shift: 0, digits: 1 << 18 },
      ],
      bench: [{ n: 1 << 22 }],
      bytes: '8*n',
      bound: 'read',
    },
  ),
  keepBandF32: kernel(
    'merge',
    [
      output('dst', 'f32'),
      update('quota', 'u32', '2', { values: 'label', below: '3' }),
      input('x', 'f32'),
      base,
      scalar('lowBits', 'u32', 0x3f000000),
      scalar('highBits', 'u32', 0x40000000),
    ],
    {
      cases: [
        ...withBase,
        { n: 1000, lowBits: 0, highBits: 0x7f7fffff },
        { n: 1000, lowBits: 0, highBits: 0 },
        { n: 1000, with_base: 0, lowBits: 0x7149f2ca, highBits: 0x7149f2ca },
        { n: 1000, lowBits: 0xffffffff, highBits: 0xffffffff },
      ],
      bench: [{ n: 1 << 22 }],
      bytes: '12*n',
    },
  ),
  dropDeltasF32: kernel(
    'merge',
    [output('dst', 'f32'), input('x', 'f32'), base, scalar('probability', 'f64', 0.3), ...address],
    {
      cases: [...withBase, { n: 1000, probability: 1 }, { n: 1000, probability: 0 }],
      bench: [{ n: 1 << 22 }],
      bytes: '12*n',
    },
  ),
  gateDeltaF32: kernel('merge', [
    output('dst', 'f32'),
    input('x', 'f32'),
    input('base', 'f32'),
    input('gate', 'f32'),
  ]),
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
  dropRankedDeltasF32: kernel(
    'merge',
    [
      output('dst', 'f32'),
      output('scratch', 'u32', '4*length', { scratch: true }),
      input('x', 'f32'),
      base,
      scalar('length', 'u32'),
      scalar('stride', 'u32', 1),
      scalar('least', 'f64', 0.2),
      scalar('slope', 'f64', 0.001),
      scalar('expectation', 'u32', 0),
      scalar('lead', 'u32', 0),
      ...address,
    ],
    {
      requires: ['length*stride divides n', 'lead <= 3'],
      cases: [
        ...[1, 2, 5, 16, 63, 64, 100, 777].flatMap((length): Case[] => [
          { n: 3 * length, length, slope: 0.3 / Math.max(1, length - 1) },
          { n: 5 * length, length, slope: 0.6 / length, with_base: 0, lead: length % 4 },
        ]),
        { n: 0, length: 3 },
        { n: 20_000, length: 5_000, slope: 0.3 / 5_000, lead: 3 },
        { n: 70_000, length: 70_000, slope: 0.3 / 70_000 },
        { n: 1000, length: 100, least: 0.7, slope: -0.004 },
        { n: 1000, length: 100, least: -0.1, slope: 0.02 },
        { n: 3 * 35 * 9, length: 35, stride: 9, slope: 0.01, lead: 1 },
        { n: 3 * 35 * 9, length: 35, stride: 9, slope: 0.01, with_base: 0, expectation: 1 },
        { n: 900, length: 300, slope: 0.002, expectation: 1 },
      ],
      bench: [{ n: 1 << 20, length: 4096, slope: 0.3 / 4095 }],
      bytes: '12*n',
    },
  ),
  selectRankU32: kernel(
    'merge',
    [
      output('found', 'u32', '2'),
      input('counts', 'u32', 'n', { values: 'label', below: '7' }),
      scalar('rank', 'u32', 1),
    ],
    {
      cases: [1, 2, 63, 64, 65, 1000, 4099].flatMap((n): Case[] =>
        [1, 2, 40, n, 3 * n, 2 ** 31].map((rank) => ({ n, rank })),
      ),
      bench: [{ n: 1 << 18, rank: 2 ** 31 }],
      bytes: '4*n',
      bound: 'read',
    },
  ),
  packNonZeroU8: kernel('merge', [output('bits', 'u8', 'ceil(n/8)'), input('x', 'f32')], {
    bench: [{ n: 1 << 22 }],
    bytes: '4*n',
    bound: 'read',
  }),
  gateBitsDeltaF32: kernel(
    'merge',
    [
      output('dst', 'f32'),
      input('x', 'f32'),
      input('base', 'f32'),
      input('bits', 'u8', 'ceil(n/8)', { values: 'bits' }),
    ],
    { bench: [{ n: 1 << 22 }], bytes: '12*n' },
  ),
} satisfies Record<string, KernelSpec>;

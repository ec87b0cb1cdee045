/** rank: differences to a base kept or dropped by the rank of their magnitude. */
import { type Case, input, type KernelSpec, kernel, output, scalar, update } from '../define.js';
import { base, withBase } from './deltas.js';
import { address } from './shared.js';

export const rankKernels = {
  countMagnitudesU32: kernel(
    'rank',
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
    'rank',
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
  dropRankedDeltasF32: kernel(
    'rank',
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
    'rank',
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
} satisfies Record<string, KernelSpec>;

/** mask: differences to a base kept or dropped by a mask, drawn or given. */
import { input, type KernelSpec, kernel, output, scalar } from '../define.js';
import { base, withBase } from './deltas.js';
import { address } from './shared.js';

export const maskKernels = {
  dropDeltasF32: kernel(
    'mask',
    [output('dst', 'f32'), input('x', 'f32'), base, scalar('probability', 'f64', 0.3), ...address],
    {
      cases: [...withBase, { n: 1000, probability: 1 }, { n: 1000, probability: 0 }],
      bench: [{ n: 1 << 22 }],
      bytes: '12*n',
    },
  ),
  gateDeltaF32: kernel('mask', [
    output('dst', 'f32'),
    input('x', 'f32'),
    input('base', 'f32'),
    input('gate', 'f32'),
  ]),
  packNonZeroU8: kernel('mask', [output('bits', 'u8', 'ceil(n/8)'), input('x', 'f32')], {
    bench: [{ n: 1 << 22 }],
    bytes: '4*n',
    bound: 'read',
  }),
  gateBitsDeltaF32: kernel(
    'mask',
    [
      output('dst', 'f32'),
      input('x', 'f32'),
      input('base', 'f32'),
      input('bits', 'u8', 'ceil(n/8)', { values: 'bits' }),
    ],
    { bench: [{ n: 1 << 22 }], bytes: '12*n' },
  ),
} satisfies Record<string, KernelSpec>;

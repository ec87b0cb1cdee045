/** quant: float16, bfloat16, block-wise int8 and the 8-bit floats of checkpoints. */
import { input, type KernelSpec, kernel, lengths, output, scalar, update } from '../define.js';
import { address, stream } from './shared.js';

const blockCases = [64, 256].flatMap((block) => lengths({ block }).filter(({ n }) => n < 70_000));

const blockRequires = ['1 <= block'];

export const quantKernels = {
  encodeF16: kernel(
    'quant',
    [output('codes', 'u16', 'n', { values: 'bits' }), input('x', 'f32')],
    stream('6*n'),
  ),
  decodeF16: kernel(
    'quant',
    [output('x', 'f32'), input('codes', 'u16', 'n', { values: 'bits' })],
    stream('6*n'),
  ),
  encodeBf16: kernel(
    'quant',
    [output('codes', 'u16', 'n', { values: 'bits' }), input('x', 'f32')],
    stream('6*n'),
  ),
  decodeBf16: kernel(
    'quant',
    [output('x', 'f32'), input('codes', 'u16', 'n', { values: 'bits' })],
    stream('6*n'),
  ),
  encodeF16Stochastic: kernel('quant', [
    output('codes', 'u16', 'n', { values: 'bits' }),
    input('x', 'f32'),
    ...address,
  ]),
  encodeBf16Stochastic: kernel('quant', [
    output('codes', 'u16', 'n', { values: 'bits' }),
    input('x', 'f32'),
    ...address,
  ]),
  quantizeInt8: kernel(
    'quant',
    [
      output('codes', 'i8', 'n', { values: 'codes' }),
      output('scales', 'f32', 'ceil(n/block)'),
      input('x', 'f32'),
      scalar('block', 'u32', 256),
    ],
    {
      returns: 'i32',
      requires: blockRequires,
      // A NaN or an infinity is refused, and the outputs then mean nothing; a test of its own holds the index returned.
      specials: 'finite',
      cases: blockCases,
      bench: [{ n: 1 << 24, block: 256 }],
      bytes: '5*n',
      bound: 'copy',
    },
  ),
  quantizeInt8Stochastic: kernel(
    'quant',
    [
      output('codes', 'i8', 'n', { values: 'codes' }),
      output('scales', 'f32', 'ceil(n/block)'),
      input('x', 'f32'),
      scalar('block', 'u32', 256),
      ...address,
    ],
    {
      returns: 'i32',
      requires: blockRequires,
      // A NaN or an infinity is refused, and the outputs then mean nothing; a test of its own holds the index returned.
      specials: 'finite',
      cases: blockCases,
    },
  ),
  dequantizeInt8: kernel(
    'quant',
    [
      output('x', 'f32'),
      input('codes', 'i8', 'n', { values: 'codes' }),
      input('scales', 'f32', 'ceil(n/block)'),
      scalar('block', 'u32', 256),
    ],
    {
      requires: blockRequires,
      cases: blockCases,
      bench: [{ n: 1 << 24, block: 256 }],
      bytes: '5*n',
      bound: 'copy',
    },
  ),
  dequantizeAccumulateInt8: kernel(
    'quant',
    [
      update('acc', 'f64'),
      input('codes', 'i8', 'n', { values: 'codes' }),
      input('scales', 'f32', 'ceil(n/block)'),
      scalar('block', 'u32', 256),
      scalar('weight', 'f64', 3),
    ],
    {
      requires: blockRequires,
      cases: blockCases,
      bench: [{ n: 1 << 24, block: 256 }],
      bytes: '17*n',
      bound: 'copy',
    },
  ),
  encodeF8E4m3: kernel(
    'quant',
    [output('codes', 'u8', 'n', { values: 'bits' }), input('x', 'f32')],
    stream('5*n'),
  ),
  decodeF8E4m3: kernel(
    'quant',
    [output('x', 'f32'), input('codes', 'u8', 'n', { values: 'bits' })],
    stream('5*n'),
  ),
  encodeF8E5m2: kernel(
    'quant',
    [output('codes', 'u8', 'n', { values: 'bits' }), input('x', 'f32')],
    stream('5*n'),
  ),
  decodeF8E5m2: kernel(
    'quant',
    [output('x', 'f32'), input('codes', 'u8', 'n', { values: 'bits' })],
    stream('5*n'),
  ),
} satisfies Record<string, KernelSpec>;

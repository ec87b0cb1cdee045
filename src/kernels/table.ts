/**
 * Every kernel, declared once. C++ declarations, bindings, the tape's dispatch, the TypeScript interface, the WASM exports,
 * the conformance suite and the benches derive from this file (`npm run generate`).
 *
 * Order of arguments: destination, sources, scalars. The meaning of each kernel is its reference version in
 * `reference/<family>.ts`; conventions shared by all are in `docs/kernels.md`.
 */
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
} from './define.js';

/** Where a stream of random blocks starts: key, first block, and the step and site words of the counter. */
const address = [
  scalar('key0', 'u32', 0x243f6a88),
  scalar('key1', 'u32', 0x85a308d3),
  scalar('blockLow', 'u32', 5),
  scalar('blockHigh', 'u32', 0),
  scalar('step', 'u32', 3),
  scalar('site', 'u32', 7),
];

const kMebi16 = [{ n: 1 << 24 }];
const stream = (bytes: string, bound: 'copy' | 'read' = 'copy') => ({ bench: kMebi16, bytes, bound });

const rowCases: Case[] = [
  { rows: 0, cols: 5 },
  { rows: 1, cols: 1 },
  { rows: 3, cols: 10 },
  { rows: 10, cols: 16 },
  { rows: 7, cols: 17 },
  { rows: 5, cols: 200 },
  { rows: 2, cols: 4099 },
];

const gemmShapes = [
  [1, 1, 1],
  [1, 5, 3],
  [3, 1, 9],
  [4, 16, 8],
  [5, 17, 33],
  [10, 10, 200],
  [10, 200, 31],
  [33, 47, 10],
  [64, 64, 64],
  [7, 130, 65],
  [3, 0, 4],
  [3, 4, 0],
];
const gemmCases: Case[] = gemmShapes.flatMap(([m, n, k], shape) =>
  [0, 1, 2, 3].map((transposes) => ({
    m,
    n,
    k,
    transA: transposes & 1,
    transB: transposes >> 1,
    alpha: shape % 3 === 1 ? -0.3 : 1,
    beta: [0, 1, 0.999][(shape + transposes) % 3],
    activation: (shape + transposes) % 4,
    with_bias: shape % 2,
  })),
);

const image = (
  batch: number,
  inChannels: number,
  height: number,
  width: number,
  outChannels: number,
  kernelHeight: number,
  kernelWidth: number,
  stride: number,
  padding: number,
): Case => ({
  batch,
  inChannels,
  height,
  width,
  outChannels,
  kernelHeight,
  kernelWidth,
  stride,
  padding,
  outHeight: Math.floor((height + 2 * padding - kernelHeight) / stride) + 1,
  outWidth: Math.floor((width + 2 * padding - kernelWidth) / stride) + 1,
});
const convCases: Case[] = [
  image(1, 1, 5, 5, 1, 3, 3, 1, 0),
  image(2, 3, 8, 7, 5, 3, 3, 1, 1),
  image(2, 1, 12, 12, 16, 5, 5, 1, 2),
  image(3, 16, 6, 6, 17, 5, 5, 1, 2),
  image(2, 4, 9, 9, 8, 3, 3, 2, 1),
  image(1, 32, 7, 7, 33, 3, 3, 1, 0),
  image(2, 2, 4, 4, 3, 1, 1, 1, 0),
].map((c, i) => ({
  ...c,
  activation: i % 4,
  with_bias: i % 2,
  alpha: i % 2 ? 1 : -0.25,
  beta: [0, 1, 0.5][i % 3],
}));
const convShape = [
  scalar('batch', 'u32'),
  scalar('inChannels', 'u32'),
  scalar('height', 'u32'),
  scalar('width', 'u32'),
  scalar('outChannels', 'u32'),
  scalar('kernelHeight', 'u32'),
  scalar('kernelWidth', 'u32'),
  scalar('stride', 'u32'),
  scalar('padding', 'u32'),
  scalar('outHeight', 'u32'),
  scalar('outWidth', 'u32'),
];
const convBench: Case[] = [
  { ...image(10, 1, 28, 28, 32, 5, 5, 1, 2), activation: 1, alpha: 1, beta: 0 },
  { ...image(10, 32, 14, 14, 64, 5, 5, 1, 2), activation: 1, alpha: 1, beta: 0 },
];
const convFlops = '2*batch*outChannels*outHeight*outWidth*inChannels*kernelHeight*kernelWidth';
const kX = 'batch*inChannels*height*width';
const kY = 'batch*outChannels*outHeight*outWidth';
const kW = 'outChannels*inChannels*kernelHeight*kernelWidth';

const poolCases: Case[] = [
  [1, 1, 2, 2, 2, 2],
  [2, 3, 8, 8, 2, 2],
  [2, 5, 7, 9, 2, 2],
  [1, 4, 9, 9, 3, 2],
].map(([batch, channels, height, width, size, stride]) => ({
  batch,
  channels,
  height,
  width,
  size,
  stride,
  outHeight: Math.floor((height - size) / stride) + 1,
  outWidth: Math.floor((width - size) / stride) + 1,
}));
const poolShape = ['batch', 'channels', 'height', 'width', 'size', 'stride', 'outHeight', 'outWidth'].map(
  (name) => scalar(name, 'u32'),
);
const kPoolIn = 'batch*channels*height*width';
const kPoolOut = 'batch*channels*outHeight*outWidth';

const blockCases = [64, 256].flatMap((block) => lengths({ block }).filter(({ n }) => n < 70_000));

export const table = {
  // vector: one pass over flat float32 vectors
  fillF32: kernel('vector', [output('dst', 'f32'), scalar('value', 'f32', 1.5)], stream('4*n')),
  copyF32: kernel('vector', [output('dst', 'f32'), input('src', 'f32')], stream('8*n')),
  scaleF32: kernel('vector', [update('x', 'f32'), scalar('factor', 'f32', -0.7)], stream('8*n')),
  axpyF32: kernel('vector', [update('y', 'f32'), input('x', 'f32'), scalar('a', 'f32', 0.3)], stream('12*n')),
  addF32: kernel('vector', [output('dst', 'f32'), input('a', 'f32'), input('b', 'f32')], stream('12*n')),
  subtractF32: kernel('vector', [output('dst', 'f32'), input('a', 'f32'), input('b', 'f32')], stream('12*n')),
  multiplyF32: kernel('vector', [output('dst', 'f32'), input('a', 'f32'), input('b', 'f32')], stream('12*n')),
  lerpF32: kernel(
    'vector',
    [output('dst', 'f32'), input('a', 'f32'), input('b', 'f32'), scalar('t', 'f32', 0.4)],
    stream('12*n'),
  ),
  applyMaskF32: kernel(
    'vector',
    [update('x', 'f32'), input('mask', 'u8', 'n', { values: 'mask' })],
    stream('9*n'),
  ),
  addF64: kernel('vector', [update('dst', 'f64'), input('src', 'f64')]),
  copyF64: kernel('vector', [output('dst', 'f64'), input('src', 'f64')]),
  fillF64: kernel('vector', [output('dst', 'f64'), scalar('value', 'f64', 0.25)]),

  // reduce: float64 sums in 16 lanes and blocks of 65,536, and compares
  dotF32: kernel('reduce', [input('a', 'f32'), input('b', 'f32')], {
    returns: 'f64',
    ...stream('8*n', 'read'),
  }),
  sumSquaresF32: kernel('reduce', [input('x', 'f32')], { returns: 'f64', ...stream('4*n', 'read') }),
  maxAbsF32: kernel('reduce', [input('x', 'f32')], { returns: 'f32', ...stream('4*n', 'read') }),
  allFiniteF32: kernel('reduce', [input('x', 'f32')], { returns: 'u32', ...stream('4*n', 'read') }),
  dotAndNormsF32: kernel(
    'reduce',
    [output('out', 'f64', '3'), input('a', 'f32'), input('b', 'f32')],
    stream('8*n', 'read'),
  ),
  sumSegmentsF32: kernel(
    'reduce',
    [
      output('out', 'f64', 'segments'),
      input('x', 'f32'),
      input('offsets', 'u32', 'segments+1', { values: 'offsets' }),
    ],
    {
      cases: [0, 1, 16, 1000, 200_003].map((n) => ({ n, segments: Math.min(n, 5) })),
      bench: [{ n: 1 << 24, segments: 1000 }],
      bytes: '4*n',
      bound: 'read',
    },
  ),
  sumSquaresRowsF32: kernel(
    'reduce',
    [update('out', 'f64', 'rows'), input('x', 'f32', 'rows*cols'), scalar('cols', 'u32')],
    { cases: rowCases },
  ),

  // clip: norms, clipping and float64 accumulation
  clipInPlaceF32: kernel('clip', [update('x', 'f32'), scalar('maxNorm', 'f64', 2)], {
    returns: 'f64',
    ...stream('12*n'),
  }),
  clipAccumulateF64: kernel(
    'clip',
    [update('acc', 'f64'), input('x', 'f32'), scalar('maxNorm', 'f64', 2), scalar('weight', 'f64', 3)],
    { returns: 'f64', ...stream('24*n') },
  ),
  accumulateF64: kernel(
    'clip',
    [update('acc', 'f64'), input('x', 'f32'), scalar('weight', 'f64', 3)],
    stream('20*n'),
  ),
  maskedAccumulateF64: kernel(
    'clip',
    [
      update('acc', 'f64'),
      update('counts', 'f64'),
      input('x', 'f32'),
      input('mask', 'u8', 'n', { values: 'mask' }),
      scalar('weight', 'f64', 3),
    ],
    stream('37*n'),
  ),
  meanF32: kernel(
    'clip',
    [output('dst', 'f32'), input('acc', 'f64'), scalar('denominator', 'f64', 7)],
    stream('12*n'),
  ),
  meanOfHoldersF32: kernel('clip', [
    output('dst', 'f32'),
    input('acc', 'f64'),
    input('counts', 'f64', 'n', { values: 'mask' }),
    scalar('minCount', 'f64', 1),
  ]),
  weightedSumF32: kernel(
    'clip',
    [output('dst', 'f32'), inputs('sources'), input('weights', 'f64', 'lists')],
    {
      cases: lengths()
        .flatMap(({ n }) => [1, 2, 3, 8, 9].map((lists) => ({ n, lists })))
        .filter((c) => c.n < 5000),
      bench: [{ n: 1 << 21, lists: 8 }],
      bytes: '4*n*lists+4*n',
      bound: 'copy',
    },
  ),

  // select: exact selection and gathers
  magnitudeThresholdF32: kernel('select', [input('x', 'f32'), scalar('k', 'u32', 3)], {
    returns: 'f32',
    specials: 'finite',
    cases: [
      { n: 1, k: 1 },
      { n: 5, k: 5 },
      { n: 17, k: 1 },
      { n: 1000, k: 137 },
      { n: 65_537, k: 60_000 },
      { n: 200_003, k: 2_000 },
    ],
    bench: [{ n: 1 << 24, k: 1 << 20 }],
    bytes: '4*n',
  }),
  gatherBlocksF32: kernel(
    'select',
    [
      output('dst', 'f32', 'rowCount*columnCount*inner'),
      input('src', 'f32', 'sourceRows*sourceColumns*inner'),
      input('rows', 'u32', 'rowCount', { values: 'index', below: 'sourceRows' }),
      input('columns', 'u32', 'columnCount', { values: 'index', below: 'sourceColumns' }),
      scalar('sourceRows', 'u32'),
      scalar('sourceColumns', 'u32'),
      scalar('inner', 'u32'),
    ],
    {
      cases: [
        { rowCount: 1, columnCount: 1, sourceRows: 1, sourceColumns: 1, inner: 1 },
        { rowCount: 3, columnCount: 5, sourceRows: 4, sourceColumns: 9, inner: 1 },
        { rowCount: 5, columnCount: 3, sourceRows: 8, sourceColumns: 4, inner: 25 },
        { rowCount: 0, columnCount: 3, sourceRows: 8, sourceColumns: 4, inner: 2 },
      ],
    },
  ),
  scatterBlocksF32: kernel(
    'select',
    [
      update('dst', 'f32', 'targetRows*targetColumns*inner'),
      input('src', 'f32', 'rowCount*columnCount*inner'),
      input('rows', 'u32', 'rowCount', { values: 'index', below: 'targetRows' }),
      input('columns', 'u32', 'columnCount', { values: 'index', below: 'targetColumns' }),
      scalar('targetRows', 'u32'),
      scalar('targetColumns', 'u32'),
      scalar('inner', 'u32'),
    ],
    {
      cases: [
        { rowCount: 1, columnCount: 1, targetRows: 1, targetColumns: 1, inner: 1 },
        { rowCount: 3, columnCount: 5, targetRows: 4, targetColumns: 9, inner: 1 },
        { rowCount: 5, columnCount: 3, targetRows: 8, targetColumns: 4, inner: 25 },
      ],
    },
  ),
  gatherRowsU8F32: kernel(
    'select',
    [
      output('dst', 'f32', 'rows*cols'),
      input('src', 'u8', 'sourceRows*cols', { values: 'bits' }),
      input('index', 'u32', 'rows', { values: 'index', below: 'sourceRows' }),
      input('scales', 'f32', 'channels'),
      input('shifts', 'f32', 'channels'),
      scalar('sourceRows', 'u32'),
      scalar('cols', 'u32'),
      scalar('channels', 'u32', 1),
    ],
    {
      cases: [
        { rows: 1, cols: 1, sourceRows: 1, channels: 1 },
        { rows: 10, cols: 784, sourceRows: 20, channels: 1 },
        { rows: 3, cols: 3 * 35, sourceRows: 5, channels: 3 },
        { rows: 0, cols: 7, sourceRows: 5, channels: 1 },
      ],
    },
  ),
  gatherRowsF32: kernel(
    'select',
    [
      output('dst', 'f32', 'rows*cols'),
      input('src', 'f32', 'sourceRows*cols'),
      input('index', 'u32', 'rows', { values: 'index', below: 'sourceRows' }),
      scalar('sourceRows', 'u32'),
      scalar('cols', 'u32'),
    ],
    {
      cases: [
        { rows: 1, cols: 1, sourceRows: 1 },
        { rows: 10, cols: 33, sourceRows: 20 },
      ],
    },
  ),
  gatherI32: kernel(
    'select',
    [
      output('dst', 'i32', 'rows'),
      input('src', 'i32', 'sourceRows', { values: 'label', below: '10' }),
      input('index', 'u32', 'rows', { values: 'index', below: 'sourceRows' }),
    ],
    {
      cases: [
        { rows: 1, sourceRows: 1 },
        { rows: 10, sourceRows: 33 },
      ],
    },
  ),

  // random: addressed Philox4x32-10
  randomBitsU32: kernel('random', [output('out', 'u32', 'n', { values: 'bits' }), ...address], {
    bench: kMebi16,
    bytes: '4*n',
  }),
  uniformF32: kernel('random', [output('out', 'f32'), ...address], { bench: kMebi16, bytes: '4*n' }),
  normalF32: kernel('random', [output('out', 'f32'), scalar('stddev', 'f32', 1), ...address], {
    bench: kMebi16,
    bytes: '4*n',
  }),
  addNormalF32: kernel('random', [update('x', 'f32'), scalar('stddev', 'f32', 0.5), ...address], {
    bench: kMebi16,
    bytes: '8*n',
  }),
  normalF64: kernel('random', [output('out', 'f64'), scalar('stddev', 'f64', 1), ...address], {
    bench: kMebi16,
    bytes: '8*n',
  }),
  bernoulliU8: kernel(
    'random',
    [output('out', 'u8', 'n', { values: 'mask' }), scalar('probability', 'f64', 0.3), ...address],
    { bench: kMebi16, bytes: 'n' },
  ),
  permutationU32: kernel(
    'random',
    [
      output('out', 'u32', 'n', { values: 'bits' }),
      scalar('key0', 'u32', 11),
      scalar('key1', 'u32', 12),
      scalar('step', 'u32', 3),
      scalar('site', 'u32', 7),
    ],
    { cases: [0, 1, 2, 3, 600, 10_007].map((n) => ({ n })) },
  ),

  // quant: float16, bfloat16 and block-wise int8
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
    { cases: blockCases, bench: [{ n: 1 << 24, block: 256 }], bytes: '5*n', bound: 'copy' },
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
    { cases: blockCases, bench: [{ n: 1 << 24, block: 256 }], bytes: '17*n', bound: 'copy' },
  ),

  // fisher: diagonal Fisher information
  accumulateSquaresF64: kernel('fisher', [update('acc', 'f64'), input('g', 'f32')], stream('20*n')),
  movingAverageSquaresF32: kernel(
    'fisher',
    [update('v', 'f32'), input('g', 'f32'), scalar('decay', 'f32', 0.9)],
    stream('12*n'),
  ),
  scoreUnitsF64: kernel(
    'fisher',
    [
      update('scores', 'f64', 'units'),
      input('fisher', 'f64', 'units*rowLength', { values: 'positive' }),
      scalar('rowLength', 'u32', 3),
    ],
    {
      cases: [0, 1, 3, 16, 50].flatMap((units) =>
        [1, 15, 16, 100].map((rowLength) => ({ units, rowLength })),
      ),
    },
  ),
  fisherAverageF32: kernel(
    'fisher',
    [
      output('dst', 'f32'),
      inputs('models'),
      inputs('fishers'),
      input('weights', 'f64', 'lists', { values: 'positive' }),
      scalar('floor', 'f64', 1e-6),
    ],
    { cases: [0, 1, 17, 1000].flatMap((n) => [1, 2, 5].map((lists) => ({ n, lists }))) },
  ),

  // gemm: every output element is one chain over k from zero; then alpha, bias, activation, and beta times the old value last
  gemmF32: kernel(
    'gemm',
    [
      update('c', 'f32', 'm*n'),
      input('a', 'f32', 'm*k'),
      input('b', 'f32', 'k*n'),
      input('bias', 'f32', 'n', { optional: true }),
      scalar('m', 'u32'),
      scalar('n', 'u32'),
      scalar('k', 'u32'),
      scalar('transA', 'u32', 0),
      scalar('transB', 'u32', 0),
      scalar('alpha', 'f32', 1),
      scalar('beta', 'f32', 0),
      scalar('activation', 'u32', 0),
    ],
    {
      equality: 'profile',
      cases: gemmCases,
      specials: 'none',
      bound: 'compute',
      flops: '2*m*n*k',
      bench: [10, 32, 64].flatMap((batch) =>
        [
          [784, 200],
          [200, 200],
          [512, 512],
        ].flatMap(([inner, outer]) => [
          { m: batch, n: outer, k: inner, transA: 0, transB: 1, beta: 0 },
          { m: batch, n: inner, k: outer, transA: 0, transB: 0, beta: 0 },
          { m: outer, n: inner, k: batch, transA: 1, transB: 0, beta: 1 },
        ]),
      ),
    },
  ),
  /** out[r, i*n + j] += x[r, i] * dy[r, j]: one example's gradient of a dense weight [m, n] a row. */
  outerRowsF32: kernel(
    'gemm',
    [
      update('out', 'f32', 'rows*m*n'),
      input('a', 'f32', 'rows*m'),
      input('b', 'f32', 'rows*n'),
      scalar('m', 'u32'),
      scalar('n', 'u32'),
      scalar('beta', 'f32', 0),
    ],
    {
      cases: [1, 3].flatMap((rows) =>
        [1, 5, 16].flatMap((m) => [1, 7, 33].map((n) => ({ rows, m, n, beta: rows % 2 }))),
      ),
    },
  ),

  // conv: NCHW images, OIHW weights; chains run over (ky, kx, channel), weight gradients over (image, y, x)
  conv2dF32: kernel(
    'conv',
    [
      output('y', 'f32', kY),
      input('x', 'f32', kX),
      input('w', 'f32', kW),
      input('bias', 'f32', 'outChannels', { optional: true }),
      ...convShape,
      scalar('activation', 'u32', 0),
    ],
    {
      equality: 'profile',
      cases: convCases,
      specials: 'none',
      bound: 'compute',
      flops: convFlops,
      bench: convBench,
    },
  ),
  conv2dDataGradF32: kernel(
    'conv',
    [output('dx', 'f32', kX), input('dy', 'f32', kY), input('w', 'f32', kW), ...convShape],
    {
      equality: 'profile',
      cases: convCases,
      specials: 'none',
      bound: 'compute',
      flops: convFlops,
      bench: convBench,
    },
  ),
  conv2dWeightGradF32: kernel(
    'conv',
    [
      update('dw', 'f32', kW),
      input('x', 'f32', kX),
      input('dy', 'f32', kY),
      ...convShape,
      scalar('alpha', 'f32', 1),
      scalar('beta', 'f32', 0),
    ],
    {
      equality: 'profile',
      cases: convCases,
      specials: 'none',
      bound: 'compute',
      flops: convFlops,
      bench: convBench,
    },
  ),
  /** One weight gradient per image: out is [batch, outChannels, inChannels, kernelHeight, kernelWidth]. */
  conv2dWeightGradRowsF32: kernel(
    'conv',
    [
      update('out', 'f32', `batch*${kW}`),
      input('x', 'f32', kX),
      input('dy', 'f32', kY),
      ...convShape,
      scalar('beta', 'f32', 0),
    ],
    { equality: 'profile', cases: convCases, specials: 'none' },
  ),

  // pool
  maxPoolF32: kernel(
    'pool',
    [
      output('y', 'f32', kPoolOut),
      output('argmax', 'u32', kPoolOut, { values: 'bits' }),
      input('x', 'f32', kPoolIn),
      ...poolShape,
    ],
    { cases: poolCases },
  ),
  /** dx = 0, then dx[argmax] += dy in output order; argmax holds flat indices into x. */
  maxPoolGradF32: kernel(
    'pool',
    [
      output('dx', 'f32', 'inputs'),
      input('dy', 'f32', 'outputs'),
      input('argmax', 'u32', 'outputs', { values: 'index', below: 'inputs' }),
    ],
    {
      cases: [
        { inputs: 4, outputs: 1 },
        { inputs: 400, outputs: 100 },
        { inputs: 1000, outputs: 333 },
      ],
    },
  ),
  maxPoolGatherF32: kernel(
    'pool',
    [
      output('y', 'f32', 'outputs'),
      input('x', 'f32', 'inputs'),
      input('argmax', 'u32', 'outputs', { values: 'index', below: 'inputs' }),
    ],
    {
      cases: [
        { inputs: 4, outputs: 1 },
        { inputs: 400, outputs: 100 },
        { inputs: 1000, outputs: 333 },
      ],
    },
  ),
  averagePoolF32: kernel('pool', [output('y', 'f32', kPoolOut), input('x', 'f32', kPoolIn), ...poolShape], {
    cases: poolCases,
  }),
  averagePoolGradF32: kernel(
    'pool',
    [output('dx', 'f32', kPoolIn), input('dy', 'f32', kPoolOut), ...poolShape],
    {
      cases: poolCases,
    },
  ),

  // activation
  reluF32: kernel('activation', [output('y', 'f32'), input('x', 'f32')]),
  /** dx = y > 0 ? dy : 0, where y is the output (or the input) of the rectifier. */
  reluGradF32: kernel('activation', [output('dx', 'f32'), input('dy', 'f32'), input('y', 'f32')]),
  tanhF32: kernel('activation', [output('y', 'f32'), input('x', 'f32')]),
  tanhGradF32: kernel('activation', [output('dx', 'f32'), input('dy', 'f32'), input('y', 'f32')]),
  sigmoidF32: kernel('activation', [output('y', 'f32'), input('x', 'f32')]),
  sigmoidGradF32: kernel('activation', [output('dx', 'f32'), input('dy', 'f32'), input('y', 'f32')]),
  expF32: kernel('activation', [output('y', 'f32'), input('x', 'f32')]),
  logF32: kernel('activation', [output('y', 'f32'), input('x', 'f32', 'n', { values: 'positive' })]),
  dropoutF32: kernel('activation', [
    output('y', 'f32'),
    input('x', 'f32'),
    scalar('rate', 'f32', 0.25),
    ...address,
  ]),

  // loss
  softmaxF32: kernel(
    'loss',
    [output('p', 'f32', 'rows*cols'), input('z', 'f32', 'rows*cols'), scalar('cols', 'u32')],
    {
      cases: rowCases,
      specials: 'none',
    },
  ),
  logSoftmaxF32: kernel(
    'loss',
    [output('logp', 'f32', 'rows*cols'), input('z', 'f32', 'rows*cols'), scalar('cols', 'u32')],
    { cases: rowCases, specials: 'none' },
  ),
  /** loss[r] = -log softmax(z[r])[label], delta = (softmax(z) - onehot) * scale. An empty delta skips the gradient. */
  softmaxCrossEntropyF32: kernel(
    'loss',
    [
      output('loss', 'f32', 'rows'),
      output('delta', 'f32', 'rows*cols', { optional: true }),
      input('z', 'f32', 'rows*cols'),
      input('labels', 'i32', 'rows', { values: 'label', below: 'cols' }),
      scalar('cols', 'u32'),
      scalar('scale', 'f32', -0.01),
    ],
    { cases: rowCases, specials: 'none' },
  ),
  /** totals[0] += sum of loss, totals[1] += rows whose first largest logit is the label, totals[2] += rows. */
  countCorrectF32: kernel(
    'loss',
    [
      update('totals', 'f64', '3'),
      input('loss', 'f32', 'rows'),
      input('z', 'f32', 'rows*cols'),
      input('labels', 'i32', 'rows', { values: 'label', below: 'cols' }),
      scalar('cols', 'u32'),
    ],
    { cases: rowCases, specials: 'none' },
  ),

  // layout: broadcasts and sums over batch, channel and space, row scaling
  addBiasF32: kernel(
    'layout',
    [
      update('y', 'f32', 'batch*channels*spatial'),
      input('bias', 'f32', 'channels'),
      scalar('batch', 'u32'),
      scalar('channels', 'u32'),
      scalar('spatial', 'u32'),
    ],
    {
      cases: [
        [1, 1, 1],
        [10, 17, 1],
        [3, 5, 49],
        [2, 32, 16],
      ].map(([batch, channels, spatial]) => ({ batch, channels, spatial })),
    },
  ),
  /** db[c] = alpha * chain over (image, position) of dy, then + beta * old db. */
  sumChannelsF32: kernel(
    'layout',
    [
      update('db', 'f32', 'channels'),
      input('dy', 'f32', 'batch*channels*spatial'),
      scalar('batch', 'u32'),
      scalar('channels', 'u32'),
      scalar('spatial', 'u32'),
      scalar('alpha', 'f32', 1),
      scalar('beta', 'f32', 0),
    ],
    {
      cases: [
        [1, 1, 1],
        [10, 17, 1],
        [3, 5, 49],
        [2, 32, 16],
      ].map(([batch, channels, spatial], i) => ({ batch, channels, spatial, beta: i % 2 })),
    },
  ),
  /** out[b, c] = beta * out[b, c] + chain over positions of dy[b, c]: one example's bias gradient a row. */
  sumSpatialRowsF32: kernel(
    'layout',
    [
      update('out', 'f32', 'rows'),
      input('dy', 'f32', 'rows*spatial'),
      scalar('spatial', 'u32'),
      scalar('beta', 'f32', 0),
    ],
    {
      cases: [
        [1, 1],
        [10, 1],
        [15, 49],
        [64, 16],
      ].map(([rows, spatial], i) => ({ rows, spatial, beta: i % 2 })),
    },
  ),
  scaleRowsF32: kernel(
    'layout',
    [update('x', 'f32', 'rows*cols'), input('factors', 'f32', 'rows'), scalar('cols', 'u32')],
    { cases: rowCases },
  ),
  /** dst[j] = beta * dst[j] + chain over rows of factors[r] * x[r, j]. */
  weightedSumRowsF32: kernel(
    'layout',
    [
      update('dst', 'f32', 'cols'),
      input('x', 'f32', 'rows*cols'),
      input('factors', 'f32', 'rows'),
      scalar('rows', 'u32'),
      scalar('beta', 'f32', 0),
    ],
    { cases: rowCases.map((c, i) => ({ ...c, beta: i % 2 })) },
  ),
  transposeF32: kernel(
    'layout',
    [
      output('dst', 'f32', 'rows*cols'),
      input('src', 'f32', 'rows*cols'),
      scalar('rows', 'u32'),
      scalar('cols', 'u32'),
    ],
    { cases: rowCases },
  ),
  /** norms2[r] += (sum of a[r]^2) * (sum of b[r]^2 [+ 1 where a bias hangs on b]): ghost norm of a dense layer. */
  ghostNormRowsF32: kernel(
    'layout',
    [
      update('norms2', 'f64', 'rows'),
      input('a', 'f32', 'rows*aCols'),
      input('b', 'f32', 'rows*bCols'),
      scalar('aCols', 'u32'),
      scalar('bCols', 'u32'),
      scalar('withBias', 'u32', 1),
    ],
    {
      cases: [1, 3, 10].flatMap((rows) =>
        [1, 16, 100].map((aCols) => ({ rows, aCols, bCols: 17, withBias: rows % 2 })),
      ),
    },
  ),
  /** factors[r] = norms2[r] <= C^2 ? 1 : C / sqrt(norms2[r]), rounded so that no clipped row exceeds C; times scale. */
  clipFactorsF32: kernel(
    'layout',
    [
      output('factors', 'f32', 'rows'),
      input('norms2', 'f64', 'rows', { values: 'positive' }),
      scalar('maxNorm', 'f64', 1),
      scalar('scale', 'f32', 1),
    ],
    { cases: [0, 1, 10, 33].map((rows) => ({ rows })) },
  ),
  multiplyAddF32: kernel('layout', [
    update('y', 'f32'),
    input('a', 'f32'),
    input('b', 'f32'),
    scalar('scale', 'f32', 0.5),
  ]),
  squareF32: kernel('layout', [output('y', 'f32'), input('x', 'f32')]),

  // optimizer
  /** Plain, momentum or Nesterov SGD as PyTorch has it: g += decay * w; v = momentum * v + g; w -= lr * (v or g + momentum * v). */
  sgdStepF32: kernel(
    'optimizer',
    [
      update('w', 'f32'),
      update('velocity', 'f32', 'n', { optional: true }),
      input('g', 'f32'),
      scalar('lr', 'f32', 0.1),
      scalar('momentum', 'f32', 0.9),
      scalar('nesterov', 'u32', 0),
      scalar('weightDecay', 'f32', 0.01),
    ],
    {
      cases: [0, 1, 17, 1000].flatMap((n) => [
        { n, nesterov: 0, with_velocity: 1 },
        { n, nesterov: 1, with_velocity: 1 },
        { n, nesterov: 0, with_velocity: 0 },
      ]),
    },
  ),
  adamStepF32: kernel('optimizer', [
    update('w', 'f32'),
    update('m', 'f32'),
    update('v', 'f32', 'n', { values: 'positive' }),
    input('g', 'f32'),
    scalar('lr', 'f32', 0.001),
    scalar('beta1', 'f32', 0.9),
    scalar('beta2', 'f32', 0.999),
    scalar('epsilon', 'f32', 1e-8),
    scalar('weightDecay', 'f32', 0),
    scalar('beta1Power', 'f64', 0.9),
    scalar('beta2Power', 'f64', 0.999),
  ]),
  /** g += a * (w - center) + v; an empty center is 0, an empty v is 0 (spec: affine gradient term). */
  addAffineTermF32: kernel(
    'optimizer',
    [
      update('g', 'f32'),
      input('w', 'f32'),
      input('center', 'f32', 'n', { optional: true }),
      input('v', 'f32', 'n', { optional: true }),
      scalar('a', 'f32', 0.3),
    ],
    {
      cases: [0, 1, 17, 1000].flatMap((n) =>
        [
          [1, 1],
          [0, 1],
          [1, 0],
        ].map(([with_center, with_v]) => ({ n, with_center, with_v })),
      ),
    },
  ),
  addAffineVectorF32: kernel('optimizer', [
    update('g', 'f32'),
    input('a', 'f32'),
    input('w', 'f32'),
    input('center', 'f32'),
  ]),
  /** x *= max(norm, 1e-6) > C ? C / norm : 1, the norm given as its square in norm2[0] (global gradient clip). */
  clipByNormF32: kernel('optimizer', [
    update('x', 'f32'),
    input('norm2', 'f64', '1', { values: 'positive' }),
    scalar('maxNorm', 'f64', 1),
  ]),
} satisfies Record<string, KernelSpec>;

export type KernelName = keyof typeof table;
export const kernelNames = Object.keys(table) as KernelName[];
/** The table as plain records, for code that walks it. */
export const specs: Readonly<Record<KernelName, KernelSpec>> = table;

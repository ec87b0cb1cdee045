/** pool kernels. */
import { type Case, input, type KernelSpec, kernel, output, scalar } from '../define.js';

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

const poolRequires = [
  '1 <= size',
  '1 <= stride',
  'outHeight*stride+size <= height+stride',
  'outWidth*stride+size <= width+stride',
];

const kPoolIn = 'batch*channels*height*width';

const kPoolOut = 'batch*channels*outHeight*outWidth';

export const poolKernels = {
  maxPoolF32: kernel(
    'pool',
    [
      output('y', 'f32', kPoolOut),
      output('argmax', 'u32', kPoolOut, { values: 'bits' }),
      input('x', 'f32', kPoolIn),
      ...poolShape,
    ],
    { cases: poolCases, requires: poolRequires },
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
    requires: poolRequires,
  }),
  averagePoolGradF32: kernel(
    'pool',
    [output('dx', 'f32', kPoolIn), input('dy', 'f32', kPoolOut), ...poolShape],
    { cases: poolCases, requires: poolRequires },
  ),
} satisfies Record<string, KernelSpec>;

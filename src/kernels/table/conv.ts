/** conv: NCHW images, OIHW weights; chains run over (ky, kx, channel), weight gradients over (image, y, x). */
import { type Case, input, type KernelSpec, kernel, output, scalar, update } from '../define.js';

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

const convRequires = [
  '1 <= stride',
  'outHeight*stride+kernelHeight <= height+2*padding+stride',
  'outWidth*stride+kernelWidth <= width+2*padding+stride',
];

const convBench: Case[] = [
  { ...image(10, 1, 28, 28, 32, 5, 5, 1, 2), activation: 1, alpha: 1, beta: 0 },
  { ...image(10, 32, 14, 14, 64, 5, 5, 1, 2), activation: 1, alpha: 1, beta: 0 },
];

const convFlops = '2*batch*outChannels*outHeight*outWidth*inChannels*kernelHeight*kernelWidth';

const kX = 'batch*inChannels*height*width';

const kY = 'batch*outChannels*outHeight*outWidth';

const kW = 'outChannels*inChannels*kernelHeight*kernelWidth';

export const convKernels = {
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
      requires: [...convRequires, 'activation <= 3'],
      cases: convCases,
      specials: 'finite',
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
      requires: convRequires,
      cases: convCases,
      specials: 'finite',
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
      requires: convRequires,
      cases: convCases,
      specials: 'finite',
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
    { equality: 'profile', requires: convRequires, cases: convCases, specials: 'finite' },
  ),
} satisfies Record<string, KernelSpec>;

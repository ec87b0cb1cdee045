/** A forward and backward pass made of nothing but kernels of the table, for the golden networks of test/golden/train. */
import { readFileSync } from 'node:fs';
import type { Kernels } from '../../../src/kernels/kernels.js';

type Layer = [string, ...(string | number)[]];
type Weights = Record<string, Float32Array>;

export interface OptimizerFile {
  kind: 'sgd' | 'adam' | 'clippedSgd';
  learningRate: number;
  momentum?: number;
  nesterov?: boolean;
  weightDecay?: number;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
}

export interface GoldenFile {
  inputShape: number[];
  layers: Layer[];
  initial: Record<string, number[]>;
  clients: { nExamples: number; x: number[]; y: number[] }[];
  batchSize: number;
  firstBatch: {
    logits: number[];
    losses: number[];
    gradient: Record<string, number[]>;
    inputGradient: number[];
  };
  training: {
    name: string;
    optimizer: OptimizerFile;
    clients: { losses: number[]; weights: Record<string, number[]> }[];
  }[];
}

export const readGolden = (name: string): GoldenFile =>
  JSON.parse(readFileSync(new URL(`../../golden/train/${name}.json`, import.meta.url), 'utf8')) as GoldenFile;

export const toWeights = (values: Record<string, number[]>): Weights =>
  Object.fromEntries(Object.entries(values).map(([name, list]) => [name, Float32Array.from(list)]));

const activations = {
  relu: ['reluF32', 'reluGradF32'],
  tanh: ['tanhF32', 'tanhGradF32'],
  sigmoid: ['sigmoidF32', 'sigmoidGradF32'],
} as const;

const none = new Float32Array(0);

/** Logits, losses and mean gradients of one batch. Gradients of a parameter used twice add up in the store (beta 1). */
export function runBatch(
  kernels: Kernels,
  golden: GoldenFile,
  weights: Weights,
  images: Float32Array,
  labels: Int32Array,
) {
  const n = labels.length;
  const gradient: Weights = {};
  const backward: ((dy: Float32Array) => Float32Array)[] = [];
  let x = images;
  let shape = golden.inputShape;
  for (const layer of golden.layers) {
    const input = x;
    const [kind, second, third, fourth, fifth] = layer;
    if (kind === 'dense') {
      const out = third as number;
      const k = input.length / n;
      const w = weights[`${second}.weight`];
      x = new Float32Array(n * out);
      kernels.gemmF32(x, input, w, weights[`${second}.bias`], n, out, k, 0, 1, 1, 0, 0);
      backward.unshift((dy) => {
        const beta = gradient[`${second}.weight`] ? 1 : 0;
        gradient[`${second}.weight`] ??= new Float32Array(w.length);
        gradient[`${second}.bias`] ??= new Float32Array(out);
        kernels.gemmF32(gradient[`${second}.weight`], dy, input, none, out, k, n, 1, 0, 1, beta, 0);
        kernels.sumChannelsF32(gradient[`${second}.bias`], dy, n, out, 1, 1, beta);
        const dx = new Float32Array(input.length);
        kernels.gemmF32(dx, dy, w, none, n, k, out, 0, 0, 1, 0, 0);
        return dx;
      });
      shape = [out];
    } else if (kind === 'conv') {
      const [channels, height, width] = shape;
      const [out, side, padding] = [third as number, fourth as number, fifth as number];
      const rows = height + 2 * padding - side + 1;
      const columns = width + 2 * padding - side + 1;
      const geometry = [n, channels, height, width, out, side, side, 1, padding, rows, columns] as const;
      const w = weights[`${second}.weight`];
      x = new Float32Array(n * out * rows * columns);
      kernels.conv2dF32(x, input, w, weights[`${second}.bias`], ...geometry, 0);
      backward.unshift((dy) => {
        gradient[`${second}.weight`] = new Float32Array(w.length);
        gradient[`${second}.bias`] = new Float32Array(out);
        kernels.conv2dWeightGradF32(gradient[`${second}.weight`], input, dy, ...geometry, 1, 0);
        kernels.sumChannelsF32(gradient[`${second}.bias`], dy, n, out, rows * columns, 1, 0);
        const dx = new Float32Array(input.length);
        kernels.conv2dDataGradF32(dx, dy, w, ...geometry);
        return dx;
      });
      shape = [out, rows, columns];
    } else if (kind === 'maxPool' || kind === 'averagePool') {
      const side = second as number;
      const [channels, height, width] = shape;
      shape = [channels, Math.floor(height / side), Math.floor(width / side)];
      const geometry = [n, channels, height, width, side, side, shape[1], shape[2]] as const;
      x = new Float32Array(n * channels * shape[1] * shape[2]);
      const argmax = new Uint32Array(x.length);
      if (kind === 'maxPool') kernels.maxPoolF32(x, argmax, input, ...geometry);
      else kernels.averagePoolF32(x, input, ...geometry);
      backward.unshift((dy) => {
        const dx = new Float32Array(input.length);
        if (kind === 'maxPool') kernels.maxPoolGradF32(dx, dy, argmax);
        else kernels.averagePoolGradF32(dx, dy, ...geometry);
        return dx;
      });
    } else if (kind !== 'flatten') {
      const [forward, back] = activations[kind as keyof typeof activations];
      const y = new Float32Array(input.length);
      kernels[forward](y, input);
      x = y;
      backward.unshift((dy) => {
        kernels[back](dy, dy, y);
        return dy;
      });
    }
  }
  const losses = new Float32Array(n);
  const delta = new Float32Array(x.length);
  kernels.softmaxCrossEntropyF32(losses, delta, x, labels, x.length / n, 1 / n);
  const inputGradient = backward.reduce<Float32Array>((dy, step) => step(dy), delta);
  return { logits: x, losses, gradient, inputGradient };
}

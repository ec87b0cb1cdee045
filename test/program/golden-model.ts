/** Models and values of test/golden/train, which PyTorch computed. */
import { readFileSync } from 'node:fs';
import type { AnyArray } from '../../src/kernels/buffer.js';
import { defineModel, type Model } from '../../src/program/model.js';
import type { BoundProgram } from '../../src/program/programs.js';

type Values = Record<string, number[]>;
export type Layer =
  | ['conv', string, number, number, number]
  | ['dense', string, number]
  | ['maxPool' | 'averagePool', number]
  | ['relu' | 'tanh' | 'sigmoid' | 'flatten'];

export interface GoldenOptimizer {
  kind: 'sgd' | 'adam' | 'clippedSgd';
  learningRate: number;
  momentum?: number;
  nesterov?: boolean;
  weightDecay?: number;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
}

export interface Golden {
  case: string;
  inputShape: number[];
  layers: Layer[];
  parameters: { name: string; shape: number[] }[];
  initial: Values;
  clients: { nExamples: number; x: number[]; y: number[] }[];
  batchSize: number;
  clipNorm: number;
  firstBatch: {
    logits: number[];
    losses: number[];
    meanLoss: number;
    gradient: Values;
    inputGradient: number[];
    perExampleNorms: number[];
    clippedSum: Values;
    sumOfSquares: Values;
  };
  training: {
    name: string;
    optimizer: GoldenOptimizer;
    clients: { losses: number[]; weights: Values }[];
    average: Values;
  }[];
}

export const goldenCases = [
  'mlp-relu',
  'mlp-tanh',
  'mlp-sigmoid',
  'mlp-tied',
  'cnn-same',
  'cnn-valid',
  'cnn-average',
] as const;

export function readGolden(name: string): Golden {
  const url = new URL(`../golden/train/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, 'utf8')) as Golden;
}

export function goldenModel(golden: Golden): Model {
  return defineModel({ input: golden.inputShape, classes: 3, name: golden.case }, (t, input) =>
    golden.layers.reduce((x, layer) => {
      switch (layer[0]) {
        case 'conv':
          return t.conv2d(x, { name: layer[1], channels: layer[2], kernel: layer[3], padding: layer[4] });
        case 'dense':
          return t.dense(x, { name: layer[1], units: layer[2] });
        case 'maxPool':
          return t.maxPool(x, { size: layer[1] });
        case 'averagePool':
          return t.averagePool(x, { size: layer[1] });
        default:
          return t[layer[0]](x);
      }
    }, input),
  );
}

/** Named values as one flat vector in the order of the model. */
export function flatten(model: Model, values: Values): Float64Array {
  return Float64Array.from(model.spec.entries.flatMap((entry) => values[entry.name]));
}

/** Fresh arrays for every space of a program that a job binds. */
export function bindAll(program: BoundProgram, given: Record<string, AnyArray>): Record<string, AnyArray> {
  const types = {
    f32: Float32Array,
    f64: Float64Array,
    u8: Uint8Array,
    i8: Int8Array,
    u16: Uint16Array,
    i32: Int32Array,
    u32: Uint32Array,
  } as const;
  const made = program.spaces
    .filter((space) => space.role !== 'arena' && space.role !== 'index')
    .map((space) => [space.name, given[space.name] ?? new types[space.dtype](space.length)]);
  return Object.fromEntries(made);
}

/** Largest difference, relative to the largest magnitude of `expected` (at least 1e-3). */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [difference, scale] = [actual.length === expected.length ? 0 : Number.POSITIVE_INFINITY, 1e-3];
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(actual[i] - expected[i]));
    if (Number.isNaN(actual[i])) difference = Number.POSITIVE_INFINITY;
    scale = Math.max(scale, Math.abs(expected[i]));
  }
  return difference / scale;
}

// Whole networks out of kernels against PyTorch in float64: forward, gradients, and an epoch under each optimizer.

import { describe, expect, it } from 'vitest';
import type { Kernels } from '../../../src/kernels/kernels.js';
import { createReference } from '../../../src/kernels/reference.js';
import { type OptimizerFile, readGolden, runBatch, toWeights } from './golden-network.js';

/** Largest distance, in units of the largest magnitude of what is wanted. */
function distance(got: ArrayLike<number>, want: readonly number[]): number {
  expect(got.length).toBe(want.length);
  const scale = Math.max(1e-3, ...want.map(Math.abs));
  return want.reduce((most, value, i) => Math.max(most, Math.abs(got[i] - value) / scale), 0);
}

const names = ['mlp-relu', 'mlp-tanh', 'mlp-sigmoid', 'mlp-tied', 'cnn-same', 'cnn-valid', 'cnn-average'];

describe.each(['plain', 'fma'] as const)('kernels in profile %s against PyTorch', (profile) => {
  const kernels = createReference(profile);
  it.each(names)('%s: logits, losses and gradients of the first batch', (name) => {
    const golden = readGolden(name);
    const { batchSize, clients, firstBatch } = golden;
    const size = clients[0].x.length / clients[0].nExamples;
    const got = runBatch(
      kernels,
      golden,
      toWeights(golden.initial),
      Float32Array.from(clients[0].x.slice(0, batchSize * size)),
      Int32Array.from(clients[0].y.slice(0, batchSize)),
    );
    expect(distance(got.logits, firstBatch.logits)).toBeLessThan(1e-6);
    expect(distance(got.losses, firstBatch.losses)).toBeLessThan(1e-6);
    expect(distance(got.inputGradient, firstBatch.inputGradient)).toBeLessThan(2e-6);
    for (const [parameter, want] of Object.entries(firstBatch.gradient))
      expect(distance(got.gradient[parameter], want), parameter).toBeLessThan(2e-6);
  });
});

/** One optimizer, with the state it keeps for every parameter. */
function makeStep(kernels: Kernels, o: OptimizerFile) {
  const states = new Map<string, [Float32Array, Float32Array]>();
  return (name: string, w: Float32Array, g: Float32Array, t: number) => {
    const state = states.get(name) ?? [new Float32Array(w.length), new Float32Array(w.length)];
    states.set(name, state);
    const { momentum = 0, nesterov = false, weightDecay = 0, beta1 = 0, beta2 = 0, epsilon = 0 } = o;
    if (o.kind === 'sgd') {
      const velocity = momentum > 0 ? state[0] : new Float32Array(0);
      kernels.sgdStepF32(w, velocity, g, o.learningRate, momentum, nesterov ? 1 : 0, weightDecay);
      return;
    }
    let power1 = 1;
    let power2 = 1;
    for (let i = 0; i < t; i++) {
      power1 *= beta1;
      power2 *= beta2;
    }
    kernels.adamStepF32(w, ...state, g, o.learningRate, beta1, beta2, epsilon, weightDecay, power1, power2);
  };
}

describe('an epoch of kernels against PyTorch', () => {
  const kernels = createReference('fma');
  const runs = names.flatMap((name) =>
    readGolden(name)
      .training.filter(({ optimizer }) => optimizer.kind !== 'clippedSgd')
      .map((run) => [name, run.name, run] as const),
  );
  it.each(runs)('%s, %s', (name, _optimizer, run) => {
    const golden = readGolden(name);
    golden.clients.forEach((client, c) => {
      const size = client.x.length / client.nExamples;
      const weights = toWeights(golden.initial);
      const step = makeStep(kernels, run.optimizer);
      for (let from = 0, t = 1; from < client.nExamples; from += golden.batchSize, t++) {
        const to = Math.min(client.nExamples, from + golden.batchSize);
        const x = Float32Array.from(client.x.slice(from * size, to * size));
        const { gradient, losses } = runBatch(
          kernels,
          golden,
          weights,
          x,
          Int32Array.from(client.y.slice(from, to)),
        );
        const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
        expect(Math.abs(mean - run.clients[c].losses[t - 1])).toBeLessThan(1e-6);
        for (const [parameter, w] of Object.entries(weights)) step(parameter, w, gradient[parameter], t);
      }
      for (const [parameter, want] of Object.entries(run.clients[c].weights))
        expect(distance(weights[parameter], want), parameter).toBeLessThan(2e-6);
    });
  });
});

/** What the server does with the aggregate of a round: noise, then its optimiser, then a look at the result. */
import { createSecureNoise, createSimRng } from '../privacy/noise.js';
import { centralNoiseStddev } from '../update/gaussian-noise.js';
import { DivergedError } from './errors.js';
import type { RoundState } from './round-state.js';
import type { RoundStats } from './round-stats.js';
import type { RunSetup } from './setup.js';
import { callUserCode } from './user-code.js';

/** Entity of server-side randomness: no client has this id. */
const kServer = (1n << 64n) - 1n;

/** Noise on every coordinate of the mean, where the pipeline has a stage for it. */
export function addCentralNoise(
  { kernels, pipeline, cohortSize, config }: RunSetup,
  stats: RoundStats,
  round: number,
  delta: Float32Array,
): void {
  const noise = pipeline.centralNoise;
  if (!noise) return;
  const noiseStddev = centralNoiseStddev(noise, cohortSize);
  stats.noiseStddev = noiseStddev;
  if (noise.source === 'secure') createSecureNoise().addNormal(delta, noiseStddev);
  else
    createSimRng(kernels, config.run.seed).addNormal(delta, noiseStddev, {
      purpose: 'noise',
      round,
      entity: kServer,
    });
}

/** Noise and optimiser step on `state.delta`, for strategies that are a pipeline. */
export function serverStep(setup: RunSetup, state: RoundState, stats: RoundStats, round: number): void {
  const { strategy, kernels, params } = setup;
  const { delta, serverState, aggregator } = state;
  addCentralNoise(setup, stats, round, delta);
  stats.serverUpdateNorm = Math.sqrt(kernels.sumSquaresF32(delta));
  const { aggregate } = strategy;
  if (typeof aggregate === 'function') return;
  const { serverOptimizer } = aggregate;
  callUserCode(`server optimizer '${serverOptimizer.name}'`, round, undefined, () =>
    serverOptimizer.step(kernels, params, delta, serverState, aggregator?.held),
  );
}

/**
 * A global model that is not finite is never handed to clients, whatever `run.on-diverge` says of single clients: nothing could
 * come back from them.
 */
export function checkModel({ kernels, params }: RunSetup, round: number): void {
  if (kernels.allFiniteF32(params) === 0)
    throw new DivergedError(round + 1, 'the global model holds NaN or infinity after the server step');
}

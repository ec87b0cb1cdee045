/**
 * FisherDropout: each client trains and sends the sub-model of the neurons that matter most to it.
 *
 * Source: Wang, Yang, Dai 2024, "Lightweight Differential Privacy Federated Learning Based on Gradient Dropout", Computer
 * Science 51(1). The paper's abstract fixes the frame (Fisher-driven choice of neurons, per-client rates, positions sent with the update,
 * full model every fixed number of rounds); estimator, score and selection rule are ours: diagonal empirical Fisher,
 * summed over a neuron's incoming row and bias, the largest kept in every hidden layer.
 *
 * The choice of neurons is itself a release of private data (a noised value in a chosen place does not hide the place), so with
 * `private-fisher` no (epsilon, delta) guarantee holds. `public-random` chooses from the seed and costs nothing.
 */
import { UpdateRejectedError } from '../combine/errors.js';
import { InvalidArgumentError } from '../errors.js';
import { randomKey } from '../kernels/address.js';
import { permutationU32, uniformBelow } from '../kernels/reference/permutation.js';
import type { ParamSpec } from '../tensor/param-spec.js';
import { encodePositions } from './positions.js';
import type { PlanContext, Stage } from './stage.js';
import { croppableGroups, subModelSpec } from './sub-model.js';

export interface FisherDropoutOptions {
  /** Shares of neurons left out of every hidden layer, each in [0, 1). A client gets one of them, never from its data. */
  rates: readonly number[];
  /** `round-robin`: by client id; `random`: drawn anew at every choice. Default: round-robin. */
  assign?: 'round-robin' | 'random';
  /** Score of a neuron: sum or mean of its Fisher entries, or the sum of Fisher times squared weight. Default: sum. */
  score?: 'sum' | 'mean' | 'saliency';
  selection?: 'private-fisher' | 'public-random';
  /** Every so many rounds the full model is sent and positions are chosen anew. Default: 5. */
  refreshEvery?: number;
  /** Examples that are scored. Default: all of the client's. */
  scoringExamples?: number;
}

/** What a client and the server remember between rounds: the neurons that the client chose last. Plain data. */
interface Positions {
  kept: ReadonlyMap<string, Uint32Array>;
  /** Whether an update with these positions has reached the server; until then they are sent along. */
  known: boolean;
}

const kStateSlot = 'fisher-dropout/positions';
const kSeedBytes = 8;
/** Scores below it are ties: squares of float32 gradients carry no information there. */
const kScoreFloor = 1e-30;

/**
 * The stage that chooses a sub-model for every client. A client whose last choice never reached the server chooses anew.
 *
 * @throws {InvalidArgumentError} for rates outside [0, 1), a refresh or number of examples below 1, or an unknown word.
 */
export function fisherDropout(options: FisherDropoutOptions): Stage {
  const { rates, assign = 'round-robin', selection = 'private-fisher', refreshEvery = 5 } = options;
  checkOptions({ ...options, assign, selection, refreshEvery });

  return {
    name: 'fisher-dropout',
    async plan(context) {
      const last = context.state.get<Positions>(kStateSlot);
      if (last?.known && context.round % refreshEvery !== 0)
        return {
          kept: last.kept,
          spec: subModelSpec(context.spec, last.kept),
          positionBytes: 0,
          fullDownload: false,
        };
      const rate = rateOf(context, rates, assign);
      // The full model is needed to score; a public choice can be sent as the sub-model at once.
      const fullDownload = selection === 'private-fisher';
      const kept = await keptUnits(context, rate, fullDownload ? (c) => fisherScores(c, options) : undefined);
      context.state.set<Positions>(kStateSlot, { kept, known: false });
      const positionBytes = fullDownload ? positionBytesOf(context.spec, kept) : kSeedBytes;
      return { kept, spec: subModelSpec(context.spec, kept), positionBytes, fullDownload };
    },
    upload: {
      encode: (payload) => payload,
      decode(payload, { state }) {
        const last = state.get<Positions>(kStateSlot);
        if (last && !last.known) state.set<Positions>(kStateSlot, { ...last, known: true });
        return payload;
      },
    },
  };
}

function checkOptions({
  rates,
  assign,
  selection,
  refreshEvery,
  score,
  scoringExamples,
}: FisherDropoutOptions): void {
  const where = 'fisherDropout';
  const atLeastOne = (value: number | undefined): boolean => Number.isInteger(value) && Number(value) >= 1;
  if (!Array.isArray(rates) || rates.length === 0 || !rates.every((rate) => rate >= 0 && rate < 1))
    throw new InvalidArgumentError(where, 'rates', 'a list of numbers from 0 to below 1', String(rates));
  if (!atLeastOne(refreshEvery))
    throw new InvalidArgumentError(where, 'refreshEvery', 'an integer of at least 1', refreshEvery);
  if (scoringExamples !== undefined && !atLeastOne(scoringExamples))
    throw new InvalidArgumentError(where, 'scoringExamples', 'an integer of at least 1', scoringExamples);
  if (selection !== 'private-fisher' && selection !== 'public-random')
    throw new InvalidArgumentError(where, 'selection', 'private-fisher or public-random', selection);
  if (assign !== 'round-robin' && assign !== 'random')
    throw new InvalidArgumentError(where, 'assign', 'round-robin or random', assign);
  if (score !== undefined && !['sum', 'mean', 'saliency'].includes(score))
    throw new InvalidArgumentError(where, 'score', 'sum, mean or saliency', score);
}

function rateOf(context: PlanContext, rates: readonly number[], assign: 'round-robin' | 'random'): number {
  if (assign === 'round-robin') return rates[context.client % rates.length];
  const { key0, key1 } = streamOf(context);
  return rates[uniformBelow(rates.length, key0, key1, 0, 0, 1)];
}

function streamOf({ seed, round, client }: PlanContext): { key0: number; key1: number } {
  return randomKey(seed, { purpose: 'compression', round, entity: client });
}

type Scores = ReadonlyMap<string, Float64Array>;

/** The k = max(1, ceil((1 - rate) N)) best neurons of every hidden layer, ties to the lower index, sorted. */
async function keptUnits(
  context: PlanContext,
  rate: number,
  score: ((context: PlanContext) => Promise<Scores>) | undefined,
): Promise<Map<string, Uint32Array>> {
  const kept = new Map<string, Uint32Array>();
  if (rate === 0) return kept;
  const scores = await score?.(context);
  croppableGroups(context.spec).forEach((group, ordinal) => {
    const units = context.spec.groups[group];
    // 1 - 0.7 is a little more than 0.3, which must not keep a neuron more.
    const k = Math.max(1, Math.ceil((1 - rate) * units - 1e-9 * units));
    if (k === units) return;
    const values = scores?.get(group);
    // A layer in which nothing has a gradient ranks nothing: fall back to the seeded choice (dead rectifiers, zero weights).
    const order = values?.some((value) => value >= kScoreFloor)
      ? byScore(values)
      : randomOrder(context, units, ordinal);
    kept.set(group, order.slice(0, k).sort());
  });
  return kept;
}

function byScore(scores: Float64Array): Uint32Array {
  const values = scores.map((score) => (score < kScoreFloor ? 0 : score));
  return Uint32Array.from(values.keys()).sort((a, b) => values[b] - values[a] || a - b);
}

function randomOrder(context: PlanContext, units: number, ordinal: number): Uint32Array {
  const { key0, key1 } = streamOf(context);
  const order = new Uint32Array(units);
  permutationU32(order, key0, key1, 0, 2 + ordinal);
  return order;
}

/** Scores by unit group: every tensor whose first axis is the group adds its rows. */
async function fisherScores(context: PlanContext, options: FisherDropoutOptions): Promise<Scores> {
  const { kernels, spec, global } = context;
  const received = await context.fisher(options.scoringExamples);
  if (!received.every(Number.isFinite))
    throw new UpdateRejectedError(String(context.client), 'not-finite', Number.NaN);
  const fisher =
    options.score === 'saliency' ? received.map((value, i) => value * global[i] * global[i]) : received;
  const scores = new Map<string, Float64Array>();
  for (const group of croppableGroups(spec)) {
    const units = spec.groups[group];
    const sums = new Float64Array(units);
    let ownedByUnit = 0;
    for (const entry of spec.entries)
      if (entry.axes[0]?.group === group) {
        const rowLength = entry.size / units;
        kernels.scoreUnitsF64(sums, spec.slice(fisher, entry.name), rowLength);
        ownedByUnit += rowLength;
      }
    if (options.score === 'mean') for (let i = 0; i < units; i++) sums[i] /= ownedByUnit;
    scores.set(group, sums);
  }
  return scores;
}

/** Bytes of the positions of all hidden layers taken as one set of neurons. */
function positionBytesOf(spec: ParamSpec, kept: ReadonlyMap<string, Uint32Array>): number {
  const all: number[] = [];
  let units = 0;
  for (const group of croppableGroups(spec)) {
    const width = spec.groups[group];
    for (const unit of kept.get(group) ?? Array.from({ length: width }, (_, i) => i)) all.push(units + unit);
    units += width;
  }
  return encodePositions(Uint32Array.from(all), units).bytes.length;
}

/**
 * `trim_scope: model` before the merge: the threshold of every model's task vector, in three sweeps over the tensors. Two find it digit
 * by digit; the third counts in which tensors the entries lie that equal it, for models that do not keep all of these.
 */
import {
  COUNTER_BYTES,
  type CountedDigit,
  dealTies,
  ThresholdSearch,
} from '../../combine/merge/magnitude-counter.js';
import { TRIM_BITS, TRIM_TIES, trimsModels, UNTRIMMED } from '../../combine/merge/model-trim.js';
import { bytesOf } from '../../tensor/safetensors/dtype.js';
import type { MergePlan, OutputTensor } from '../plan.js';
import { keptOf, type PooledTensor, type TrimPool, trimmedPools } from '../planner/trim-pools.js';
import { type CountedTensor, countMagnitudes } from './count-run.js';
import { type StreamOptions, sizeOf } from './stream.js';

export interface SettledPlan {
  readonly plan: MergePlan;
  readonly bytesRead: number;
  /** What the sweeps were in progress: bytes of outputs, once for each. */
  readonly bytesDone: number;
}

interface PoolSearch {
  readonly pool: TrimPool;
  readonly search: ThresholdSearch;
}

/** Entries of a pool that are counted in a sweep. */
interface Counted {
  readonly at: PooledTensor;
  readonly key: string;
  readonly digit: CountedDigit;
  readonly refuseNonFinite: boolean;
}

/**
 * The plan with the thresholds of the models that it trims as a whole, found anew at every run: they depend on plan and inputs alone.
 *
 * @throws as `countMagnitudes`; {@link MergeMethodError} for a density that keeps nothing.
 */
export async function withThresholds(options: StreamOptions): Promise<SettledPlan> {
  const { plan, writer } = options;
  const left = plan.outputs.filter(({ name }) => !writer.finished.has(name));
  const pools = trimmedPools(plan);
  // A model whose tensors an interrupted run finished all is not asked for again.
  const wanted = new Set(left);
  const searches = pools
    .filter(({ tensors }) => tensors.some(({ output }) => wanted.has(output)))
    .map((pool) => ({ pool, search: new ThresholdSearch(keptOf(pool)) }));
  const sweeps = new Sweeps(options, left, searches);

  for (let sweep = 0; sweep < 2; sweep++) {
    const totals = await sweeps.count(
      searches.flatMap(({ pool, search: { next: digit, isFirst } }, p) =>
        digit === undefined
          ? []
          : pool.tensors.map((at) => ({ at, key: String(p), digit, refuseNonFinite: isFirst })),
      ),
    );
    for (const [p, { search }] of searches.entries()) search.tell(totals(String(p)));
  }
  const keyOf = (p: number, t: number): string => `${p} ${t}`;
  const found = await sweeps.count(
    searches.flatMap(({ pool, search: { takesAll, ofThreshold: digit } }, p) =>
      takesAll ? [] : pool.tensors.map((at, t) => ({ at, key: keyOf(p, t), digit, refuseNonFinite: false })),
    ),
  );
  const ties = searches.map(({ pool: { tensors }, search }, p) =>
    search.takesAll
      ? tensors.map(({ output }) => sizeOf(output.shape))
      : dealTies(
          search.ties,
          tensors.map((_, t) => found(keyOf(p, t))[0]),
        ),
  );
  return { ...sweeps.done, plan: { ...plan, outputs: settled(plan.outputs, searches, ties) } };
}

/** Sweeps over the tensors of pools, and how far they are. */
class Sweeps {
  readonly #leftBytes: number;
  readonly #sweepBytes: number;
  /** Of the largest sweep, so that a budget is too small for the first or for none. */
  readonly #counterBytes: number;
  #bytesRead = 0;
  #bytesDone = 0;

  constructor(
    private readonly options: StreamOptions,
    left: readonly OutputTensor[],
    searches: readonly PoolSearch[],
  ) {
    const pooled = new Set(searches.flatMap(({ pool }) => pool.tensors.map(({ output }) => output)));
    this.#leftBytes = bytesIn(left);
    this.#sweepBytes = bytesIn([...pooled]);
    // The sums of all lanes are float64, in this thread.
    const shared = (2 * COUNTER_BYTES) / options.lanes.length;
    this.#counterBytes = searches.length * Math.ceil(COUNTER_BYTES + shared);
  }

  /** Nothing is read for no entries. @returns what was counted by key. */
  async count(entries: readonly Counted[]): Promise<(key: string) => Float64Array> {
    const byOutput = new Map<OutputTensor, Counted[]>();
    for (const entry of entries) {
      const { output } = entry.at;
      byOutput.set(output, [...(byOutput.get(output) ?? []), entry]);
    }
    const before = this.#bytesRead;
    const { totals, bytesRead } = await countMagnitudes(
      {
        ...this.options,
        counterBytes: this.#counterBytes,
        onCounted: (bytes, read) => {
          this.#bytesDone += bytes;
          this.#bytesRead = before + read;
          this.#tell();
        },
      },
      [...byOutput].map(([output, counted]) => tensorOf(output, counted)),
    );
    this.#bytesRead = before + bytesRead;
    return (key) => totals.get(key) ?? new Float64Array(1);
  }

  get done(): { bytesRead: number; bytesDone: number } {
    return { bytesRead: this.#bytesRead, bytesDone: this.#bytesDone };
  }

  #tell(): void {
    const { plan, writer, onProgress } = this.options;
    onProgress?.({
      ranking: true,
      tensorsDone: writer.finished.size,
      tensors: plan.outputs.length,
      bytesDone: this.#bytesDone,
      // As long as nobody knows whether there is a third, there is.
      bytes: this.#leftBytes + 3 * this.#sweepBytes,
      bytesRead: this.#bytesRead,
      bytesWritten: 0,
    });
  }
}

/** A tensor with the base and the inputs that are counted alone. */
function tensorOf(output: OutputTensor, counted: readonly Counted[]): CountedTensor {
  const { inputs, base } = output;
  return {
    output: {
      ...output,
      inputs: [inputs[base], ...counted.map(({ at }) => inputs[at.input])],
      base: 0,
      perModel: {},
    },
    counted: counted.map(({ key, digit, refuseNonFinite }) => ({ key, digit, refuseNonFinite })),
  };
}

function settled(
  outputs: readonly OutputTensor[],
  searches: readonly PoolSearch[],
  ties: readonly (readonly number[])[],
): OutputTensor[] {
  const found = new Map<OutputTensor, { bits: number[]; ties: number[] }>();
  for (const output of outputs)
    if (trimsModels(output.global))
      found.set(output, { bits: output.inputs.map(() => UNTRIMMED), ties: output.inputs.map(() => 0) });
  searches.forEach(({ pool: { tensors }, search: { bits } }, p) => {
    tensors.forEach(({ output, input }, t) => {
      const own = found.get(output);
      if (own === undefined) return;
      own.bits[input] = bits;
      own.ties[input] = ties[p][t];
    });
  });
  return outputs.map((output) => {
    const own = found.get(output);
    if (own === undefined) return output;
    return { ...output, perModel: { ...output.perModel, [TRIM_BITS]: own.bits, [TRIM_TIES]: own.ties } };
  });
}

function bytesIn(outputs: readonly OutputTensor[]): number {
  return outputs.reduce((sum, { dtype, shape }) => sum + bytesOf(dtype, sizeOf(shape)), 0);
}

/** Counting of magnitudes over a tensor, as `trim_scope: model` needs it: one of the tensors of a model, in a thread or in place. */
import { MagnitudeCounter, type Totals } from '../../combine/merge/magnitude-counter.js';
import { nonFiniteCheck } from '../../combine/merge/task-vectors.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { FileAccess } from '../../tensor/safetensors/file-range.js';
import { BLOCK, type Scratch } from './scratch.js';
import { createStoredInputs, type StoredInputs } from './stored-inputs.js';
import type { ChunkCommand, CountedInput, TaskShape, TaskStart } from './task.js';

/** Counters of a lane by key; they live until they are collected. */
export type Counters = Map<string, MagnitudeCounter>;

/** The first input is the base; the others are counted, each as `counted` says in their order. */
export class CountTask {
  /** Counters are shared by all tensors; who counts knows how much they take. */
  readonly shape: TaskShape = { unit: BLOCK, passes: 1, workingBytes: 0, inOrder: false };
  readonly #inputs: StoredInputs;

  constructor(
    private readonly start: TaskStart,
    private readonly counted: readonly CountedInput[],
    private readonly counters: Counters,
    private readonly kernels: Kernels,
    scratch: Scratch,
    files?: FileAccess,
  ) {
    this.#inputs = createStoredInputs(start, kernels, scratch, files);
  }

  run(command: ChunkCommand): undefined {
    const { count, offset } = command;
    for (let begin = 0; begin < count; begin += BLOCK) {
      const end = Math.min(count, begin + BLOCK);
      const base = this.#inputs.widened(command, 0, begin, end);
      this.counted.forEach(({ digit, key, refuseNonFinite }, i) => {
        // All models in one place, which stays in the cache.
        const x = this.#inputs.widened(command, i + 1, begin, end, 1);
        const counter = this.counters.get(key) ?? new MagnitudeCounter(this.kernels, digit);
        this.counters.set(key, counter);
        counter.count(x, base);
        if (refuseNonFinite && counter.holdsNonFinite)
          nonFiniteCheck({ name: this.start.method ?? '' }, this.start, i + 1)(x, base, offset + begin);
      });
    }
  }
}

/** What was counted, by key; the counters begin anew. */
export function collected(counters: Counters): Map<string, Totals> {
  const totals = new Map([...counters].map(([key, counter]) => [key, counter.totals()]));
  counters.clear();
  return totals;
}

/** Counts magnitudes over many tensors by all lanes: nothing is written, and the counts do not depend on who counted what. */
import { bytesOf } from '../../tensor/safetensors/dtype.js';
import type { OutputTensor } from '../plan.js';
import type { Lane } from './lane.js';
import { type Begun, LaneRun, type LaneRunOptions, type Step } from './lane-run.js';
import { type ChunkNeeds, chunkElements } from './memory.js';
import { type InputReader, readerOf, widthOf } from './readers.js';
import { type Share, sharesOf } from './schedule.js';
import { BLOCK } from './scratch.js';
import { sizeOf, startOf } from './stream.js';
import type { CountedInput } from './task.js';

export interface CountedTensor {
  /** Its inputs are the base, which is first, and those that are counted. */
  readonly output: OutputTensor;
  readonly counted: readonly CountedInput[];
}

export interface CountOptions extends LaneRunOptions {
  /** Of the counters of a lane at most, with its part of their sums. */
  readonly counterBytes: number;
  /** Called with the elements of each tensor that were counted, as bytes of its output. */
  readonly onCounted?: (bytes: number, bytesRead: number) => void;
}

/** @returns counts by key. @throws what sources throw, {@link NonFiniteInputError}, the signal's reason. */
export async function countMagnitudes(
  options: CountOptions,
  tensors: readonly CountedTensor[],
): Promise<{ totals: ReadonlyMap<string, Float64Array>; bytesRead: number }> {
  return new CountRun(options, tensors).result();
}

interface CountShare extends Share {
  readonly counted: readonly CountedInput[];
}

class CountRun extends LaneRun<Begun<CountShare>> {
  constructor(
    private readonly options: CountOptions,
    private readonly tensors: readonly CountedTensor[],
  ) {
    const shares = tensors.flatMap(({ output, counted }) =>
      sharesOf(output, sizeOf(output.shape)).map((share) => ({ ...share, counted })),
    );
    super(options, shares);
  }

  async result(): Promise<{ totals: Map<string, Float64Array>; bytesRead: number }> {
    const { lanes } = this.options;
    try {
      await this.drive();
    } catch (error) {
      // A lane may be used again, and has to begin with nothing counted.
      await Promise.allSettled(lanes.map((lane) => lane.collect()));
      throw error;
    }
    const totals = new Map<string, Float64Array>();
    for (const lane of lanes)
      for (const [key, counts] of await lane.collect()) {
        const sum = totals.get(key) ?? new Float64Array(counts.length);
        totals.set(key, sum);
        for (let i = 0; i < sum.length; i++) sum[i] += counts[i];
      }
    return { totals, bytesRead: this.bytesRead };
  }

  protected begin(lane: Lane, share: CountShare, id: number): Begun<CountShare> {
    const { output, counted } = share;
    const readers = this.#readers(output);
    const inputs = readers.map(({ dtype }) => dtype);
    // Its shape is known, and its failure is that of the first chunk.
    lane.begin(id, { ...startOf(this.options.plan, output), inputs, counted }).catch(() => {});
    return { share, id, readers };
  }

  protected async *chunks(begun: Begun<CountShare>): AsyncGenerator<Step> {
    const { begin, end } = begun.share;
    const chunk = chunkElements(this.options.memory, this.#needs(begun.share, begun.readers), () =>
      this.tensors.map(({ output }) =>
        this.#needs({ output, begin: 0, end: sizeOf(output.shape) }, this.#readers(output)),
      ),
    );
    for (let at = begin; at < end; at += chunk) {
      const to = Math.min(end, at + chunk);
      yield { ...begun, step: 0, times: 1, begin: at, end: to, last: to === end };
    }
  }

  #readers({ inputs }: OutputTensor): InputReader[] {
    const [{ reachesFiles }] = this.options.lanes;
    return inputs.map((input) => readerOf(this.options, input, reachesFiles));
  }

  #needs({ output, begin, end }: Share, readers: readonly InputReader[]): ChunkNeeds {
    return {
      tensor: output.name,
      size: end - begin,
      unit: BLOCK,
      inputs: readers.length,
      slotWidth: widthOf(readers, false),
      fileWidth: widthOf(readers, true),
      workingBytes: this.options.counterBytes,
    };
  }

  protected outputBytes(): number {
    return 0;
  }

  protected async compute(lane: Lane, step: Step, places: readonly Uint8Array[]): Promise<void> {
    const { id, share, readers, begin, end, last } = step;
    const command = {
      step: 0,
      inputs: readers.map(({ range }, k) => range ?? places[k]),
      output: places[places.length - 1],
      offset: begin,
      count: end - begin,
      last,
    };
    await this.ran(step, lane.run(id, command));
    this.check();
    if (last) {
      lane.end(id);
      await this.verify(step);
    }
    this.options.onCounted?.(bytesOf(share.output.dtype, end - begin), this.bytesRead);
  }
}

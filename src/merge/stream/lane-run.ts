/** Keeps lanes busy with chunks of tensors: reading and computing overlap, in buffers whose size a memory budget sets. */
import { bytesOf } from '../../tensor/safetensors/dtype.js';
import type { FileRange } from '../../tensor/safetensors/file-range.js';
import type { Lane } from './lane.js';
import { carve, type MemoryPlan, SLOTS, slotFor } from './memory.js';
import type { InputReader, ReaderContext } from './readers.js';
import type { Share } from './schedule.js';

export interface LaneRunOptions extends ReaderContext {
  readonly lanes: readonly Lane[];
  readonly memory: MemoryPlan;
  readonly signal?: AbortSignal;
}

/** A share that a lane has been told of. */
export interface Begun<S extends Share = Share> {
  readonly share: S;
  readonly id: number;
  readonly readers: readonly InputReader[];
  /** Where the lane writes the output by itself. */
  readonly target?: FileRange;
}

export interface Step<S extends Share = Share> extends Begun<S> {
  readonly step: number | 'combine' | 'whole';
  readonly begin: number;
  readonly end: number;
  /** Times that its elements are read. */
  readonly times: number;
  /** The lane keeps what it reads from one pass to the next. */
  readonly keeps?: boolean;
  /** Last chunk of its pass. */
  readonly last: boolean;
}

/** Shares of work from one queue for all lanes. What a chunk is and what is done with it: the classes that extend it. */
export abstract class LaneRun<B extends Begun> {
  #failure: { error: unknown } | undefined;
  #nextId = 0;
  protected bytesRead = 0;

  constructor(
    private readonly base: LaneRunOptions,
    private readonly queue: B['share'][],
  ) {}

  /** Announces a share to a lane. */
  protected abstract begin(lane: Lane, share: B['share'], id: number): B;
  protected abstract chunks(begun: B): AsyncGenerator<Step>;
  /** Places of the inputs' bytes, and last that of the output's. */
  protected abstract compute(lane: Lane, step: Step, places: readonly Uint8Array[]): Promise<void>;
  /** Bytes of the output of a chunk that go through a slot. */
  protected abstract outputBytes(step: Step): number;

  /** All lanes to the end, also where one fails: files that the others use are closed afterwards. @throws the first failure. */
  protected async drive(): Promise<void> {
    const ends = await Promise.allSettled(this.base.lanes.map((lane) => this.#drive(lane)));
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** Keeps one lane busy until nothing is left; the first failure of any lane ends all. */
  async #drive(lane: Lane): Promise<void> {
    const slots = Array.from({ length: SLOTS }, () => Promise.resolve());
    let turn = 0;
    try {
      for await (const step of this.#steps(lane)) {
        const slot = turn++ % SLOTS;
        await slots[slot];
        this.check();
        const lengths = this.#slotLengths(step);
        const needed = slotFor(lengths);
        const bytes = needed > 0 ? Math.max(needed, this.base.memory.slotBytes) : 0;
        const places = carve(lane.slot(slot, bytes), lengths);
        const { readers, begin, end } = step;
        const read = await Promise.all(
          readers.map((reader, k) => (reader.range ? 0 : reader.read(begin, end, places[k]))),
        );
        this.bytesRead += read.reduce((sum, bytes) => sum + bytes, 0);
        this.check();
        slots[slot] = this.compute(lane, step, places).catch((error: unknown) => this.#fail(error));
      }
      await Promise.all(slots);
      this.check();
    } catch (error) {
      this.#fail(error);
      // Nothing may touch the slots or the writer once the failure is known.
      await Promise.all(slots);
      throw this.#failure?.error ?? error;
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
  }

  protected check(): void {
    this.base.signal?.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Chunks of this lane's share of the work; the next tensor is announced while the current one is computed. */
  async *#steps(lane: Lane): AsyncGenerator<Step> {
    let current = this.#begin(lane);
    while (current !== undefined) {
      const next = this.#begin(lane);
      yield* this.chunks(current);
      current = next;
    }
  }

  #begin(lane: Lane): B | undefined {
    const share = this.queue.shift();
    return share && this.begin(lane, share, this.#nextId++);
  }

  /** Bytes of the inputs and of the output of a chunk that go through a slot. */
  #slotLengths(step: Step): number[] {
    const { readers, begin, end } = step;
    return [
      ...readers.map(({ range, dtype }) => (range === undefined ? bytesOf(dtype, end - begin) : 0)),
      this.outputBytes(step),
    ];
  }

  /** What a lane has done with its chunk; it reads at every pass. */
  protected async ran<T>(step: Step, running: Promise<T>): Promise<T> {
    const { readers, begin, end, times } = step;
    try {
      const result = await running;
      for (const { dtype, range } of readers)
        if (range !== undefined) this.bytesRead += times * bytesOf(dtype, end - begin);
      return result;
    } catch (error) {
      // Where an input changed under a lane that read it, that is what went wrong.
      await this.verify(step);
      throw error;
    }
  }

  /** @throws {InputChangedError} if what the lane read by itself is not what was opened. */
  protected async verify({ share, readers }: Step): Promise<void> {
    for (const [k, { range }] of readers.entries())
      if (range !== undefined) await this.base.sources[share.output.inputs[k].model].verify();
  }
}

/** Who computes for the stream: a thread, or this one. */

import type { Totals } from '../../combine/merge/magnitude-counter.js';
import type { MergeMethod } from '../../combine/merge/method.js';
import { recipeMethods } from '../../combine/merge/registry.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { FileAccess } from '../../tensor/safetensors/file-range.js';
import { type Counters, CountTask, collected } from './count-task.js';
import { createScratch } from './scratch.js';
import type { ChunkCommand, ChunkResult, TaskShape, TaskStart } from './task.js';
import { TensorTask } from './tensor-task.js';

/** One worker of the stream. Commands are carried out in the order in which they are given. */
export interface Lane {
  /** Commands may name ranges of files instead of bytes. */
  readonly reachesFiles: boolean;
  /** Announces a tensor under a number of its own. */
  begin(id: number, start: TaskStart): Promise<TaskShape>;
  run(id: number, command: ChunkCommand): Promise<ChunkResult | undefined>;
  /** Forgets a tensor. */
  end(id: number): void;
  /** What was counted since the last time, by key: tensors that were announced to be counted. */
  collect(): Promise<ReadonlyMap<string, Totals>>;
  /** Memory that the lane reaches without a copy, of so many bytes at least: under a number always the same, until it has to grow. */
  slot(k: number, bytes: number): Uint8Array;
  dispose(): Promise<void>;
}

export interface LaneCore {
  begin(id: number, start: TaskStart): TaskShape;
  run(id: number, command: ChunkCommand): ChunkResult | undefined;
  end(id: number): void;
  collect(): Map<string, Totals>;
  dispose(): void;
}

export interface LaneOptions {
  /** Methods by name. Default: those of recipes. */
  readonly findMethod?: (name: string) => MergeMethod | undefined;
  /** Reaches the files that commands name. Default: commands hand over bytes. */
  readonly files?: FileAccess;
}

/** What computes, in whichever thread. */
export function createLaneCore(kernels: Kernels, options: LaneOptions = {}): LaneCore {
  const { findMethod = recipeMethods.get, files } = options;
  const scratch = createScratch(kernels);
  const tasks = new Map<number, TensorTask | CountTask>();
  const counters: Counters = new Map();
  return {
    begin(id, start) {
      const method = start.method === undefined ? undefined : findMethod(start.method);
      if (start.method !== undefined && method === undefined)
        throw new Error(`there is no merge method ${start.method} in this thread`);
      const task = start.counted
        ? new CountTask(start, start.counted, counters, kernels, scratch, files)
        : new TensorTask(start, method, kernels, scratch, files);
      tasks.set(id, task);
      return task.shape;
    },
    run(id, command) {
      const task = tasks.get(id);
      if (task === undefined) throw new Error(`tensor ${id} was not announced`);
      return task.run(command);
    },
    end: (id) => void tasks.delete(id),
    collect: () => collected(counters),
    dispose: () => scratch.dispose(),
  };
}

/** Computes in this thread: for small merges, and where there are no threads. */
export function createInlineLane(
  kernels: Kernels,
  findMethod?: (name: string) => MergeMethod | undefined,
): Lane {
  const core = createLaneCore(kernels, { findMethod });
  return {
    reachesFiles: false,
    begin: async (id, start) => core.begin(id, start),
    run: async (id, command) => core.run(id, command),
    end: core.end,
    collect: async () => core.collect(),
    slot: reusedSlots((bytes) => new Uint8Array(bytes)),
    dispose: async () => core.dispose(),
  };
}

/** The slots of one run after another: those of a sweep, left to the garbage collector, would come on top of the budget. */
export function reusedSlots(allocate: (bytes: number) => Uint8Array): Lane['slot'] {
  const slots: Uint8Array[] = [];
  return (k, bytes) => {
    if (!(slots[k]?.length >= bytes)) slots[k] = allocate(bytes);
    return slots[k];
  };
}

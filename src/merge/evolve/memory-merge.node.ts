/**
 * Candidates merged into memory: inputs stay open, nothing is written, and only tensors whose parameters changed since the last candidate
 * are merged again. The bytes are those that `mergeRecipe` writes.
 */
import { trimsModels } from '../../combine/merge/model-trim.js';
import { recipeMethods } from '../../combine/merge/registry.js';
import { HeddleError } from '../../errors.js';
import type { Kernels } from '../../kernels/kernels.js';
import { bytesOf, dtypeBits, type StoredDtype } from '../../tensor/safetensors/dtype.js';
import type { ModelWriter } from '../../tensor/safetensors/writer.js';
import type { MergePlan, OutputTensor } from '../plan.js';
import { sourcesOf } from '../planned-run.js';
import type { OpenedModels } from '../planner/models.js';
import { openModels } from '../planner/models.node.js';
import { planMerge } from '../planner/planner.js';
import { parseRecipe } from '../recipe/parse.js';
import { referencesOf } from '../recipe/recipe.js';
import { runPlan } from '../sidecars/run.js';
import { createInlineLane } from '../stream/lane.js';
import { planMemory } from '../stream/memory.js';

export interface MemoryTensor {
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  /** As stored, little-endian. Belongs to the merger: valid until its next merge. */
  readonly bytes: Uint8Array;
}

export interface MemoryMerger {
  /** One at a time: a call waits for the one before. `use` sees the model while it is valid. */
  merge<T>(
    recipe: string,
    use: (tensors: ReadonlyMap<string, MemoryTensor>) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T>;
  /** Tensors merged so far; those taken over from the candidate before do not count. */
  readonly merged: number;
  dispose(): Promise<void>;
}

const methods = recipeMethods;
/** Buffers of the stream; the tensors come on top. */
const BUFFER_BYTES = 256e6;

export interface MemoryMergerOptions {
  /** Where relative paths of recipes are looked up before the working folder. Default: the working folder alone. */
  readonly folder?: string;
}

/** @param kernels - stay the caller's. */
export function createMemoryMerger(kernels: Kernels, options: MemoryMergerOptions = {}): MemoryMerger {
  let opened: { key: string; models: OpenedModels } | undefined;
  let held = new Map<string, { key: string; tensor: MemoryTensor }>();
  let before: Promise<unknown> = Promise.resolve();
  let merged = 0;
  // One for all candidates: its slots are far larger than the tensors of a small model, and would be cleared anew for each.
  const lane = createInlineLane(kernels);

  const modelsOf = async (recipe: ReturnType<typeof parseRecipe>): Promise<OpenedModels> => {
    const key = JSON.stringify(referencesOf(recipe).map(({ text }) => text));
    if (opened?.key === key) return opened.models;
    await opened?.models.close();
    opened = undefined;
    const models = await openModels(recipe, options);
    opened = { key, models };
    held = new Map();
    return models;
  };

  const run = async (text: string, signal?: AbortSignal): Promise<ReadonlyMap<string, MemoryTensor>> => {
    const recipe = parseRecipe(text, { source: 'the candidate' });
    const models = await modelsOf(recipe);
    const plan = planMerge(recipe, models.models, { methods });
    const sources = sourcesOf(plan, models);
    const memory = planMemory(plan, BUFFER_BYTES);
    const target = memoryWriter(plan, held);
    try {
      await runPlan({ plan, sources, writer: target.writer, lanes: [lane], memory, kernels, signal });
      await Promise.all(sources.map((source) => source.verify()));
    } catch (error) {
      // Half a tensor may stand in what is held.
      held = new Map();
      throw error;
    }
    held = target.tensors;
    merged += plan.outputs.length - target.writer.finished.size;
    return new Map([...held].map(([name, { tensor }]) => [name, tensor]));
  };

  return {
    merge(recipe, use, signal) {
      const mine = before.then(async () => use(await run(recipe, signal)));
      // The next one waits for the end, not for success.
      before = mine.then(
        () => undefined,
        () => undefined,
      );
      return mine;
    },
    get merged() {
      return merged;
    },
    async dispose() {
      await before;
      await opened?.models.close();
      opened = undefined;
      held = new Map();
      await lane.dispose();
    },
  };
}

function memoryWriter(
  plan: MergePlan,
  held: ReadonlyMap<string, { key: string; tensor: MemoryTensor }>,
): { writer: ModelWriter; tensors: Map<string, { key: string; tensor: MemoryTensor }> } {
  const finished = new Set<string>();
  const tensors = new Map<string, { key: string; tensor: MemoryTensor }>();
  for (const output of plan.outputs) {
    const key = keyOf(plan, output);
    const old = held.get(output.name);
    if (key !== undefined && old?.key === key) {
      tensors.set(output.name, old);
      finished.add(output.name);
      continue;
    }
    const { dtype, shape } = output;
    const size = shape.reduce((n, length) => n * length, 1);
    const bytes = new Uint8Array(bytesOf(dtype, size));
    tensors.set(output.name, { key: key ?? '', tensor: { dtype, shape, bytes } });
  }
  const writer: ModelWriter = {
    folder: 'memory',
    finished,
    async write(name, begin, bytes) {
      const tensor = tensors.get(name)?.tensor;
      tensor?.bytes.set(bytes, (begin * dtypeBits[tensor.dtype]) / 8);
    },
    finish: async () => undefined,
    addFile: async () => undefined,
    commit: () => {
      throw new HeddleError(
        'ERR_IN_MEMORY',
        'a model in memory has no files',
        'merge the recipe into a folder',
      );
    },
    abort: async () => undefined,
  };
  return { writer, tensors };
}

/** Everything that a tensor's bytes depend on; undefined where it is not worth telling: rows put in order, adapters, thresholds of whole models. */
function keyOf(plan: MergePlan, output: OutputTensor): string | undefined {
  const { dtype, shape, inputs, method, base, perModel, global } = output;
  if (inputs.some(({ rows, adapter }) => rows !== undefined || adapter !== undefined)) return undefined;
  if (trimsModels(global)) return undefined;
  const from = inputs.map(({ model, name }) => [plan.models[model].path, name]);
  return JSON.stringify([dtype, shape, from, method?.name, base, perModel, global]);
}

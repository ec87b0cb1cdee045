/** `heddle merge` as a function: recipe in, model folder out. */
import { readFile, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { platform } from '#platform';
import { recipeMethods } from '../combine/merge/registry.js';
import { InvalidArgumentError } from '../errors.js';
import type { Kernels } from '../kernels/kernels.js';
import { type BackendOptions, loadBackend, resolveBackend } from '../kernels/select.js';
import { bytesOf } from '../tensor/safetensors/dtype.js';
import type { ModelSource } from '../tensor/safetensors/source.js';
import type { WrittenModel } from '../tensor/safetensors/writer.js';
import { createModelWriter } from '../tensor/safetensors/writer.node.js';
import { filesBeside } from './files-beside.js';
import { holdsStep, INTERMEDIATES, STEP_KEY_FILE, stepKey } from './intermediate.node.js';
import { CARD_MARK } from './model-card.js';
import type { MergePlan, PlannedFile } from './plan.js';
import { planKey } from './plan-key.node.js';
import { withPlanned } from './planned-store.js';
import { checkMethods } from './planner/context.js';
import { describePlan, type PlanDescription, type PlanStep } from './planner/describe.js';
import { type ModelStore, type OpenedModels, openModelsFrom } from './planner/models.js';
import { diskStore, openModels } from './planner/models.node.js';
import { type PlanOptions, planMerge } from './planner/planner.js';
import { likenessNotes, vocabularyNotes } from './preflight.js';
import { documentOrder } from './recipe/documents.js';
import { parseRecipes } from './recipe/parse.js';
import type { Recipe } from './recipe/recipe.js';
import { runNotes } from './run-notes.js';
import { checkSidecars } from './sidecars/check.js';
import { checkGramLayers, gramLayers } from './sidecars/gram-layers.js';
import { type PlanRun, runPlan } from './sidecars/run.js';
import { MemoryBudgetError } from './stream/errors.js';
import { createInlineLane } from './stream/lane.js';
import { planMemory } from './stream/memory.js';
import type { StreamProgress } from './stream/stream.js';
import { createThreadLane } from './stream/threads.node.js';
import { layerChanges, type MergeSummary } from './summary.js';

export interface MergeOptions extends Omit<PlanOptions, 'methods'>, BackendOptions {
  /** Folder that relative paths of the recipe are looked up in before the working folder. Default: that of the recipe's file. */
  readonly baseFolder?: string;
  /** Name of the recipe in messages. Default: its path, or `recipe`. */
  readonly recipeName?: string;
  /** Threads that compute. Default: one a core; 0 computes in this thread. Small merges take no threads. */
  readonly workers?: number;
  /** Resident memory in bytes that the merge may take, whatever the size of a tensor. Default: 512e6. */
  readonly memory?: number;
  /** Bytes of tensors in an output file at most; 0: one file. Default: 5e9. */
  readonly shardSize?: number;
  /** Go on from the tensors that an interrupted run of the same merge finished. Default: false. */
  readonly resume?: boolean;
  /** Replace a model in the output folder. Default: refuse. */
  readonly overwrite?: boolean;
  /** Write README.md with the models and the recipe, unless somebody else's is there. Default: true. */
  readonly modelCard?: boolean;
  /** Force the bytes to the disk before the model appears. Default: true. */
  readonly sync?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StreamProgress) => void;
}

/** Below so many bytes to read, threads take longer to start than the merge. */
const SMALL_MERGE = 24e6;
const DEFAULT_MEMORY = 512e6;

/**
 * Merges models as a mergekit recipe says.
 *
 * The bytes depend on recipe and inputs alone, not on workers, memory, back end or interruptions. Until all is written, nothing in the
 * folder can be loaded as a model.
 *
 * @param recipe - path of a YAML file, or its text where it holds a line break.
 * @throws {RecipeError} and {MergeError} before anything is written; {SafetensorsFormatError}, {InputChangedError},
 *   {ModelFileError} for files; {MergeMethodError}, {NonFiniteOutputError}, {MemoryBudgetError} while merging; the reason of `signal`.
 * @example await mergeRecipe('ties.yaml', 'merged', { memory: 256e6 })
 */
export async function mergeRecipe(
  recipe: string,
  outDir: string,
  options: MergeOptions = {},
): Promise<MergeSummary> {
  checkOptions(options);
  const folder = resolve(outDir);
  const { text, documents, folder: baseFolder } = await readDocuments(recipe, options);
  const named = new Map<string, string>();
  // What is wrong with the last document is said before the first is merged.
  if (documents.length > 1) await planDocuments(documents, baseFolder, options, async () => undefined);
  let summary: MergeSummary | undefined;
  const steps = join(folder, INTERMEDIATES);
  for (const document of documents) {
    const isLast = document === documents.at(-1);
    const target = isLast ? folder : join(steps, encodeURIComponent(document.name ?? ''));
    const inputs = await openModels(document, { folder: baseFolder, outputs: named });
    try {
      summary = isLast
        ? await mergeDocument(document, text, inputs, target, options)
        : await mergeStep(document, text, inputs, target, options);
    } catch (error) {
      if (documents.length > 1 && !isResumable(error, options))
        await rm(steps, { recursive: true, force: true });
      throw error;
    } finally {
      await inputs.close();
    }
    if (document.name !== undefined) named.set(document.name, target);
  }
  if (documents.length > 1) await rm(steps, { recursive: true, force: true });
  if (summary === undefined) throw new InvalidArgumentError('mergeRecipe', 'recipe', 'a recipe', 'nothing');
  return summary;
}

/**
 * What a merge would do, and what looks wrong: from headers and tokenizers, and from the beginnings of some tensors.
 *
 * @returns the plan of the final output; of a recipe of several documents with those of the others as its `steps`.
 * @throws {RecipeError}, {MergeError}, {MergeMethodError} and {ModelFileError} as `mergeRecipe`.
 */
export async function planRecipe(recipe: string, options: MergeOptions = {}): Promise<PlanDescription> {
  checkOptions(options);
  const { documents, folder } = await readDocuments(recipe, options);
  const steps: PlanStep[] = [];
  await planDocuments(documents, folder, options, async ({ document, plan, inputs, store, kernels }) => {
    const description = describePlan(plan, {
      kernels,
      workers: options.workers ?? platform.availableParallelism(),
    });
    const sources = plan.models.map(({ path }) => inputs.sources.get(path) as ModelSource);
    steps.push({
      ...description,
      name: document.name ?? '',
      peakBytes: Math.min(description.peakBytes, options.memory ?? DEFAULT_MEMORY),
      warnings: [
        ...description.warnings,
        ...(await vocabularyNotes(document, inputs.models, store)),
        ...(await likenessNotes(plan, sources, kernels)),
      ],
    });
  });
  const { name: _, ...final } = steps[steps.length - 1];
  return steps.length === 1 ? final : { ...final, steps: steps.slice(0, -1) };
}

interface PlannedDocument {
  readonly document: Recipe;
  readonly plan: MergePlan;
  readonly inputs: OpenedModels;
  readonly store: ModelStore;
  readonly kernels: Kernels;
}

/** Plans every document on the models of the disk and on the plans before it; inputs are open while `use` runs. */
async function planDocuments(
  documents: readonly Recipe[],
  folder: string,
  options: MergeOptions,
  use: (planned: PlannedDocument) => Promise<void>,
): Promise<void> {
  const plans = new Map<string, MergePlan>();
  const store = withPlanned(diskStore({ folder }), plans);
  const kernels = await loadBackend(options);
  try {
    for (const document of documents) {
      const inputs = await openModelsFrom(document, store);
      try {
        const plan = planMerge(document, inputs.models, { ...options, methods });
        checkMethods(plan, kernels);
        checkGramLayers(
          gramLayers(plan),
          planMemory(options.memory ?? DEFAULT_MEMORY, 1, false, mostInputs(plan)),
        );
        await use({ document, plan, inputs, store, kernels });
        if (document.name !== undefined) plans.set(document.name, plan);
      } finally {
        await inputs.close();
      }
    }
  } finally {
    kernels.dispose();
  }
}

const methods = recipeMethods;

function checkOptions({ workers, memory, shardSize }: MergeOptions): void {
  const check = (
    name: string,
    value: number | undefined,
    isValid: (n: number) => boolean,
    what: string,
  ): void => {
    if (value !== undefined && !isValid(value))
      throw new InvalidArgumentError('mergeRecipe', name, what, value);
  };
  check(
    'workers',
    workers,
    (n) => Number.isSafeInteger(n) && n >= 0 && n <= 1024,
    'a whole number from 0 to 1024',
  );
  check('memory', memory, (n) => Number.isFinite(n) && n > 0, 'a number of bytes above 0');
  check('shardSize', shardSize, (n) => Number.isSafeInteger(n) && n >= 0, 'a whole number of bytes');
}

async function readDocuments(
  recipe: string,
  options: MergeOptions,
): Promise<{ text: string; documents: Recipe[]; folder: string }> {
  const isText = recipe.includes('\n');
  const text = isText ? recipe : await readRecipe(recipe);
  const source = options.recipeName ?? (isText ? 'recipe' : recipe);
  const documents = documentOrder(parseRecipes(text, { source, strict: options.strict }));
  if (documents.length === 0)
    throw new InvalidArgumentError(
      'mergeRecipe',
      'the recipe',
      'YAML with merge_method and models',
      'an empty text',
    );
  return { text, documents, folder: options.baseFolder ?? (isText ? '.' : dirname(recipe)) };
}

async function readRecipe(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new InvalidArgumentError('merge', 'the recipe', 'a YAML file that can be read', `${path} (${why})`);
  }
}

/** Makes what a later document uses, unless an interrupted run did so from the same recipe and inputs. */
async function mergeStep(
  recipe: Recipe,
  text: string,
  inputs: OpenedModels,
  folder: string,
  options: MergeOptions,
): Promise<MergeSummary | undefined> {
  const plan = planMerge(recipe, inputs.models, { ...options, methods });
  const key = stepKey(planKey(plan, sourcesOf(plan, inputs)), plan, options.shardSize);
  if (await holdsStep(folder, key, plan)) return undefined;
  return mergeDocument(recipe, text, inputs, folder, { ...options, overwrite: true }, [
    { name: STEP_KEY_FILE, content: key },
  ]);
}

function sourcesOf(plan: MergePlan, inputs: OpenedModels): ModelSource[] {
  return plan.models.map(({ path }) => inputs.sources.get(path) as ModelSource);
}

async function mergeDocument(
  recipe: Recipe,
  text: string,
  inputs: OpenedModels,
  folder: string,
  options: MergeOptions,
  more: readonly PlannedFile[] = [],
): Promise<MergeSummary> {
  const began = performance.now();
  const plan = planMerge(recipe, inputs.models, { ...options, methods });
  const sources = sourcesOf(plan, inputs);
  const { addon: _, ...backend } = resolveBackend(options);
  const kernels = await loadBackend(backend);
  checkMethods(plan, kernels);
  await checkSidecars(plan, sources, options.signal);
  const bytesIn = plan.outputs.reduce(
    (sum, output) =>
      sum + output.inputs.reduce((n, { dtype, shape }) => n + bytesOf(dtype, product(shape)), 0),
    0,
  );
  const wanted = options.workers ?? (bytesIn < SMALL_MERGE ? 0 : platform.availableParallelism());
  const threads = Math.min(wanted, plan.outputs.length);
  const memory = planMemory(
    options.memory ?? DEFAULT_MEMORY,
    Math.max(1, threads),
    threads > 0,
    mostInputs(plan),
  );
  const writer = await createModelWriter(folder, plan.outputs, {
    shardSize: options.shardSize,
    planKey: planKey(plan, sources),
    resume: options.resume,
    overwrite: options.overwrite,
    sync: options.sync,
    inputs: sources.flatMap(({ files }) => files.map(({ path }) => path)),
  });
  const resumed = new Set(writer.finished);
  const setup = backend.backend === 'native' ? backend : { backend: backend.backend };
  const lanes =
    threads === 0
      ? [createInlineLane(kernels)]
      : Array.from({ length: threads }, () => createThreadLane({ ...setup }));
  let result: PlanRun;
  let written: WrittenModel;
  const notes: string[] = [];
  try {
    const { signal, onProgress } = options;
    result = await runPlan({ plan, sources, writer, lanes, memory, kernels, signal, onProgress });
    await Promise.all(sources.map((source) => source.verify()));
    notes.push(...result.notes, ...runNotes(plan, result));
    const card = await mayWriteCard(folder, options, notes);
    const files = await filesBeside({ ...plan, warnings: [...plan.warnings, ...notes] }, result, {
      ...{ recipe: text, seed: options.seed, strict: options.strict, sources, modelCard: card },
      timings: {
        seconds: (performance.now() - began) / 1000,
        'bytes-read': result.bytesRead,
        'bytes-written': result.bytesWritten,
        'resumed-tensors': resumed.size,
        workers: threads,
        backend: backend.backend,
      },
    });
    for (const { name, from, content } of [...files, ...more])
      await writer.addFile(name, from === undefined ? (content ?? '') : { from });
    written = await writer.commit();
  } catch (error) {
    // Without enough memory nothing new is made, but what an earlier run finished stays.
    const short = error instanceof MemoryBudgetError && writer.finished.size > 0;
    await writer.abort({ keep: short || isResumable(error, options) });
    throw error;
  } finally {
    await Promise.all(lanes.map((lane) => lane.dispose()));
    kernels.dispose();
  }
  const seconds = (performance.now() - began) / 1000;
  const parameters = plan.outputs.reduce((sum, { shape }) => sum + product(shape), 0);
  const merged = result.tensors.reduce((sum, { tensor, size }) => sum + (resumed.has(tensor) ? 0 : size), 0);
  return {
    folder,
    files: written.files,
    method: recipe.method,
    models: plan.models.filter(({ sidecar }) => sidecar === undefined).map(({ reference }) => reference),
    tensors: plan.outputs.length,
    resumedTensors: resumed.size,
    parameters,
    bytes: written.bytes,
    bytesRead: result.bytesRead,
    seconds,
    parametersPerSecond: merged / seconds,
    backend: backend.backend,
    workers: threads,
    nonFinite: result.tensors.reduce((sum, { nonFinite }) => sum + nonFinite, 0),
    layers: layerChanges(result.tensors),
    warnings: [...new Set([...plan.warnings, ...notes, ...sources.flatMap(({ warnings }) => warnings)])],
  };
}

/** A README.md that somebody else wrote stays. */
async function mayWriteCard(folder: string, options: MergeOptions, notes: string[]): Promise<boolean> {
  if (options.modelCard === false) return false;
  const path = join(folder, 'README.md');
  const before = await readFile(path, 'utf8').catch(() => undefined);
  if (before === undefined || before.includes(CARD_MARK)) return true;
  notes.push('README.md was there before and is kept: no model card is written');
  return false;
}

/** An interrupted merge, and one that ran out of disk, can be resumed; what failed by its inputs cannot. */
function isResumable(error: unknown, { signal }: MergeOptions): boolean {
  return (
    signal?.aborted === true || (error instanceof Error && 'code' in error && error.code === 'ERR_DISK_FULL')
  );
}

function product(shape: readonly number[]): number {
  return shape.reduce((n, size) => n * size, 1);
}

function mostInputs({ outputs }: MergePlan): number {
  return Math.max(0, ...outputs.map(({ inputs }) => inputs.length));
}

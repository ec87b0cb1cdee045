/** `heddle merge` as a function: recipe in, model folder out. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { platform } from '#platform';
import { recipeMethods } from '../combine/merge/registry.js';
import { InvalidArgumentError } from '../errors.js';
import type { Kernels } from '../kernels/kernels.js';
import { loadBackend, resolveBackend } from '../kernels/select.js';
import { bytesOf } from '../tensor/safetensors/dtype.js';
import { refuseExisting } from '../tensor/safetensors/output-folder.node.js';
import type { ModelSource } from '../tensor/safetensors/source.js';
import type { ModelWriter } from '../tensor/safetensors/writer.js';
import { createModelWriter } from '../tensor/safetensors/writer.node.js';
import { claimIntermediates, holdsStep, STEP_KEY_FILE, stepKey } from './intermediate.node.js';
import { DEFAULT_MEMORY, type MergeOptions, readDocuments } from './merge-options.node.js';
import { CARD_MARK } from './model-card.js';
import type { MergePlan, PlannedFile } from './plan.js';
import { planKey } from './plan-key.node.js';
import { planDocuments } from './plan-recipe.node.js';
import { runPlanned, secondsSince, sourcesOf } from './planned-run.js';
import { checkMethods } from './planner/context.js';
import type { OpenedModels } from './planner/models.js';
import { openModels } from './planner/models.node.js';
import { planMerge } from './planner/planner.js';
import type { Recipe } from './recipe/recipe.js';
import { checkSidecars } from './sidecars/check.js';
import { MemoryBudgetError } from './stream/errors.js';
import { createInlineLane, type Lane } from './stream/lane.js';
import { planMemory } from './stream/memory.js';
import { createThreadLane } from './stream/threads.node.js';
import type { MergeSummary } from './summary.js';

/** Below so many bytes to read, threads take longer to start than the merge. */
const SMALL_MERGE = 24e6;

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
  const folder = resolve(outDir);
  const { text, documents, folder: baseFolder } = await readDocuments('mergeRecipe', recipe, options);
  const named = new Map<string, string>();
  // What is wrong with the last document is said before the first is merged.
  if (documents.length > 1) await planDocuments(documents, baseFolder, options, async () => undefined);
  const steps = documents.length > 1 ? await claimIntermediates(folder) : undefined;
  const mergeOne = async (document: Recipe): Promise<MergeSummary | undefined> => {
    const isLast = document === documents.at(-1);
    const target = isLast || steps === undefined ? folder : steps.folderOf(document.name ?? '');
    const inputs = await openModels(document, { folder: baseFolder, outputs: named });
    try {
      const merge = isLast ? mergeDocument : mergeStep;
      return await merge(document, text, inputs, target, options);
    } finally {
      await inputs.close();
      if (document.name !== undefined) named.set(document.name, target);
    }
  };
  let summary: MergeSummary | undefined;
  try {
    // Said by the writer of the last document too, but hours later; one that resumes may find its own model there.
    if (steps !== undefined && !options.overwrite && !options.resume) await refuseExisting(folder);
    for (const document of documents) summary = await mergeOne(document);
  } catch (error) {
    // As below: what an earlier run finished stays.
    const short = error instanceof MemoryBudgetError && options.resume === true;
    await steps?.end({ keep: short || isResumable(error, options) });
    throw error;
  }
  await steps?.end({ keep: false });
  if (summary === undefined) throw new InvalidArgumentError('mergeRecipe', 'recipe', 'a recipe', 'nothing');
  return summary;
}

/** Makes what a later document uses, unless an interrupted run did so from the same recipe and inputs. */
async function mergeStep(
  recipe: Recipe,
  text: string,
  inputs: OpenedModels,
  folder: string,
  options: MergeOptions,
): Promise<MergeSummary | undefined> {
  const plan = planMerge(recipe, inputs.models, { ...options, methods: recipeMethods });
  const key = stepKey(planKey(plan, sourcesOf(plan, inputs)), plan, options.shardSize);
  if (await holdsStep(folder, key, plan)) return undefined;
  return mergeDocument(recipe, text, inputs, folder, { ...options, overwrite: true }, [
    { name: STEP_KEY_FILE, content: key },
  ]);
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
  const plan = planMerge(recipe, inputs.models, { ...options, methods: recipeMethods });
  const sources = sourcesOf(plan, inputs);
  const { addon: _, ...backend } = resolveBackend(options);
  const kernels = await loadBackend(backend);
  const lanes: Lane[] = [];
  let writer: ModelWriter | undefined;
  try {
    checkMethods(plan, kernels);
    const workers = workersFor(plan, options);
    // Threads start while the output is laid out.
    lanes.push(...createLanes(kernels, backend, workers));
    await checkSidecars(plan, sources, options.signal);
    writer = await openOutput(plan, sources, folder, options);
    const resumed = writer.finished.size;
    const summary = await runPlanned({
      ...{ plan, sources, writer, lanes, kernels, began, more, recipe: text, method: recipe.method },
      ...{ seed: options.seed, strict: options.strict, hashInputs: options.hashInputs },
      ...{ signal: options.signal, onProgress: options.onProgress },
      memory: planMemory(plan, options.memory ?? DEFAULT_MEMORY, workers),
      mayWriteCard: (notes) => mayWriteCard(folder, options, notes),
      timings: ({ bytesRead, bytesWritten }) => ({
        seconds: secondsSince(began),
        'bytes-read': bytesRead,
        'bytes-written': bytesWritten,
        'resumed-tensors': resumed,
        workers,
        backend: kernels.backend,
      }),
    });
    return { ...summary, folder, workers };
  } catch (error) {
    // Without enough memory nothing new is made, but what an earlier run finished stays.
    const short = error instanceof MemoryBudgetError && (writer?.finished.size ?? 0) > 0;
    await writer?.abort({ keep: short || isResumable(error, options) });
    throw error;
  } finally {
    await Promise.all(lanes.map((lane) => lane.dispose()));
    kernels.dispose();
  }
}

function openOutput(
  plan: MergePlan,
  sources: readonly ModelSource[],
  folder: string,
  { shardSize, resume, overwrite, sync }: MergeOptions,
): Promise<ModelWriter> {
  return createModelWriter(folder, plan.outputs, {
    planKey: planKey(plan, sources),
    inputs: sources.flatMap(({ files }) => files.map(({ path }) => path)),
    ...{ shardSize, resume, overwrite, sync },
  });
}

/** Threads to compute in; 0: this one. */
function workersFor({ outputs }: MergePlan, { workers }: MergeOptions): number {
  const bytesIn = outputs
    .flatMap(({ inputs }) => inputs)
    .reduce(
      (sum, { dtype, shape }) =>
        sum +
        bytesOf(
          dtype,
          shape.reduce((n, size) => n * size, 1),
        ),
      0,
    );
  const wanted = workers ?? (bytesIn < SMALL_MERGE ? 0 : platform.availableParallelism());
  return Math.min(wanted, outputs.length);
}

function createLanes(
  kernels: Kernels,
  backend: Omit<ReturnType<typeof resolveBackend>, 'addon'>,
  workers: number,
): Lane[] {
  if (workers === 0) return [createInlineLane(kernels)];
  const setup = backend.backend === 'native' ? backend : { backend: backend.backend };
  return Array.from({ length: workers }, () => createThreadLane({ ...setup }));
}

/** A README.md that somebody else wrote stays; so does one that cannot be read. */
async function mayWriteCard(folder: string, options: MergeOptions, notes: string[]): Promise<boolean> {
  if (options.modelCard === false) return false;
  try {
    if ((await readFile(join(folder, 'README.md'), 'utf8')).includes(CARD_MARK)) return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return true;
  }
  notes.push('README.md was there before and is kept: no model card is written');
  return false;
}

/** What ends a merge through no fault of its inputs. */
const RESUMABLE: readonly unknown[] = ['ERR_DISK_FULL', 'ERR_WORKER_CRASHED'];

/** An interrupted merge, and one whose disk or threads gave out, can be resumed; what failed by its inputs cannot. */
function isResumable(error: unknown, { signal }: MergeOptions): boolean {
  return (
    signal?.aborted === true || (error instanceof Error && 'code' in error && RESUMABLE.includes(error.code))
  );
}

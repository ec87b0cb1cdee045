/** Recipes over models that are given as files of a page, or as bytes: no disk anywhere. */
import { recipeMethods } from '../combine/merge/registry.js';
import { InvalidArgumentError } from '../errors.js';
import type { Kernels } from '../kernels/kernels.js';
import { withKernels } from '../tensor/safetensors/flat-model.js';
import { createMemoryWriter } from '../tensor/safetensors/writer-memory.js';
import { type BlobStore, createBlobStore, type ModelFiles } from './blob-store.js';
import { runPlanned, sourcesOf } from './planned-run.js';
import { checkMethods } from './planner/context.js';
import { describePlan, type PlanDescription } from './planner/describe.js';
import { openModelsFrom } from './planner/models.js';
import { type PlanOptions, planMerge } from './planner/planner.js';
import { documentOrder } from './recipe/documents.js';
import { parseRecipes } from './recipe/parse.js';
import type { Recipe } from './recipe/recipe.js';
import { checkSidecars } from './sidecars/check.js';
import { createInlineLane } from './stream/lane.js';
import { planMemory } from './stream/memory.js';
import type { StreamProgress } from './stream/stream.js';
import type { MergeSummary } from './summary.js';

export interface MergeBlobsOptions extends Omit<PlanOptions, 'methods'> {
  /** Name of the recipe in messages. Default: `recipe`. */
  readonly recipeName?: string;
  /** As of {@link MergeOptions}. */
  readonly hashInputs?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StreamProgress) => void;
  /** Default: those of `init`, else the fastest that loads. */
  readonly kernels?: Kernels;
}

export interface MergedBlobs {
  /** By name: `model.safetensors`, `config.json`, tokenizer files, `README.md`, `merge_report.json`. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  readonly summary: Omit<MergeSummary, 'folder' | 'resumedTensors' | 'workers'>;
}

const methods = recipeMethods;
/** Budget of the stream's buffers; inputs stay where they are and the output comes on top. */
const BUFFER_BYTES = 256e6;

/**
 * Merges models as a mergekit recipe says, into memory. It reads by position, so that inputs may be larger than memory; the output may
 * not. Call it in a worker: a page that computes does not answer.
 *
 * @param recipe - text of the recipe; its models are names of `models`, and of outputs where it has several documents.
 * @param models - the files of every model by the name that the recipe has for it.
 * @returns the files that `mergeRecipe` writes for the same recipe and inputs with `shardSize: 0`, byte for byte, but for the timings
 *   of the report.
 * @throws {RecipeError}, {MergeError}, {SafetensorsFormatError}, {ModelFileError}, {MergeMethodError}, {NonFiniteOutputError} as
 *   `mergeRecipe`; the reason of `signal`.
 * @example const { files } = await mergeRecipeBlobs(yaml, { 'a': fileA, 'b': fileB });
 */
export async function mergeRecipeBlobs(
  recipe: string,
  models: Readonly<Record<string, ModelFiles>>,
  options: MergeBlobsOptions = {},
): Promise<MergedBlobs> {
  const documents = readDocuments('mergeRecipeBlobs', recipe, options);
  return withKernels(options.kernels, async (kernels) => {
    const known = new Map(Object.entries(models));
    let merged: MergedBlobs | undefined;
    for (const document of documents) {
      merged = await mergeDocument(document, recipe, createBlobStore(known), kernels, options);
      if (document.name !== undefined) known.set(document.name, merged.files);
    }
    return merged as MergedBlobs;
  });
}

/**
 * What such a merge would do, and what looks wrong; reads headers, no tensors.
 *
 * @param recipe - of one document.
 * @throws {RecipeError}, {MergeError}, {SafetensorsFormatError}, {ModelFileError} and {MergeMethodError} as `mergeRecipeBlobs`.
 */
export async function planRecipeBlobs(
  recipe: string,
  models: Readonly<Record<string, ModelFiles>>,
  options: MergeBlobsOptions = {},
): Promise<PlanDescription> {
  const documents = readDocuments('planRecipeBlobs', recipe, options);
  if (documents.length > 1)
    throw new InvalidArgumentError(
      'planRecipeBlobs',
      'recipe',
      'of one document',
      `${documents.length} documents`,
      'give the documents one by one: one that uses another needs its output',
    );
  const inputs = await openModelsFrom(documents[0], createBlobStore(new Map(Object.entries(models))));
  try {
    return await withKernels(options.kernels, async (kernels) => {
      const plan = planMerge(documents[0], inputs.models, { ...options, methods });
      checkMethods(plan, kernels);
      return describePlan(plan, { kernels });
    });
  } finally {
    await inputs.close();
  }
}

function readDocuments(where: string, text: string, options: MergeBlobsOptions): Recipe[] {
  const source = options.recipeName ?? 'recipe';
  const documents = documentOrder(parseRecipes(text, { source, strict: options.strict }));
  if (documents.length === 0)
    throw new InvalidArgumentError(where, 'the recipe', 'YAML with merge_method and models', 'an empty text');
  return documents;
}

async function mergeDocument(
  recipe: Recipe,
  text: string,
  store: BlobStore,
  kernels: Kernels,
  { signal, onProgress, seed, strict, hashInputs, ...options }: MergeBlobsOptions,
): Promise<MergedBlobs> {
  const began = performance.now();
  const inputs = await openModelsFrom(recipe, store);
  try {
    const plan = planMerge(recipe, inputs.models, { ...options, seed, strict, methods });
    const sources = sourcesOf(plan, inputs);
    checkMethods(plan, kernels);
    await checkSidecars(plan, sources, signal);
    const writer = createMemoryWriter('the merged model', plan.outputs, store.read);
    const lane = createInlineLane(kernels);
    try {
      const { resumedTensors: _, ...summary } = await runPlanned({
        ...{ plan, sources, writer, kernels, began, recipe: text, method: recipe.method },
        ...{ seed, strict, hashInputs, signal, onProgress },
        lanes: [lane],
        memory: planMemory(plan, BUFFER_BYTES),
      });
      return { files: writer.files, summary };
    } finally {
      await lane.dispose();
    }
  } finally {
    await inputs.close();
  }
}

/** What a merge on disk would do, before it does it. */
import { platform } from '#platform';
import { recipeMethods } from '../combine/merge/registry.js';
import type { Kernels } from '../kernels/kernels.js';
import { loadBackend } from '../kernels/select.js';
import { DEFAULT_MEMORY, type MergeOptions, readDocuments } from './merge-options.node.js';
import type { MergePlan } from './plan.js';
import { sourcesOf } from './planned-run.js';
import { withPlanned } from './planned-store.js';
import { checkMethods } from './planner/context.js';
import { describePlan, type PlanDescription, type PlanStep } from './planner/describe.js';
import { type ModelStore, type OpenedModels, openModelsFrom } from './planner/models.js';
import { diskStore } from './planner/models.node.js';
import { planMerge } from './planner/planner.js';
import { likenessNotes, vocabularyNotes } from './preflight.js';
import type { Recipe } from './recipe/recipe.js';
import { checkGramLayers, gramLayers } from './sidecars/gram-layers.js';
import { planMemory } from './stream/memory.js';

/**
 * What a merge would do, and what looks wrong: from headers and tokenizers, and from the beginnings of some tensors.
 *
 * @returns the plan of the final output; of a recipe of several documents with those of the others as its `steps`.
 * @throws {RecipeError}, {MergeError}, {MergeMethodError} and {ModelFileError} as `mergeRecipe`.
 */
export async function planRecipe(recipe: string, options: MergeOptions = {}): Promise<PlanDescription> {
  const { documents, folder } = await readDocuments('planRecipe', recipe, options);
  const steps: PlanStep[] = [];
  await planDocuments(documents, folder, options, async ({ document, plan, inputs, store, kernels }) => {
    const description = describePlan(plan, {
      kernels,
      workers: options.workers ?? platform.availableParallelism(),
    });
    steps.push({
      ...description,
      name: document.name ?? '',
      peakBytes: Math.min(description.peakBytes, options.memory ?? DEFAULT_MEMORY),
      warnings: [
        ...description.warnings,
        ...(await vocabularyNotes(document, inputs.models, store)),
        ...(await likenessNotes(plan, sourcesOf(plan, inputs), kernels)),
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
export async function planDocuments(
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
        const plan = planMerge(document, inputs.models, { ...options, methods: recipeMethods });
        checkMethods(plan, kernels);
        checkGramLayers(gramLayers(plan), planMemory(plan, options.memory ?? DEFAULT_MEMORY));
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

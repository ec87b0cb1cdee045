/** From a recipe and the headers of its models to a plan: everything that can go wrong before a value is read goes wrong here. */
import type { MergeMethod } from '../../combine/merge/method.js';
import { nearest } from '../../config/names.js';
import { InvalidArgumentError } from '../../errors.js';
import { architectureName, architectureOf } from '../architecture/architecture.js';
import { MergeError } from '../errors.js';
import type { MergePlan, OutputTensor, PlannedModel } from '../plan.js';
import { type MergeInputs, type Recipe, referencesOf } from '../recipe/recipe.js';
import { attachSidecars } from '../sidecars/attach.js';
import { sidecarFile } from '../sidecars/sidecar.js';
import { adapterTerms } from './adapters.js';
import { configDifferences, cutRows, outputConfig, sizeDifferences } from './config.js';
import { checkParameterNames, type MethodLookup, mixedSigns, unusedFilters } from './parameters.js';
import { type PlanProblem, throwProblems } from './problems.js';
import { settleQuantized } from './quantized.js';
import { plannedInputScales } from './scales.js';
import { isBaseAModel, type SlotContext, slotsOf, type TensorSlot } from './slots.js';
import type { ModelFacts } from './sources.js';
import { type LoadedModel, planTensor, type TensorPlanner } from './tensor.js';
import { checkTrimScope } from './trim-pools.js';
import { planFiles, planVocabulary } from './vocabulary.js';

const kRawTensors = ['error', 'union', 'intersection'] as const;
export type RawTensors = (typeof kRawTensors)[number];

export interface PlanOptions {
  /** The methods that a recipe may name. */
  readonly methods: MethodLookup;
  /** Addresses the random numbers of randomised methods. Default: 0. */
  readonly seed?: number | string | bigint;
  /** Reproduces the reference tool's quirks. Default: false. */
  readonly strict?: boolean;
  /** Cuts embeddings of different sizes to their common rows instead of refusing them. Default: false; strict always does. */
  readonly allowSubmatrix?: boolean;
  /** Models without config.json whose tensors differ in names: refuse, merge whichever models have one, or drop it. Default: `error`. */
  readonly rawTensors?: RawTensors;
  /** Merges models whose configurations name different architectures. Default: false. */
  readonly allowMixedArchitectures?: boolean;
  /** A model without a readable tokenizer counts as having the base's. Default: false. */
  readonly allowMissingTokenizer?: boolean;
  /** Copies tokenizer and generation files. Default: true. */
  readonly copyTokenizer?: boolean;
}

/**
 * Plans a merge.
 *
 * @param given - every model of `referencesOf(recipe)`, by the text of its reference.
 * @throws {MergeError} with the class of what is wrong; tensors that are missing or do not fit are listed together.
 * @throws {InvalidArgumentError} for an option that has no such value.
 */
export function planMerge(
  recipe: Recipe,
  given: ReadonlyMap<string, ModelFacts>,
  options: PlanOptions,
): MergePlan {
  const { methods, strict = false, rawTensors = 'error' } = options;
  if (!kRawTensors.includes(rawTensors))
    throw new InvalidArgumentError('planMerge', 'rawTensors', kRawTensors.join(', '), rawTensors);
  // The reference tool has no methods that merge by measurements.
  const names = methods.names.filter((name) => !strict || sidecarFile(name) === undefined);
  const method = names.includes(recipe.method) ? methods.get(recipe.method) : undefined;
  if (method === undefined) {
    const near = nearest(recipe.method, names);
    throw new MergeError(
      'unknown_method',
      `${recipe.origin.source}: merge_method is ${JSON.stringify(recipe.method)}, which is not a method${
        strict && methods.names.includes(recipe.method) ? ' of mergekit' : ''
      }`,
      `${near === undefined ? '' : `did you mean "${near}"? `}methods: ${names.join(', ')}`,
      { recipePath: 'merge_method', actual: recipe.method },
    );
  }
  const problems: PlanProblem[] = [];
  const warnings = [...recipe.warnings];
  checkParameterNames(recipe, method, methods, strict, problems, warnings);
  throwProblems(problems);

  const { models, copied, warnings: notes } = settleQuantized(recipe, method, given);
  warnings.push(...notes);
  const { loaded, planned } = loadModels(recipe, models);
  const merged = mergedModels(recipe, loaded);
  const override = referencesOf(recipe).find((one) => one.overrideArchitecture)?.overrideArchitecture;
  checkArchitectures(merged, override !== undefined || options.allowMixedArchitectures === true);
  const { known, raw } = architectureOf(
    merged.map(({ facts }) => facts),
    override,
  );
  // Quantized tensors have names of their own.
  const architecture = known === undefined || copied ? { raw } : { known, raw };
  const context: SlotContext = { recipe, method, models, architecture };
  const { slots, layers } = allSlots(context);

  const vocabulary =
    recipe.tokenizer &&
    planVocabulary(recipe, recipe.tokenizer, merged, loaded, {
      allowMissingTokenizer: options.allowMissingTokenizer ?? strict,
      warnings,
    });
  const planner: TensorPlanner = {
    method,
    methods,
    models: loaded,
    dtype: recipe.dtype,
    outDtype: recipe.outDtype,
    raw: architecture.raw,
    rawTensors,
    allowSubmatrix: options.allowSubmatrix ?? false,
    strict,
    problems,
    warnings,
    ...(vocabulary && { mapRows: vocabulary.mapRows }),
  };
  const inputScales = strict ? undefined : plannedInputScales(recipe, merged, layers);
  const lender = recipe.baseModel ?? recipe.outsideLayers;
  const donor = lender === undefined ? merged[0] : (loaded.get(lender.text) ?? merged[0]);
  const outputs = slots.map((slot) => planTensor(planner, slot)).filter((output) => output !== undefined);
  const configs = merged.map(({ text, facts }) => ({ text, config: facts.config }));
  const sizes = problems.some(({ className }) => className === 'shape_mismatch') && sizeDifferences(configs);
  if (sizes)
    problems.unshift({
      className: 'shape_mismatch',
      message: sizes,
      hint: 'merge models of one size; `heddle recycle` makes one model as large as another',
    });
  throwProblems(problems);
  const untied = strict ? outputs : withoutTiedHead(outputs, slots, donor.facts, warnings);
  const written = attachSidecars(method.name, untied, [...loaded.values()], { planned, problems, warnings });
  checkTrimScope({ models: planned, outputs: written }, problems);
  throwProblems(problems);
  const { config = inputScales && {} } = donor.facts;
  warnings.push(
    ...slicesWithoutBase(recipe, method),
    ...configDifferences(configs),
    ...mixedSigns(written),
    ...unusedFilters(
      recipe,
      slots.flatMap(({ name, sources }) => [name, ...sources.map(({ tensor }) => tensor)]),
    ),
  );
  return {
    models: planned,
    outputs: written,
    ...(config && {
      config: outputConfig(config, {
        layers,
        inputScales,
        dtype: recipe.outDtype ?? recipe.dtype,
        // The reference tool leaves vocab_size as it was when it cuts.
        vocabularySize:
          vocabulary?.rows ??
          (strict ? undefined : (cutRows(written) ?? adapterRows(written, slots, planned))),
      }),
    }),
    files:
      options.copyTokenizer === false && recipe.chatTemplate === undefined
        ? []
        : planFiles(
            recipe,
            vocabulary?.base ?? donor,
            merged.map(({ facts }) => facts),
            vocabulary,
            warnings,
          ),
    warnings: [...new Set(warnings)],
    seed: options.seed ?? 0,
    strict,
    ...(vocabulary && { vocabulary: vocabulary.vocabulary.tokens }),
  };
}

function loadModels(
  recipe: Recipe,
  models: ReadonlyMap<string, ModelFacts>,
): { loaded: Map<string, LoadedModel>; planned: PlannedModel[] } {
  const loaded = new Map<string, LoadedModel>();
  const planned: PlannedModel[] = [];
  for (const { text, lora } of referencesOf(recipe)) {
    const facts = models.get(text);
    if (facts === undefined)
      throw new MergeError(
        'bad_model_reference',
        `${text} was not opened`,
        'open every model of the recipe',
        {
          model: text,
        },
      );
    const index = planned.push({ reference: text, path: facts.path }) - 1;
    if (facts.adapter === undefined) {
      if (lora !== undefined)
        throw new MergeError('bad_adapter', `${text}: the adapter was not opened`, 'open it with its model', {
          model: text,
        });
      loaded.set(text, { index, text, facts });
      continue;
    }
    const { adapter } = facts;
    const at =
      planned.push({ reference: lora?.path ?? adapter.path, path: adapter.path, adapter: { of: index } }) - 1;
    loaded.set(text, { index, text, facts, adapter: { index: at, ...adapterTerms(facts, adapter, at) } });
  }
  return { loaded, planned };
}

/** Models whose tensors are merged, in recipe order; those that only lend a tokenizer are not among them. */
function mergedModels(recipe: Recipe, loaded: ReadonlyMap<string, LoadedModel>): LoadedModel[] {
  return referencesOf({ ...recipe, tokenizer: undefined })
    .map(({ text }) => loaded.get(text))
    .filter((model) => model !== undefined);
}

function checkArchitectures(models: readonly LoadedModel[], allowed: boolean): void {
  const [first, ...others] = models;
  const own = architectureName(first.facts);
  for (const { text, facts } of others) {
    const name = architectureName(facts);
    if (allowed || own === undefined || name === undefined || name === own) continue;
    throw new MergeError(
      'shape_mismatch',
      `${first.text} is a ${own} and ${text} a ${name}: models of different architectures do not merge`,
      'choose models of one architecture, or allow mixed architectures if their tensors do line up',
      { model: text, expected: own, actual: name },
    );
  }
}

function allSlots(context: SlotContext): { slots: TensorSlot[]; layers?: number } {
  const { recipe, models } = context;
  if (recipe.modules === undefined) return slotsOf(context, recipe, [], () => true);
  const prefixes = recipe.modules.map(({ name }) => name).sort((a, b) => b.length - a.length);
  const moduleOf = (tensor: string) =>
    prefixes.find((prefix) => prefix !== 'default' && tensor.startsWith(`${prefix}.`)) ??
    (prefixes.includes('default') ? 'default' : undefined);
  const inputs = new Set(recipe.modules.flatMap((module) => entriesOf(module)));
  for (const text of inputs)
    for (const tensor of models.get(text)?.tensors.keys() ?? [])
      if (moduleOf(tensor) === undefined)
        throw new MergeError(
          'unassigned_tensor',
          `${tensor} of ${text} belongs to none of the modules ${prefixes.join(', ')}`,
          'name modules by the beginnings of tensor names, and the rest `default`',
          { tensor, model: text, recipePath: 'modules' },
        );
  const slots: TensorSlot[] = [];
  let layers: number | undefined;
  for (const module of recipe.modules) {
    const made = slotsOf(context, module, [module.parameters], (tensor) => moduleOf(tensor) === module.name);
    for (const slot of made.slots) slots.push(slot);
    layers = made.layers ?? layers;
  }
  return layers === undefined ? { slots } : { slots, layers };
}

/** Slices whose sources leave out a base that the method could use. */
function slicesWithoutBase(recipe: Recipe, method: MergeMethod): string[] {
  if (method.base !== 'optional' || isBaseAModel(method)) return [];
  return [recipe, ...(recipe.modules ?? [])].flatMap(({ slices = [] }) =>
    slices.flatMap(({ path, sources, baseModel = recipe.baseModel }) =>
      baseModel === undefined || sources.some(({ model }) => model.text === baseModel.text)
        ? []
        : [`${path}: merged without the base ${baseModel.text}, which is not among the sources`],
    ),
  );
}

function entriesOf({ models, slices }: MergeInputs): string[] {
  return [
    ...(models ?? []).map(({ model }) => model.text),
    ...(slices ?? []).flatMap(({ sources }) => sources.map(({ model }) => model.text)),
  ];
}

/** Rows of an embedding that an adapter holds whole: it may have been trained with tokens of its own. */
function adapterRows(
  outputs: readonly OutputTensor[],
  slots: readonly TensorSlot[],
  models: readonly PlannedModel[],
): number | undefined {
  const embeddings = new Set(slots.filter(({ traits }) => traits.embed).map(({ name }) => name));
  return outputs.find(
    ({ name, inputs }) =>
      embeddings.has(name) && inputs.some(({ model }) => models[model].adapter !== undefined),
  )?.shape[0];
}

/** A head that the configuration ties to the embedding would be ignored on load, and counted twice. */
function withoutTiedHead(
  outputs: readonly OutputTensor[],
  slots: readonly TensorSlot[],
  donor: ModelFacts,
  warnings: string[],
): OutputTensor[] {
  if (donor.config?.tie_word_embeddings !== true) return [...outputs];
  const written = new Set(outputs.map(({ name }) => name));
  const heads = new Set(
    slots.filter(({ traits }) => traits.tied.some((name) => written.has(name))).map(({ name }) => name),
  );
  return outputs.filter(({ name }) => {
    if (!heads.has(name)) return true;
    warnings.push(`${name} is not written: config.json of ${donor.path} ties it to the embedding`);
    return false;
  });
}

/** The files of a merged model beside its tensors. */
import { inWords } from '../combine/merge/parameters.js';
import { sha256Hex } from '../platform/hash.js';
import type { ModelSource } from '../tensor/safetensors/source.js';
import { version } from '../version.js';
import { modelCard } from './model-card.js';
import type { MergePlan, OutputTensor } from './plan.js';
import { describeTrims } from './planner/trim-pools.js';
import type { StreamResult } from './stream/stream.js';

export interface MergeRun {
  /** Text of the recipe. */
  readonly recipe: string;
  readonly seed?: number | string | bigint;
  readonly strict?: boolean;
  /** One for each of the plan's models. */
  readonly sources: readonly ModelSource[];
  /** `modelSha256` of each of them. Absent: models are known by names and sizes. */
  readonly hashes?: readonly string[];
  /** Writes README.md, with the models and the recipe. */
  readonly modelCard?: boolean;
  /** What differs from run to run: seconds, bytes read, workers. Absent: the report says what the merge was and nothing else. */
  readonly timings?: Readonly<Record<string, number | string>>;
}

/** The configuration, the plan's files, the model card and `merge_report.json`: what the merge was, tensor by tensor. */
export async function filesBeside(
  plan: MergePlan,
  result: StreamResult,
  run: MergeRun,
): Promise<MergePlan['files']> {
  const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
  const report = { ...(await aboutMerge(plan, run)), ...aboutTensors(plan, result) };
  const timed = run.timings === undefined ? report : { ...report, timings: run.timings };
  return [
    ...(plan.config === undefined ? [] : [{ name: 'config.json', content: json(plan.config) }]),
    ...plan.files,
    ...(run.modelCard === true ? [{ name: 'README.md', content: modelCard(plan, run.recipe) }] : []),
    { name: 'merge_report.json', content: json(timed) },
  ];
}

async function aboutMerge(plan: MergePlan, { recipe, sources, hashes, seed = 0, strict = false }: MergeRun) {
  // A page outside a secure context has no digests.
  const hash = globalThis.crypto?.subtle && (await sha256Hex(new TextEncoder().encode(recipe)));
  return {
    heddle: version,
    recipe,
    ...(hash && { 'recipe-sha256': hash }),
    seed: String(seed),
    strict,
    // Names and sizes: paths would differ between machines.
    models: plan.models.map(({ reference }, k) => ({
      model: reference,
      ...(hashes && { 'model-sha256': hashes[k] }),
      files: sources[k].files.map(({ name, size }) => ({ name, bytes: size })),
    })),
  };
}

const parametersOf = (output: OutputTensor | undefined) =>
  output && { ...output.perModel, ...inWords(output.method, output.global) };

function aboutTensors(plan: MergePlan, result: StreamResult) {
  const outputs = new Map(plan.outputs.map((output) => [output.name, output]));
  const trimmed = describeTrims(plan);
  return {
    'non-finite': result.tensors.reduce((sum, { nonFinite }) => sum + nonFinite, 0),
    ...(trimmed.length > 0 && { trimmed }),
    tensors: result.tensors.map(({ tensor, ...said }) => ({
      tensor,
      method: said.method,
      inputs: outputs.get(tensor)?.inputs.map(({ model, name }) => [plan.models[model].reference, name]),
      parameters: parametersOf(outputs.get(tensor)),
      ...(said.statistics && { statistics: said.statistics }),
      // In the order of the inputs.
      ...(said.kept && { kept: said.kept }),
      'change-norm': said.changeNorm,
      'reference-norm': said.referenceNorm,
      'non-finite': said.nonFinite,
    })),
    warnings: plan.warnings,
  };
}

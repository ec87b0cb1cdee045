/** The files of a merged model beside its tensors. */
import { version } from '../version.js';
import type { MergePlan } from './plan.js';
import type { StreamResult } from './stream/stream.js';

export interface MergeRun {
  /** Text of the recipe. */
  readonly recipe: string;
  readonly seed?: number | string | bigint;
  readonly strict?: boolean;
}

/** The configuration, the plan's files, and `merge_report.json`: what the merge was, tensor by tensor. */
export function filesBeside(
  plan: MergePlan,
  result: StreamResult,
  { recipe, seed = 0, strict = false }: MergeRun,
): MergePlan['files'] {
  const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
  const settings = new Map(plan.outputs.map((output) => [output.name, output]));
  const report = {
    heddle: version,
    recipe,
    seed: String(seed),
    strict,
    models: plan.models.map(({ reference }) => reference),
    tensors: result.tensors.map(({ tensor, method, changeNorm, referenceNorm, nonFinite }) => ({
      tensor,
      method,
      parameters: { ...settings.get(tensor)?.perModel, ...settings.get(tensor)?.global },
      'change-norm': changeNorm,
      'reference-norm': referenceNorm,
      'non-finite': nonFinite,
    })),
    warnings: plan.warnings,
  };
  return [
    ...(plan.config === undefined ? [] : [{ name: 'config.json', content: json(plan.config) }]),
    ...plan.files,
    { name: 'merge_report.json', content: json(report) },
  ];
}

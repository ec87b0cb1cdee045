/** Shapes of the inputs of one tensor: equal, cut to fit, or refused. */
import { isTaskVectorMethod } from '../../combine/merge/result-dtype.js';
import type { InputTensor } from '../plan.js';
import type { PlanProblem } from './problems.js';

/** Methods for which the reference tool cuts all matrices of an embedding to their common top-left part. */
const COMMON_CUT = ['linear', 'slerp', 'nuslerp', 'model_stock', 'arcee_fusion'];

export interface ShapeRules {
  readonly method: string;
  readonly embed: boolean;
  /** Index of the base, or -1. */
  readonly base: number;
  readonly allowSubmatrix: boolean;
  readonly strict: boolean;
  readonly models: readonly string[];
}

export interface AlignedInputs {
  readonly shape: readonly number[];
  /** By input; undefined: left out of this tensor. */
  readonly inputs: readonly (InputTensor | undefined)[];
}

export function alignShapes(
  tensor: string,
  inputs: readonly InputTensor[],
  rules: ShapeRules,
  problems: PlanProblem[],
  warnings: string[],
): AlignedInputs {
  const shapes = inputs.map(shapeOf);
  const target = shapes[Math.max(rules.base, 0)];
  if (shapes.every((shape) => sameShape(shape, target))) return { shape: target, inputs };
  const listed = inputs.map((_, k) => `[${shapes[k]}] in ${rules.models[k]}`).join(', ');
  const matrix = rules.embed && shapes.every((shape) => shape.length === 2);
  if (matrix && (rules.strict || rules.allowSubmatrix)) {
    const common = COMMON_CUT.includes(rules.method);
    const cut = common ? [0, 1].map((axis) => Math.min(...shapes.map((shape) => shape[axis]))) : target;
    const fits = shapes.every((shape) => shape[0] >= cut[0] && shape[1] >= cut[1]);
    // Of task vectors the reference tool cuts larger models to the base and skips other mismatches.
    if (fits && (common || isTaskVectorMethod(rules.method))) {
      warnings.push(`${tensor}: shapes differ (${listed}); cut to the common [${cut}]`);
      return {
        shape: cut,
        inputs: inputs.map((input, k) =>
          sameShape(shapes[k], cut) ? input : { ...input, rows: { kind: 'cut', shape: cut } },
        ),
      };
    }
  }
  if (!matrix && rules.strict && isTaskVectorMethod(rules.method)) {
    const skipped = inputs.flatMap((_, k) => (sameShape(shapes[k], target) ? [] : [rules.models[k]]));
    warnings.push(`${tensor}: ${skipped.join(', ')} left out of this tensor: shapes differ (${listed})`);
    return {
      shape: target,
      inputs: inputs.map((input, k) => (sameShape(shapes[k], target) ? input : undefined)),
    };
  }
  const odd = shapes.findIndex((shape) => !sameShape(shape, target));
  const widthsAgree = new Set(shapes.map((shape) => shape[1])).size === 1;
  const vocabulary = matrix && widthsAgree;
  problems.push({
    className: vocabulary ? 'vocab_mismatch' : 'shape_mismatch',
    message: `${tensor}: shapes differ: ${listed}`,
    hint: vocabulary
      ? 'align the vocabularies with `tokenizer: {source: union}` (or base), or allow cutting to the common rows'
      : 'merge models of one architecture and size',
    tensor,
    model: rules.models[odd],
    expected: target,
    actual: shapes[odd],
  });
  return { shape: target, inputs };
}

function shapeOf(input: InputTensor): readonly number[] {
  if (input.rows?.kind === 'cut') return input.rows.shape;
  if (input.rows?.kind === 'permute') return [input.rows.from.length, ...input.shape.slice(1)];
  return input.shape;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

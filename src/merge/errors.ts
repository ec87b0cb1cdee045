import { formatOrigin, type Origin } from '../config/errors.js';
import { HeddleError } from '../errors.js';

/** Classes of errors that are found before a value is read. */
export type PlanErrorClass =
  | 'config_exclusive'
  | 'unknown_key'
  | 'unknown_method'
  | 'bad_recipe'
  | 'bad_parameter_setting'
  | 'missing_parameter'
  | 'bad_dtype'
  | 'bad_model_reference'
  | 'bad_layer_range'
  | 'slice_length_mismatch'
  | 'missing_base_model'
  | 'too_few_models'
  | 'too_many_models'
  | 'missing_tensor'
  | 'shape_mismatch'
  | 'vocab_mismatch'
  | 'unsupported_dtype'
  | 'bad_tokenizer'
  | 'bad_adapter'
  | 'missing_sidecar'
  | 'bad_sidecar'
  | 'stale_sidecar'
  | 'unassigned_tensor';

/** What an error of a merge speaks of, where it is known. */
export interface MergeErrorPlace {
  readonly tensor?: string;
  /** The model reference at fault, as in the recipe. */
  readonly model?: string;
  /** Path of the key in the recipe, as `models[1].parameters.weight`. */
  readonly recipePath?: string;
  readonly expected?: unknown;
  readonly actual?: unknown;
}

/** A merge that cannot be done as the recipe says. Code `ERR_MERGE_` and the class in capitals. */
export class MergeError extends HeddleError {
  readonly tensor?: string;
  readonly model?: string;
  readonly recipePath?: string;
  readonly expected?: unknown;
  readonly actual?: unknown;

  constructor(
    /** Stable name of what went wrong. */
    readonly className: PlanErrorClass,
    message: string,
    hint: string,
    place: MergeErrorPlace = {},
    options?: ErrorOptions,
  ) {
    super(`ERR_MERGE_${className.toUpperCase()}`, message, hint, options);
    Object.assign(this, place);
  }

  /** Whether it is of this class or of a class below it: a vocabulary mismatch is a shape mismatch too. */
  is(className: PlanErrorClass): boolean {
    return (
      this.className === className || (className === 'shape_mismatch' && this.className === 'vocab_mismatch')
    );
  }
}

/** One thing that is wrong with a recipe. */
export interface RecipeProblem extends Origin {
  readonly className: PlanErrorClass;
  /** Path of the key as written; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
  readonly hint: string;
}

/** A recipe that cannot be read, with everything that is wrong with it; class and code are those of the first problem. */
export class RecipeError extends MergeError {
  constructor(readonly problems: readonly RecipeProblem[]) {
    const [first] = problems;
    const single = problems.length === 1;
    super(
      first?.className ?? 'bad_recipe',
      single && first !== undefined ? headline(first) : summary(problems),
      single && first !== undefined ? first.hint : 'mend each place named above',
      { recipePath: first?.path },
    );
  }
}

function summary(problems: readonly RecipeProblem[]): string {
  const lines = problems.map((problem) => `  ${headline(problem)}\n    Fix: ${problem.hint}`);
  return `the recipe has ${problems.length} problems\n${lines.join('\n')}`;
}

function headline(problem: RecipeProblem): string {
  return `${formatOrigin(problem)}: ${problem.path === '' ? 'the recipe' : problem.path} ${problem.message}`;
}

import { MergeError, type MergeErrorPlace, type PlanErrorClass } from '../errors.js';

/** One thing that keeps a recipe from being planned. */
export interface PlanProblem extends MergeErrorPlace {
  readonly className: PlanErrorClass;
  readonly message: string;
  readonly hint: string;
}

const SHOWN = 8;

/** Throws all problems of the class of the first as one error; does nothing if there are none. */
export function throwProblems(problems: readonly PlanProblem[]): void {
  const [first] = problems;
  if (first === undefined) return;
  const alike = problems.filter(({ className }) => className === first.className);
  const more = problems.length - Math.min(alike.length, SHOWN);
  const lines = alike.slice(0, SHOWN).map(({ message }) => message);
  const message =
    problems.length === 1
      ? first.message
      : `${problems.length} problems:\n${lines.map((line) => `  ${line}`).join('\n')}${more > 0 ? `\n  and ${more} more` : ''}`;
  const { className, hint, tensor, model, recipePath, expected, actual } = first;
  throw new MergeError(className, message, hint, { tensor, model, recipePath, expected, actual });
}

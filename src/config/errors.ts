import { HeddleError } from '../errors.js';

/** Where a value was written. `line` and `column` count from 1 and are absent for values given in code. */
export interface Origin {
  /** File name as the caller gave it, or `-c path=value`, or `options`. */
  readonly source: string;
  readonly line?: number;
  readonly column?: number;
}

/** One thing that is wrong with a configuration. */
export interface ConfigProblem extends Origin {
  /** Dotted kebab-case path of the key, empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
  /** How to mend it. */
  readonly hint: string;
}

/** Something a reader of the configuration should know that does not stop the run, as an ignored foreign key. */
export interface ConfigNote extends Origin {
  readonly path: string;
  readonly message: string;
}

/** `file:line:column`, as editors and terminals make clickable. */
export function formatOrigin(origin: Origin): string {
  if (origin.line === undefined) return origin.source;
  return `${origin.source}:${origin.line}:${origin.column ?? 1}`;
}

/** A configuration that cannot be used, with everything that is wrong with it. Code `ERR_CONFIG`. */
export class ConfigError extends HeddleError {
  constructor(
    readonly problems: readonly ConfigProblem[],
    options?: ErrorOptions,
  ) {
    super('ERR_CONFIG', summary(problems), hintOf(problems), options);
  }
}

function summary(problems: readonly ConfigProblem[]): string {
  const [first] = problems;
  if (problems.length === 1 && first !== undefined) return headline(first);
  const lines = problems.map((problem) => `  ${headline(problem)}\n    Fix: ${problem.hint}`);
  return `the configuration has ${problems.length} problems\n${lines.join('\n')}`;
}

function hintOf(problems: readonly ConfigProblem[]): string {
  return problems.length === 1 ? (problems[0]?.hint ?? '') : 'mend each place named above';
}

function headline(problem: ConfigProblem): string {
  const subject = problem.path === '' ? '' : `${problem.path} `;
  return `${formatOrigin(problem)}: ${subject}${problem.message}`;
}

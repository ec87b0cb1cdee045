/** Options that would be ignored without a word: each means something only beside another, or for another operation. */
import type { Command } from 'commander';
import { UsageError } from './errors.js';

/** Whether an option stands on the command line, by its long name; a default does not count. */
export function isGiven(command: Command, flag: string): boolean {
  const option = command.options.find(({ long }) => long === flag);
  return option !== undefined && command.getOptionValueSource(option.attributeName()) === 'cli';
}

export interface OptionNeed {
  /** Long names, as `--limit`. */
  readonly options: readonly string[];
  /** Options of which any one gives those a meaning. */
  readonly beside: readonly string[];
}

/** @throws {UsageError} naming the options that are given without what they go with. */
export function refuseIdleOptions(command: Command, needs: readonly OptionNeed[]): void {
  for (const { options, beside } of needs) {
    if (beside.some((flag) => isGiven(command, flag))) continue;
    const idle = options.filter((flag) => isGiven(command, flag));
    if (idle.length === 0) continue;
    throw new UsageError(
      `${listed(idle, 'and')} ${idle.length === 1 ? 'goes' : 'go'} with ${listed(beside, 'or')}, not given here`,
      `leave ${listed(idle, 'and')} out, or give ${listed(beside, 'or')}`,
    );
  }
}

/**
 * @param operation - of an unknown one nothing is said here.
 * @param takes - of every operation, the options that mean something to it.
 * @throws {UsageError} for an option that only other operations take.
 */
export function refuseOptionsOfOthers(
  command: Command,
  operation: string,
  takes: Readonly<Record<string, readonly string[]>>,
): void {
  const own = new Map(Object.entries(takes)).get(operation);
  if (own === undefined) return;
  const foreign = [...new Set(Object.values(takes).flat())].find(
    (flag) => !own.includes(flag) && isGiven(command, flag),
  );
  if (foreign === undefined) return;
  const owners = Object.keys(takes).filter((name) => takes[name].includes(foreign));
  throw new UsageError(
    `${foreign} means nothing to ${operation}: it is an option of ${listed(owners, 'and')}`,
    `leave ${foreign} out; ${operation} takes ${listed(own, 'and')}`,
  );
}

/** a, b and c. */
function listed(names: readonly string[], last: 'and' | 'or'): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} ${last} ${names.at(-1)}`;
}

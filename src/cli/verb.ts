import { InvalidArgumentError as CommanderArgumentError } from 'commander';
import type { ExitCode } from './exit-codes.js';

/** Makes an action of commander's out of one that returns the exit code. */
export type Verb = <Args extends unknown[]>(
  action: (...args: Args) => Promise<ExitCode>,
) => (...args: Args) => Promise<void>;

/** Reads a whole number option; commander names the option in its message. */
export function wholeNumber(low: number, high = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= low && value <= high) return value;
    throw new CommanderArgumentError(`It must be a whole number from ${low} to ${high}.`);
  };
}

/** Reads a positive number option. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value;
  throw new CommanderArgumentError('It must be a number above 0.');
}

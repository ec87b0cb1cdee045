import { InvalidArgumentError as CommanderArgumentError, Option } from 'commander';
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

/** Reads a seed: digits without leading zeros, since as a number one above 2^53 would lose some. */
export function seedText(text: string): string {
  if (/^\d{1,40}$/.test(text) && BigInt(text) < 2n ** 64n) return String(BigInt(text));
  throw new CommanderArgumentError('It must be a whole number from 0 to 2^64 - 1.');
}

/** Collects an option that may be given more than once. */
export function repeated(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** Reads a positive number option. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value;
  throw new CommanderArgumentError('It must be a number above 0.');
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  b: 1e9,
  t: 1e12,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

/** Reads a number of bytes: 512MB, 2GB, 1.5GiB, 5000000. As in mergekit, a lone B is a billion. */
export function byteSize(text: string): number {
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim()) ?? [];
  const factor = SIZE_UNITS[unit.toLowerCase()];
  if (
    digits === undefined ||
    factor === undefined ||
    !Number.isSafeInteger(Math.round(Number(digits) * factor))
  )
    throw new CommanderArgumentError('It must be a size, as 512MB, 2GB or 1.5GiB.');
  return Math.round(Number(digits) * factor);
}

export function memoryOption(): Option {
  return new Option('--memory <size>', 'resident memory to stay below, as 256MB or 2GB')
    .argParser(byteSize)
    .default(512e6, '512MB');
}

/** Options that would be ignored without a word are refused before anything is read. */
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { benchCommand } from '../../src/cli/bench.js';
import { doctorCommand } from '../../src/cli/doctor.js';
import { UsageError } from '../../src/cli/errors.js';
import { gatherCommand } from '../../src/cli/gather.js';
import { mergeCommand } from '../../src/cli/merge.js';
import { recycleCommand } from '../../src/cli/recycle.js';
import { soupCommand } from '../../src/cli/soup.js';
import type { Verb } from '../../src/cli/verb.js';
import { runVerb } from './run-verb.js';

/** What a verb refuses a line for. Nothing that the lines name exists: a verb that reads something first fails otherwise. */
async function refusal(make: (run: Verb) => Command, line: string): Promise<UsageError> {
  const error = await runVerb(make, ...line.split(' ')).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof UsageError)) throw new Error(`not refused as usage: ${String(error)}`);
  return error;
}

describe('an option that goes with another', () => {
  it.each([
    [soupCommand, 'a b --out x --module m.mjs --limit 5', '--limit goes with --task'],
    [soupCommand, 'a b --out x --command c --synthetic', '--synthetic goes with --task'],
    [soupCommand, 'a b --out x --command c --part train --metric loss', '--part and --metric go with --task'],
    // The default, spelt out, is no less idle.
    [soupCommand, 'a b --out x --command c --part test', '--part goes with --task'],
    [soupCommand, 'a b --out x --task mnist-2nn --timeout 5', '--timeout goes with --command'],
    [soupCommand, 'a b --out x --module m.mjs --timeout 5', '--timeout goes with --command'],
    [soupCommand, 'a b --out x --task mnist-2nn --minimize', '--minimize goes with --command or --module'],
    [gatherCommand, 'a --task mnist-2nn --gram --labels data', '--labels goes with --fisher'],
    [recycleCommand, 'bert-to-gpt a b --stretch tile', '--stretch goes with --positions'],
    [
      recycleCommand,
      'bert-to-gpt a b --source-vocab v --unknown-tokens mean',
      '--unknown-tokens and --source-vocab go with --target-vocab',
    ],
  ])('is refused without it: %o %s', async (make, line, problem) => {
    const { code, problem: said, hint } = await refusal(make, line);
    expect(code).toBe('ERR_USAGE');
    expect(said).toBe(`${problem}, not given here`);
    expect(hint).toMatch(/^leave --.* out, or give --/);
  });

  it.each([
    [doctorCommand, '--backend wasm --isa avx2'],
    [benchCommand, 'kernels --backend reference --isa base'],
    [benchCommand, 'simulation --backend wasm --isa base'],
    [gatherCommand, 'a --task mnist-2nn --synthetic --backend wasm --isa base'],
    [mergeCommand, 'a.yml b --backend wasm --isa base'],
  ])('and --isa with a back end that has no instruction sets: %o %s', async (make, line) => {
    expect((await refusal(make, line)).problem).toMatch(
      /^--isa goes with native kernels, and --backend is (wasm|reference)$/,
    );
  });
});

describe('heddle recycle', () => {
  const given: Readonly<Record<string, string>> = {
    '--units': 'fc1=8',
    '--split': 'equal',
    '--new-units': 'copies',
    '--unknown-tokens': 'mean',
    '--after': '0',
    '--order': '0,1',
    '--layers': '2',
    '--positions': '4',
    '--stretch': 'tile',
    '--source-vocab': 'v.txt',
    '--target-vocab': 'v.txt',
    '--seed': '1',
  };
  /** By the help, which names the operations of every option. */
  const operationsOf = (flag: string): string[] => {
    const { description = '' } = help.options.find(({ long }) => long === flag) ?? {};
    return description.slice(0, description.indexOf(':')).split(', ');
  };
  const help = recycleCommand(
    (action) =>
      async (...args) =>
        void (await action(...args)),
  );
  const operations = ['wider', 'deeper', 'stack', 'subclone', 'bert-to-gpt'];

  it.each(Object.entries(given))(
    'refuses %s for the operations that its help does not name',
    async (flag, value) => {
      const own = operationsOf(flag);
      expect(own.every((name) => operations.includes(name))).toBe(true);
      for (const operation of operations.filter((name) => !own.includes(name))) {
        const { problem, hint } = await refusal(recycleCommand, `${operation} a b ${flag} ${value}`);
        expect(problem).toBe(
          `${flag} means nothing to ${operation}: it is an option of ${own.join(' and ')}`,
        );
        expect(hint).toContain(`leave ${flag} out; ${operation} takes --`);
      }
    },
  );

  it('says first that an operation is none', async () => {
    const { problem, hint } = await refusal(recycleCommand, 'wide a b --order 0,1');
    expect(problem).toBe('"wide" is not an operation');
    expect(hint).toContain('wider');
  });
});

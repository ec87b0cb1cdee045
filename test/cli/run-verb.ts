import type { Command } from 'commander';
import { vi } from 'vitest';
import type { Verb } from '../../src/cli/verb.js';

/** Runs a verb in this process; what it printed on stdout, and its exit code. */
export async function runVerb(
  make: (verb: Verb) => Command,
  ...args: string[]
): Promise<{ code: number; text: string }> {
  const printed: string[] = [];
  const stdout = vi
    .spyOn(process.stdout, 'write')
    .mockImplementation((text) => printed.push(String(text)) > 0);
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
  let code = -1;
  try {
    const command = make((action) => async (...received) => {
      code = await action(...received);
    });
    await command.exitOverride().parseAsync(args, { from: 'user' });
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
  return { code, text: printed.join('') };
}

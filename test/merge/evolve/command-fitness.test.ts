import { describe, expect, it } from 'vitest';
import { commandFitness, FitnessCommandError } from '../../../src/merge/evolve/command-fitness.node.js';

const node = (script: string, ...args: string[]) => [process.execPath, '-e', script, ...args];
const run = (command: string[], options: { timeout?: number; signal?: AbortSignal } = {}) =>
  commandFitness(command, '/models/a b$(c)', { timeout: 20, ...options });

describe('commandFitness', () => {
  it('hands over the folder as one argument and reads one number', async () => {
    await expect(run(node('console.log(process.argv[1].length)'))).resolves.toBe(15);
    await expect(
      run(node('console.log(process.argv[1] === "x/models/a b$(c)" ? -1.5e-3 : 0)', 'x{model}')),
    ).resolves.toBe(-0.0015);
  });

  it('refuses everything but one finite number', async () => {
    for (const printed of ['', 'NaN', 'Infinity', '1 2', '1\n2', 'score: 1', '0x10', '1,5'])
      await expect(run(node(`process.stdout.write(${JSON.stringify(printed)})`))).rejects.toThrow(
        FitnessCommandError,
      );
  });

  it('refuses another exit code, and tells what the program said', async () => {
    const failing = run(node('console.log(1); console.error("no data"); process.exit(3)'));
    await expect(failing).rejects.toThrow(/exit code 3.*no data/);
  });

  it('refuses a program that is not there', async () => {
    await expect(run(['/no/such/program'])).rejects.toThrow(/cannot be started/);
  });

  it('ends a program that takes too long, and one that is no longer wanted', async () => {
    const forever = node('setInterval(() => {}, 1000)');
    await expect(run(forever, { timeout: 0.2 })).rejects.toThrow(/longer than 0.2 s.*raise timeout/s);
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 100);
    await expect(run(forever, { signal: stop.signal })).rejects.toThrow(/was stopped/);
  });

  it('ends a program that floods its output', async () => {
    const flood = node('for (;;) process.stdout.write("1".repeat(1000))');
    await expect(run(flood)).rejects.toThrow(/more than 4096/);
  });
});

// Ctrl-C and SIGTERM: whatever the verb, an error that says how to go on, exit code 130, and nothing half written.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { InterruptedError } from '../../src/cli/errors.js';
import { mergeCommand } from '../../src/cli/merge.js';
import { recipeOf, writeFamily, writeModel, writeText } from '../merge/stream/fixtures.js';
import { cleanEnvironment, errorOf, root, temporaryFolder } from './run-cli.js';
import { runVerb } from './run-verb.js';
import { idx } from './simulate-files.js';

const binary = join(root, 'bin', 'heddle.js');

/** Runs `heddle` and sends it `signals` once it has printed `when` on stderr. */
function interrupted(
  args: readonly string[],
  { when, signals }: { when: string; signals: readonly NodeJS.Signals[] },
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [binary, ...args], { env: cleanEnvironment() });
    let [stdout, stderr] = ['', ''];
    let sent = 0;
    child.stdout.on('data', (text: Buffer) => (stdout += text.toString()));
    child.stderr.on('data', (text: Buffer) => {
      stderr += text.toString();
      // The next one once the verb has answered the one before: signals of a kind that wait are one.
      const expected = sent === 0 ? when : 'interrupted:';
      if (sent < signals.length && stderr.includes(expected)) child.kill(signals[sent++]);
    });
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** A model, and a task that takes seconds to measure it on. */
async function measurable(): Promise<{ task: string; model: string }> {
  const folder = await temporaryFolder();
  const [examples, width, hidden] = [10_000, 144, 500];
  const images = join(folder, 'images');
  const labels = join(folder, 'labels');
  await writeFile(
    images,
    idx([examples, 12, 12], (i) => (i * 7) % 255),
  );
  await writeFile(
    labels,
    idx([examples], (i) => i % 10),
  );
  const source = `{format: idx, images: ${images}, labels: ${labels}, test-images: ${images}, test-labels: ${labels}}`;
  const task = await writeText(
    join(folder, 'task.yaml'),
    `schema: 1\ndata:\n  source: ${source}\n  partitioner: {type: iid, num-partitions: 10}\nmodel: {type: mlp, layers: [${width}, ${hidden}, ${hidden}, 10]}\n`,
  );
  const layer = (inputs: number, units: number) => ({
    weight: { shape: [units, inputs], values: new Float32Array(units * inputs).fill(0.01) },
    bias: { shape: [units], values: new Float32Array(units) },
  });
  const layers = { fc1: layer(width, hidden), fc2: layer(hidden, hidden), fc3: layer(hidden, 10) };
  const tensors = Object.entries(layers).flatMap(([name, { weight, bias }]) => [
    [`${name}.weight`, weight] as const,
    [`${name}.bias`, bias] as const,
  ]);
  const model = await writeModel(join(folder, 'model'), Object.fromEntries(tensors));
  return { task, model };
}

describe('heddle gather', async () => {
  const { task, model } = await measurable();

  it.each(['SIGINT', 'SIGTERM'] as const)('stops on %s and leaves the model alone', async (signal) => {
    const result = await interrupted(
      ['gather', model, '--task', task, '--labels', 'model', '--verbose', '--json'],
      { when: 'measuring on', signals: [signal] },
    );
    expect(result.code).toBe(130);
    expect(result.stderr).toContain('interrupted: stopping (again to exit at once)');
    expect(errorOf(result).code).toBe('ERR_ABORTED');
    expect(errorOf(result).hint).toContain('run the same command again');
    expect(readdirSync(model)).toEqual(['model.safetensors']);
  });
});

describe('heddle soup', () => {
  const patience = "console.error('scoring'); setInterval(() => undefined, 1000);";

  it('keeps the scores and says how to go on', async () => {
    const folder = await temporaryFolder();
    await writeFamily(folder, 2, 3);
    const module = await writeText(
      join(folder, 'score.mjs'),
      `let scored = 0;
export const fitness = ({ signal }) => scored++ === 0 ? 0.5 : new Promise((_, fail) => {
  ${patience}
  signal.addEventListener('abort', () => { fail(new Error('the score was cut short')); });
});
`,
    );
    const out = join(folder, 'soup');
    const models = ['tune1', 'tune2'].map((name) => join(folder, name));
    const result = await interrupted(['soup', ...models, '--out', out, '--module', module, '--json'], {
      when: 'scoring',
      signals: ['SIGTERM'],
    });
    expect(result.code).toBe(130);
    expect(errorOf(result)).toMatchObject({
      code: 'ERR_ABORTED',
      message: 'the soup was interrupted; no model was written',
    });
    expect(errorOf(result).hint).toContain('--resume');
    expect(readdirSync(out)).toEqual(['soup.json']);
  });

  it('ends at once the second time, even where a score heeds nothing', async () => {
    const folder = await temporaryFolder();
    await writeFamily(folder, 1, 3);
    const module = await writeText(
      join(folder, 'score.mjs'),
      `export const fitness = () => new Promise(() => { ${patience} });\n`,
    );
    const result = await interrupted(
      ['soup', join(folder, 'tune1'), '--out', join(folder, 'soup'), '--module', module],
      { when: 'scoring', signals: ['SIGINT', 'SIGINT'] },
    );
    expect(result.code).toBe(130);
    expect(existsSync(join(folder, 'soup', 'model.safetensors'))).toBe(false);
  });
});

describe('heddle evolve', () => {
  it('keeps its checkpoint and says how to go on', async () => {
    const folder = await temporaryFolder();
    await writeFamily(folder, 2, 3);
    const search = await writeText(
      join(folder, 'search.yaml'),
      `genome: {kind: parameters, models: [tune1, tune2], merge_method: linear}
fitness: {type: command, command: ["${process.execPath}", -e, "console.error('scoring'); console.log(1)"]}
optimizer: {max_evaluations: 100000}
`,
    );
    const out = join(folder, 'out');
    const result = await interrupted(['evolve', search, out, '--json'], {
      when: 'generation 1',
      signals: ['SIGTERM'],
    });
    expect(result.code).toBe(130);
    expect(errorOf(result).code).toBe('ERR_ABORTED');
    expect(result.stderr).toContain('interrupted: what was evaluated is kept (again to exit at once)');
    expect(result.stderr).toContain(`continue with: heddle evolve ${search} ${out} --resume`);
    expect(readdirSync(out).sort()).toEqual(['checkpoint.json', 'recipe.yaml', 'search.html']);
  });
});

describe('heddle merge', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'writes no model after %s, and listens no longer',
    async (signal) => {
      const folder = await temporaryFolder();
      await writeFamily(folder, 2, 3);
      const recipe = await writeText(join(folder, 'linear.yml'), recipeOf('linear', 2));
      const listeners = process.listenerCount(signal);
      const running = runVerb(mergeCommand, recipe, join(folder, 'out'));
      while (process.listenerCount(signal) === listeners) await new Promise(setImmediate);
      process.emit(signal, signal);
      await expect(running).rejects.toThrow(InterruptedError);
      await expect(running).rejects.toMatchObject({ code: 'ERR_ABORTED' });
      expect(existsSync(join(folder, 'out', 'model.safetensors'))).toBe(false);
      expect(process.listenerCount(signal)).toBe(listeners);
    },
  );
});

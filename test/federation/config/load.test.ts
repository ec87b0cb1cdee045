import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError } from '../../../src/config/errors.js';
import { loadConfig } from '../../../src/federation/config/load.node.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-config-'));
  await mkdir(join(folder, 'sub'));
  const source = '{ format: idx, images: data/i, labels: data/l, test-images: /abs/i, test-labels: ../l }';
  await writeFile(
    join(folder, 'sub', 'run.yaml'),
    `run: { dir: ../runs }\ndata: { source: ${source} }\nmodel: { type: mnist-cnn }\n`,
  );
  await writeFile(
    join(folder, 'task.yaml'),
    'data: { task: mnist-lr }\nclient: { lr: 0.5, batch-size: 5 }\n',
  );
  await writeFile(join(folder, 'fast.json'), '{"client": {"lr": 0.25}, "data": {"root": "mnist"}}');
  await writeFile(join(folder, 'broken.yaml'), 'client: { lr: 1\n');
  await writeFile(join(folder, 'latin1.yaml'), Buffer.from([0x6e, 0xe9, 0x3a, 0x20, 0x31]));
});
afterAll(() => rm(folder, { recursive: true }));

describe('loading from files', () => {
  it('paths are relative to the file that holds them', async () => {
    const { config } = await loadConfig(join(folder, 'sub', 'run.yaml'));
    expect(config.run.dir).toBe(join(folder, 'runs'));
    expect(config.data.source).toEqual({
      format: 'idx',
      images: join(folder, 'sub', 'data', 'i'),
      labels: join(folder, 'sub', 'data', 'l'),
      testImages: '/abs/i',
      testLabels: join(folder, 'l'),
    });
    expect(config.data.root).toBe('auto');
  });

  it('fragments and assignments apply in the order given', async () => {
    const file = join(folder, 'task.yaml');
    const fragment = join(folder, 'fast.json');
    const one = await loadConfig(file, [fragment, 'client.lr=0.125 run.dir=out']);
    expect(one.config.client).toMatchObject({ lr: 0.125, batchSize: 5 });
    expect(one.config.data.root).toBe(join(folder, 'mnist'));
    expect(one.config.run.dir).toBe('out');
    const two = await loadConfig(file, ['client.lr=0.125', fragment]);
    expect(two.config.client.lr).toBe(0.25);
  });

  it('a bare task takes overrides', async () => {
    const { config } = await loadConfig('mnist-2nn', ['data.synthetic=true']);
    expect(config.data).toMatchObject({ task: 'mnist-2nn', synthetic: true });
  });

  it.each([
    ['nothing.yaml', 'does not exist', 'mnist-2nn'],
    ['broken.yaml', 'not valid YAML', 'syntax'],
    ['latin1.yaml', 'not UTF-8', 'UTF-8'],
    ['sub', 'EISDIR', 'file'],
  ])('%s: %s', async (name, message, hint) => {
    const failure = await loadConfig(join(folder, name)).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ConfigError);
    expect((failure as ConfigError).message).toContain(message);
    expect((failure as ConfigError).hint).toContain(hint);
    const asFragment = await loadConfig('mnist-2nn', [join(folder, name)]).catch((error: unknown) => error);
    expect(asFragment).toBeInstanceOf(ConfigError);
  });

  it('a mistyped task is taken for a missing file, and the tasks are named', async () => {
    await expect(loadConfig('mnist-2n')).rejects.toThrow(/mnist-2n does not exist|mnist-2nn/);
  });
});

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as fsPromises from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collectEnvironment } from '../../src/report/environment.node.js';
import type { FileSystem } from '../../src/report/run-files.node.js';
import { createRunFolder, runFolderName, sanitiseRunName } from '../../src/report/run-folder.node.js';
import { RunFolderError } from '../../src/report/run-folder-error.js';
import { environment, fakeRun, fakeSummary } from './fake-run.js';

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'heddle-run-'));
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

const options = () => ({
  dir: join(base, 'runs'),
  name: 'mnist',
  sinks: ['jsonl', 'csv', 'tensorboard'] as const,
  config: 'run: {}\n',
  resolvedConfig: 'run: { seed: 0 }\n',
  environment,
  now: () => new Date(2024, 0, 2, 3, 4, 5),
  id: 'abc123',
});

describe('a run folder', () => {
  it('holds every file of a finished run under its dated name', async () => {
    const folder = await createRunFolder(options());
    expect(folder.path).toBe(join(base, 'runs', '20240102-030405-mnist-abc123'));
    expect(readFileSync(join(folder.path, 'run.pid'), 'utf8')).toBe(`${process.pid}\n`);

    const run = fakeRun({ rounds: 5 });
    for (const event of run) await folder.record(event);
    await folder.log('two\nlines');
    await folder.writePartition({ clients: 3 });
    await folder.writeModel(Uint8Array.of(1, 2, 3));
    await folder.writeReport('<!doctype html>');
    const summary = await folder.writeSummary(fakeSummary(run));
    await folder.close();
    await folder.close();

    const tfevents = readdirSync(join(folder.path, 'tb'));
    expect(tfevents).toHaveLength(1);
    expect(readdirSync(folder.path).sort()).toEqual(
      [
        'config.resolved.yaml',
        'config.yaml',
        'env.json',
        'metrics.csv',
        'metrics.jsonl',
        'model.safetensors',
        'partition.json',
        'report.html',
        'run.log',
        'summary.json',
        'tb',
      ].sort(),
    );
    expect(summary.paths).toEqual({
      folder: folder.path,
      metrics: 'metrics.jsonl',
      csv: 'metrics.csv',
      tensorboard: `tb/${tfevents[0]}`,
      model: 'model.safetensors',
      report: 'report.html',
      summary: 'summary.json',
    });
    const file = JSON.parse(readFileSync(join(folder.path, 'summary.json'), 'utf8'));
    expect(file.privacy.epsilon).toBe('Infinity');
    expect(file['config-hash']).toBe(summary.configHash);
    expect(readFileSync(join(folder.path, 'run.log'), 'utf8')).toMatch(/^\S+Z two\n {4}lines\n$/);
    expect(readFileSync(join(folder.path, 'metrics.csv'), 'utf8').trim().split('\r\n')).toHaveLength(6 + 1);
  });

  it('has each round on disk when `record` resolves, and reads it back as it was', async () => {
    const folder = await createRunFolder(options());
    const run = fakeRun({ rounds: 3 });
    for (const [i, event] of run.entries()) {
      await folder.record(event);
      expect(readFileSync(join(folder.path, 'metrics.jsonl'), 'utf8').trimEnd().split('\n')).toHaveLength(
        i + 1,
      );
    }
    expect(await folder.readEvents()).toEqual(run);
    await folder.close();
  });

  it('keeps client events apart from the run, and only makes their file when there are some', async () => {
    const folder = await createRunFolder(options());
    expect(existsSync(join(folder.path, 'clients.jsonl'))).toBe(false);
    await folder.record({
      schema: 1,
      event: 'client',
      round: 1,
      step: 1,
      time: 0,
      metrics: {},
      client: 7,
      status: 'rejected',
    });
    await folder.close();
    expect(JSON.parse(readFileSync(join(folder.path, 'clients.jsonl'), 'utf8')).client).toBe(7);
    expect(readFileSync(join(folder.path, 'metrics.jsonl'), 'utf8')).toBe('');
  });

  it('tells nothing about the user or the process environment in env.json', async () => {
    const folder = await createRunFolder({ ...options(), environment: collectEnvironment('9.9.9') });
    await folder.close();
    const keys = Object.keys(JSON.parse(readFileSync(join(folder.path, 'env.json'), 'utf8')));
    expect(keys.sort()).toEqual(['arch', 'cores', 'cpu', 'heddle', 'memory-bytes', 'platform', 'runtime']);
  });

  it('never writes into a folder that holds something', async () => {
    writeFileSync(join(base, 'mine.txt'), 'mine');
    const taken = createRunFolder({ ...options(), path: base });
    await expect(taken).rejects.toMatchObject({ code: 'ERR_RUN_FOLDER_EXISTS', path: base });
    expect(readdirSync(base)).toEqual(['mine.txt']);
    await (await createRunFolder(options())).close();
    await expect(createRunFolder(options())).rejects.toMatchObject({ code: 'ERR_RUN_FOLDER_EXISTS' });
  });

  it('says which path is at fault when the parent is a file', async () => {
    writeFileSync(join(base, 'runs'), '');
    const failed = createRunFolder(options());
    await expect(failed).rejects.toBeInstanceOf(RunFolderError);
    await expect(failed).rejects.toMatchObject({ path: join(base, 'runs') });
  });
});

describe('run names', () => {
  it('stay one plain part of a path whatever they are', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('../../etc', '..', '', 'a/../b', '\\x\0')),
        (name) => {
          const safe = sanitiseRunName(name);
          expect(safe).toMatch(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/);
          expect(safe).not.toContain('..');
        },
      ),
      { seed: 14, numRuns: 500 },
    );
  });

  it('are kept when harmless', () => {
    expect(sanitiseRunName('mnist-2nn_v1.5')).toBe('mnist-2nn_v1.5');
    expect(runFolderName('../x', new Date(2024, 11, 31, 23, 59, 59), '00ff00')).toBe(
      '20241231-235959-x-00ff00',
    );
  });
});

describe('when the disk fills up', () => {
  /** The real file system, with room for `budget` bytes; a write that passes it is cut short, then refused. */
  function limited(budget: number, code = 'ENOSPC'): FileSystem {
    let left = budget;
    const refuse = (): never => {
      throw Object.assign(new Error(`${code}: refused`), { code });
    };
    return {
      ...fsPromises,
      open: (async (path: string, flags: string) => {
        const handle = await fsPromises.open(path, flags);
        const write = handle.write.bind(handle) as (...args: unknown[]) => Promise<{ bytesWritten: number }>;
        handle.write = (async (bytes: Uint8Array, offset: number, length: number, position: number) => {
          if (left === 0) refuse();
          const taken = Math.min(left, length);
          left -= taken;
          return write(bytes, offset, taken, position);
        }) as typeof handle.write;
        handle.writeFile = (async (content: string | Uint8Array) => {
          const bytes = Buffer.from(content as string);
          await write(bytes, 0, Math.min(left, bytes.length), 0);
          if (bytes.length > left) refuse();
          left -= bytes.length;
        }) as typeof handle.writeFile;
        return handle;
      }) as unknown as FileSystem['open'],
    };
  }

  it('fails with the file and a mend, and leaves whole records and no temporary file, at any byte', async () => {
    const run = fakeRun({ rounds: 3 });
    const full: string[] = [];
    for (const budget of [0, 9, 20, 100, ...Array.from({ length: 30 }, (_, i) => 397 * (i + 1))]) {
      const dir = join(base, String(budget));
      let path: string | undefined;
      try {
        const folder = await createRunFolder({ ...options(), dir, fs: limited(budget) });
        path = folder.path;
        for (const event of run) await folder.record(event);
        await folder.writeModel(new Uint8Array(2000));
        await folder.close();
      } catch (error) {
        expect(error).toBeInstanceOf(RunFolderError);
        expect(error).toMatchObject({ code: 'ERR_DISK_FULL' });
        expect((error as RunFolderError).hint).toContain('free some space');
        full.push((error as RunFolderError).path);
      }
      // Without room for the configuration there is no folder at all.
      if (path === undefined) expect(readdirSync(dir)).toEqual([]);
      for (const name of path === undefined ? [] : readdirSync(path)) {
        expect(name).not.toMatch(/\.tmp$/);
        if (name === 'tb') continue;
        const content = readFileSync(join(path ?? '', name), 'utf8');
        if (name === 'metrics.jsonl') expect(content === '' || content.endsWith('}\n')).toBe(true);
        if (name === 'metrics.csv') expect(content === '' || content.endsWith('\r\n')).toBe(true);
        if (name === 'model.safetensors') expect(content).toHaveLength(2000);
      }
    }
    // The sweep met the limit in files of both kinds, and also had room enough in the end.
    expect(full.some((path) => path.endsWith('.jsonl'))).toBe(true);
    expect(full.some((path) => path.endsWith('config.yaml'))).toBe(true);
    expect(full.some((path) => path.endsWith('model.safetensors'))).toBe(true);
    expect(full.length).toBeLessThan(34);
  });

  it.runIf(process.platform === 'linux').each(['dir', 'path'])(
    'refuses a %s where none can be made',
    async (key) => {
      const below = createRunFolder({ ...options(), [key]: '/proc/heddle/runs' });
      await expect(below).rejects.toMatchObject({ code: 'ERR_RUN_FOLDER' });
    },
  );

  it.each([
    ['EDQUOT', 'ERR_DISK_FULL'],
    ['EROFS', 'ERR_RUN_FOLDER_READ_ONLY'],
    ['EACCES', 'ERR_RUN_FOLDER_DENIED'],
  ])('names %s as %s', async (errno, code) => {
    await expect(createRunFolder({ ...options(), fs: limited(0, errno) })).rejects.toMatchObject({ code });
  });
});

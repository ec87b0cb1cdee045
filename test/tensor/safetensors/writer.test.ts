import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { bytesOf, type StoredDtype } from '../../../src/tensor/safetensors/dtype.js';
import { bootId } from '../../../src/tensor/safetensors/journal.node.js';
import { planReveal } from '../../../src/tensor/safetensors/output-folder.node.js';
import { openModel } from '../../../src/tensor/safetensors/reader.node.js';
import { layOutModel } from '../../../src/tensor/safetensors/shards.js';
import type { ModelWriter, ModelWriterOptions, OutputInfo } from '../../../src/tensor/safetensors/writer.js';
import { createModelWriter } from '../../../src/tensor/safetensors/writer.node.js';

let root: string;
let out: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'heddle-writer-'));
  out = join(root, 'out');
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(root, { recursive: true, force: true });
});

const outputs: OutputInfo[] = [
  { name: 'a', dtype: 'F32', shape: [10, 10] },
  { name: 'b', dtype: 'BF16', shape: [33] },
  { name: 'c', dtype: 'I64', shape: [] },
  { name: 'd', dtype: 'F16', shape: [0, 4] },
  { name: 'e', dtype: 'U8', shape: [500] },
];

/** Bytes that depend on the tensor's name and a version. */
function contentOf({ name, dtype, shape }: OutputInfo, version = 1): Uint8Array {
  const bytes = bytesOf(
    dtype,
    shape.reduce((product, n) => product * n, 1),
  );
  return Uint8Array.from(
    { length: bytes },
    (_, i) => (i * 7 + name.charCodeAt(0) * 31 + version * 101) & 255,
  );
}

async function writeTensors(writer: ModelWriter, version = 1, which = outputs) {
  for (const output of which) {
    await writer.write(output.name, 0, contentOf(output, version));
    await writer.finish(output.name);
  }
}

async function writeAll(options: ModelWriterOptions = {}, version = 1) {
  const writer = await createModelWriter(out, outputs, options);
  await writeTensors(writer, version);
  return writer.commit();
}

/** Which version of the content the folder holds as a whole model. */
async function versionOf(folder: string): Promise<number> {
  const model = await openModel(folder);
  try {
    expect([...model.tensors.keys()].sort()).toEqual(outputs.map(({ name }) => name).sort());
    const versions = new Set<number>();
    for (const output of outputs) {
      const info = model.tensors.get(output.name);
      if (info === undefined) throw new Error(output.name);
      expect(info).toMatchObject({ dtype: output.dtype, shape: output.shape });
      const bytes = Buffer.from(await model.readBytes(info, 0, info.size));
      if (bytes.length > 0) versions.add([1, 2].find((v) => bytes.equals(contentOf(output, v))) ?? 0);
    }
    expect(versions.size).toBe(1);
    return [...versions][0];
  } finally {
    await model.close();
  }
}

const hashes = (folder: string) =>
  Object.fromEntries(
    readdirSync(folder).map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(folder, name)))
        .digest('hex'),
    ]),
  );

describe('a written model', () => {
  it('reads back, whatever the limit of a file, with chunks in any order', async () => {
    const order = fc.shuffledSubarray(outputs, { minLength: outputs.length });
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 1000 }),
        order,
        fc.integer({ min: 1, max: 90 }),
        async (shardSize, tensors, step) => {
          rmSync(out, { recursive: true, force: true });
          const writer = await createModelWriter(out, outputs, { shardSize, sync: false });
          const pieces = tensors.flatMap((output) => {
            const bytes = contentOf(output);
            const width = bytesOf(output.dtype, 1);
            const starts = Array.from(
              { length: Math.ceil(bytes.length / (step * width)) },
              (_, i) => i * step,
            );
            return starts.map((begin) => ({
              output,
              begin,
              part: bytes.subarray(begin * width, (begin + step) * width),
            }));
          });
          await Promise.all(
            pieces.reverse().map(({ output, begin, part }) => writer.write(output.name, begin, part)),
          );
          for (const { name } of tensors) await writer.finish(name);
          await writer.commit();
          expect(await versionOf(out)).toBe(1);
          expect(readdirSync(out).filter((name) => name.startsWith('.'))).toEqual([]);
        },
      ),
      { seed: 5, numRuns: 25 },
    );
  });

  it('fills files greedily in order, without splitting a tensor', () => {
    const tensor = (name: string, size: number): OutputInfo => ({ name, dtype: 'U8', shape: [size] });
    const { files, index, bytes } = layOutModel(
      [tensor('z', 60), tensor('y', 40), tensor('x', 1), tensor('w', 300)],
      100,
    );
    expect(files.map(({ name, tensors }) => [name, tensors.map((each) => each.name)])).toEqual([
      ['model-00001-of-00003.safetensors', ['y', 'z']],
      ['model-00002-of-00003.safetensors', ['x']],
      ['model-00003-of-00003.safetensors', ['w']],
    ]);
    expect(bytes).toBe(401);
    const content = JSON.parse(index ?? '');
    expect(content.metadata.total_size).toBe(401);
    expect(content.weight_map.z).toBe('model-00001-of-00003.safetensors');
    const whole = layOutModel([tensor('z', 60), tensor('y', 40)], 0);
    expect(whole.index).toBeUndefined();
    expect(whole.files.map(({ name }) => name)).toEqual(['model.safetensors']);
  });

  it('has the same bytes in every run', async () => {
    await writeAll({ shardSize: 420 });
    const first = hashes(out);
    expect(Object.keys(first)).toHaveLength(3 + 1);
    rmSync(out, { recursive: true });
    await writeAll({ shardSize: 420, sync: false });
    expect(hashes(out)).toEqual(first);
  });

  it('brings its other files along', async () => {
    writeFileSync(join(root, 'tokenizer.json'), '{"x":1}');
    const writer = await createModelWriter(out, outputs);
    await writer.addFile('config.json', '{}');
    await writer.addFile('tokenizer.json', { from: join(root, 'tokenizer.json') });
    await writeTensors(writer);
    expect(readdirSync(out).filter((name) => !name.startsWith('.'))).toEqual([]);
    await writer.commit();
    expect(readFileSync(join(out, 'tokenizer.json'), 'utf8')).toBe('{"x":1}');
    for (const name of ['../x', 'model.safetensors', 'a/b', ''])
      await expect(writer.addFile(name, '')).rejects.toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
      );
  });

  it('does not appear before every tensor is finished', async () => {
    const writer = await createModelWriter(out, outputs);
    await writeTensors(writer, 1, outputs.slice(1));
    await expect(writer.commit()).rejects.toMatchObject({ code: 'ERR_UNFINISHED_OUTPUT', tensor: 'a' });
    await expect(openModel(out)).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
    // Nor can its hidden files be loaded.
    await expect(openModel(join(out, '.heddle-partial'))).rejects.toMatchObject({ code: 'ERR_INVALID_JSON' });
    await writer.abort();
    // With the folder that was made for it.
    expect(existsSync(out)).toBe(false);
  });

  it('that is given up leaves folders that were there, and what others put into new ones', async () => {
    const deep = join(out, 'x', 'y');
    mkdirSync(out);
    const writer = await createModelWriter(deep, outputs);
    writeFileSync(join(out, 'x', 'note'), '');
    await writer.abort();
    expect(readdirSync(out, { recursive: true })).toEqual(['x', 'x/note']);
  });

  it('takes only bytes within its tensors', async () => {
    const writer = await createModelWriter(out, outputs);
    const code = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' });
    await expect(writer.write('a', 99, new Uint8Array(8))).rejects.toThrow(code);
    await expect(writer.write('a', -1, new Uint8Array(4))).rejects.toThrow(code);
    await expect(writer.write('nowhere', 0, new Uint8Array(4))).rejects.toThrow(code);
    await writer.abort();
    await writer.abort();
    await expect(writer.write('a', 0, new Uint8Array(4))).rejects.toThrow(code);
  });
});

describe('an output folder', () => {
  it('with a model is refused, or its model replaced at the end', async () => {
    await writeAll();
    await expect(createModelWriter(out, outputs)).rejects.toMatchObject({ code: 'ERR_OUTPUT_EXISTS' });
    const writer = await createModelWriter(out, outputs, { overwrite: true });
    await writeTensors(writer, 2);
    expect(await versionOf(out)).toBe(1);
    await writer.commit();
    expect(await versionOf(out)).toBe(2);
  });

  it.each([
    [0, 420],
    [420, 0],
    [420, 420],
    [420, 500],
  ])('of files of %i bytes becomes one of %i without a left-over', async (before, after) => {
    await writeAll({ shardSize: before });
    await writeAll({ shardSize: after, overwrite: true }, 2);
    expect(await versionOf(out)).toBe(2);
    const { files, index } = layOutModel(outputs, after);
    expect(readdirSync(out)).toHaveLength(files.length + (index === undefined ? 0 : 1));
  });

  it('that holds an input is refused', async () => {
    await writeAll();
    for (const inputs of [[out], [join(out, 'model.safetensors')], [join(root, 'out', '..', 'out')]])
      await expect(createModelWriter(out, outputs, { inputs, overwrite: true })).rejects.toMatchObject({
        code: 'ERR_OUTPUT_IS_INPUT',
      });
    expect(await versionOf(out)).toBe(1);
  });

  it('that another process is writing to is refused until that ends', async () => {
    mkdirSync(out);
    const boot = await bootId();
    const claim = (pid: number, of = boot): string => {
      const path = join(out, `.heddle-writing-${pid}-0123456789ab`);
      writeFileSync(path, of);
      return path;
    };
    // The process that runs this one surely runs.
    const held = claim(process.ppid);
    await expect(createModelWriter(out, outputs)).rejects.toMatchObject({
      code: 'ERR_OUTPUT_BUSY',
      message: expect.stringContaining(`process ${process.ppid}`),
      hint: expect.stringContaining(held),
    });
    expect(readdirSync(out)).toEqual([basename(held)]);
    // Left behind: of an earlier start of the machine, of a process that is gone, of an earlier one of this one's number.
    claim(process.ppid, 'another');
    claim(2 ** 30);
    claim(process.pid);
    await writeAll();
    expect(readdirSync(out)).toEqual(['model.safetensors']);
  });

  it('is the same by whichever path it is named', async () => {
    mkdirSync(out);
    const link = join(root, 'link');
    symlinkSync(out, link);
    const writer = await createModelWriter(out, outputs);
    await expect(createModelWriter(link, outputs)).rejects.toMatchObject({ code: 'ERR_OUTPUT_BUSY' });
    await writeTensors(writer);
    await writer.commit();
    expect(await versionOf(link)).toBe(1);
  });

  it('that several writers begin on at the same moment is written by one of them', async () => {
    const begun = await Promise.allSettled(
      Array.from({ length: 4 }, () => createModelWriter(out, outputs, { overwrite: true })),
    );
    const writers = begun.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    expect(writers.length).toBeLessThanOrEqual(1);
    for (const each of begun)
      if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'ERR_OUTPUT_BUSY' });
    for (const writer of writers) await writer.abort();
    await writeAll();
    expect(await versionOf(out)).toBe(1);
  });

  it('on a disk that is too small is refused before anything is written', async () => {
    const huge: OutputInfo[] = [{ name: 'a', dtype: 'F32', shape: [2 ** 24, 2 ** 26] }];
    await expect(createModelWriter(out, huge)).rejects.toMatchObject({ code: 'ERR_DISK_FULL' });
    expect(existsSync(out)).toBe(false);
    mkdirSync(out);
    await expect(createModelWriter(out, huge)).rejects.toMatchObject({ code: 'ERR_DISK_FULL' });
    expect(readdirSync(out)).toEqual([]);
  });

  it('that is a file, or below one, is named', async () => {
    writeFileSync(out, 'x');
    await expect(createModelWriter(out, outputs)).rejects.toMatchObject({ code: 'ERR_OUTPUT_FOLDER' });
    await expect(createModelWriter(join(out, 'x'), outputs)).rejects.toMatchObject({
      code: 'ERR_OUTPUT_FOLDER',
    });
    symlinkSync('nowhere', join(root, 'link'));
    await expect(createModelWriter(join(root, 'link'), outputs)).rejects.toMatchObject({
      code: 'ERR_OUTPUT_FOLDER',
    });
  });

  it.runIf(existsSync('/proc/self'))(
    'where no folder can be made is refused, not tried for ever',
    async () => {
      await expect(createModelWriter('/proc/self/a/b', outputs)).rejects.toMatchObject({
        message: expect.stringContaining('/proc/self/a'),
      });
    },
  );
});

describe('an interrupted output', () => {
  it('is gone on with from its finished tensors, to the same bytes', async () => {
    await writeAll({ shardSize: 420 });
    const whole = hashes(out);
    rmSync(out, { recursive: true });
    const first = await createModelWriter(out, outputs, { shardSize: 420, planKey: 'p' });
    await writeTensors(first, 1, outputs.slice(0, 2));
    await first.write('e', 0, new Uint8Array(77).fill(9));
    await first.abort({ keep: true });
    const second = await createModelWriter(out, outputs, { shardSize: 420, planKey: 'p', resume: true });
    expect([...second.finished]).toEqual(['a', 'b']);
    await writeTensors(second, 1, outputs.slice(2));
    await second.commit();
    expect(hashes(out)).toEqual(whole);
  });

  it.each([
    ['another plan', { planKey: 'q', resume: true }],
    ['no wish to resume', { planKey: 'p' }],
    ['another layout', { planKey: 'p', resume: true, shardSize: 100 }],
  ])('is begun anew with %s', async (_, options) => {
    const first = await createModelWriter(out, outputs, { planKey: 'p' });
    await writeTensors(first, 2, outputs.slice(0, 2));
    await first.abort({ keep: true });
    const second = await createModelWriter(out, outputs, options);
    expect(second.finished.size).toBe(0);
    await writeTensors(second);
    await second.commit();
    expect(await versionOf(out)).toBe(1);
  });

  it('after a crash of the machine counts only what had reached the disk', async () => {
    const first = await createModelWriter(out, outputs, { planKey: 'p' });
    await writeTensors(first, 1, outputs.slice(0, 3));
    await first.abort({ keep: true });
    const journal = join(out, '.heddle-partial', 'journal.jsonl');
    const [head, ...lines] = readFileSync(journal, 'utf8').trimEnd().split('\n');
    const rebooted = JSON.stringify({ ...JSON.parse(head), boot: 'another' });
    // One of three was synced, the last line was being written.
    writeFileSync(journal, [rebooted, ...lines, '{"synced":1}', '{"fini'].join('\n'));
    const second = await createModelWriter(out, outputs, { planKey: 'p', resume: true });
    expect([...second.finished]).toEqual(['a']);
    await second.abort();
  });

  it('whose files are gone is begun anew', async () => {
    const first = await createModelWriter(out, outputs);
    await writeTensors(first);
    await first.abort({ keep: true });
    rmSync(join(out, '.heddle-partial', 'model.safetensors'));
    const second = await createModelWriter(out, outputs, { resume: true });
    expect(second.finished.size).toBe(0);
    await second.abort();
  });
});

const worker = fileURLToPath(new URL('./write-and-die.mjs', import.meta.url));
const bundleFolder = mkdtempSync(join(tmpdir(), 'heddle-bundle-'));
const bundle = join(bundleFolder, 'writer.mjs');
beforeAll(() =>
  build({
    entryPoints: [fileURLToPath(new URL('../../../src/tensor/safetensors/writer.node.ts', import.meta.url))],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'esm',
  }),
);
afterAll(() => rmSync(bundleFolder, { recursive: true, force: true }));

describe('a writer that is killed', () => {
  // The child counts the file operations of a whole write, and ends itself at one of them, as kill -9 does; or lets that and all later ones
  // fail.
  interface Death {
    readonly at: number;
    readonly errno?: string;
    /** Whether folders are removed from their last entry on. */
    readonly backwards?: boolean;
    /** Calls that fail with EIO, as `rm journal.jsonl`. */
    readonly failing?: readonly string[];
  }
  const run = (death: Death, options: ModelWriterOptions) =>
    new Promise<{ code: number | null; stdout: string }>((resolve) => {
      const child = spawn(process.execPath, [
        worker,
        bundle,
        out,
        JSON.stringify({ outputs, options, ...death }),
      ]);
      let stdout = '';
      child.stdout.on('data', (data) => {
        stdout += data;
      });
      child.stderr.pipe(process.stderr);
      child.on('close', (code) => resolve({ code, stdout }));
    });
  const operationsOf = async (options: ModelWriterOptions) => {
    const { stdout, code } = await run({ at: -1 }, options);
    expect(code).toBe(0);
    return stdout.split(' ').map(Number);
  };
  const stateOf = (folder: string) =>
    versionOf(folder).then(String, (error: { code?: string }) => error.code ?? String(error));

  // The whole write for one layout, the commit for all: what is before it touches nothing but the hidden folder.
  it.each([
    { how: 'as many shards', before: 420, after: 420, whole: true, backwards: false },
    { how: 'as many shards', before: 420, after: 420, whole: false, backwards: true },
    { how: 'one file over shards', before: 420, after: 0, whole: false, backwards: true },
    { how: 'shards over one file', before: 0, after: 420, whole: false, backwards: true },
    { how: 'one file over one', before: 0, after: 0, whole: false, backwards: true },
    { how: 'more shards', before: 420, after: 100, whole: false, backwards: true },
    { how: 'fewer shards', before: 100, after: 420, whole: false, backwards: false },
  ])('at any file operation loses neither model: $how (removal backwards: $backwards)', async (layout) => {
    const { before, after, backwards } = layout;
    const options = { shardSize: after, planKey: 'p', sync: false, overwrite: true };
    mkdirSync(out);
    await writeAll({ ...options, shardSize: before }, 2);
    const [committing, operations] = await operationsOf(options);
    const whole = hashes(out);
    expect(operations - committing).toBeGreaterThan(5);
    const seen = new Set<string>();
    for (let at = layout.whole ? 0 : committing; at < operations; at++) {
      rmSync(out, { recursive: true, force: true });
      await writeAll({ ...options, shardSize: before }, 2);
      expect((await run({ at, backwards }, options)).code).toBe(null);
      const state = await stateOf(out);
      seen.add(state);
      const copy = join(root, 'copy');
      cpSync(out, copy, { recursive: true });
      // A writer that may not overwrite ends what was begun, and finds a model.
      await expect(createModelWriter(copy, outputs, { sync: false })).rejects.toMatchObject({
        code: 'ERR_OUTPUT_EXISTS',
      });
      expect(await stateOf(copy)).toMatch(state === '2' ? /^[12]$/ : /^1$/);
      rmSync(copy, { recursive: true });
      const writer = await createModelWriter(out, outputs, { ...options, resume: true });
      await writeTensors(
        writer,
        1,
        outputs.filter(({ name }) => !writer.finished.has(name)),
      );
      await writer.commit();
      expect(hashes(out)).toEqual(whole);
    }
    // A single file alone is replaced in one step; else there is a moment without a model.
    const states = before === 0 && after === 0 ? ['1', '2'] : ['1', '2', 'ERR_MODEL_NOT_FOUND'];
    expect([...seen].sort()).toEqual(states);
  });

  // The journal is written under the name that it has until it is whole.
  it.each([
    [['rm journal.jsonl']],
    [['datasync journal.jsonl.tmp', 'rm journal.jsonl']],
    [['stat model-00002-of-00003.safetensors']],
    [['stat model.safetensors.index.json']],
  ])('or whose disk fails at %s loses neither model, and replaces none unasked', async (failing) => {
    for (const backwards of [false, true]) {
      rmSync(out, { recursive: true, force: true });
      const options = { shardSize: 420, planKey: 'p', overwrite: true };
      await writeAll({ ...options, sync: false }, 2);
      const files = readdirSync(out).length;
      // Again and again, each time over what the last one left.
      for (let turn = 0; turn < 3; turn++) await run({ at: -1, failing, backwards }, options);
      await expect(createModelWriter(out, outputs)).rejects.toMatchObject({ code: 'ERR_OUTPUT_EXISTS' });
      expect(await stateOf(out)).toMatch(/^[12]$/);
      expect(readdirSync(out).filter((name) => name.endsWith('s') || name.endsWith('json'))).toHaveLength(
        files,
      );
    }
  });

  it('says what failed first, also where its claim stays', async () => {
    const options = { shardSize: 420 };
    const failed = await run({ at: -1, failing: ['datasync journal', 'rm .heddle-writing-'] }, options);
    expect(failed.stdout).toMatch(/^ERR_IO_ERROR /);
    // The claim of an ended process holds nobody up.
    await writeAll({ ...options, sync: false });
    expect(readdirSync(out).filter((name) => name.startsWith('.'))).toEqual([]);
    const written = await run({ at: -1, failing: ['rm .heddle-writing-'] }, { ...options, overwrite: true });
    expect(written.stdout).toMatch(/^\d+ \d+$/);
  });

  it('brings a config and its tensors together', async () => {
    const commit = async (version: number, overwrite: boolean) => {
      const writer = await createModelWriter(out, outputs, { overwrite, sync: false });
      await writer.addFile('config.json', JSON.stringify({ version }));
      await writeTensors(writer, version);
      return writer;
    };
    await (await commit(2, false)).commit();
    const writer = await commit(1, true);
    // The old tensors leave before the new config is there.
    const steps = await planReveal(out, ['config.json', 'model.safetensors']);
    expect(steps).toEqual({
      away: ['model.safetensors'],
      names: ['config.json', 'model.safetensors'],
    });
    await writer.commit();
    expect(await versionOf(out)).toBe(1);
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))).toEqual({ version: 1 });
  });

  it('meets a folder of the name of one of its files before the old model leaves', async () => {
    await writeAll({ shardSize: 420 }, 2);
    mkdirSync(join(out, 'config.json'));
    const writer = await createModelWriter(out, outputs, { overwrite: true, sync: false });
    await writer.addFile('config.json', '{}');
    await writeTensors(writer);
    await expect(writer.commit()).rejects.toMatchObject({ code: 'ERR_OUTPUT_EXISTS', file: 'config.json' });
    await writer.abort();
    rmSync(join(out, 'config.json'), { recursive: true });
    expect(await versionOf(out)).toBe(2);
    expect(readdirSync(out).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('over a single file beside an index lets the index load until the end', async () => {
    await writeAll({ shardSize: 420 });
    writeFileSync(join(out, 'model.safetensors'), 'stale');
    const { away } = await planReveal(out, ['model.safetensors.index.json']);
    expect(away.slice(0, 2)).toEqual(['model.safetensors', 'model.safetensors.index.json']);
    await writeAll({ shardSize: 420, overwrite: true }, 2);
    expect(await versionOf(out)).toBe(2);
    expect(existsSync(join(out, 'model.safetensors'))).toBe(false);
  });

  it.each([
    ['ENOSPC', 'ERR_DISK_FULL'],
    ['EDQUOT', 'ERR_DISK_FULL'],
    ['EROFS', 'ERR_OUTPUT_READ_ONLY'],
    ['EACCES', 'ERR_OUTPUT_DENIED'],
    ['EIO', 'ERR_IO_ERROR'],
  ])('or meets %s says %s, and leaves nothing half-written that loads', async (errno, code) => {
    const options = { shardSize: 420, sync: false };
    const [committing] = await operationsOf(options);
    for (const at of [0, 3, 9, 14, committing, committing + 4, committing + 6]) {
      rmSync(out, { recursive: true, force: true });
      const { stdout } = await run({ at, errno }, options);
      expect(stdout.split(' ')[0]).toBe(code);
      if (existsSync(out))
        await expect(openModel(out)).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
    }
  });
});

it('types of every width are laid out and written', async () => {
  const all: OutputInfo[] = (['F64', 'C64', 'U16', 'F4', 'F8_E4M3', 'BOOL'] as StoredDtype[]).map(
    (dtype) => ({
      name: dtype,
      dtype,
      shape: [6],
    }),
  );
  const writer = await createModelWriter(out, all);
  for (const output of all) {
    await writer.write(output.name, 0, contentOf(output));
    await writer.finish(output.name);
  }
  await writer.commit();
  const model = await openModel(out);
  for (const output of all) {
    const info = model.tensors.get(output.name);
    if (info) expect(await model.readBytes(info, 0, 6)).toEqual(contentOf(output));
  }
  expect(model.tensors.size).toBe(all.length);
  await model.close();
});

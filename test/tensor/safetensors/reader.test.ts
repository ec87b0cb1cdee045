import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HeddleError } from '../../../src/errors.js';
import { openModelBlobs } from '../../../src/tensor/safetensors/blob-reader.js';
import { layOutFile } from '../../../src/tensor/safetensors/format.js';
import { openModel } from '../../../src/tensor/safetensors/reader.node.js';

const golden = fileURLToPath(new URL('../../golden/safetensors/', import.meta.url));
const index = 'model.safetensors.index.json';
const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-model-'));
  cpSync(join(golden, 'sharded'), folder, { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Rewrites the index through `change`. */
function changeIndex(
  change: (content: { metadata: { total_size: number }; weight_map: Record<string, string> }) => void,
) {
  const content = JSON.parse(readFileSync(join(folder, index), 'utf8'));
  change(content);
  writeFileSync(join(folder, index), JSON.stringify(content));
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'ok';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('a model on disk', () => {
  it('is all tensors of its shards, with the bytes that stand in the files', async () => {
    const model = await openModel(folder);
    const map = JSON.parse(readFileSync(join(folder, index), 'utf8')).weight_map as Record<string, string>;
    expect([...model.tensors.keys()].sort()).toEqual(Object.keys(map).sort());
    expect(model.config?.model_type).toBe('llama');
    for (const info of model.tensors.values()) {
      expect(info.file).toBe(map[info.name]);
      const file = readFileSync(join(folder, info.file));
      const bytes = await model.readBytes(info, 0, info.size);
      expect(Buffer.compare(bytes, file.subarray(info.offset, info.offset + info.bytes))).toBe(0);
      const width = info.bytes / info.size;
      const part = await model.readBytes(info, 3, 5, new Uint8Array(100));
      expect([...part]).toEqual([...bytes.subarray(3 * width, 5 * width)]);
    }
    await model.verify();
    await model.close();
    await model.close();
  });

  it('is the same model from memory', async () => {
    const files = new Map(
      [index, 'config.json', ...shards].map((name) => [name, readFileSync(join(folder, name))]),
    );
    const blobs = new Map([...files].map(([name, bytes]) => [name, new Blob([bytes])]));
    const [disk, memory, blob] = await Promise.all([
      openModel(folder),
      openModelBlobs(folder, files),
      openModelBlobs(folder, blobs),
    ]);
    expect(memory.tensors).toEqual(disk.tensors);
    expect(blob.config).toEqual(disk.config);
    for (const info of disk.tensors.values()) {
      const expected = await disk.readBytes(info, 1, info.size);
      expect(await memory.readBytes(info, 1, info.size)).toEqual(expected);
      expect(await blob.readBytes(info, 1, info.size)).toEqual(expected);
    }
    await disk.close();
  });

  it('may be one file, named itself or by its folder; the index wins where both are there', async () => {
    const file = join(folder, shards[0]);
    const single = await openModel(file);
    expect([...single.tensors.keys()].length).toBeGreaterThan(0);
    await single.close();
    cpSync(file, join(folder, 'model.safetensors'));
    const both = await openModel(folder);
    expect(both.files.map(({ name }) => name)).toEqual(shards);
    await both.close();
    rmSync(join(folder, index));
    const alone = await openModel(folder);
    expect(alone.files.map(({ name }) => name)).toEqual(['model.safetensors']);
    await alone.close();
  });

  it('is refused where a shard is missing, naming it', async () => {
    rmSync(join(folder, shards[1]));
    await expect(openModel(folder)).rejects.toThrow(shards[1]);
    expect(await codeOf(openModel(folder))).toBe('ERR_MISSING_SHARD');
  });

  it('is refused where a tensor is not in the shard that the index names', async () => {
    changeIndex(({ weight_map }) => {
      weight_map['model.norm.weight'] = weight_map['model.norm.weight'] === shards[0] ? shards[1] : shards[0];
    });
    await expect(openModel(folder)).rejects.toMatchObject({
      code: 'ERR_MISSING_TENSOR',
      tensor: 'model.norm.weight',
    });
  });

  it('is refused where two shards hold one tensor', async () => {
    cpSync(join(folder, shards[0]), join(folder, shards[1]));
    expect(await codeOf(openModel(folder))).toBe('ERR_DUPLICATE_TENSOR');
  });

  it('is refused where total_size disagrees', async () => {
    changeIndex(({ metadata }) => {
      metadata.total_size += 2;
    });
    expect(await codeOf(openModel(folder))).toBe('ERR_BAD_INDEX');
  });

  for (const name of ['../x.safetensors', 'a/b.safetensors', '..', 'a\\b', 'c:x', ''])
    it(`is refused where the index points at ${JSON.stringify(name)}`, async () => {
      changeIndex(({ weight_map }) => {
        weight_map['model.norm.weight'] = name;
      });
      expect(await codeOf(openModel(folder))).toBe('ERR_BAD_INDEX');
    });

  for (const [file, format, mend] of [
    ['pytorch_model.bin', /pickled PyTorch/, /safe_serialization=True/],
    ['pytorch_model.bin.index.json', /pickled PyTorch/, /safe_serialization=True/],
    ['consolidated.00.pth', /pickled PyTorch/, /safe_serialization=True/],
    ['model-Q4_K_M.gguf', /GGUF/, /safetensors checkpoint that it was made from/],
    ['tf_model.h5', /TensorFlow/, /safe_serialization=True/],
    ['adapter_model.safetensors', /adapter without its model/, /<model>\+<adapter>/],
  ] as const)
    it(`says what a folder with ${file} holds, and how to convert it`, async () => {
      for (const name of [index, ...shards]) rmSync(join(folder, name));
      // Its content is not looked at.
      writeFileSync(join(folder, file), 'boom');
      const error = await openModel(folder).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'ERR_MODEL_FORMAT', model: folder, file });
      expect((error as HeddleError).problem).toMatch(format);
      expect((error as HeddleError).hint).toMatch(mend);
      const dropped = openModelBlobs('page', new Map([[file, new Uint8Array(4)]]));
      expect(await codeOf(dropped)).toBe('ERR_MODEL_FORMAT');
    });

  it('refuses a file by the name of another format, and reads a model beside one', async () => {
    writeFileSync(join(folder, 'model.gguf'), 'GGUF');
    expect(await codeOf(openModel(join(folder, 'model.gguf')))).toBe('ERR_MODEL_FORMAT');
    await (await openModel(folder)).close();
  });

  it('is refused where the index is not JSON, and where there is nothing', async () => {
    writeFileSync(join(folder, index), '{"weight_map": {');
    expect(await codeOf(openModel(folder))).toBe('ERR_BAD_INDEX');
    expect(await codeOf(openModel(join(folder, 'nowhere')))).toBe('ERR_MODEL_NOT_FOUND');
    rmSync(join(folder, index));
    expect(await codeOf(openModel(folder))).toBe('ERR_MODEL_NOT_FOUND');
  });

  it('is a file: a folder or a pipe by its name is refused at once', async () => {
    for (const name of [index, ...shards]) rmSync(join(folder, name));
    const path = join(folder, 'model.safetensors');
    mkdirSync(path);
    expect(await codeOf(openModel(folder))).toBe('ERR_MODEL_FORMAT');
    rmSync(path, { recursive: true });
    execFileSync('mkfifo', [path]);
    expect(await codeOf(openModel(folder))).toBe('ERR_MODEL_FORMAT');
    expect(await codeOf(openModel(path))).toBe('ERR_MODEL_FORMAT');
  });

  it('leaves out tensors that the index does not list, and says so', async () => {
    let bytes = 0;
    const whole = await openModel(folder);
    bytes = whole.tensors.get('model.norm.weight')?.bytes ?? 0;
    await whole.close();
    changeIndex(({ weight_map, metadata }) => {
      delete weight_map['model.norm.weight'];
      metadata.total_size -= bytes;
    });
    const model = await openModel(folder);
    expect(model.tensors.has('model.norm.weight')).toBe(false);
    expect(model.warnings).toHaveLength(1);
    expect(model.warnings[0]).toContain('model.norm.weight');
    await model.close();
  });
});

describe('an input that changes while it is read', () => {
  const path = () => join(folder, shards[0]);
  it.each([
    ['is appended to', () => appendFileSync(path(), 'x')],
    ['is cut', () => writeFileSync(path(), readFileSync(path()).subarray(0, 100))],
    ['is written to', () => utimesSync(path(), 1, 1)],
  ])('is noticed where it %s', async (_, change) => {
    const model = await openModel(folder);
    const [info] = [...model.tensors.values()].filter(({ file }) => file === shards[0]);
    change();
    expect(await codeOf(model.readBytes(info, 0, info.size))).toBe('ERR_INPUT_CHANGED');
    expect(await codeOf(model.verify())).toBe('ERR_INPUT_CHANGED');
    await model.close();
  });

  it('does no harm where another file takes its name: the old content is still read', async () => {
    const before = readFileSync(path());
    const model = await openModel(folder);
    const [info] = [...model.tensors.values()].filter(({ file }) => file === shards[0]);
    writeFileSync(join(folder, 'other'), 'x');
    renameSync(join(folder, 'other'), path());
    const bytes = await model.readBytes(info, 0, info.size);
    expect(Buffer.compare(bytes, before.subarray(info.offset, info.offset + info.bytes))).toBe(0);
    await model.close();
  });
});

it('ranges are checked, and a file is read without the memory that it claims', async () => {
  const { head, bytes } = layOutFile('m', [{ name: 'a', dtype: 'F32', shape: [4] }]);
  const file = new Uint8Array(bytes);
  file.set(head);
  const model = await openModelBlobs('m', file);
  const info = model.tensors.get('a');
  if (info === undefined) throw new Error('no tensor');
  for (const [begin, end] of [
    [-1, 2],
    [2, 1],
    [0, 5],
    [0.5, 1],
  ] as const)
    expect(await codeOf(model.readBytes(info, begin, end))).toBe('ERR_INVALID_ARGUMENT');
  expect(await codeOf(model.readBytes(info, 0, 4, new Uint8Array(15)))).toBe('ERR_INVALID_ARGUMENT');
  expect(await model.readBytes(info, 4, 4)).toHaveLength(0);
});

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesOf, dtypeBits, type StoredDtype } from '../../../src/tensor/safetensors/dtype.js';
import { SafetensorsFormatError } from '../../../src/tensor/safetensors/errors.js';
import { layOutFile, parseHeader, readHeaderLength } from '../../../src/tensor/safetensors/format.js';

const folder = fileURLToPath(new URL('../../golden/safetensors/', import.meta.url));
const verdicts: Record<string, { expect: string; note: string }> = JSON.parse(
  readFileSync(`${folder}expected.json`, 'utf8'),
);

/** Reads the header of a whole file. */
function read(file: Uint8Array) {
  const length = readHeaderLength(file.subarray(0, 8), file.length, 'x');
  return parseHeader(file.subarray(8, 8 + length), file.length, 'x');
}

/** A file with this text as its header, and so many bytes of data. */
function fileOf(header: string, dataBytes = 0): Uint8Array {
  const json = new TextEncoder().encode(header);
  const file = new Uint8Array(8 + json.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  return file;
}

function verdictOf(file: Uint8Array): string {
  try {
    read(file);
    return 'ok';
  } catch (error) {
    if (error instanceof SafetensorsFormatError) return error.code.replace('ERR_', '').toLowerCase();
    throw error;
  }
}

describe('the verdict on a file', () => {
  it('covers every golden file', () => {
    const files = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
    expect(files.map((name) => name.replace('.safetensors', '')).sort()).toEqual(
      Object.keys(verdicts).sort(),
    );
  });

  for (const [name, { expect: verdict, note }] of Object.entries(verdicts))
    it(`${name} (${note}): ${verdict}`, () => {
      const begin = performance.now();
      expect(verdictOf(readFileSync(`${folder}${name}.safetensors`))).toBe(verdict);
      expect(performance.now() - begin).toBeLessThan(50);
    });

  const entry = (rest: string, dtype = 'F32') => `{"a":{"dtype":"${dtype}",${rest}}}`;
  const cases: [string, string, string, number?][] = [
    ['a fractional offset', entry('"shape":[1],"data_offsets":[0,4.0]'), 'invalid_json'],
    ['an exponent', entry('"shape":[1e0],"data_offsets":[0,4]'), 'invalid_json'],
    ['a negative zero', entry('"shape":[-0],"data_offsets":[0,0]'), 'invalid_json'],
    ['an offset above 64 bits', entry('"shape":[1],"data_offsets":[0,18446744073709551616]'), 'invalid_json'],
    [
      'offsets above 2^53',
      entry('"shape":[1],"data_offsets":[9007199254740993,9007199254740997]'),
      'invalid_offset',
    ],
    [
      'an end above 2^53',
      entry('"shape":[9007199254740993],"data_offsets":[0,9007199254740993]', 'U8'),
      'overflow',
    ],
    [
      'an end off by one above 2^53',
      entry('"shape":[9007199254740993],"data_offsets":[0,9007199254740992]', 'U8'),
      'size_mismatch',
    ],
    ['three nibbles', entry('"shape":[3],"data_offsets":[0,1]', 'F4'), 'misaligned', 1],
    ['four nibbles', entry('"shape":[4],"data_offsets":[0,2]', 'F4'), 'ok', 2],
    ['33 axes', entry(`"shape":[${new Array(33).fill(1)}],"data_offsets":[0,4]`), 'invalid_json', 4],
    ['32 axes', entry(`"shape":[${new Array(32).fill(1)}],"data_offsets":[0,4]`), 'ok', 4],
    [
      'a name of 4097 bytes',
      `{"${'é'.repeat(2048)}a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}`,
      'invalid_json',
      1,
    ],
    [
      'a name of 4096 bytes',
      `{"${'é'.repeat(2048)}":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}`,
      'ok',
      1,
    ],
    ['deep nesting', `{"a":${'['.repeat(100_000)}`, 'invalid_json'],
    ['a key twice in an entry', entry('"shape":[1],"shape":[1],"data_offsets":[0,4]'), 'duplicate_key', 4],
    [
      'a key twice, once escaped',
      '{"\\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}',
      'duplicate_key',
    ],
    [
      'half of a surrogate pair',
      '{"\\ud800":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}',
      'invalid_json',
    ],
    ['a byte order mark', '\ufeff{}', 'invalid_json'],
    ['something behind the object', '{}{}', 'invalid_json'],
    [
      'a number of a million digits',
      entry(`"shape":[${'9'.repeat(1_000_000)}],"data_offsets":[0,4]`),
      'invalid_json',
    ],
    ['an unknown field', entry('"shape":[1],"data_offsets":[0,4],"strides":[1]'), 'ok', 4],
  ];
  for (const [what, header, verdict, bytes] of cases)
    it(`${what}: ${verdict}`, () => expect(verdictOf(fileOf(header, bytes))).toBe(verdict));

  it('names the tensor at fault', () => {
    const file = fileOf('{"w.0":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', 4);
    expect(() => read(file)).toThrow(
      expect.objectContaining({ code: 'ERR_SIZE_MISMATCH', tensor: 'w.0', file: 'x' }),
    );
  });

  it('keeps names that are also names of prototypes', () => {
    const { tensors, metadata } = read(
      fileOf(
        '{"__metadata__":{"__proto__":"x"},"__proto__":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}',
        1,
      ),
    );
    expect(tensors[0].name).toBe('__proto__');
    expect(Object.keys(metadata)).toEqual(['__proto__']);
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });

  it('holds offsets above 2^32', () => {
    const size = 3 * 2 ** 40;
    const header = new TextEncoder().encode(
      JSON.stringify({
        a: { dtype: 'U8', shape: [2 ** 20, 3 * 2 ** 20], data_offsets: [0, size] },
        b: { dtype: 'F32', shape: [1], data_offsets: [size, size + 4] },
      }),
    );
    const { tensors } = parseHeader(header, 8 + header.length + size + 4, 'x');
    expect(tensors[1].offset).toBe(8 + header.length + size);
  });

  it('never crashes and never asks for the memory that a header claims', () => {
    const good = readFileSync(`${folder}ok_basic.safetensors`);
    const mutation = fc.array(
      fc.tuple(fc.nat({ max: good.length - 1 }), fc.constantFrom(...'{}[]",:0189-eE.\\tfn \u0000ÿ')),
      { minLength: 1, maxLength: 4 },
    );
    fc.assert(
      fc.property(mutation, fc.nat({ max: good.length }), (changes, length) => {
        const file = Uint8Array.from(good);
        for (const [at, text] of changes) file[at] = text.charCodeAt(0);
        expect(typeof verdictOf(file)).toBe('string');
        expect(typeof verdictOf(file.subarray(0, length))).toBe('string');
      }),
      { seed: 1, numRuns: 3000 },
    );
  });
});

const arbitraryOutputs = fc.uniqueArray(
  fc.record({
    name: fc.string({ unit: 'grapheme', maxLength: 20 }).filter((name) => name !== '__metadata__'),
    dtype: fc.constantFrom(
      ...(Object.keys(dtypeBits) as StoredDtype[]).filter((dtype) => dtypeBits[dtype] >= 8),
    ),
    shape: fc.array(fc.nat({ max: 5 }), { maxLength: 4 }),
  }),
  { selector: ({ name }) => name, maxLength: 12 },
);

describe('a laid-out file', () => {
  it('reads back as it was asked for, each tensor aligned to its type and no gap between them', () => {
    fc.assert(
      fc.property(
        arbitraryOutputs,
        fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }),
        (outputs, metadata) => {
          const { head, bytes } = layOutFile('f', outputs, metadata);
          expect(head.length % 8).toBe(0);
          const length = readHeaderLength(head, bytes, 'f');
          expect(length).toBe(head.length - 8);
          const header = parseHeader(head.subarray(8), bytes, 'f');
          expect({ ...header.metadata }).toEqual({ format: 'pt', ...metadata });
          expect(header.tensors).toHaveLength(outputs.length);
          for (const { name, dtype, shape } of outputs) {
            const read = header.tensors.find((tensor) => tensor.name === name);
            expect(read).toMatchObject({ dtype, shape });
            const elements = shape.reduce((product, n) => product * n, 1);
            expect(read?.bytes).toBe(bytesOf(dtype, elements));
            if (elements > 0) expect((read?.offset ?? 1) % (dtypeBits[dtype] / 8)).toBe(0);
          }
        },
      ),
      { seed: 2, numRuns: 300 },
    );
  });

  it('orders tensors as the reference writer does: wide types first, then names by their bytes', () => {
    const output = (name: string, dtype: StoredDtype) => ({ name, dtype, shape: [2] });
    const { tensors } = layOutFile('f', [
      output('b', 'F16'),
      output('\u{1f600}', 'F32'),
      output('\uffee', 'F32'),
      output('a', 'U8'),
      output('z', 'F64'),
      output('a0', 'BF16'),
    ]);
    expect(tensors.map(({ name }) => name)).toEqual(['z', '\uffee', '\u{1f600}', 'a0', 'b', 'a']);
  });

  it('refuses names that no reader could tell apart or read', () => {
    const output = (name: string) => ({ name, dtype: 'F32' as const, shape: [2] });
    for (const names of [['a', 'a'], ['__metadata__'], ['\ud800'], ['x'.repeat(4097)]])
      expect(() => layOutFile('f', names.map(output))).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
      );
  });
});

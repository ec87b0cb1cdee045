import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeRecipe } from '../../src/merge/merge.node.js';
import { planRecipe } from '../../src/merge/plan-recipe.node.js';
import {
  appendPieces,
  type Piece,
  readPieces,
  SentencePieceError,
} from '../../src/merge/tokenizer/sentencepiece.js';
import { f32, type RawTensor, readJson, readTensors, valuesOf, writeModelFolder } from './model-files.js';
import { temporaryFolder } from './stream/fixtures.js';

const folder = await temporaryFolder();
const golden = new URL('../golden/tokenizers/', import.meta.url).pathname;
const model = (name: string) => new Uint8Array(readFileSync(join(golden, `${name}.model`)));
const listed = (name: string) =>
  JSON.parse(readFileSync(join(golden, `${name}.json`), 'utf8')) as [piece: string, score: number][];

describe('SentencePiece models', () => {
  for (const name of ['one', 'two'])
    it(`are read as the library reads them: ${name}`, () => {
      const pieces = readPieces(model(name));
      expect(pieces.map(({ text, score }) => [text, score])).toEqual(listed(name));
      expect(pieces.slice(0, 3).map(({ kind }) => kind)).toEqual(['unknown', 'control', 'control']);
      expect(pieces.find(({ text }) => text === '<0x41>')?.kind).toBe('byte');
      expect(pieces.find(({ text }) => text === '<sep>')?.kind).toBe(
        name === 'one' ? 'user-defined' : undefined,
      );
    });

  it('are continued by appending pieces', () => {
    const more: Piece[] = [
      { text: '▁wörd', score: -77.5, kind: 'normal' },
      { text: 'x'.repeat(200), score: 0, kind: 'user-defined' },
    ];
    const longer = appendPieces(model('two'), more);
    expect(readPieces(longer)).toEqual([...readPieces(model('two')), ...more]);
  });

  it('are refused, never misread beyond their end, when bytes are missing or others', () => {
    const bytes = model('one').slice(0, 600);
    const read = (changed: Uint8Array) => {
      try {
        return readPieces(changed).length;
      } catch (error) {
        if (!(error instanceof SentencePieceError)) throw error;
        return 0;
      }
    };
    fc.assert(
      fc.property(fc.nat(599), fc.nat(255), fc.nat(600), (at, byte, length) => {
        const changed = bytes.slice(0, length);
        if (at < length) changed[at] = byte;
        expect(read(changed)).toBeLessThanOrEqual(length / 2);
      }),
      { seed: 4, numRuns: 2000 },
    );
    // A length of 2^60 with four bytes behind it.
    const huge = Uint8Array.from([0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10, 1, 2, 3, 4]);
    expect(() => readPieces(huge)).toThrow(/beyond the end/);
    expect(() => readPieces(new Uint8Array(0))).toThrow(/no pieces/);
    // Text files of that name hold ranks of byte pairs.
    expect(() => readPieces(new TextEncoder().encode('IQ== 0\nIg== 1\n'))).toThrow(SentencePieceError);
  });
});

/** A model whose embedding row of token id is [sign * id, sign * id + 0.5]. */
function writeEmbedding(
  name: string,
  rows: number,
  sign: number,
  files: Record<string, string | Uint8Array | object>,
) {
  const values = Array.from({ length: 2 * rows }, (_, i) => sign * Math.floor(i / 2) + (i % 2) / 2);
  return writeModelFolder(
    join(folder, name),
    { 'model.embed_tokens.weight': f32([rows, 2], values) },
    { 'config.json': { architectures: ['OwnModel'], vocab_size: rows }, ...files },
  );
}

const rowsOf = (out: string): number[][] => {
  const values = valuesOf(readTensors(out).get('model.embed_tokens.weight') as RawTensor);
  return Array.from({ length: values.length / 2 }, (_, row) => values.slice(2 * row, 2 * row + 2));
};

async function union(a: string, b: string, more = ''): Promise<string> {
  const out = join(folder, `${a.split('/').at(-1)} ${b.split('/').at(-1)} ${more.length}`);
  await mergeRecipe(
    `merge_method: linear\nmodels: [{model: ${a}}, {model: ${b}}]\nparameters: {weight: 1}\ntokenizer: {source: union${more}}\n`,
    out,
    { workers: 0 },
  );
  return out;
}

describe('a union of models that only have a SentencePiece model', () => {
  const one = listed('one').map(([piece]) => piece);
  const two = listed('two').map(([piece]) => piece);

  it('is a SentencePiece model with the pieces of both, and rows to them', async () => {
    const a = writeEmbedding('sp-one', one.length, 1, { 'tokenizer.model': model('one') });
    const b = writeEmbedding('sp-two', two.length, -1, { 'tokenizer.model': model('two') });
    const out = await union(a, b);
    const appended = two.filter((piece) => !one.includes(piece));
    expect(appended.length).toBeGreaterThan(20);
    const pieces = readPieces(new Uint8Array(readFileSync(join(out, 'tokenizer.model'))));
    expect(pieces.map(({ text }) => text)).toEqual([...one, ...appended]);
    // Lower than any piece of the base, so that the base's splitting comes first.
    const lowest = Math.min(...listed('one').map(([, score]) => score));
    expect(pieces.slice(one.length).every(({ score, kind }) => score < lowest && kind === 'normal')).toBe(
      true,
    );
    expect(readJson(out, 'config.json').vocab_size).toBe(one.length + appended.length);
    expect(rowsOf(out)).toEqual(
      [...one, ...appended].map((piece, id) => {
        // Of a token that one model lacks, the other's row.
        const inOne = one.includes(piece) ? id : -two.indexOf(piece);
        const inTwo = two.includes(piece) ? -two.indexOf(piece) : id;
        return [(inOne + inTwo) / 2, (inOne + inTwo) / 2 + 0.5];
      }),
    );
  });

  it('gives the added tokens of a base places among the pieces, so that ids stay what they are', async () => {
    const added = { '<pad>': one.length };
    const files = { 'tokenizer.model': model('one'), 'added_tokens.json': added };
    const a = writeEmbedding('sp-pad', one.length + 1, 1, files);
    const b = writeEmbedding('sp-two-again', two.length, -1, { 'tokenizer.model': model('two') });
    const pieces = readPieces(new Uint8Array(readFileSync(join(await union(a, b), 'tokenizer.model'))));
    expect(pieces[one.length]).toEqual({ text: '<pad>', score: 0, kind: 'user-defined' });
    expect(pieces).toHaveLength(one.length + 1 + two.filter((piece) => !one.includes(piece)).length);
  });

  it('is not needed for `source: base`, which copies the file', async () => {
    const a = join(folder, 'sp-one');
    const b = join(folder, 'sp-two');
    const out = join(folder, 'sp-base');
    await mergeRecipe(
      `merge_method: linear\nmodels: [{model: ${a}}, {model: ${b}}]\nparameters: {weight: 1}\ntokenizer_source: base\n`,
      out,
    );
    expect(new Uint8Array(readFileSync(join(out, 'tokenizer.model')))).toEqual(model('one'));
    expect(rowsOf(out)).toHaveLength(one.length);
  });

  it('cannot be read from what is no SentencePiece model', async () => {
    const a = writeEmbedding('tiktoken', 2, 1, { 'tokenizer.model': 'IQ== 0\nIg== 1\n' });
    const recipe = `merge_method: linear\nmodels: [{model: ${a}}]\nparameters: {weight: 1}\ntokenizer_source: base\n`;
    await expect(planRecipe(recipe)).rejects.toMatchObject({ className: 'bad_tokenizer', model: a });
    await expect(planRecipe(recipe)).rejects.toThrow(/not a SentencePiece model/);
  });
});

describe('tokenizers as they lie beside models', () => {
  const fast = (vocab: object, added: object[], more: object = {}) => ({
    model: { type: 'BPE', vocab, merges: [['a', 'b']], ...more },
    added_tokens: added,
  });
  const special = (id: number, content: string) => ({
    id,
    content,
    single_word: false,
    lstrip: true,
    rstrip: false,
    normalized: false,
    special: true,
  });

  it('get ordinary tokens into the vocabulary and added ones, with their attributes, into the list of those', async () => {
    const decoder = { added_tokens_decoder: { 3: special(3, '<s>') } };
    const a = writeEmbedding('fast-a', 4, 1, {
      'tokenizer.json': fast({ a: 0, b: 1, ab: 2 }, [special(3, '<s>')]),
      'tokenizer_config.json': decoder,
    });
    const b = writeEmbedding('fast-b', 4, -1, {
      'tokenizer.json': fast({ b: 0, c: 1 }, [special(2, '<s>'), special(3, '<x>')]),
    });
    const out = await union(a, b, ', tokens: {"<own>": {source: {kind: zero}}}');
    const made = readJson(out, 'tokenizer.json') as ReturnType<typeof fast>;
    expect(made.model).toEqual({
      type: 'BPE',
      vocab: { a: 0, b: 1, ab: 2, '<s>': 3, c: 4 },
      merges: [['a', 'b']],
    });
    const { id: _, ...attributes } = special(0, '<x>');
    expect(made.added_tokens).toEqual([
      special(3, '<s>'),
      { ...attributes, id: 5, content: '<x>' },
      { ...attributes, id: 6, content: '<own>', lstrip: false, special: false },
    ]);
    const config = readJson(out, 'tokenizer_config.json').added_tokens_decoder as Record<
      string,
      { content: string }
    >;
    expect(Object.entries(config).map(([id, { content }]) => [id, content])).toEqual([
      ['3', '<s>'],
      ['5', '<x>'],
      ['6', '<own>'],
    ]);
    expect(rowsOf(out)[6]).toEqual([0, 0]);
  });

  it('lose tokens beyond the rows of the model, and the merges that need them', async () => {
    const a = writeEmbedding('short', 2, 1, {
      'tokenizer.json': fast({ a: 0, b: 1, ab: 2 }, [special(3, '<pad>')]),
    });
    const b = writeEmbedding('other', 1, -1, { 'tokenizer.json': fast({ c: 0 }, []) });
    const made = readJson(await union(a, b), 'tokenizer.json');
    expect(made).toEqual({
      model: { type: 'BPE', vocab: { a: 0, b: 1, c: 2 }, merges: [] },
      added_tokens: [],
    });
  });

  it('of GPT-2 keep vocab.json, merges.txt and added_tokens.json', async () => {
    const files = (vocab: object, added: object) => ({
      'vocab.json': vocab,
      'merges.txt': '#version: 0.2\na b\n',
      'added_tokens.json': added,
    });
    const a = writeEmbedding('gpt-a', 4, 1, files({ a: 0, b: 1, ab: 2 }, { '<|end|>': 3 }));
    const b = writeEmbedding('gpt-b', 3, -1, files({ a: 0, Ġc: 1 }, { '<|x|>': 2 }));
    const out = await union(a, b);
    expect(readJson(out, 'vocab.json')).toEqual({ a: 0, b: 1, ab: 2, Ġc: 4 });
    expect(readJson(out, 'added_tokens.json')).toEqual({ '<|end|>': 3, '<|x|>': 5 });
    expect(readFileSync(join(out, 'merges.txt'), 'utf8')).toBe('#version: 0.2\na b\n');
  });

  it('of BERT keep vocab.txt, a token a line', async () => {
    const a = writeEmbedding('bert-a', 3, 1, { 'vocab.txt': '[PAD]\n[UNK]\nweave\n' });
    const b = writeEmbedding('bert-b', 2, -1, { 'vocab.txt': '[UNK]\r\n##ing\r\n' });
    const out = await union(a, b);
    expect(readFileSync(join(out, 'vocab.txt'), 'utf8')).toBe('[PAD]\n[UNK]\nweave\n##ing\n');
    expect(rowsOf(out)[1]).toEqual([0.5, 1]);
  });

  it('of unigram models stay lists of pieces with scores, without gaps', async () => {
    const unigram = (pieces: [string, number][], added: object[]) => ({
      model: { type: 'Unigram', unk_id: 0, vocab: pieces },
      added_tokens: added,
    });
    const a = writeEmbedding('uni-a', 3, 1, {
      'tokenizer.json': unigram(
        [
          ['<unk>', 0],
          ['▁a', -2.5],
        ],
        [special(2, '<s>')],
      ),
    });
    const b = writeEmbedding('uni-b', 2, -1, {
      'tokenizer.json': unigram(
        [
          ['<unk>', 0],
          ['▁b', -1],
        ],
        [],
      ),
    });
    const made = readJson(await union(a, b), 'tokenizer.json') as ReturnType<typeof unigram>;
    expect(made.model.vocab).toEqual([
      ['<unk>', 0],
      ['▁a', -2.5],
      ['<s>', -3.5],
      ['▁b', -4.5],
    ]);
    const gap = writeEmbedding('uni-gap', 9, 1, {
      'tokenizer.json': unigram([['<unk>', 0]], [special(8, '<s>')]),
    });
    await expect(union(gap, b)).rejects.toMatchObject({ className: 'bad_tokenizer', model: gap });
  });

  it('leave out a file that cannot hold the vocabulary where another one can', async () => {
    const vocab = Object.fromEntries(listed('one').map(([piece], id) => [piece, id]));
    const a = writeEmbedding('both', 400, 1, {
      'tokenizer.json': { model: { type: 'BPE', vocab }, added_tokens: [special(350, '<pad>')] },
      'tokenizer.model': model('one'),
    });
    const b = writeEmbedding('plain-c', 1, -1, { 'vocab.json': { c0: 0 } });
    const out = join(folder, 'both out');
    const { warnings } = await mergeRecipe(
      `merge_method: linear\nmodels: [{model: ${a}}, {model: ${b}}]\nparameters: {weight: 1}\ntokenizer_source: union\n`,
      out,
    );
    expect(warnings.join()).toMatch(/tokenizer\.model is left out.*id 330 has no token/);
    expect((readJson(out, 'tokenizer.json') as { model: { vocab: object } }).model.vocab).toHaveProperty(
      'c0',
      351,
    );
    expect(() => readFileSync(join(out, 'tokenizer.model'))).toThrow();
  });
});

/** The tokenizer files of an output: those of the base with the tokens that the merge appended, and without those it left out. */
import { MergeError } from '../errors.js';
import { appendPieces, type Piece, readPieces } from './sentencepiece.js';
import type { AppendedToken, TokenAttributes, Vocabulary } from './vocabulary.js';

/** Texts and bytes by name, of the files that the base has. */
export type TokenizerFiles = ReadonlyMap<string, string | Uint8Array>;

export interface VocabularyFiles {
  /** Files that change or are new. */
  readonly changed: ReadonlyMap<string, string | Uint8Array>;
  /** Files that cannot hold the vocabulary, where another one does. */
  readonly removed: readonly string[];
  readonly warnings: readonly string[];
}

/** Names under which SentencePiece models come. */
export const SENTENCE_PIECE_FILES = ['tokenizer.model', 'spiece.model'] as const;

const VOCABULARY_FILES = ['tokenizer.json', 'vocab.json', 'vocab.txt', ...SENTENCE_PIECE_FILES] as const;

const PLAIN: TokenAttributes = {
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: false,
};

type Json = Record<string, unknown>;

/**
 * Ordinary tokens become entries of the vocabulary, added ones are found in a text before it is split. Merges stay those of the base:
 * no text is split otherwise than by the base's tokenizer but for added tokens and, in word-piece and unigram models, new entries.
 *
 * @param model - whose files they are, for messages.
 * @throws {MergeError} of class `bad_tokenizer` if no file of the base can hold the vocabulary.
 */
export function vocabularyFiles(
  model: string,
  files: TokenizerFiles,
  vocabulary: Vocabulary,
): VocabularyFiles {
  const whole = new OutputVocabulary(vocabulary);
  const changed = new Map<string, string | Uint8Array>();
  const removed: string[] = [];
  const warnings: string[] = [];
  const holders = VOCABULARY_FILES.filter((name) => files.has(name));
  for (const name of holders) {
    const made = remade(name, files.get(name) ?? '', whole);
    if (typeof made === 'object') changed.set(name, made.content);
    else if (holders.length > 1 && name !== holders[0]) {
      removed.push(name);
      warnings.push(`${name} is left out: it cannot hold the vocabulary of the merge (${made})`);
    } else
      throw new MergeError(
        'bad_tokenizer',
        `${name} of ${model} cannot hold the vocabulary of the merge: ${made}`,
        'save the tokenizer of the base model as tokenizer.json, or use `tokenizer: {source: base}`',
        { model, recipePath: 'tokenizer' },
      );
  }
  const merges = files.get('merges.txt');
  if (typeof merges === 'string' && whole.isCut) changed.set('merges.txt', keptMerges(merges, whole));
  editAdded(files, whole, changed);
  return { changed, removed, warnings };
}

/** Whether the files of the base say something else than the vocabulary. */
export function differsFromBase(
  base: ReadonlyMap<string, number>,
  { tokens, appended }: Vocabulary,
): boolean {
  return appended.length > 0 || tokens.size < base.size;
}

class OutputVocabulary {
  readonly ordinary: readonly AppendedToken[];
  readonly added: readonly AppendedToken[];
  readonly #tokens: ReadonlyMap<string, number>;
  readonly #byId: Map<number, string>;
  /** Set when an entry of the base was left out. */
  isCut = false;

  constructor({ tokens, appended }: Vocabulary) {
    this.ordinary = appended.filter(({ added }) => !added);
    this.added = appended.filter(({ added }) => added);
    this.#tokens = tokens;
    this.#byId = new Map([...tokens].map(([token, id]) => [id, token]));
  }

  /** Whether an entry of the base is one of the output. */
  keeps(token: string, id: unknown): boolean {
    const kept = this.#tokens.get(token) === id;
    if (!kept) this.isCut = true;
    return kept;
  }

  has(token: string): boolean {
    return this.#tokens.has(token);
  }

  /**
   * All tokens of the base, where ordinary ones are appended. Loaders of tokenizer.json give added tokens ids behind the
   * vocabulary unless the vocabulary has them too.
   */
  fillers(): Json {
    const [first] = this.ordinary;
    return Object.fromEntries(first === undefined ? [] : [...this.#tokens].filter(([, id]) => id < first.id));
  }

  /** Tokens that a list of `length` entries needs so that the last ordinary token is one of it: text, or what is wrong. */
  continuation(length: number): string[] | string {
    const last = this.ordinary.at(-1)?.id ?? -1;
    const tokens: string[] = [];
    for (let id = length; id <= last; id++) {
      const token = this.#byId.get(id);
      if (token === undefined) return `the id ${id} has no token, and a list of tokens can have no gaps`;
      tokens.push(token);
    }
    return tokens;
  }
}

type Remade = { readonly content: string | Uint8Array } | string;

function remade(name: string, content: string | Uint8Array, whole: OutputVocabulary): Remade {
  if (typeof content !== 'string') return remadePieces(content, whole);
  if (name === 'vocab.txt') return remadeLines(content, whole);
  const json = JSON.parse(content) as Json;
  if (name === 'vocab.json') return { content: text(entries(json, whole)) };
  const model = (json.model ?? {}) as Json;
  const vocab = Array.isArray(model.vocab)
    ? unigram(model.vocab as [string, number][], whole)
    : { ...whole.fillers(), ...entries(model.vocab as Json, whole) };
  if (typeof vocab === 'string') return vocab;
  const kept = ((json.added_tokens as { content: string; id: number }[] | undefined) ?? []).filter(
    ({ content: token, id }) => whole.keeps(token, id),
  );
  const added = whole.added.map(({ token, id, attributes }) => ({
    id,
    content: token,
    ...PLAIN,
    ...attributes,
  }));
  const merges =
    Array.isArray(model.merges) && whole.isCut ? { merges: model.merges.filter(keepsMerge(whole)) } : {};
  return {
    content: text({ ...json, added_tokens: [...kept, ...added], model: { ...model, vocab, ...merges } }),
  };
}

/** A vocabulary of id by token. */
function entries(vocab: Json, whole: OutputVocabulary): Json {
  const kept = Object.entries(vocab).filter(([token, id]) => whole.keeps(token, id));
  return Object.fromEntries([...kept, ...whole.ordinary.map(({ token, id }) => [token, id] as const)]);
}

/** A vocabulary of [token, score] by place. New tokens score lowest: what the base splits well it goes on to. */
function unigram(vocab: readonly [string, number][], whole: OutputVocabulary): [string, number][] | string {
  const kept = vocab.filter(([token], id) => whole.keeps(token, id));
  const more = whole.continuation(kept.length);
  if (typeof more === 'string') return more;
  const lowest = kept.reduce((least, [, score]) => Math.min(least, score), 0);
  return [...kept, ...more.map((token, i): [string, number] => [token, lowest - 1 - i])];
}

function remadeLines(content: string, whole: OutputVocabulary): Remade {
  const lines = content.replace(/\r?\n$/, '').split(/\r?\n/);
  const kept = lines.filter((token, id) => whole.keeps(token, id));
  const more = whole.continuation(kept.length);
  return typeof more === 'string' ? more : { content: `${[...kept, ...more].join('\n')}\n` };
}

function remadePieces(bytes: Uint8Array, whole: OutputVocabulary): Remade {
  const pieces = readPieces(bytes);
  const beyond = pieces.findIndex(({ text: token }, id) => !whole.keeps(token, id));
  if (beyond >= 0) return `it has ${pieces.length} pieces, and the model has no row for number ${beyond}`;
  const more = whole.continuation(pieces.length);
  if (typeof more === 'string') return more;
  const ordinary = new Set(whole.ordinary.map(({ token }) => token));
  const lowest = pieces.reduce((least, { score }) => Math.min(least, score), 0);
  const appended = more.map((token, i): Piece => {
    if (ordinary.has(token)) return { text: token, score: lowest - 1 - i, kind: 'normal' };
    return { text: token, score: 0, kind: 'user-defined' };
  });
  return { content: appended.length === 0 ? bytes : appendPieces(bytes, appended) };
}

function keepsMerge(whole: OutputVocabulary): (merge: unknown) => boolean {
  return (merge) => {
    const [left, right] = typeof merge === 'string' ? merge.split(' ') : (merge as string[]);
    return whole.has(left) && whole.has(right) && whole.has(left + right);
  };
}

function keptMerges(content: string, whole: OutputVocabulary): string {
  const keeps = keepsMerge(whole);
  return content
    .split('\n')
    .filter((line) => line.startsWith('#version') || line.trim() === '' || keeps(line.trim()))
    .join('\n');
}

/** Added tokens beside a vocabulary: added_tokens.json, and the list in tokenizer_config.json, which wins where both are. */
function editAdded(
  files: TokenizerFiles,
  whole: OutputVocabulary,
  changed: Map<string, string | Uint8Array>,
): void {
  const config = files.get('tokenizer_config.json');
  const parsed = typeof config === 'string' ? (JSON.parse(config) as Json) : undefined;
  const decoder = parsed?.added_tokens_decoder as Record<string, { content: string }> | undefined;
  if (parsed !== undefined && decoder !== undefined) {
    const kept = Object.entries(decoder).filter(([id, { content }]) => whole.keeps(content, Number(id)));
    const added = whole.added.map(({ token, id, attributes }) => [
      id,
      { content: token, ...PLAIN, ...attributes },
    ]);
    const all = Object.fromEntries([...kept, ...added]) as Json;
    changed.set('tokenizer_config.json', text({ ...parsed, added_tokens_decoder: all }));
  }
  const before = files.get('added_tokens.json');
  const isNeeded =
    whole.added.length > 0 && decoder === undefined && !files.has('tokenizer.json') && changed.size > 0;
  if (typeof before !== 'string' && !isNeeded) return;
  const old = typeof before === 'string' ? (JSON.parse(before) as Json) : {};
  const kept = Object.entries(old).filter(([token, id]) => whole.keeps(token, id));
  const added = whole.added.map(({ token, id }) => [token, id] as const);
  changed.set('added_tokens.json', text(Object.fromEntries([...kept, ...added])));
}

function text(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

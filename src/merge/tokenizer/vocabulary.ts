/** Vocabularies of models: what their tokenizer files say, and the vocabulary of a merge. */
import { MergeError } from '../errors.js';
import { readPieces, SentencePieceError } from './sentencepiece.js';

/** How an added token is found in a text, as tokenizer.json says it: `special`, `lstrip`, `rstrip`, `normalized`, `single_word`. */
export type TokenAttributes = Readonly<Record<string, boolean>>;

export interface TokenizerFacts {
  readonly tokens: ReadonlyMap<string, number>;
  /** Added and special tokens; each is a key of `tokens`. */
  readonly added: readonly string[];
  /** Of added tokens, as far as their tokenizer gives some. */
  readonly attributes?: ReadonlyMap<string, TokenAttributes>;
}

/** A vocabulary to merge, with the rows its model has. */
export interface ModelVocabulary extends TokenizerFacts {
  /** Rows of the model's embedding that count; tokens with larger ids do not exist. */
  readonly size: number;
}

/** A token of an output that its base vocabulary lacks. */
export interface AppendedToken {
  readonly token: string;
  readonly id: number;
  /** Found in a text before anything is split; others are ordinary entries of the vocabulary. */
  readonly added: boolean;
  readonly attributes?: TokenAttributes;
}

/** The vocabulary of an output. */
export interface Vocabulary {
  readonly tokens: ReadonlyMap<string, number>;
  /** In order of their ids. */
  readonly appended: readonly AppendedToken[];
  /** Number of rows before padding: one more than the largest id. */
  readonly size: number;
}

/**
 * The vocabulary of the base without tokens beyond its model's rows; for a union also the tokens of the other models that it
 * lacks, in order of models and ids, added and special tokens behind the others; `extra` tokens come last.
 */
export function mergeVocabularies(
  base: ModelVocabulary,
  others: readonly ModelVocabulary[],
  extra: readonly string[] = [],
): Vocabulary {
  const tokens = new Map([...base.tokens].filter(([, id]) => id < base.size));
  let next = 0;
  for (const id of tokens.values()) next = Math.max(next, id + 1);
  const appended: AppendedToken[] = [];
  const append = (token: string, added: boolean, attributes?: TokenAttributes) => {
    if (tokens.has(token)) return;
    appended.push({ token, id: next, added, ...(attributes && { attributes }) });
    tokens.set(token, next++);
  };
  const byId = (vocabulary: ModelVocabulary) =>
    [...vocabulary.tokens].filter(([, id]) => id < vocabulary.size).sort(([, a], [, b]) => a - b);
  for (const added of [false, true])
    for (const other of others) {
      const special = new Set(other.added);
      for (const [token] of byId(other))
        if (special.has(token) === added) append(token, added, other.attributes?.get(token));
    }
  for (const token of extra) append(token, true);
  return { tokens, appended, size: next };
}

/** Texts of a model's tokenizer files by name, as far as there are any. */
export type TokenizerTexts = ReadonlyMap<string, string>;

/**
 * Reads tokenizer.json (byte-pair, word-piece and unigram models), or vocab.json, a SentencePiece model or vocab.txt, with the added
 * tokens of added_tokens.json and tokenizer_config.json.
 *
 * @param sentencePiece - bytes of tokenizer.model or spiece.model.
 * @returns undefined if there is none of them.
 * @throws {MergeError} of class `bad_tokenizer` if one cannot be understood.
 */
export function readTokenizerFacts(
  model: string,
  files: TokenizerTexts,
  sentencePiece?: Uint8Array,
): TokenizerFacts | undefined {
  const plain =
    readFull(model, files) ??
    readVocabJson(model, files) ??
    (sentencePiece && readSentencePiece(model, files, sentencePiece)) ??
    readVocabText(model, files);
  return plain && withDecoder(model, files, plain);
}

interface Reading {
  readonly tokens: Map<string, number>;
  readonly added: Set<string>;
  readonly attributes: Map<string, TokenAttributes>;
}

function readFull(model: string, files: TokenizerTexts): Reading | undefined {
  const full = parseJson(model, 'tokenizer.json', files);
  if (full === undefined) return undefined;
  const reading = plainReading(tokensOf(model, 'tokenizer.json', full.model?.vocab));
  if (Array.isArray(full.added_tokens))
    for (const entry of full.added_tokens as { content?: unknown; id?: unknown }[])
      if (typeof entry.content === 'string') addToken(reading, entry.content, entry.id, entry);
  return reading;
}

function readVocabJson(model: string, files: TokenizerTexts): Reading | undefined {
  const vocabulary = parseJson(model, 'vocab.json', files);
  return vocabulary && withAdded(model, files, plainReading(tokensOf(model, 'vocab.json', vocabulary)));
}

function readVocabText(model: string, files: TokenizerTexts): Reading | undefined {
  const lines = files
    .get('vocab.txt')
    ?.replace(/\r?\n$/, '')
    .split(/\r?\n/);
  return lines && withAdded(model, files, plainReading(new Map(lines.map((token, id) => [token, id]))));
}

function readSentencePiece(model: string, files: TokenizerTexts, bytes: Uint8Array): Reading {
  try {
    const reading = plainReading(new Map());
    for (const [id, { text, kind }] of readPieces(bytes).entries()) {
      if (reading.tokens.has(text))
        throw new SentencePieceError(`it holds the piece ${JSON.stringify(text)} twice`);
      if (kind === 'unknown' || kind === 'control' || kind === 'user-defined')
        addToken(reading, text, id, { special: kind !== 'user-defined' });
      else reading.tokens.set(text, id);
    }
    return withAdded(model, files, reading);
  } catch (cause) {
    if (!(cause instanceof SentencePieceError)) throw cause;
    throw bad(model, `tokenizer.model is not a SentencePiece model: ${cause.message}`, cause);
  }
}

function plainReading(tokens: Map<string, number>): Reading {
  return { tokens, added: new Set(), attributes: new Map() };
}

function addToken({ tokens, added, attributes }: Reading, token: string, id: unknown, given: object): void {
  if (!Number.isSafeInteger(id) || (id as number) < 0) return;
  tokens.set(token, id as number);
  added.add(token);
  const flags = Object.entries(given).filter(([, value]) => typeof value === 'boolean');
  if (flags.length > 0) attributes.set(token, Object.fromEntries(flags));
}

function withAdded(model: string, files: TokenizerTexts, reading: Reading): Reading {
  const extra = parseJson(model, 'added_tokens.json', files);
  if (extra !== undefined)
    for (const [token, id] of tokensOf(model, 'added_tokens.json', extra)) addToken(reading, token, id, {});
  return reading;
}

/** Newer tokenizers keep their added tokens in tokenizer_config.json. */
function withDecoder(model: string, files: TokenizerTexts, reading: Reading): TokenizerFacts {
  const decoder = parseJson(model, 'tokenizer_config.json', files)?.added_tokens_decoder;
  if (typeof decoder === 'object' && decoder !== null)
    for (const [id, entry] of Object.entries(decoder) as [string, { content?: unknown } | null][])
      if (typeof entry?.content === 'string' && !reading.added.has(entry.content))
        addToken(reading, entry.content, reading.tokens.get(entry.content) ?? Number(id), entry);
  const { tokens, added, attributes } = reading;
  return { tokens, added: [...added], ...(attributes.size > 0 && { attributes }) };
}

interface TokenizerJson {
  readonly model?: { readonly vocab?: unknown };
  readonly added_tokens?: unknown;
  readonly added_tokens_decoder?: unknown;
  readonly chat_template?: unknown;
}

function parseJson(model: string, name: string, files: TokenizerTexts): TokenizerJson | undefined {
  const text = files.get(name);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch (cause) {
    throw bad(model, `${name} is not JSON`, cause);
  }
  throw bad(model, `${name} does not hold a map`);
}

function tokensOf(model: string, name: string, vocabulary: unknown): Map<string, number> {
  if (typeof vocabulary !== 'object' || vocabulary === null) throw bad(model, `${name} has no vocabulary`);
  // A unigram vocabulary is a list of [token, score], its ids the positions.
  const pairs: [unknown, unknown][] = Array.isArray(vocabulary)
    ? vocabulary.map((item, id) => [Array.isArray(item) ? item[0] : item, id])
    : Object.entries(vocabulary);
  const tokens = new Map<string, number>();
  for (const [token, id] of pairs) {
    if (typeof token !== 'string' || !Number.isSafeInteger(id) || (id as number) < 0)
      throw bad(model, `${name} has an entry that is not a token with its id`);
    tokens.set(token, id as number);
  }
  return tokens;
}

/** The chat template of a model: a file of its own, or that of tokenizer_config.json. */
export function readChatTemplate(model: string, files: TokenizerTexts): string | undefined {
  const jinja = files.get('chat_template.jinja');
  if (jinja !== undefined) return jinja;
  for (const name of ['chat_template.json', 'tokenizer_config.json']) {
    const template = parseJson(model, name, files)?.chat_template;
    if (typeof template === 'string') return template;
  }
  return undefined;
}

function bad(model: string, problem: string, cause?: unknown): MergeError {
  return new MergeError(
    'bad_tokenizer',
    `${model}: ${problem}`,
    'download the tokenizer files again, or leave the tokenizer setting out of the recipe',
    { model },
    cause === undefined ? undefined : { cause },
  );
}

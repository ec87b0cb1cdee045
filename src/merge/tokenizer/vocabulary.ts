/** Vocabularies of models: what their tokenizer files say, and the vocabulary of a merge. */
import { MergeError } from '../errors.js';

export interface TokenizerFacts {
  readonly tokens: ReadonlyMap<string, number>;
  /** Added and special tokens; each is a key of `tokens`. */
  readonly added: readonly string[];
}

/** A vocabulary to merge, with the rows its model has. */
export interface ModelVocabulary extends TokenizerFacts {
  /** Rows of the model's embedding that count; tokens with larger ids do not exist. */
  readonly size: number;
}

/** The vocabulary of an output. */
export interface Vocabulary {
  readonly tokens: ReadonlyMap<string, number>;
  /** Tokens that the base vocabulary lacks, in order of their ids. */
  readonly appended: readonly string[];
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
  const appended: string[] = [];
  const append = (token: string) => {
    if (tokens.has(token)) return;
    tokens.set(token, next++);
    appended.push(token);
  };
  const byId = (vocabulary: ModelVocabulary) =>
    [...vocabulary.tokens].filter(([, id]) => id < vocabulary.size).sort(([, a], [, b]) => a - b);
  for (const added of [false, true])
    for (const other of others) {
      const special = new Set(other.added);
      for (const [token] of byId(other)) if (special.has(token) === added) append(token);
    }
  for (const token of extra) append(token);
  return { tokens, appended, size: next };
}

/** Texts of a model's tokenizer files by name, as far as there are any. */
export type TokenizerTexts = ReadonlyMap<string, string>;

/**
 * Reads tokenizer.json (byte-pair, word-piece and unigram models), or vocab.json with added_tokens.json, or vocab.txt.
 *
 * @returns undefined if there is none of them.
 * @throws {MergeError} of class `bad_tokenizer` if one cannot be understood.
 */
export function readTokenizerFacts(model: string, files: TokenizerTexts): TokenizerFacts | undefined {
  const full = parseJson(model, 'tokenizer.json', files);
  const vocabulary = full?.model?.vocab;
  if (full !== undefined) {
    const tokens = tokensOf(model, 'tokenizer.json', vocabulary);
    const added: string[] = [];
    if (Array.isArray(full.added_tokens))
      for (const { content, id } of full.added_tokens as { content?: unknown; id?: unknown }[]) {
        if (typeof content !== 'string' || !Number.isSafeInteger(id)) continue;
        tokens.set(content, id as number);
        added.push(content);
      }
    return { tokens, added };
  }
  const plain = parseJson(model, 'vocab.json', files);
  const extra = parseJson(model, 'added_tokens.json', files);
  const lines = files.get('vocab.txt');
  if (plain === undefined && lines === undefined) return undefined;
  const tokens =
    plain === undefined
      ? new Map(
          (lines ?? '')
            .replace(/\r?\n$/, '')
            .split(/\r?\n/)
            .map((token, id) => [token, id]),
        )
      : tokensOf(model, 'vocab.json', plain);
  const added = extra === undefined ? new Map<string, number>() : tokensOf(model, 'added_tokens.json', extra);
  for (const [token, id] of added) tokens.set(token, id);
  return { tokens, added: [...added.keys()] };
}

interface TokenizerJson {
  readonly model?: { readonly vocab?: unknown };
  readonly added_tokens?: unknown;
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

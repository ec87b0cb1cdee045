/** Rows of a word embedding for another vocabulary, matched by the text of the tokens. */

import { RecycleError } from './errors.js';
import type { NamedTensor, Provenance } from './mapped.js';

export interface WordRowOptions {
  /** Tokens by row of the encoder and of the decoder; both or neither. Rows are matched by token; without them by number. */
  readonly sourceVocabulary?: readonly string[];
  readonly targetVocabulary?: readonly string[];
  /**
   * What a token without a match gets: the mean of all rows, or of the rows of its WordPiece pieces ('pieces'; the mean of all where it
   * has none). Default: 'mean'.
   */
  readonly unknownTokens?: 'mean' | 'pieces';
}

/** @throws {RecycleError} if only one vocabulary is given, or the source's is longer than the embedding. */
export function wordRows(
  words: NamedTensor,
  options: WordRowOptions,
): [NamedTensor, Omit<Provenance, 'target'>] {
  const sources = ['embeddings.word_embeddings.weight'];
  const { sourceVocabulary, targetVocabulary, unknownTokens = 'mean' } = options;
  if (sourceVocabulary === undefined && targetVocabulary === undefined)
    return [words, { sources, operator: 'copy, rows by number', exactness: 'exact' }];
  if (sourceVocabulary === undefined || targetVocabulary === undefined)
    throw new RecycleError('only one of the two vocabularies was given', 'give both, or neither');
  const [rows, hidden] = words.shape;
  if (sourceVocabulary.length > rows)
    throw new RecycleError(
      `the source vocabulary has ${sourceVocabulary.length} tokens and the embedding ${rows} rows`,
      'give the vocabulary that belongs to the source',
    );
  const rowOf = new Map(sourceVocabulary.map((token, row) => [token, row]));
  const everyRow = Array.from({ length: rows }, (_, row) => row);
  const mean = meanOf(words.values, everyRow, hidden);
  const values = new Float32Array(targetVocabulary.length * hidden);
  const counts = { missing: 0, pieced: 0 };
  targetVocabulary.forEach((token, row) => {
    const from = rowOf.get(token);
    let found = from === undefined ? mean : words.values.subarray(from * hidden, (from + 1) * hidden);
    if (from === undefined) {
      const pieces = unknownTokens === 'pieces' ? wordPieces(token, rowOf) : [];
      counts[pieces.length > 0 ? 'pieced' : 'missing']++;
      if (pieces.length > 0) found = meanOf(words.values, pieces, hidden);
    }
    values.set(found, row * hidden);
  });
  const { missing, pieced } = counts;
  const all = targetVocabulary.length;
  const operator = [
    `rows by token, ${all - missing - pieced} of ${all}`,
    ...(pieced > 0 ? [`${pieced} the mean of their pieces`] : []),
    ...(missing > 0 ? [`${missing} without a match the mean row`] : []),
  ].join('; ');
  return [
    { shape: [all, hidden], values },
    { sources, operator, exactness: missing + pieced === 0 ? 'exact' : 'approximate' },
  ];
}

/**
 * Rows of the longest pieces from the left, `##` before all but the first of a word; none if a part has no piece. GPT-2 and SentencePiece
 * mark the beginning of a word (`Ġ`, `▁`) where WordPiece marks its continuation.
 */
function wordPieces(token: string, rowOf: ReadonlyMap<string, number>): number[] {
  const begins = /^[Ġ▁]/.test(token);
  const text = token.replace(/^[Ġ▁]/, '');
  for (const spelled of [text, text.toLowerCase()]) {
    const rows: number[] = [];
    let at = 0;
    while (at < spelled.length) {
      let end = spelled.length;
      let row: number | undefined;
      for (; end > at; end--) {
        const piece = spelled.slice(at, end);
        row = rowOf.get(at > 0 || !begins ? `##${piece}` : piece);
        // A token without a mark may stand at the beginning of a text too.
        if (row === undefined && at === 0) row = rowOf.get(piece);
        if (row !== undefined) break;
      }
      if (row === undefined) break;
      rows.push(row);
      at = end;
    }
    if (rows.length > 0 && at === spelled.length) return rows;
  }
  return [];
}

function meanOf(values: Float32Array, rows: readonly number[], hidden: number): Float32Array {
  const sums = new Float64Array(hidden);
  for (const row of rows) for (let i = 0; i < hidden; i++) sums[i] += values[row * hidden + i];
  return Float32Array.from(sums, (sum) => sum / rows.length);
}

/** How the rows of an embedding or head become those of the output vocabulary. */
import { MergeError } from '../errors.js';
import type { RowFill, RowMapping } from '../plan.js';
import type { Vocabulary } from './vocabulary.js';

/** Where a row of the output comes from when a model has none of its own. */
export type RowOverride =
  | { readonly kind: 'zero' }
  | { readonly kind: 'row'; readonly model: number; readonly name: string; readonly row: number };

export interface RowRule {
  readonly override?: RowOverride;
  readonly force: boolean;
}

/** A model's matrix before its rows are put in order. */
export interface RowOwner {
  /** Index into the plan's models. */
  readonly model: number;
  readonly name: string;
  readonly rows: number;
  readonly tokens: ReadonlyMap<string, number>;
}

/**
 * One mapping an owner. A row that a model lacks is: that of the override; else that of the only model that has the token; else
 * zero if none has it; else the base's; else the mean over the models that have it. `force` gives every model that row.
 * Rows from `vocabulary.size` on are padding: the mean of the rows before them.
 *
 * @param base - index of the base among the owners, or -1.
 * @param rows - rows of the output, at least `vocabulary.size`.
 */
export function mapRows(
  vocabulary: Vocabulary,
  owners: readonly RowOwner[],
  base: number,
  rows: number,
  rules: ReadonlyMap<string, RowRule>,
): RowMapping[] {
  const own = owners.map((owner, k) => ownRows(vocabulary, owner, k === Math.max(base, 0)));
  const from = owners.map((_, k) => {
    const all = new Int32Array(rows).fill(-1);
    all.set(own[k]);
    return all;
  });
  const fill: RowFill[][] = owners.map(() => []);
  const ruled = new Map<number, RowRule>();
  for (const [token, rule] of rules) {
    const id = vocabulary.tokens.get(token);
    if (id !== undefined) ruled.set(id, rule);
  }
  for (let id = 0; id < vocabulary.size; id++) {
    const rule = ruled.get(id);
    let sources: RowFill['from'] | undefined;
    for (let k = 0; k < owners.length; k++) {
      if (own[k][id] >= 0 && rule?.force !== true) continue;
      from[k][id] = -1;
      sources ??= defaultRow(owners, own, id, base, rule?.override);
      fill[k].push({ row: id, from: sources });
    }
  }
  return owners.map((_, k) => ({
    kind: 'permute',
    from: from[k],
    fill: fill[k],
    ...(rows > vocabulary.size && { meanFrom: vocabulary.size }),
  }));
}

/** Row of an owner by id of the output, or -1. */
function ownRows(vocabulary: Vocabulary, owner: RowOwner, isBase: boolean): Int32Array {
  const own = new Int32Array(vocabulary.size).fill(-1);
  if (isBase) {
    // An id without a token keeps the base's row: it stands in no other model for the same thing.
    for (let id = 0; id < Math.min(own.length, owner.rows); id++) own[id] = id;
    for (const id of vocabulary.tokens.values()) own[id] = -1;
  }
  for (const [token, row] of owner.tokens) {
    const id = row < owner.rows ? vocabulary.tokens.get(token) : undefined;
    if (id !== undefined) own[id] = row;
  }
  return own;
}

function defaultRow(
  owners: readonly RowOwner[],
  own: readonly Int32Array[],
  id: number,
  base: number,
  override: RowOverride | undefined,
): RowFill['from'] {
  if (override?.kind === 'zero') return [];
  if (override !== undefined) return [{ model: override.model, name: override.name, row: override.row }];
  const holders = owners.flatMap(({ model, name }, k) => {
    const row = own[k][id];
    return row >= 0 ? [{ model, name, row }] : [];
  });
  if (holders.length > 1 && base >= 0 && own[base][id] >= 0)
    return [{ model: owners[base].model, name: owners[base].name, row: own[base][id] }];
  return holders;
}

/** The row that an override names in a model. @throws {MergeError} if the model has no such token. */
export function overrideRow(
  reference: string,
  tokens: ReadonlyMap<string, number>,
  rows: number,
  wanted: { readonly token?: string; readonly tokenId?: number },
): number {
  const row = wanted.tokenId ?? (wanted.token === undefined ? undefined : tokens.get(wanted.token));
  if (row !== undefined && row < rows) return row;
  throw new MergeError(
    'bad_tokenizer',
    `${reference} has no token ${JSON.stringify(wanted.token ?? wanted.tokenId)}`,
    'name a token of that model in tokenizer.tokens',
    { model: reference, recipePath: 'tokenizer.tokens' },
  );
}

import type { ConfigNode, Path } from '../../config/tree.js';
import { readReference } from './read-models.js';
import { child, type RecipeReader, readBoolean, readInteger, readMap, readText, refuse } from './reader.js';
import type { TokenizerSetting, TokenOverride, TokenSource } from './recipe.js';

export function readTokenizer(
  reader: RecipeReader,
  node: ConfigNode | undefined,
  path: Path,
): TokenizerSetting | undefined {
  if (node === undefined) return undefined;
  const map = readMap(reader, node, path, ['source', 'tokens', 'pad_to_multiple_of']);
  if (map === undefined) return undefined;
  const source = readTokenizerSource(reader, child(map, 'source'), [...path, 'source']) ?? 'union';
  const pad = readInteger(reader, child(map, 'pad_to_multiple_of'), [...path, 'pad_to_multiple_of'], 1);
  const tokens = child(map, 'tokens');
  if (tokens !== undefined && tokens.kind !== 'map')
    refuse(
      reader,
      'bad_tokenizer',
      tokens.origin,
      [...path, 'tokens'],
      'must be a map from token to {source, force}',
      'write `tokens: {"<token>": {source: ...}}`',
    );
  const overrides =
    tokens?.kind === 'map'
      ? [...tokens.entries.values()].map(({ key, node: value }) =>
          readOverride(reader, key, value, [...path, 'tokens', key]),
        )
      : [];
  return { source, tokens: overrides, ...(pad !== undefined && { padToMultipleOf: pad }) };
}

export function readTokenizerSource(
  reader: RecipeReader,
  node: ConfigNode | undefined,
  path: Path,
): TokenizerSetting['source'] | undefined {
  if (node?.kind === 'leaf' && (node.value === 'union' || node.value === 'base')) return node.value;
  return readReference(reader, node, path);
}

function readOverride(reader: RecipeReader, token: string, node: ConfigNode, path: Path): TokenOverride {
  const map = readMap(reader, node, path, ['source', 'force']);
  if (map === undefined) return { token, force: false };
  const source = readTokenSource(reader, child(map, 'source'), [...path, 'source']);
  const force = readBoolean(reader, child(map, 'force'), [...path, 'force']) ?? false;
  return { token, force, ...(source && { source }) };
}

function readTokenSource(
  reader: RecipeReader,
  node: ConfigNode | undefined,
  path: Path,
): TokenSource | undefined {
  const kind = node?.kind === 'map' ? child(node, 'kind') : undefined;
  if (node?.kind !== 'map' || kind === undefined) {
    const model = readReference(reader, node, path);
    return model && { kind: 'model', model };
  }
  const name = readText(reader, kind, [...path, 'kind']);
  if (name === 'zero') {
    readMap(reader, node, path, ['kind']);
    return { kind: 'zero' };
  }
  if (name !== 'model_token') {
    refuse(
      reader,
      'bad_tokenizer',
      kind.origin,
      [...path, 'kind'],
      `is ${JSON.stringify(name)}`,
      'write zero or model_token',
    );
    return undefined;
  }
  readMap(reader, node, path, ['kind', 'model', 'token', 'token_id']);
  const model = readReference(reader, child(node, 'model'), [...path, 'model']);
  const token = readText(reader, child(node, 'token'), [...path, 'token']);
  const tokenId = readInteger(reader, child(node, 'token_id'), [...path, 'token_id'], 0);
  if ((token === undefined) === (tokenId === undefined)) {
    refuse(
      reader,
      'config_exclusive',
      node.origin,
      path,
      'needs exactly one of token and token_id',
      'keep one of the two',
    );
    return undefined;
  }
  if (model === undefined) {
    refuse(reader, 'bad_model_reference', node.origin, path, 'names no model', 'add `model:`');
    return undefined;
  }
  return {
    kind: 'model_token',
    model,
    ...(token !== undefined && { token }),
    ...(tokenId !== undefined && { tokenId }),
  };
}

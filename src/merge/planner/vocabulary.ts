/** The vocabulary of an output, the rows of its embeddings, and the tokenizer files that go with it. */
import { MergeError } from '../errors.js';
import type { InputTensor, MergePlan, RowMapping } from '../plan.js';
import type { Recipe, TokenizerSetting } from '../recipe/recipe.js';
import { chatTemplate } from '../tokenizer/chat-template.js';
import { differsFromBase, vocabularyFiles } from '../tokenizer/output-files.js';
import { mapRows, overrideRow, type RowOverride, type RowRule } from '../tokenizer/rows.js';
import {
  type ModelVocabulary,
  mergeVocabularies,
  readChatTemplate,
  type TokenizerFacts,
  type Vocabulary,
} from '../tokenizer/vocabulary.js';
import type { TensorSlot } from './slots.js';
import { COMPANION_NAMES, type ModelFacts, numberOf } from './sources.js';
import type { LoadedModel } from './tensor.js';

export interface VocabularyPlan {
  readonly vocabulary: Vocabulary;
  /** Rows of embeddings: the vocabulary's size rounded up to the pad multiple. */
  readonly rows: number;
  /** The model whose tokenizer the output's begins with. */
  readonly base: LoadedModel;
  mapRows(slot: TensorSlot, inputs: readonly InputTensor[], base: number): readonly RowMapping[];
}

export interface VocabularyOptions {
  /** Models without a tokenizer count as having the base's. */
  readonly allowMissingTokenizer: boolean;
  readonly warnings: string[];
}

/**
 * @param merged - the models that are merged, in recipe order.
 * @param all - by reference text; those that only lend tokens too.
 * @throws {MergeError} of class `bad_tokenizer` if a model has no tokenizer.
 */
export function planVocabulary(
  recipe: Recipe,
  setting: TokenizerSetting,
  merged: readonly LoadedModel[],
  all: ReadonlyMap<string, LoadedModel>,
  options: VocabularyOptions,
): VocabularyPlan {
  const baseText =
    typeof setting.source === 'object' ? setting.source.text : (recipe.baseModel?.text ?? merged[0].text);
  const base = required(all, baseText);
  const baseFacts = base.facts.tokenizer;
  if (baseFacts === undefined) throw noTokenizer(base.text);
  const tokenizerOf = (model: LoadedModel): TokenizerFacts => {
    if (model.facts.tokenizer !== undefined) return model.facts.tokenizer;
    if (!options.allowMissingTokenizer) throw noTokenizer(model.text);
    options.warnings.push(`${model.text} has no tokenizer; that of ${base.text} is taken for it`);
    return baseFacts;
  };
  const tokenizers = new Map(merged.map((model) => [model.index, tokenizerOf(model)]));
  const others =
    setting.source === 'union'
      ? merged.filter((model) => model !== base).map((model) => limited(model, tokenizerOf(model)))
      : [];
  const vocabulary = mergeVocabularies(
    limited(base, baseFacts),
    others,
    setting.tokens.map(({ token }) => token),
  );
  const multiple = setting.padToMultipleOf ?? 1;
  const rows = Math.ceil(vocabulary.size / multiple) * multiple;
  return {
    vocabulary,
    rows,
    base,
    mapRows(slot, inputs, baseIndex) {
      const owners = inputs.map((input, k) => {
        const model = all.get(slot.sources[k].model);
        const facts = model === undefined ? undefined : (tokenizers.get(model.index) ?? tokenizerOf(model));
        return {
          model: input.model,
          name: input.name,
          rows: input.shape[0],
          tokens: facts?.tokens ?? new Map(),
        };
      });
      const global = recipe.baseModel?.text;
      const own = baseIndex >= 0 ? baseIndex : slot.sources.findIndex(({ model }) => model === global);
      return mapRows(vocabulary, owners, own, rows, rowRules(setting, slot, all));
    },
  };
}

function limited(model: LoadedModel, tokenizer: TokenizerFacts): ModelVocabulary {
  return { ...tokenizer, size: numberOf(model.facts.config, 'vocab_size') ?? Number.POSITIVE_INFINITY };
}

function rowRules(
  setting: TokenizerSetting,
  slot: TensorSlot,
  all: ReadonlyMap<string, LoadedModel>,
): ReadonlyMap<string, RowRule> {
  const rules = new Map<string, RowRule>();
  for (const { token, source, force } of setting.tokens) {
    let override: RowOverride | undefined;
    if (source?.kind === 'zero') override = { kind: 'zero' };
    else if (source !== undefined) {
      const model = required(all, source.model.text);
      const name = [slot.name, ...slot.traits.tied].find((one) => model.facts.tensors.has(one));
      const rows = name === undefined ? 0 : (model.facts.tensors.get(name)?.shape[0] ?? 0);
      const tokens = model.facts.tokenizer?.tokens;
      if (tokens === undefined) throw noTokenizer(model.text);
      const wanted = source.kind === 'model' ? { token } : source;
      const row = overrideRow(model.text, tokens, rows, wanted);
      override = { kind: 'row', model: model.index, name: name ?? slot.name, row };
    }
    rules.set(token, override === undefined ? { force } : { override, force });
  }
  return rules;
}

function required(all: ReadonlyMap<string, LoadedModel>, text: string): LoadedModel {
  const model = all.get(text);
  if (model === undefined)
    throw new MergeError('bad_model_reference', `${text} was not opened`, 'open every model', {
      model: text,
    });
  return model;
}

function noTokenizer(model: string): MergeError {
  return new MergeError(
    'bad_tokenizer',
    `${model} has no tokenizer that can be read`,
    'put its tokenizer.json (or tokenizer.model, vocab.json or vocab.txt) beside its tensors, or leave the tokenizer setting out',
    { model, recipePath: 'tokenizer' },
  );
}

/** Files beside the tensors: those of the donor, with appended tokens and the chat template that the recipe asks for. */
export function planFiles(
  recipe: Recipe,
  donor: LoadedModel,
  merged: readonly ModelFacts[],
  plan: VocabularyPlan | undefined,
  warnings: string[],
): MergePlan['files'] {
  const order = (name: string) => (COMPANION_NAMES as readonly string[]).indexOf(name);
  const files = new Map(
    [...(donor.facts.companions ?? [])]
      .sort((a, b) => order(a.name) - order(b.name))
      .map((file) => [file.name, file] as const),
  );
  const out = new Map<string, MergePlan['files'][number]>();
  for (const { name, path, content, bytes } of files.values())
    out.set(name, path === undefined ? { name, content: content ?? bytes ?? '' } : { name, from: path });
  const tokens = donor.facts.tokenizer?.tokens;
  if (plan !== undefined && tokens !== undefined && differsFromBase(tokens, plan.vocabulary)) {
    const texts = new Map(
      [...files.values()].flatMap(({ name, content, bytes }) => {
        const known = content ?? bytes;
        return known === undefined ? [] : [[name, known] as const];
      }),
    );
    const made = vocabularyFiles(donor.text, texts, plan.vocabulary);
    for (const [name, content] of made.changed) out.set(name, { name, content });
    for (const name of made.removed) out.delete(name);
    warnings.push(...made.warnings);
  }
  if (recipe.chatTemplate !== undefined) {
    const text = out.get('tokenizer_config.json')?.content ?? files.get('tokenizer_config.json')?.content;
    if (typeof text !== 'string')
      throw new MergeError(
        'bad_tokenizer',
        `chat_template has no tokenizer_config.json to be written to: ${donor.text} has none`,
        'leave chat_template out, or add the tokenizer files to the model',
        { model: donor.text, recipePath: 'chat_template' },
      );
    const inputs = merged.flatMap(({ path, companions = [] }) => {
      const texts = companions.flatMap(({ name, content }) =>
        content === undefined ? [] : [[name, content]],
      );
      return readChatTemplate(path, new Map(texts as [string, string][])) ?? [];
    });
    const template = chatTemplate(recipe.chatTemplate, inputs);
    if (template !== undefined) {
      const name = 'tokenizer_config.json';
      out.set(name, { name, content: edited(text, { chat_template: template }) });
      // A separate file would win over the one in tokenizer_config.json.
      out.delete('chat_template.json');
      if (out.delete('chat_template.jinja'))
        out.set('chat_template.jinja', { name: 'chat_template.jinja', content: template });
    }
  }
  return [...out.values()];
}

function edited(json: string, changes: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify({ ...(JSON.parse(json) as object), ...changes }, null, 2)}\n`;
}

/** Opening the models that a recipe names, wherever they lie. */
import type { ModelSource } from '../../tensor/safetensors/source.js';
import { MergeError } from '../errors.js';
import type { ModelReference } from '../recipe/model-reference.js';
import { type Recipe, referencesOf } from '../recipe/recipe.js';
import { openSidecar } from '../sidecars/sidecar.js';
import { SENTENCE_PIECE_FILES } from '../tokenizer/output-files.js';
import { readTokenizerFacts, type TokenizerFacts } from '../tokenizer/vocabulary.js';
import { type AdapterFacts, COMPANION_NAMES, type CompanionFile, type ModelFacts } from './sources.js';

export interface OpenedModels {
  /** By the text of the reference: what `planMerge` takes. */
  readonly models: ReadonlyMap<string, ModelFacts>;
  /** By the path of the plan's models, adapters among them. */
  readonly sources: ReadonlyMap<string, ModelSource>;
  /** Safe to call twice. */
  close(): Promise<void>;
}

/** Where models lie: folders, or files that a page was given. */
export interface ModelStore {
  /**
   * Place of a model or an adapter that a recipe names.
   *
   * @throws {MergeError} of class `bad_model_reference` if there is none.
   */
  find(reference: ModelReference, path: string): Promise<string>;
  /** Opens the tensors of a place, or of one file. */
  open(place: string): Promise<ModelSource>;
  /** Path of a file of a place. */
  join(place: string, name: string): string;
  exists(path: string): Promise<boolean>;
  /** Text of a file; undefined if there is none. */
  readText(path: string): Promise<string | undefined>;
  /** Bytes of a file; undefined if there is none. */
  readBytes(path: string): Promise<Uint8Array | undefined>;
}

/** Files whose texts the planner reads; others are only copied. */
const TEXTS: readonly string[] = [
  'tokenizer.json',
  'tokenizer_config.json',
  'added_tokens.json',
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'chat_template.jinja',
  'chat_template.json',
];
const ADAPTER_FILE = 'adapter_model.safetensors';

/**
 * Opens every model of a recipe with its tokenizer, companions and adapter; reads headers and texts, no tensors.
 *
 * @throws {MergeError} of class `bad_model_reference` for a path that is not there; as the store for files that cannot be read.
 */
export async function openModelsFrom(recipe: Recipe, store: ModelStore): Promise<OpenedModels> {
  const models = new Map<string, ModelFacts>();
  const sources = new Map<string, ModelSource>();
  const close = async () => {
    for (const source of sources.values()) await source.close();
  };
  const open = async (path: string): Promise<ModelSource> => {
    const opened = sources.get(path);
    if (opened !== undefined) return opened;
    const source = await store.open(path);
    sources.set(path, source);
    return source;
  };
  try {
    for (const reference of referencesOf(recipe)) {
      const path = await store.find(reference, reference.path);
      const source = await open(path);
      // Tokenizers have megabytes: they are read where the recipe makes something of them.
      const whole = recipe.tokenizer !== undefined || recipe.chatTemplate !== undefined;
      const { companions, texts, pieces } = await readCompanions(store, path, whole);
      const tokenizer =
        recipe.tokenizer === undefined ? undefined : readTokenizerFacts(reference.text, texts, pieces);
      const adapter =
        reference.lora && (await openAdapter(store, await store.find(reference, reference.lora.path), open));
      const sidecar = await openSidecar(recipe.method, path, store, open);
      models.set(reference.text, {
        path,
        tensors: source.tensors,
        ...(source.config && { config: source.config }),
        ...(tokenizer && { tokenizer }),
        companions,
        ...(adapter && { adapter }),
        ...(sidecar && { sidecar }),
      });
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { models, sources, close };
}

/** The vocabulary of a place; undefined if it has none that can be read. @throws {MergeError} of class `bad_tokenizer` */
export async function readTokenizer(
  store: ModelStore,
  place: string,
  name: string,
): Promise<TokenizerFacts | undefined> {
  const { texts, pieces } = await readCompanions(store, place, true);
  return readTokenizerFacts(name, texts, pieces);
}

async function readCompanions(
  store: ModelStore,
  place: string,
  whole: boolean,
): Promise<{ companions: CompanionFile[]; texts: Map<string, string>; pieces?: Uint8Array }> {
  const companions: CompanionFile[] = [];
  const texts = new Map<string, string>();
  let pieces: Uint8Array | undefined;
  for (const name of COMPANION_NAMES) {
    const path = store.join(place, name);
    if (whole && (SENTENCE_PIECE_FILES as readonly string[]).includes(name)) {
      const bytes = await store.readBytes(path);
      if (bytes === undefined) continue;
      companions.push({ name, path, bytes });
      pieces ??= bytes;
      continue;
    }
    if (!whole || !TEXTS.includes(name)) {
      if (await store.exists(path)) companions.push({ name, path });
      continue;
    }
    const content = await store.readText(path);
    if (content === undefined) continue;
    companions.push({ name, path, content });
    texts.set(name, content);
  }
  return { companions, texts, ...(pieces && { pieces }) };
}

async function openAdapter(
  store: ModelStore,
  place: string,
  open: (path: string) => Promise<ModelSource>,
): Promise<AdapterFacts> {
  const text = await store.readText(store.join(place, 'adapter_config.json'));
  const fail = (problem: string, cause?: unknown) =>
    new MergeError(
      'bad_adapter',
      `${place}: ${problem}`,
      `name a folder with adapter_config.json and ${ADAPTER_FILE}`,
      { model: place },
      cause === undefined ? undefined : { cause },
    );
  if (text === undefined) throw fail('has no adapter_config.json');
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (cause) {
    throw fail('adapter_config.json is not JSON', cause);
  }
  if (typeof config !== 'object' || config === null) throw fail('adapter_config.json does not hold a map');
  const path = store.join(place, ADAPTER_FILE);
  if (!(await store.exists(path)))
    throw (await store.exists(store.join(place, 'adapter_model.bin')))
      ? fail(`holds a pickled adapter_model.bin, which is not opened; save it as ${ADAPTER_FILE}`)
      : fail(`has no ${ADAPTER_FILE}`);
  const { tensors } = await open(path);
  return { path, tensors, config: config as Record<string, unknown> };
}

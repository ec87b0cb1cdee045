/** Which tensors a model has: from a known architecture, or inferred from names. */
import type { ModelFacts } from '../planner/sources.js';
import { KNOWN_ARCHITECTURES, type KnownArchitecture } from './known.js';

/** A tensor's place: loose, or of a layer of a stack as `model.layers`. */
export interface TensorPlace {
  readonly stack?: string;
  readonly layer: number;
  /** The name behind the layer number; the whole name of a loose tensor. */
  readonly rest: string;
}

export interface WeightTraits {
  readonly embed: boolean;
  readonly optional: boolean;
  /** Other names under which a model may hold it. */
  readonly aliases: readonly string[];
  /** Tensors that may stand in for it. */
  readonly tied: readonly string[];
  /** Behind the layers: uses the sources of the last slice. */
  readonly post: boolean;
}

export interface Architecture {
  readonly known?: KnownArchitecture;
  /** No config.json: tensors are merged by name, and all models must have the same. */
  readonly raw: boolean;
}

const NUMBERED = /^(.*?)\.(\d+)\.(.+)$/;

/** The first `.<integer>.` of a name is the number of its layer. */
export function placeOf(name: string): TensorPlace {
  const match = NUMBERED.exec(name);
  return match === null
    ? { layer: 0, rest: name }
    : { stack: match[1], layer: Number(match[2]), rest: match[3] };
}

export function nameAt(place: TensorPlace, layer = place.layer): string {
  return place.stack === undefined ? place.rest : `${place.stack}.${layer}.${place.rest}`;
}

export function architectureOf(models: readonly ModelFacts[], override?: string): Architecture {
  const raw = models.every(({ config }) => config === undefined);
  const names = override === undefined ? models.map(architectureName) : [override];
  const known = KNOWN_ARCHITECTURES.find(({ names: own }) =>
    names.every((name) => name !== undefined && own.includes(name)),
  );
  return known === undefined ? { raw } : { known, raw };
}

/** The first of `architectures` in config.json. */
export function architectureName({ config }: ModelFacts): string | undefined {
  const names = config?.architectures;
  return Array.isArray(names) && typeof names[0] === 'string' ? names[0] : undefined;
}

const EMBEDDING = /(^|\.)(embed_tokens|wte|word_embeddings|embed_in|tok_embeddings|shared)\.weight$/;
const HEAD = /(^|\.)(lm_head|embed_out)\.weight$/;
const POST =
  /(^|\.)(norm|ln_f|final_layer_?norm|final_norm|lm_head|embed_out|score|classifier|head|output)\./;

export function traitsOf(architecture: Architecture, name: string, place: TensorPlace): WeightTraits {
  const { known } = architecture;
  const head = HEAD.test(name);
  const optional =
    head || (known !== undefined && place.stack === known.stack && known.optional.includes(place.rest));
  return {
    embed: place.stack === undefined && !architecture.raw && (head || EMBEDDING.test(name)),
    optional: optional && !architecture.raw,
    aliases: [],
    tied: head && !architecture.raw ? tiedNames(name) : [],
    post: place.stack === undefined && POST.test(name),
  };
}

function tiedNames(head: string): string[] {
  const prefix = head.replace(/(lm_head|embed_out)\.weight$/, '');
  return ['model.embed_tokens', 'transformer.wte', 'model.decoder.embed_tokens', 'gpt_neox.embed_in'].map(
    (name) => `${prefix}${name}.weight`,
  );
}

/** Whether a known architecture has a place for the tensor. */
export function isInTemplate(known: KnownArchitecture, place: TensorPlace): boolean {
  if (place.stack === undefined) return known.pre.includes(place.rest) || known.post.includes(place.rest);
  return (
    place.stack === known.stack && (known.layer.includes(place.rest) || known.optional.includes(place.rest))
  );
}

/** Number of layers of a stack: one more than the largest layer number. */
export function layersOf(model: ModelFacts, stack: string): number {
  let count = 0;
  for (const name of model.tensors.keys()) {
    const place = placeOf(name);
    if (place.stack === stack) count = Math.max(count, place.layer + 1);
  }
  return count;
}

/** Stacks of a model with their numbers of layers. */
export function stacksOf(model: ModelFacts): Map<string, number> {
  const stacks = new Map<string, number>();
  for (const name of model.tensors.keys()) {
    const { stack, layer } = placeOf(name);
    if (stack !== undefined) stacks.set(stack, Math.max(stacks.get(stack) ?? 0, layer + 1));
  }
  return stacks;
}

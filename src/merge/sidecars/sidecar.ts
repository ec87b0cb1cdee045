/** Measurements that lie beside a model: which file a method needs, and what stands in it. */
import type { ModelSource } from '../../tensor/safetensors/source.js';
import type { SidecarFacts } from '../planner/sources.js';

/** Diagonal Fisher information: the names and shapes of the weights. */
export const FISHER_FILE = 'fisher.safetensors';
/** Mean Gram matrices of the inputs of linear layers, by module: [in, in], or the upper triangle in rows, [in (in + 1) / 2]. */
export const GRAM_FILE = 'gram.safetensors';

/** Keys of a sidecar's metadata. */
export const SIDECAR_KEYS = {
  /** Examples (of a Gram matrix: inputs) behind the means. */
  examples: 'heddle.examples',
  /** `modelSha256` of the model that they were measured on. */
  model: 'heddle.model-sha256',
  /** Of Fisher information: whose labels the gradients were taken at, `data` or `model`. */
  labels: 'heddle.fisher-labels',
  /** JSON map from module to the module that has the same inputs, and whose matrix serves both. */
  shared: 'heddle.shared',
} as const;

const FILES: Readonly<Record<string, string>> = { fisher: FISHER_FILE, regmean: GRAM_FILE };

/** Name of the file that a method needs beside every model. */
export function sidecarFile(method: string): string | undefined {
  return Object.hasOwn(FILES, method) ? FILES[method] : undefined;
}

/** The part of a store of models that finds files beside one. */
interface Places {
  join(place: string, name: string): string;
  exists(path: string): Promise<boolean>;
}

/** Opens the sidecar that a method needs; undefined where it needs none, or the model has none. */
export async function openSidecar(
  method: string,
  place: string,
  store: Places,
  open: (path: string) => Promise<ModelSource>,
): Promise<SidecarFacts | undefined> {
  const name = sidecarFile(method);
  if (name === undefined) return undefined;
  const path = store.join(place, name);
  if (!(await store.exists(path))) return undefined;
  const { tensors, metadata } = await open(path);
  return { path, tensors, metadata };
}

/** Examples behind a sidecar's means, where it says so. */
export function examplesOf({ metadata }: SidecarFacts): number | undefined {
  const count = Number(metadata[SIDECAR_KEYS.examples]);
  return Number.isSafeInteger(count) && count > 0 ? count : undefined;
}

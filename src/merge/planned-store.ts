/** Outputs of documents that are planned and not written yet, as models of the documents behind them. */
import { bytesOf } from '../tensor/safetensors/dtype.js';
import type { ModelSource, TensorInfo } from '../tensor/safetensors/source.js';
import type { MergePlan } from './plan.js';
import type { ModelStore } from './planner/models.js';
import { longestFolder } from './recipe/model-reference.js';

/** A store that finds planned outputs by their names, and all else where `store` does. */
export function withPlanned(store: ModelStore, plans: ReadonlyMap<string, MergePlan>): ModelStore {
  const fileOf = (path: string) => {
    const name = longestFolder(plans.keys(), path);
    const plan = name === undefined ? undefined : plans.get(name);
    return name === undefined || plan === undefined ? undefined : { plan, file: path.slice(name.length + 1) };
  };
  const content = async <T>(
    path: string,
    own: (content: string | Uint8Array) => T,
    stored: (path: string) => Promise<T | undefined>,
  ): Promise<T | undefined> => {
    const planned = fileOf(path);
    if (planned === undefined) return stored(path);
    const file = planned.plan.files.find(({ name }) => name === planned.file);
    if (file === undefined) return undefined;
    return file.from === undefined ? own(file.content ?? '') : stored(file.from);
  };
  return {
    find: async (reference, path) => (plans.has(path) ? path : store.find(reference, path)),
    open: async (place) => {
      const plan = plans.get(place);
      return plan === undefined ? store.open(place) : plannedSource(place, plan);
    },
    join: (place, name) => (plans.has(place) ? `${place}/${name}` : store.join(place, name)),
    exists: async (path) => {
      const planned = fileOf(path);
      return planned === undefined
        ? store.exists(path)
        : planned.plan.files.some(({ name }) => name === planned.file);
    },
    readText: (path) =>
      content(path, (own) => (typeof own === 'string' ? own : new TextDecoder().decode(own)), store.readText),
    readBytes: (path) =>
      content(
        path,
        (own) => (typeof own === 'string' ? new TextEncoder().encode(own) : own),
        store.readBytes,
      ),
  };
}

/** Whether a model has its values yet. */
export function isWritten(source: ModelSource): boolean {
  return source.files.length > 0;
}

function plannedSource(name: string, plan: MergePlan): ModelSource {
  const tensors = plan.outputs.map(({ name: tensor, dtype, shape }): [string, TensorInfo] => {
    const size = shape.reduce((n, length) => n * length, 1);
    return [tensor, { name: tensor, dtype, shape, size, bytes: bytesOf(dtype, size), file: '', offset: 0 }];
  });
  return {
    path: name,
    tensors: new Map(tensors),
    files: [],
    metadata: {},
    ...(plan.config && { config: plan.config }),
    warnings: [],
    readBytes: () => Promise.reject(new Error(`${name} is planned and holds no values yet`)),
    verify: async () => undefined,
    close: async () => undefined,
  };
}

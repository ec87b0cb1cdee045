import { isPlainMap } from '../../config/tree.js';
import type { Dataset, TaskData } from '../../data/dataset.js';
import type { Model } from '../../program/model.js';
import type { Stage } from '../../update/stage.js';
import type { ConfigInput } from './schema.js';

type Section<K extends keyof ConfigInput> = NonNullable<ConfigInput[K]>;

/** A strategy record, as far as the configuration looks at it. */
export interface StrategyObject {
  readonly name: string;
  readonly aggregate: object;
}

/** A reducer, as far as the configuration looks at it. */
export interface ReducerObject {
  readonly kind: string;
  readonly name: string;
}

/** An object that trains a client in place of the built-in local optimiser. */
export interface TrainerObject {
  readonly name?: string;
  train(...job: never[]): unknown;
}

/** An object that divides examples among clients. */
export interface PartitionerObject {
  readonly name?: string;
  partition(...data: never[]): unknown;
}

/**
 * Options of a simulation in TypeScript: the configuration tree in camelCase, where an object or a function may
 * stand in place of a type name, with the same defaults and the same checks as a file.
 */
export interface SimulateOptions
  extends Partial<Omit<ConfigInput, 'data' | 'model' | 'client' | 'strategy' | 'update'>> {
  /** Standard task or files, or a dataset object. */
  data?: DataOptions | Dataset | TaskData;
  /** A model by type, or a traced model. */
  model?: Section<'model'> | { type: Model } | Model;
  client?: Omit<Section<'client'>, 'trainer'> & { trainer?: string | TrainerObject };
  /** Strategy by type, or a strategy record; `{ type: record, cohortSize: 10 }` sets the rest beside it. */
  strategy?:
    | (Omit<Section<'strategy'>, 'type'> & { type?: Section<'strategy'>['type'] | StrategyObject })
    | StrategyObject;
  update?: Omit<Section<'update'>, 'reduce' | 'pipeline'> & {
    /** Reduction by name or type, or a reducer as `trimmedMean({ trim: 0.1 })`. */
    reduce?: Section<'update'>['reduce'] | ReducerObject;
    pipeline?: (NonNullable<Section<'update'>['pipeline']>[number] | Stage)[];
  };
  /** Ends the run after the current round. */
  signal?: AbortSignal;
  /** Folder of this run itself; takes the place of `run.dir`. */
  runDir?: string;
}

export type DataOptions = Omit<Section<'data'>, 'source' | 'partitioner'> & {
  source?: Section<'data'>['source'] | Dataset | TaskData;
  partitioner?: Section<'data'>['partitioner'] | PartitionerObject;
};

/** Objects that TypeScript code passed; the configuration holds `type: custom` and a name in their place. */
export interface CustomObjects {
  dataset?: Dataset | TaskData;
  model?: Model;
  partitioner?: PartitionerObject;
  strategy?: StrategyObject;
  reducer?: ReducerObject;
  trainer?: TrainerObject;
  /** In the order of the pipeline; a `custom` stage holds its index here. */
  readonly stages: Stage[];
}

/** Keys of `SimulateOptions` that steer a run and are no configuration. */
const RUNTIME_KEYS = new Set(['signal', 'runDir']);

/** Takes objects out of the options, so that what remains is plain data that can be checked, hashed and written. */
export function separateObjects(options: SimulateOptions): {
  plain: Record<string, unknown>;
  objects: CustomObjects;
} {
  const objects: CustomObjects = { stages: [] };
  const plain: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(options)) if (!RUNTIME_KEYS.has(key)) plain[key] = value;

  plain.model = separated(
    plain.model,
    'type',
    (object) => {
      objects.model = object as Model;
    },
    (section) => 'graph' in section,
  );
  plain.strategy = separated(
    plain.strategy,
    'type',
    (object) => {
      objects.strategy = object as StrategyObject;
    },
    (section) => 'aggregate' in section,
  );
  if (isObject(plain.data) && (!isPlainMap(plain.data) || 'train' in plain.data)) {
    const dataset = plain.data;
    plain.data = { source: dataset, ...(hasClients(dataset) ? { partitioner: { type: 'natural' } } : {}) };
  }
  if (isPlainMap(plain.data)) {
    const data = { ...plain.data };
    data.source = separated(
      data.source,
      'format',
      (object) => {
        objects.dataset = object as Dataset | TaskData;
      },
      (section) => 'train' in section,
    );
    data.partitioner = separated(data.partitioner, 'type', (object) => {
      objects.partitioner = object as PartitionerObject;
    });
    plain.data = data;
  }
  if (isPlainMap(plain.client) || isPlainMapButFor(plain.client, 'trainer')) {
    const client = { ...(plain.client as Record<string, unknown>) };
    if (isObject(client.trainer)) {
      objects.trainer = client.trainer as TrainerObject;
      client.trainer = `object:${nameOf(client.trainer)}`;
    }
    plain.client = client;
  }
  if (isPlainMap(plain.update) && isObject(plain.update.reduce)) {
    const reduce = separated(
      plain.update.reduce,
      'type',
      (object) => {
        objects.reducer = object as ReducerObject;
      },
      (section) => 'kind' in section,
    );
    plain.update = { ...plain.update, reduce };
  }
  if (isPlainMap(plain.update) && Array.isArray(plain.update.pipeline)) {
    const pipeline = plain.update.pipeline.map((stage: unknown) => {
      // A stage in a file is a map whose one key names it; a stage object has its name inside.
      if (!isObject(stage) || (isPlainMap(stage) && !('name' in stage))) return stage;
      objects.stages.push(stage as Stage);
      return { custom: { name: nameOf(stage), index: objects.stages.length - 1 } };
    });
    plain.update = { ...plain.update, pipeline };
  }
  return { plain, objects };
}

/**
 * Replaces an object by `{ [key]: 'custom', name }`, whether it stands for the whole section (`isWhole`, or anything
 * with behaviour) or for its type.
 */
function separated(
  section: unknown,
  key: 'type' | 'format',
  keep: (object: object) => void,
  isWhole: (section: object) => boolean = () => false,
): unknown {
  if (!isObject(section)) return section;
  if (isWhole(section) || (!isPlainMap(section) && !isPlainMapButFor(section, key))) {
    keep(section);
    return custom(section, key);
  }
  const type = (section as Record<string, unknown>)[key];
  if (!isObject(type)) return section;
  keep(type);
  return { ...section, ...custom(type, key) };
}

function custom(object: object, key: string): Record<string, string> {
  return { [key]: 'custom', name: nameOf(object) };
}

function nameOf(object: object): string {
  const name = (object as { name?: unknown }).name;
  return typeof name === 'string' && name !== '' ? name : 'unnamed';
}

function hasClients(dataset: object): boolean {
  const { clientOf, train } = dataset as { clientOf?: unknown; train?: { clientOf?: unknown } };
  return clientOf !== undefined || train?.clientOf !== undefined;
}

function isObject(value: unknown): value is object {
  return (
    (typeof value === 'object' && value !== null && !Array.isArray(value)) || typeof value === 'function'
  );
}

/** A plain map whose one key `key` may hold a function or a class instance. */
function isPlainMapButFor(value: unknown, key: string): boolean {
  if (typeof value !== 'object' || value === null || !(key in value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  return isPlainMap({ ...value, [key]: null });
}

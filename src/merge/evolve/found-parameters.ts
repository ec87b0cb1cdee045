import type { RecipeValue } from './genome.js';

/** A number that a search has set. */
export interface FoundParameter {
  /** The model it belongs to; empty for one of the whole merge. */
  readonly model: string;
  /** As `layers 0 to 3`, `names with mlp`; empty where it holds everywhere. */
  readonly where: string;
  readonly name: string;
  readonly value: number;
}

interface Entry {
  readonly model?: string;
  readonly layer_range?: readonly [number, number];
  readonly parameters?: Readonly<Record<string, unknown>>;
}

/** The numbers in a recipe of a search, in its order. */
export function foundParameters(recipe: RecipeValue): FoundParameter[] {
  const {
    models = [],
    slices = [],
    parameters,
  } = recipe as {
    readonly models?: readonly Entry[];
    readonly slices?: readonly (Entry & { readonly sources: readonly Entry[] })[];
    readonly parameters?: Readonly<Record<string, unknown>>;
  };
  return [
    ...models.flatMap((entry) => numbersOf(entry, '')),
    ...slices.flatMap(({ sources, parameters: shared }) => {
      const layers = layersOf(sources[0]);
      return [
        ...sources.flatMap((entry) => numbersOf(entry, layers)),
        ...numbersOf({ parameters: shared }, layers),
      ];
    }),
    ...numbersOf({ parameters }, ''),
  ];
}

function layersOf({ layer_range: [start, end] = [0, 0] }: Entry): string {
  return end - start === 1 ? `layer ${start}` : `layers ${start} to ${end - 1}`;
}

function numbersOf({ model = '', parameters = {} }: Entry, layers: string): FoundParameter[] {
  return Object.entries(parameters).flatMap(([name, setting]) =>
    settingsOf(setting).flatMap(({ filter, value }) =>
      typeof value !== 'number'
        ? []
        : { model, name, value, where: [layers, filter].filter((part) => part !== '').join(', ') },
    ),
  );
}

/** A number, a gradient over the layers, or either by filter. */
function settingsOf(setting: unknown): { filter: string; value: unknown }[] {
  if (!Array.isArray(setting)) return [{ filter: '', value: setting }];
  return setting.flatMap((item: unknown, i) => {
    if (typeof item !== 'object' || item === null)
      return [{ filter: `at ${i} of ${setting.length - 1} through the layers`, value: item }];
    const { filter, value } = item as { filter?: string; value?: unknown };
    const where = filter === undefined ? 'other names' : `names with ${filter}`;
    return settingsOf(value).map((one) => ({
      filter: one.filter === '' ? where : `${where}, ${one.filter}`,
      value: one.value,
    }));
  });
}

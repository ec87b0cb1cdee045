/** What a client measures at the model that it trained, for a reduction that weighs clients by it, and sends beside its update. */
import { StatisticsRejectedError } from '../combine/errors.js';
import type { ClientStatistics, ReceivedGram, WantedStatistics } from '../combine/reducers.js';
import type { Kernels } from '../kernels/kernels.js';
import { meansOf } from '../train/statistics.js';
import type { WireBytes } from '../update/pipeline.js';
import type { RunSetup } from './setup.js';

const kNames: Readonly<Record<WantedStatistics['kind'], string>> = {
  fisher: 'Fisher information',
  'input-grams': 'input Gram matrix',
};

/** What the strategy's reduction wants of every client, or undefined. */
export function wantedStatistics({ strategy: { aggregate } }: RunSetup): WantedStatistics | undefined {
  if (typeof aggregate === 'function' || aggregate.reduce.kind !== 'gathering') return undefined;
  return aggregate.reduce.statistics;
}

/**
 * Measures on a client's own examples, as float32, as it is sent.
 *
 * @param params - the model that the client trained, whole: sub-models have no place in these rules. @param index - its examples.
 */
export async function measureClient(
  { local, data }: RunSetup,
  wanted: WantedStatistics,
  params: Float32Array,
  index: Uint32Array,
): Promise<ClientStatistics> {
  const { examples = index.length } = wanted;
  const part = index.subarray(0, examples);
  switch (wanted.kind) {
    case 'fisher': {
      const sums = await local.fisher(params, data.train, part, { labels: wanted.labels });
      return { kind: 'fisher', values: meansOf(sums, part.length) };
    }
    case 'input-grams': {
      const { layers } = await local.inputGrams(params, data.train, part);
      return {
        kind: 'input-grams',
        layers: new Map(
          layers.map(({ parameter, layout, width, gram }): [string, ReceivedGram] => [
            parameter,
            { layout, width, gram: Float32Array.from(gram) },
          ]),
        ),
      };
    }
    default:
      return wanted satisfies never;
  }
}

/** Bytes on the wire: a float32 for each parameter, or for each element of the upper triangle of a Gram matrix. */
export function statisticsBytes(statistics: ClientStatistics): WireBytes {
  const elements =
    statistics.kind === 'fisher'
      ? statistics.values.length
      : [...statistics.layers.values()].reduce((sum, { width }) => sum + (width * (width + 1)) / 2, 0);
  return { name: statistics.kind, direction: 'upload', bytes: 4 * elements };
}

/** @throws {StatisticsRejectedError} for values that are not finite. */
export function checkStatistics(kernels: Kernels, statistics: ClientStatistics, client: number): void {
  const parts =
    statistics.kind === 'fisher'
      ? [{ name: '', values: statistics.values }]
      : [...statistics.layers].map(([name, { gram }]) => ({ name: ` of ${name}`, values: gram }));
  for (const { name, values } of parts)
    if (kernels.allFiniteF32(values) === 0)
      throw new StatisticsRejectedError(String(client), `${kNames[statistics.kind]}${name}`);
}

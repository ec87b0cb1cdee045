import {
  METRIC,
  type RoundDetail,
  type RoundEvent,
  type RunEvent,
  type RunSummary,
  type WarningEvent,
} from '../federation/events.js';

/** How the examples lie over the clients. */
export interface PartitionReport {
  /** Names of the classes, in label order. */
  classes: readonly string[];
  /** One entry a client, in client order: examples by class. */
  clients: readonly { id: number; counts: readonly number[] }[];
}

/** A setting that is not at its default. */
export interface ConfigDifference {
  /** Dotted, kebab-case, as `-c` takes it. */
  path: string;
  value: unknown;
  /** Undefined when there is none. */
  default: unknown;
}

/** Everything a report page tells. */
export interface ReportData {
  events: readonly RunEvent[];
  summary: RunSummary;
  partition?: PartitionReport;
  configDifferences: readonly ConfigDifference[];
  /** The exact command that runs this again. */
  command: string;
}

/** One line of a plot; null where nothing finite was measured. */
export interface Series {
  name: string;
  rounds: number[];
  values: (number | null)[];
}

/** Amounts that add up, by round: `values[i][r]` is part `names[i]` in round `rounds[r]`. */
export interface Stack {
  names: string[];
  rounds: number[];
  values: number[][];
}

/** Holders of the neurons of one unit group: `counts[r][j]` clients held neuron j in round `rounds[r]`. */
export interface HolderMap {
  group: string;
  rounds: number[];
  counts: (readonly number[])[];
}

/** How Model Stock placed the clients, by round: for each tensor, or the means over tensors where they are many. */
export interface MergeSeries {
  /** t: 0 is the model that the clients stand around, 1 their mean. */
  ratio: Series[];
  /** Degrees between two clients' updates. */
  angle: Series[];
}

/** What the page's script gets: columns instead of events, and nothing but finite numbers, null and text. */
export interface PageData {
  /** Rounds run; 0 when none was finished. */
  lastRound: number;
  targetMetric?: string;
  targetValue?: number;
  accuracy: Series[];
  loss: Series[];
  norms: Series[];
  /** Clip bound by round, drawn as a line through the norms. */
  maxNorm?: Series;
  clipFraction?: Series;
  bytes?: Stack;
  /** Dense float32 bytes a round, for comparison. */
  denseBytes?: Series;
  seconds?: Stack;
  holders: HolderMap[];
  merge?: MergeSeries;
  partition?: PagePartition;
}

export interface PagePartition {
  classes: string[];
  clients: { id: number; counts: number[] }[];
  /** Clients of the whole population, more than `clients` when only an even sample is drawn. */
  population: number;
  /** Largest count of one class at one client. */
  largest: number;
}

/** A page stays quick with this many columns of the heat map, and a person cannot tell more apart. */
const DRAWN_CLIENTS = 300;
/** Rounds of neuron holders that are kept, evenly thinned. */
const DRAWN_HOLDER_ROUNDS = 200;
/** Lines of tensors in one plot; it has as many colours. */
const DRAWN_TENSORS = 6;

export function buildPageData(data: ReportData): PageData {
  const measured = data.events.filter((event) => event.event === 'round' || event.event === 'eval');
  const rounds = measured.filter((event) => event.event === 'round');
  const series = (name: string, label = name): Series | undefined => {
    const points = measured.filter((event) => event.metrics[name] !== undefined);
    if (points.length === 0) return undefined;
    return {
      name: label,
      rounds: points.map((event) => event.round),
      values: points.map((event) => finite(event.metrics[name])),
    };
  };
  const present = (...list: (Series | undefined)[]): Series[] => list.filter((s) => s !== undefined);
  const { target } = data.summary;

  return {
    lastRound: rounds.at(-1)?.round ?? 0,
    targetMetric: target?.metric,
    targetValue: target?.value,
    accuracy: present(
      series(METRIC.centralAccuracy),
      series(METRIC.trainAccuracy),
      series(METRIC.fedAccuracy),
      series(`${METRIC.fedAccuracy}.worst`),
    ),
    loss: present(
      series(METRIC.centralLoss),
      series(METRIC.trainLoss),
      series(METRIC.trainLossAfter),
      series(METRIC.fedLoss),
    ),
    ...normSeries(rounds, series),
    bytes:
      stack(rounds, (detail) => detail.bytes?.map((b) => [`${b.name}, ${ARROW[b.direction]}`, b.bytes])) ??
      metricStack(rounds, { up: METRIC.upBytes, down: METRIC.downBytes }),
    denseBytes: detailSeries(rounds, 'dense float32', (detail) => detail.denseBytes),
    seconds:
      stack(rounds, (detail) => detail.phases?.map((phase) => [phase.name, phase.seconds])) ??
      metricStack(rounds, {
        train: METRIC.trainSeconds,
        aggregate: METRIC.aggregateSeconds,
        evaluate: METRIC.evalSeconds,
      }),
    holders: holderMaps(rounds),
    merge: mergeSeries(rounds, series),
    partition: data.partition && samplePartition(data.partition),
  };
}

const ARROW = { upload: 'up', download: 'down' } as const;

function normSeries(
  rounds: readonly RoundEvent[],
  series: (name: string, label?: string) => Series | undefined,
): Pick<PageData, 'norms' | 'maxNorm' | 'clipFraction'> {
  const quantiles = (['p10', 'p50', 'p90'] as const)
    .map((q) => detailSeries(rounds, q, (detail) => detail.norms?.[q]))
    .filter((s) => s !== undefined);
  const means = [series(METRIC.updateNormMean, 'mean'), series(METRIC.updateNormMax, 'largest')];
  return {
    norms: quantiles.length > 0 ? quantiles : means.filter((s) => s !== undefined),
    maxNorm: detailSeries(rounds, 'clip bound', (detail) => detail.norms?.maxNorm),
    clipFraction:
      detailSeries(rounds, 'clipped', (detail) => detail.norms?.clipFraction) ??
      series(METRIC.clipFraction, 'clipped'),
  };
}

function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}

function detailSeries(
  rounds: readonly RoundEvent[],
  name: string,
  pick: (detail: RoundDetail) => number | undefined,
): Series | undefined {
  const points = rounds.flatMap((event) => {
    const value = event.detail && pick(event.detail);
    return value === undefined ? [] : [{ round: event.round, value: finite(value) }];
  });
  if (points.length === 0) return undefined;
  return { name, rounds: points.map((p) => p.round), values: points.map((p) => p.value) };
}

function stack(
  rounds: readonly RoundEvent[],
  pick: (detail: RoundDetail) => [string, number][] | undefined,
): Stack | undefined {
  const rows = rounds.flatMap((event) => {
    const parts = event.detail && pick(event.detail);
    return parts === undefined ? [] : [{ round: event.round, parts: new Map(parts) }];
  });
  if (rows.length === 0) return undefined;
  const names = [...new Set(rows.flatMap((row) => [...row.parts.keys()]))];
  return {
    names,
    rounds: rows.map((row) => row.round),
    values: names.map((name) => rows.map((row) => finite(row.parts.get(name)) ?? 0)),
  };
}

function metricStack(
  rounds: readonly RoundEvent[],
  names: Readonly<Record<string, string>>,
): Stack | undefined {
  const parts = Object.entries(names).filter(([, metric]) =>
    rounds.some((event) => event.metrics[metric] !== undefined),
  );
  if (parts.length === 0) return undefined;
  return {
    names: parts.map(([label]) => label),
    rounds: rounds.map((event) => event.round),
    values: parts.map(([, metric]) => rounds.map((event) => finite(event.metrics[metric]) ?? 0)),
  };
}

function holderMaps(rounds: readonly RoundEvent[]): HolderMap[] {
  const maps = new Map<string, HolderMap>();
  for (const event of evenly(
    rounds.filter((e) => e.detail?.holders !== undefined),
    DRAWN_HOLDER_ROUNDS,
  ))
    for (const { name, counts } of event.detail?.holders ?? []) {
      const map = maps.get(name) ?? { group: name, rounds: [], counts: [] };
      map.rounds.push(event.round);
      map.counts.push(counts);
      maps.set(name, map);
    }
  return [...maps.values()];
}

function mergeSeries(
  rounds: readonly RoundEvent[],
  series: (name: string, label: string) => Series | undefined,
): MergeSeries | undefined {
  const measured = rounds.flatMap(({ detail }) => detail?.merge?.tensors ?? []);
  const names = [...new Set(measured.filter(({ values }) => 't' in values).map(({ name }) => name))];
  if (names.length === 0) return undefined;
  const lines = (key: 't' | 'angle', mean: string): Series[] => {
    if (names.length > DRAWN_TENSORS) return [series(mean, 'mean of tensors')].filter((s) => s !== undefined);
    return names
      .map((name) =>
        detailSeries(rounds, name, ({ merge }) => merge?.tensors.find((t) => t.name === name)?.values[key]),
      )
      .filter((s) => s !== undefined);
  };
  return { ratio: lines('t', METRIC.mergeRatioMean), angle: lines('angle', METRIC.mergeAngleMean) };
}

function samplePartition(partition: PartitionReport): PagePartition {
  const clients = evenly(partition.clients, DRAWN_CLIENTS).map(({ id, counts }) => ({
    id,
    counts: [...counts],
  }));
  return {
    classes: [...partition.classes],
    clients,
    population: partition.clients.length,
    largest: clients.reduce((max, client) => client.counts.reduce((m, c) => Math.max(m, c), max), 0),
  };
}

/** At most `count` of the items, evenly spread, the first and the last among them. */
function evenly<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))]);
}

/** The run's warnings, for the page's list. */
export function warningsOf(events: readonly RunEvent[]): WarningEvent[] {
  return events.filter((event) => event.event === 'warning');
}

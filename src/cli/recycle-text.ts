/** What `heddle recycle` prints: one line for what happened to the same tensor of several layers. */
import type { Exactness, Provenance } from '../merge/recycle/mapped.js';
import type { RecycleReport } from '../merge/recycle/recycle.js';
import { formatNumber, printable } from '../report/format.js';
import { counted } from './output.js';

export function recycleText(report: RecycleReport, folder: string): string {
  const { operation, functionPreserving, parametersBefore, parametersAfter, provenance, dropped, notes } =
    report;
  const lines = [
    `${operation}: ${formatNumber(parametersBefore)} parameters became ${formatNumber(parametersAfter)} in ${folder}`,
    functionPreserving
      ? 'the model computes what it did'
      : 'the model does not compute what it did: train it',
    tally(provenance, dropped.length),
    '',
    ...table(provenance),
  ];
  if (dropped.length > 0)
    lines.push('', 'dropped', ...byLayers(dropped, (name) => name).map((row) => `  ${row.name}`));
  if (notes.length > 0) lines.push('', ...notes.map((note) => `note: ${note}`));
  return lines.map(printable).join('\n');
}

function tally(provenance: readonly Provenance[], dropped: number): string {
  const count = (of: Exactness): number => provenance.filter(({ exactness }) => exactness === of).length;
  const parts: [number, string][] = [
    [count('exact'), 'exact'],
    [count('approximate'), 'approximate'],
    [count('random'), 'freshly initialised'],
    [dropped, 'of the old ones dropped'],
  ];
  return `${counted(provenance.length, 'tensor')}: ${parts
    .filter(([n]) => n > 0)
    .map(([n, what]) => `${n} ${what}`)
    .join(', ')}`;
}

function table(provenance: readonly Provenance[]): string[] {
  const rows = byLayers(provenance, ({ target }) => target, detail);
  const width = Math.max('tensor'.length, ...rows.map(({ name }) => name.length));
  const how = Math.max(3, ...rows.map(({ item }) => item.exactness.length));
  return [
    `  ${'tensor'.padEnd(width)}  ${'how'.padEnd(how)}  from`,
    ...rows.map(
      ({ name, item }) => `  ${name.padEnd(width)}  ${item.exactness.padEnd(how)}  ${detail(item)}`,
    ),
  ];
}

/** Operator and sources; a source of the target's own name goes without saying. */
function detail({ target, sources, operator }: Provenance): string {
  const others = sources.length === 1 && sources[0] === target ? [] : sources.map((name) => anyLayer(name));
  return others.length === 0 ? operator : `${operator}: ${others.join(', ')}`;
}

const layer = /((?:^|\.)(?:layers|layer|h)\.)(\d+)(?=\.)/;
const anyLayer = (name: string): string => name.replace(layer, '$1N');

/** Items that differ in the number of their layer alone become one, named as `h.{0-11}.ln_1.weight`. */
function byLayers<T>(
  items: readonly T[],
  nameOf: (item: T) => string,
  detailOf: (item: T) => string = () => '',
): { name: string; item: T }[] {
  const groups = new Map<string, { first: T; layers: number[] }>();
  for (const item of items) {
    const name = nameOf(item);
    const key = `${anyLayer(name)} ${detailOf(item)}`;
    const group = groups.get(key) ?? { first: item, layers: [] };
    const number = layer.exec(name)?.[2];
    if (number !== undefined) group.layers.push(Number(number));
    groups.set(key, group);
  }
  return [...groups.values()].map(({ first, layers }) => {
    const name = nameOf(first);
    return { name: layers.length < 2 ? name : name.replace(layer, `$1{${ranges(layers)}}`), item: first };
  });
}

/** 0, 1, 2, 5 as 0-2,5. */
function ranges(numbers: readonly number[]): string {
  const sorted = [...numbers].sort((a, b) => a - b);
  const runs: [number, number][] = [];
  for (const n of sorted) {
    const last = runs.at(-1);
    if (last !== undefined && n <= last[1] + 1) last[1] = n;
    else runs.push([n, n]);
  }
  return runs.map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`)).join(',');
}

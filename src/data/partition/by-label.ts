import { countLabels, type Dataset } from '../dataset.js';

/** Example indices by label, ascending; equal labels keep their order (counting sort). */
export function stableOrderByLabel(data: Dataset): Uint32Array {
  const next = startOfLabels(countLabels(data));
  const order = new Uint32Array(data.size);
  for (let i = 0; i < data.size; i++) order[next[data.y[i]]++] = i;
  return order;
}

/** Position of each label's first example in that order. */
export function startOfLabels(counts: Uint32Array): Uint32Array {
  const starts = new Uint32Array(counts.length);
  for (let c = 1; c < counts.length; c++) starts[c] = starts[c - 1] + counts[c - 1];
  return starts;
}

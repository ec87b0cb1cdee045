/** What the values of a merge show that its plan could not. */
import type { MergePlan } from './plan.js';
import type { StreamResult } from './stream/stream.js';
import type { TensorReport } from './stream/tensor-report.js';

/** Mean |d| from which dropping at random stops being harmless (Yu et al. 2024, arXiv 2311.03099: deltas below 0.002, trouble above 0.03). */
const LARGE_DELTA = 0.03;
/** Cosine from which two models count as one direction. */
const COLINEAR = 1 - 1e-6;
const SHOWN = 3;

/** Warnings for the summary and the report. */
export function runNotes(plan: MergePlan, { tensors }: StreamResult): string[] {
  const notes: string[] = [];
  // Over all elements: norms and biases alone are often far from the base and do no harm.
  const dropped = tensors.filter(
    ({ method, statistics }) => /^dare/.test(method) && statistics?.meanDelta !== undefined,
  );
  const elements = dropped.reduce((sum, { size }) => sum + size, 0);
  const mean =
    dropped.reduce((sum, { size, statistics }) => sum + size * (statistics?.meanDelta ?? 0), 0) / elements;
  if (mean > LARGE_DELTA)
    notes.push(
      `task vectors have a mean magnitude of ${mean.toPrecision(2)}, above ${LARGE_DELTA}, most in ${named(dropped)}: dropping and ` +
        'rescaling entries at random fails on such models; take a higher density, or ties',
    );
  const merged = tensors.filter(({ method, changeNorm }) => method !== 'copy' && changeNorm !== undefined);
  const several = new Set(plan.outputs.filter(({ inputs }) => inputs.length > 1).map(({ name }) => name));
  const compared = merged.filter(({ tensor }) => several.has(tensor));
  if (compared.length > 0 && compared.every(({ changeNorm }) => changeNorm === 0))
    notes.push(
      'the result is the base (without one: the first model): the models are identical, or have no weight',
    );
  const angled = tensors.filter(({ statistics }) => statistics?.cosine !== undefined);
  const colinear = angled.filter(({ statistics }) => Math.abs(statistics?.cosine ?? 0) > COLINEAR);
  if (colinear.length > 0 && colinear.length === angled.length && notes.length === 0)
    notes.push(
      `the models are colinear in every tensor, as ${colinear[0].tensor}: spherical and linear merges are alike`,
    );
  return notes;
}

function named(tensors: readonly TensorReport[]): string {
  return tensors
    .toSorted((a, b) => (b.statistics?.meanDelta ?? 0) - (a.statistics?.meanDelta ?? 0))
    .slice(0, SHOWN)
    .map(({ tensor }) => tensor)
    .join(', ');
}

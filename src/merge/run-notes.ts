/** What the values of a merge show that its plan could not. */
import type { MergePlan } from './plan.js';
import type { StreamResult, TensorReport } from './stream/stream.js';

/** Mean |d| from which dropping at random stops being harmless (Yu et al. 2024, arXiv 2311.03099: deltas below 0.002, trouble above 0.03). */
const LARGE_DELTA = 0.03;
/** Cosine from which two models count as one direction. */
const COLINEAR = 1 - 1e-6;
const SHOWN = 3;

/** Warnings for the summary and the report. */
export function runNotes(plan: MergePlan, { tensors }: StreamResult): string[] {
  const notes: string[] = [];
  const large = tensors.filter(
    ({ method, statistics }) => /^dare/.test(method) && (statistics?.meanDelta ?? 0) > LARGE_DELTA,
  );
  if (large.length > 0)
    notes.push(
      `task vectors of ${named(large)} have a mean magnitude above ${LARGE_DELTA} (up to ${largest(large)}): ` +
        'dropping and rescaling entries at random fails on such models; take a higher density, or ties',
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

function largest(tensors: readonly TensorReport[]): string {
  return Math.max(...tensors.map(({ statistics }) => statistics?.meanDelta ?? 0)).toPrecision(2);
}

function named(tensors: readonly TensorReport[]): string {
  const shown = tensors.slice(0, SHOWN).map(({ tensor }) => tensor);
  return tensors.length > SHOWN
    ? `${shown.join(', ')} and ${tensors.length - SHOWN} more tensors`
    : shown.join(', ');
}

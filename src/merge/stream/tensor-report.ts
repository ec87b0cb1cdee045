/** What a merge says of a tensor; the journal of an output keeps it for the summary of a resumed merge. */

/** How a tensor came out. */
export interface TensorReport {
  readonly tensor: string;
  readonly method: string;
  readonly size: number;
  /** Norm of the difference to the base, or to the first input; absent for tensors copied byte for byte. */
  readonly changeNorm?: number;
  /** Norm of the base, or of the first input. */
  readonly referenceNorm?: number;
  readonly nonFinite: number;
  /** What the method says of the tensor: interpolation ratio, cosine, size of task vectors. */
  readonly statistics?: Readonly<Record<string, number>>;
  /** Entries of each input that were kept, where models are trimmed as a whole; of the base all. */
  readonly kept?: readonly number[];
}

/** JSON has no infinities and no NaN, which strict merges may give. */
const writable = (value: number): number | string => (Number.isFinite(value) ? value : String(value));

export function noteOfReport({
  method,
  changeNorm,
  referenceNorm,
  nonFinite,
  statistics,
  kept,
}: TensorReport): object {
  return {
    method,
    ...(changeNorm !== undefined && { changeNorm: writable(changeNorm) }),
    ...(referenceNorm !== undefined && { referenceNorm: writable(referenceNorm) }),
    nonFinite,
    ...(statistics !== undefined && {
      statistics: Object.fromEntries(
        Object.entries(statistics).map(([name, value]) => [name, writable(value)]),
      ),
    }),
    ...(kept !== undefined && { kept }),
  };
}

/** @returns undefined for a note that is none of a report: of another version, or damaged. */
export function reportOfNote(note: unknown, tensor: string, size: number): TensorReport | undefined {
  if (typeof note !== 'object' || note === null) return undefined;
  const { method, changeNorm, referenceNorm, nonFinite, statistics, kept } = note as Record<string, unknown>;
  if (typeof method !== 'string' || typeof nonFinite !== 'number') return undefined;
  return {
    tensor,
    method,
    size,
    ...(changeNorm !== undefined && { changeNorm: Number(changeNorm) }),
    ...(referenceNorm !== undefined && { referenceNorm: Number(referenceNorm) }),
    nonFinite,
    ...(typeof statistics === 'object' &&
      statistics !== null && {
        statistics: Object.fromEntries(
          Object.entries(statistics).map(([name, value]) => [name, Number(value)]),
        ),
      }),
    ...(Array.isArray(kept) && { kept: kept.map(Number) }),
  };
}

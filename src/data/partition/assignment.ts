import { EmptyClientError } from '../errors.js';

/** What a partitioner decides: the examples of each client, and those nobody gets. */
export interface Assignment {
  readonly clients: readonly ArrayLike<number>[];
  readonly leftover: ArrayLike<number>;
  /** Numbers a reader needs to compare partitions with published ones, as the Dirichlet's concentration per class. */
  readonly parameters: Readonly<Record<string, number | string | readonly number[]>>;
}

/** Sizes of the most even split: floor(n / parts), and one more for the first n mod parts. */
export function evenSizes(scheme: string, n: number, parts: number): number[] {
  if (parts > n) throw new EmptyClientError(scheme, n, `${n} examples for ${parts} clients`);
  const base = Math.floor(n / parts);
  return Array.from({ length: parts }, (_, k) => base + (k < n % parts ? 1 : 0));
}

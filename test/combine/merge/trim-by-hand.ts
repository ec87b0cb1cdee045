/** TIES trimmed model by model, as Yadav et al. 2023 (algorithm 1) write it down: sorts of whole task vectors, float64, no kernels. */

export type Family = readonly ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly values: Float32Array }
>[];

/**
 * Which entries of each model are kept: int(density N) by magnitude, equal ones by name of the tensor, then by index.
 *
 * @param models - the base last. @param densities - of the models before it.
 */
export function keptMasks(models: Family, densities: readonly number[]): Map<string, boolean[]>[] {
  const base = models[models.length - 1];
  return densities.map((density, k) => {
    const names = [...models[k].keys()].sort();
    const magnitudes = names.flatMap((name) => {
      const from = base.get(name)?.values ?? [];
      return Array.from(models[k].get(name)?.values ?? [], (v, i) => Math.abs(Math.fround(v - from[i])));
    });
    const count = density >= 1 ? magnitudes.length : Math.trunc(density * magnitudes.length);
    const order = Uint32Array.from(magnitudes.keys()).sort((i, j) => magnitudes[j] - magnitudes[i] || i - j);
    const kept = magnitudes.map(() => false);
    for (const i of order.subarray(0, count)) kept[i] = true;
    let begin = 0;
    return new Map(
      names.map((name) => {
        const end = begin + (models[k].get(name)?.values.length ?? 0);
        const own = kept.slice(begin, end);
        begin = end;
        return [name, own];
      }),
    );
  });
}

export interface TiesByHand {
  readonly weight: readonly number[];
  readonly density: readonly number[];
  readonly normalize: boolean;
  readonly lambda: number;
}

/** r = b + lambda * sum of w_i d_i over the models that agree with the elected sign, over the sum of their weights. */
export function mergedByHand(
  models: Family,
  { weight, density, normalize, lambda }: TiesByHand,
): Map<string, number[]> {
  const masks = keptMasks(models, density);
  const base = models[models.length - 1];
  return new Map(
    [...base].map(([name, { values }]) => {
      const xs = models.map((model) => model.get(name)?.values ?? []);
      const kept = masks.map((mask) => mask.get(name) ?? []);
      return [
        name,
        Array.from(values, (b, i) => {
          const votes = weight.map((w, k) => (kept[k][i] ? w * Math.fround(xs[k][i] - b) : 0));
          const sign = votes.reduce((sum, e) => sum + e, 0) < 0 ? -1 : 1;
          const agreeing = votes.map((e) => Math.sign(e) === sign);
          const sum = votes.reduce((total, e, k) => total + (agreeing[k] ? e : 0), 0);
          const divisor = weight.reduce((total, w, k) => total + (agreeing[k] ? w : 0), 0);
          return b + lambda * (normalize && divisor !== 0 ? sum / divisor : sum);
        }),
      ];
    }),
  );
}

/** One piece of so many is looked at: enough for a share, and next to no work. */
const kEvery = 16;

/** How often task vectors disagree: the share of entries that some model keeps at which weighted vectors of both signs meet. */
export class SignConflicts {
  private kept = 0;
  private mixed = 0;

  /**
   * @param deltas - task vectors of one piece, 0 where an entry is dropped.
   * @param index - of the piece in its tensor, a whole number, so that what is looked at does not depend on chunks.
   */
  count(deltas: readonly Float32Array[], weights: Float64Array, index: number): void {
    if (index % kEvery !== 0) return;
    const signs = Array.from(weights, Math.sign);
    for (let i = 0; i < deltas[0].length; i++) {
      let sum = 0;
      let entries = 0;
      for (let k = 0; k < deltas.length; k++) {
        const sign = Math.sign(deltas[k][i]) * signs[k];
        sum += sign;
        entries += Math.abs(sign);
      }
      if (entries > 0) this.kept++;
      if (entries > Math.abs(sum)) this.mixed++;
    }
  }

  /** In [0, 1]; 0 where nothing is kept. */
  get share(): number {
    return this.kept > 0 ? this.mixed / this.kept : 0;
  }
}

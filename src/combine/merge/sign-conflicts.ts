/** One piece of so many is looked at, and so many of its entries, evenly spread: enough for a share, and next to no work. */
const kEvery = 16;
const kEntries = 1024;

/** How often task vectors disagree: the share of entries that some model keeps at which weighted vectors of both signs meet; an estimate. */
export class SignConflicts {
  private kept = 0;
  private mixed = 0;

  /**
   * @param deltas - task vectors of one piece, 0 where an entry is dropped.
   * @param index - of the piece in its tensor, a whole number, so that what is looked at does not depend on chunks.
   */
  count(deltas: readonly Float32Array[], weights: Float64Array, index: number): void {
    if (index % kEvery !== 0) return;
    const { length } = deltas[0];
    const stride = Math.max(1, Math.floor(length / kEntries));
    for (let i = 0; i < length; i += stride) {
      let up = false;
      let down = false;
      for (let k = 0; k < deltas.length; k++) {
        const value = deltas[k][i] * weights[k];
        if (value > 0) up = true;
        else if (value < 0) down = true;
      }
      if (up || down) this.kept++;
      if (up && down) this.mixed++;
    }
  }

  /** In [0, 1]; 0 where nothing is kept. */
  get share(): number {
    return this.kept > 0 ? this.mixed / this.kept : 0;
  }
}

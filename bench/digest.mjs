// Results are compared before anything is timed: the digests of bench/peers/README.md.

/** Sum, sum of magnitudes and the ends of an array in float64; scalars and figures stay as they are. */
export function digest(result) {
  if (typeof result === 'number') return result;
  if (!ArrayBuffer.isView(result))
    return Object.fromEntries(Object.entries(result).map(([key, value]) => [key, digest(value)]));
  let sum = 0;
  let sumAbs = 0;
  for (const value of result) {
    sum += value;
    sumAbs += Math.abs(value);
  }
  return { sum, sumAbs, first: [...result.slice(0, 3)], last: [...result.slice(-3)] };
}

/** The first place at which two digests are further apart than `tolerance` (relative to the largest scale), or undefined. */
export function differingPlace(ours, theirs, tolerance, scale = 1, path = 'result') {
  if (typeof ours === 'number') {
    const value = Number(theirs);
    const bound = tolerance * Math.max(Math.abs(ours), Math.abs(value), scale);
    return Math.abs(ours - value) <= bound ? undefined : `${path}: ours ${ours}, peer ${value}`;
  }
  if (theirs === null || typeof theirs !== 'object') return `${path}: the peer gives ${theirs}`;
  // A sum of mixed signs is as exact as the magnitudes that it is made of.
  const inner = typeof ours.sumAbs === 'number' ? ours.sumAbs : scale;
  for (const key of Object.keys(ours)) {
    const size = key === 'sum' || key === 'mean' || key === 'variance' ? inner : 1e-3;
    const place = differingPlace(ours[key], theirs[key], tolerance, size, `${path}.${key}`);
    if (place !== undefined) return place;
  }
  return undefined;
}

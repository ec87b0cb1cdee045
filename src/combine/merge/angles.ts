/**
 * Sine, cosine and arc cosine in float64 from additions, multiplications, divisions and square roots alone: a handful of values a
 * tensor, whose bits must not depend on the platform's mathematics library. Errors are a few units in the last place.
 */

const kHalfPiHigh = 1.5707963267948966;
const kHalfPiLow = 6.123233995736766e-17;
/** The first 33 bits of pi/2, so that products with small integers are exact, and the rest. */
const kHalfPiFirst = 1.5707963267341256;
const kHalfPiRest = 6.077100506506192e-11;

/** Sum of terms first * prod(-x2 / ((k + 1)(k + 2))) of the sine (first = x, from k = 1) or cosine series (first = 1, from k = 0). */
function alternating(first: number, x2: number, start: number): number {
  let term = first;
  let sum = first;
  for (let k = start; k < start + 20; k += 2) {
    term *= -x2 / ((k + 1) * (k + 2));
    sum += term;
  }
  return sum;
}

/** [sin x, cos x] for |x| up to some hundreds. */
export function sinCos(x: number): [number, number] {
  const quarter = Math.round(x / kHalfPiHigh);
  const r = x - quarter * kHalfPiFirst - quarter * kHalfPiRest;
  const sine = alternating(r, r * r, 1);
  const cosine = alternating(1, r * r, 0);
  switch (((quarter % 4) + 4) % 4) {
    case 0:
      return [sine, cosine];
    case 1:
      return [cosine, -sine];
    case 2:
      return [-sine, -cosine];
    default:
      return [-cosine, sine];
  }
}

/** Arc tangent of x >= 0. */
function arcTangent(x: number): number {
  if (x > 1) return kHalfPiHigh - arcTangent(1 / x) + kHalfPiLow;
  // Three halvings of the angle bring it below pi/32, where eleven terms are exact.
  let reduced = x;
  for (let halving = 0; halving < 3; halving++) reduced /= 1 + Math.sqrt(1 + reduced * reduced);
  const square = reduced * reduced;
  let sum = 0;
  for (let k = 21; k >= 1; k -= 2) sum = 1 / k - square * sum;
  return 8 * reduced * sum;
}

/** Angle in [0, pi] of a cosine in [-1, 1]; outside, that of the nearest bound. */
export function arcCosine(cosine: number): number {
  if (cosine >= 1) return 0;
  if (cosine <= -1) return 2 * kHalfPiHigh;
  const sine = Math.sqrt((1 - cosine) * (1 + cosine));
  if (cosine === 0) return kHalfPiHigh;
  return cosine > 0 ? arcTangent(sine / cosine) : 2 * kHalfPiHigh - arcTangent(sine / -cosine);
}

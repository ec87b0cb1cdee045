/**
 * Natural logarithm and exponential in float64 from additions, multiplications and divisions alone, so that a partition
 * is the same on every machine: platforms may round `Math.log` and `Math.exp` differently. The methods and coefficients
 * are those of FreeBSD's msun (e_log.c, e_exp.c; Sun Microsystems 1993), error below one unit in the last place.
 */
const ln2High = 0.6931471803691238;
const ln2Low = 1.9082149292705877e-10;
const scratch = new DataView(new ArrayBuffer(8));

/** ln x for x > 0; -Infinity at 0, NaN below, Infinity at Infinity. */
export function logF64(x: number): number {
  if (!(x > 0)) return x === 0 ? Number.NEGATIVE_INFINITY : Number.NaN;
  if (x === Number.POSITIVE_INFINITY) return x;
  let exponent = 0;
  let scaled = x;
  if (x < 2.2250738585072014e-308) {
    scaled = x * 0x40000000000000; // subnormal: 2^54 brings it into the normal range
    exponent = -54;
  }
  scratch.setFloat64(0, scaled);
  const high = scratch.getInt32(0);
  // Mantissa in [sqrt(1/2), sqrt(2)): above sqrt(2) it is halved and the exponent raised.
  const fraction = high & 0xfffff;
  const raise = (fraction + 0x95f64) & 0x100000;
  scratch.setInt32(0, fraction | (raise ^ 0x3ff00000));
  exponent += (high >> 20) - 1023 + (raise >> 20);
  const f = scratch.getFloat64(0) - 1;
  const s = f / (2 + f);
  const z = s * s;
  const w = z * z;
  const even = w * (0.3999999999940942 + w * (0.22222198432149784 + w * 0.15313837699209373));
  const odd =
    z * (0.6666666666666735 + w * (0.2857142874366239 + w * (0.1818357216161805 + w * 0.14798198605116586)));
  const halfSquare = 0.5 * f * f;
  return exponent * ln2High - (halfSquare - (s * (halfSquare + (even + odd)) + exponent * ln2Low) - f);
}

/** e^x; 0 below -708 (nothing here needs subnormal results), Infinity above 709.78. */
export function expF64(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x > 709.782712893384) return Number.POSITIVE_INFINITY;
  if (x < -708) return 0;
  const k = Math.round(x * Math.LOG2E);
  const high = x - k * ln2High;
  const low = k * ln2Low;
  const r = high - low;
  const t = r * r;
  const c =
    r -
    t *
      (0.16666666666666602 +
        t *
          (-0.0027777777777015593 +
            t * (6.613756321437934e-5 + t * (-1.6533902205465252e-6 + t * 4.1381367970572385e-8))));
  const y = 1 - (low - (r * c) / (2 - c) - high);
  // Times 2^k in two steps: 2^1024 itself is not a float64.
  const first = k >> 1;
  return y * powerOfTwo(first) * powerOfTwo(k - first);
}

function powerOfTwo(k: number): number {
  scratch.setInt32(0, (k + 1023) << 20);
  scratch.setInt32(4, 0);
  return scratch.getFloat64(0);
}

// The sum rule (docs/kernels.md): blocks of 65,536 terms, 16 float64 lanes in 8 vectors, halving lane tree.

const kBlock: usize = 65536;
/** 16 lanes of a block while its last, incomplete row of 16 is added. */
const lanes: usize = memory.data(128, 16);

export const kProduct = 0;
export const kSquare = 1;
export const kSum = 2;
export const kSumF64 = 3;

/** Terms 2v and 2v+1 of the row at a (and b), as float64. `kind` is a constant, so that one branch remains. */
// @ts-ignore: decorator
@inline
function terms(kind: i32, a: usize, b: usize): v128 {
  if (kind == kSumF64) return v128.load(a);
  const u = f64x2.promote_low_f32x4(v128.load64_zero(a));
  if (kind == kProduct) return f64x2.mul(u, f64x2.promote_low_f32x4(v128.load64_zero(b)));
  return kind == kSquare ? f64x2.mul(u, u) : u;
}

// @ts-ignore: decorator
@inline
function term(kind: i32, a: usize, b: usize): f64 {
  if (kind == kSumF64) return load<f64>(a);
  const u = <f64>load<f32>(a);
  if (kind == kProduct) return u * <f64>load<f32>(b);
  return kind == kSquare ? u * u : u;
}

/** Sum of n terms: a*b, a*a or a over float32, or a over float64; b is read for products only. */
// @ts-ignore: decorator
@inline
export function sumTerms(kind: i32, a: usize, b: usize, n: usize): f64 {
  const shift: usize = kind == kSumF64 ? 3 : 2;
  const pair: usize = 2 << shift;
  const row: usize = 16 << shift;
  let total: f64 = 0;
  for (let left = n; left > 0; ) {
    const count = min(left, kBlock);
    left -= count;
    let s0 = f64x2.splat(0);
    let s1 = f64x2.splat(0);
    let s2 = f64x2.splat(0);
    let s3 = f64x2.splat(0);
    let s4 = f64x2.splat(0);
    let s5 = f64x2.splat(0);
    let s6 = f64x2.splat(0);
    let s7 = f64x2.splat(0);
    for (const end = a + ((count & ~15) << shift); a < end; a += row, b += row) {
      s0 = f64x2.add(s0, terms(kind, a, b));
      s1 = f64x2.add(s1, terms(kind, a + pair, b + pair));
      s2 = f64x2.add(s2, terms(kind, a + pair * 2, b + pair * 2));
      s3 = f64x2.add(s3, terms(kind, a + pair * 3, b + pair * 3));
      s4 = f64x2.add(s4, terms(kind, a + pair * 4, b + pair * 4));
      s5 = f64x2.add(s5, terms(kind, a + pair * 5, b + pair * 5));
      s6 = f64x2.add(s6, terms(kind, a + pair * 6, b + pair * 6));
      s7 = f64x2.add(s7, terms(kind, a + pair * 7, b + pair * 7));
    }
    const rest = count & 15;
    if (rest > 0) {
      v128.store(lanes, s0);
      v128.store(lanes, s1, 16);
      v128.store(lanes, s2, 32);
      v128.store(lanes, s3, 48);
      v128.store(lanes, s4, 64);
      v128.store(lanes, s5, 80);
      v128.store(lanes, s6, 96);
      v128.store(lanes, s7, 112);
      for (let lane: usize = 0; lane < rest; lane++) {
        const p = lanes + (lane << 3);
        store<f64>(p, load<f64>(p) + term(kind, a, b));
        a += <usize>1 << shift;
        b += <usize>1 << shift;
      }
      s0 = v128.load(lanes);
      s1 = v128.load(lanes, 16);
      s2 = v128.load(lanes, 32);
      s3 = v128.load(lanes, 48);
      s4 = v128.load(lanes, 64);
      s5 = v128.load(lanes, 80);
      s6 = v128.load(lanes, 96);
      s7 = v128.load(lanes, 112);
    }
    s0 = f64x2.add(f64x2.add(s0, s4), f64x2.add(s2, s6));
    s1 = f64x2.add(f64x2.add(s1, s5), f64x2.add(s3, s7));
    s0 = f64x2.add(s0, s1);
    total += f64x2.extract_lane(s0, 0) + f64x2.extract_lane(s0, 1);
  }
  return total;
}

export function sumOfSquares(x: usize, n: usize): f64 {
  return sumTerms(kSquare, x, x, n);
}

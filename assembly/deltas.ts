// Differences d = x - base in float32. A base of 0 is not there.


// @ts-ignore: decorator
@inline
export function delta(x: usize, base: usize, i: usize): f32 {
  const v = load<f32>(x + (i << 2));
  return base ? v - load<f32>(base + (i << 2)) : v;
}

// @ts-ignore: decorator
@inline
export function deltas(x: usize, base: usize, i: usize): v128 {
  const v = v128.load(x + (i << 2));
  return base ? f32x4.sub(v, v128.load(base + (i << 2))) : v;
}

// 1 if norm <= maxNorm, else the largest float32 not above (maxNorm / norm) (1 - 2^-23).
export function clipFactor(norm: f64, maxNorm: f64): f32 {
  if (norm <= maxNorm) return 1;
  const exact = (maxNorm / norm) * (1 - 1.1920928955078125e-7);
  const factor = <f32>exact;
  return <f64>factor > exact ? reinterpret<f32>(reinterpret<u32>(factor) - 1) : factor;
}

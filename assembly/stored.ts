// Values as they are stored, read as float64. Formats are constants where they are used, so that one branch remains.
import { halfValues } from './quant';

export const kBrain: u32 = 0;
export const kHalf: u32 = 1;
export const kSingle: u32 = 2;

/** Log2 of the bytes of an element. */
// @ts-ignore: decorator
@inline
export function shiftOf(format: u32): usize {
  return format == kSingle ? 2 : 1;
}

/** Two elements from p on. */
// @ts-ignore: decorator
@inline
export function pairAt(format: u32, p: usize): v128 {
  if (format == kSingle) return f64x2.promote_low_f32x4(v128.load64_zero(p));
  const codes = v128.load32_zero(p);
  return f64x2.promote_low_f32x4(
    format == kBrain
      ? v128.shuffle<i16>(i16x8.splat(0), codes, 0, 8, 1, 9, 2, 10, 3, 11)
      : halfValues(i32x4.extend_low_i16x8_u(codes)),
  );
}

// @ts-ignore: decorator
@inline
export function oneAt(format: u32, p: usize): f64 {
  if (format == kSingle) return <f64>load<f32>(p);
  const code = <u32>load<u16>(p);
  return <f64>(
    (format == kBrain
      ? reinterpret<f32>(code << 16)
      : f32x4.extract_lane(halfValues(i32x4.splat(code)), 0))
  );
}

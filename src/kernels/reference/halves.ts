/** 16-bit floats by number, as kernels take them: format 0 is bfloat16, 1 float16. */
import { decodeBf16, decodeF16, encodeBf16, encodeF16 } from './quant.js';

export function widenHalf(codes: Uint16Array, format: number): Float32Array {
  const values = new Float32Array(codes.length);
  (format === 0 ? decodeBf16 : decodeF16)(values, codes);
  return values;
}

/** The nearest codes; every NaN becomes the quiet one without a sign, since what an instruction set makes of a NaN differs. */
export function narrowHalf(codes: Uint16Array, values: Float32Array, format: number): void {
  (format === 0 ? encodeBf16 : encodeF16)(codes, values);
  for (let i = 0; i < codes.length; i++)
    if (Number.isNaN(values[i])) codes[i] = format === 0 ? 0x7fc0 : 0x7e00;
}

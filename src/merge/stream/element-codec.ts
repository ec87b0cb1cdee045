/** Stored elements to float32 and back. Files are little-endian; so is every machine that runs this. */
import { InvalidArgumentError } from '../../errors.js';
import type { Kernels } from '../../kernels/kernels.js';
import { isTensorDtype, type StoredDtype, type TensorDtype } from '../../tensor/safetensors/dtype.js';

/**
 * Widens stored elements: exact for float16, bfloat16 and 8-bit floats; float64 and integers are rounded to the nearest.
 *
 * @param bytes - begins at a multiple of the element's size.
 */
export function widen(kernels: Kernels, out: Float32Array, bytes: Uint8Array, dtype: StoredDtype): void {
  const view = elementsOf(bytes, dtype);
  switch (view.dtype) {
    case 'BF16':
      return kernels.decodeBf16(out, view.array);
    case 'F16':
      return kernels.decodeF16(out, view.array);
    case 'F8_E4M3':
    case 'F8_E5M2': {
      const table = view.dtype === 'F8_E4M3' ? e4m3Values() : e5m2Values();
      for (let i = 0; i < out.length; i++) out[i] = table[view.array[i]];
      return;
    }
    case 'I64':
      for (let i = 0; i < out.length; i++) out[i] = Number(view.array[i]);
      return;
    default:
      out.set(view.array);
  }
}

/** Rounds once to the nearest, ties to even; beyond the range floats become infinite. Integers are truncated towards zero. */
export function narrow(kernels: Kernels, bytes: Uint8Array, x: Float32Array, dtype: StoredDtype): void {
  const view = elementsOf(bytes, dtype);
  switch (view.dtype) {
    case 'BF16':
      return kernels.encodeBf16(view.array, x);
    case 'F16':
      return kernels.encodeF16(view.array, x);
    case 'I64':
      for (let i = 0; i < x.length; i++) view.array[i] = BigInt(Math.trunc(x[i]));
      return;
    case 'F32':
    case 'F64':
    case 'I32':
      view.array.set(x);
      return;
    default:
      throw new InvalidArgumentError('merge', 'the type of an output', 'F64, F32, F16, BF16, I64 or I32', dtype);
  }
}

type Elements =
  | { dtype: 'F64'; array: Float64Array }
  | { dtype: 'F32'; array: Float32Array }
  | { dtype: 'F16' | 'BF16'; array: Uint16Array }
  | { dtype: 'F8_E4M3' | 'F8_E5M2' | 'U8' | 'BOOL'; array: Uint8Array }
  | { dtype: 'I64'; array: BigInt64Array }
  | { dtype: 'I32'; array: Int32Array }
  | { dtype: 'I16'; array: Int16Array }
  | { dtype: 'I8'; array: Int8Array };

function elementsOf({ buffer, byteOffset, byteLength }: Uint8Array, dtype: StoredDtype): Elements {
  if (!isTensorDtype(dtype))
    throw new InvalidArgumentError('merge', 'the type of a tensor', 'one that holds numbers', dtype);
  const type: TensorDtype = dtype;
  switch (type) {
    case 'F64':
      return { dtype: type, array: new Float64Array(buffer, byteOffset, byteLength / 8) };
    case 'F32':
      return { dtype: type, array: new Float32Array(buffer, byteOffset, byteLength / 4) };
    case 'F16':
    case 'BF16':
      return { dtype: type, array: new Uint16Array(buffer, byteOffset, byteLength / 2) };
    case 'I64':
      return { dtype: type, array: new BigInt64Array(buffer, byteOffset, byteLength / 8) };
    case 'I32':
      return { dtype: type, array: new Int32Array(buffer, byteOffset, byteLength / 4) };
    case 'I16':
      return { dtype: type, array: new Int16Array(buffer, byteOffset, byteLength / 2) };
    case 'I8':
      return { dtype: type, array: new Int8Array(buffer, byteOffset, byteLength) };
    default:
      return { dtype: type, array: new Uint8Array(buffer, byteOffset, byteLength) };
  }
}

let e4m3: Float32Array | undefined;
let e5m2: Float32Array | undefined;

/** OCP 8-bit float E4M3: bias 7, no infinities, S.1111.111 is NaN. */
function e4m3Values(): Float32Array {
  e4m3 ??= Float32Array.from({ length: 256 }, (_, code) =>
    (code & 0x7f) === 0x7f ? Number.NaN : smallFloat(code, 3, 7),
  );
  return e4m3;
}

/** OCP 8-bit float E5M2: bias 15, infinities and NaN as in IEEE 754. */
function e5m2Values(): Float32Array {
  e5m2 ??= Float32Array.from({ length: 256 }, (_, code) => {
    if ((code & 0x7c) !== 0x7c) return smallFloat(code, 2, 15);
    if ((code & 3) !== 0) return Number.NaN;
    return (code & 0x80) !== 0 ? -Infinity : Infinity;
  });
  return e5m2;
}

function smallFloat(code: number, mantissaBits: number, bias: number): number {
  const exponent = (code & 0x7f) >> mantissaBits;
  const steps = 1 << mantissaBits;
  const mantissa = code & (steps - 1);
  const scaled = exponent === 0 ? mantissa : mantissa + steps;
  // Powers of two by shifts and division, which are exact.
  const power = Math.max(exponent, 1) - bias - mantissaBits;
  const magnitude = power >= 0 ? scaled * 2 ** power : scaled / (1 << -power);
  return (code & 0x80) !== 0 ? -magnitude : magnitude;
}

/** Stored values as float32 and back: widened exactly where float32 can hold them, rounded to nearest even once where not. */
import { HeddleError, InvalidArgumentError } from '../../errors.js';
import type { Kernels } from '../../kernels/kernels.js';
import { dtypeBits, isTensorDtype, type StoredDtype, type TensorDtype } from './dtype.js';

export interface Codec {
  readonly dtype: TensorDtype;
  /** Bytes of an element. */
  readonly width: number;
  /**
   * values[i] = the float32 nearest to element i of `bytes` (exact for F32, F16, BF16, FP8, I8, I16, U8 and BOOL).
   *
   * @param bytes - `values.length * width` little-endian bytes, of any alignment.
   */
  widen(values: Float32Array, bytes: Uint8Array): void;
  /**
   * Element i of `bytes` = values[i] in the stored type. Floats are rounded to nearest even; beyond the greatest they become infinite,
   * or NaN in F8_E4M3, which has no infinity. Integers are truncated toward zero and clamped to their range, a NaN becomes 0; BOOL is
   * whether a value is not 0.
   */
  narrow(bytes: Uint8Array, values: Float32Array): void;
}

/** Values of a tensor are asked for, whose type can only be copied. */
export class UnsupportedDtypeError extends HeddleError {
  constructor(dtype: string, where: string) {
    super(
      'ERR_UNSUPPORTED_DTYPE',
      `${where}: values of type ${dtype} cannot be computed with`,
      'convert the tensor to a float type first, or copy it unchanged (method passthrough)',
    );
  }
}

/**
 * The codec of a type on a back end.
 *
 * @param where - the tensor, for messages.
 * @throws {UnsupportedDtypeError} for types that are only copied.
 */
export function createCodec(kernels: Kernels, dtype: StoredDtype, where = 'a tensor'): Codec {
  if (!isTensorDtype(dtype)) throw new UnsupportedDtypeError(dtype, where);
  const width = dtypeBits[dtype] / 8;
  const body = bodyOf(kernels, dtype);
  const check = (values: Float32Array, bytes: Uint8Array): void => {
    if (bytes.length !== values.length * width)
      throw new InvalidArgumentError('Codec', 'bytes', `${values.length * width} bytes`, bytes.length);
  };
  return {
    dtype,
    width,
    widen(values, bytes) {
      check(values, bytes);
      body.widen(values, bytes);
    },
    narrow(bytes, values) {
      check(values, bytes);
      body.narrow(bytes, values);
    },
  };
}

type CodecBody = Pick<Codec, 'widen' | 'narrow'>;

function bodyOf(kernels: Kernels, dtype: TensorDtype): CodecBody {
  switch (dtype) {
    case 'F32':
      return {
        widen: (values, bytes) =>
          new Uint8Array(values.buffer, values.byteOffset, values.byteLength).set(bytes),
        narrow: (bytes, values) =>
          bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength)),
      };
    case 'F16':
      return words(kernels.decodeF16, kernels.encodeF16);
    case 'BF16':
      return words(kernels.decodeBf16, kernels.encodeBf16);
    case 'F8_E4M3':
      return { widen: kernels.decodeF8E4m3, narrow: kernels.encodeF8E4m3 };
    case 'F8_E5M2':
      return { widen: kernels.decodeF8E5m2, narrow: kernels.encodeF8E5m2 };
    case 'F64':
      return elements(
        8,
        (view, at) => view.getFloat64(at, true),
        (view, at, v) => view.setFloat64(at, v, true),
      );
    case 'I64':
      return elements(8, getInt64, setInt64);
    case 'I32':
      return elements(
        4,
        (view, at) => view.getInt32(at, true),
        (view, at, v) => view.setInt32(at, clamped(v, -2147483648, 2147483647), true),
      );
    case 'I16':
      return elements(
        2,
        (view, at) => view.getInt16(at, true),
        (view, at, v) => view.setInt16(at, clamped(v, -32768, 32767), true),
      );
    case 'I8':
      return elements(
        1,
        (view, at) => view.getInt8(at),
        (view, at, v) => view.setInt8(at, clamped(v, -128, 127)),
      );
    case 'U8':
      return elements(
        1,
        (view, at) => view.getUint8(at),
        (view, at, v) => view.setUint8(at, clamped(v, 0, 255)),
      );
    case 'BOOL':
      return elements(
        1,
        (view, at) => (view.getUint8(at) === 0 ? 0 : 1),
        (view, at, v) => view.setUint8(at, v === 0 ? 0 : 1),
      );
    default:
      return dtype satisfies never;
  }
}

/** Sixteen-bit codes; bytes at an odd place are moved to an even one first. */
function words(
  decode: (values: Float32Array, codes: Uint16Array) => void,
  encode: (codes: Uint16Array, values: Float32Array) => void,
): CodecBody {
  return {
    widen(values, bytes) {
      const even = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
      decode(values, new Uint16Array(even.buffer, even.byteOffset, values.length));
    },
    narrow(bytes, values) {
      if (bytes.byteOffset % 2 === 0) {
        encode(new Uint16Array(bytes.buffer, bytes.byteOffset, values.length), values);
        return;
      }
      const codes = new Uint16Array(values.length);
      encode(codes, values);
      bytes.set(new Uint8Array(codes.buffer));
    },
  };
}

function elements(
  width: number,
  get: (view: DataView, at: number) => number,
  set: (view: DataView, at: number, value: number) => void,
): CodecBody {
  const viewOf = (bytes: Uint8Array): DataView =>
    new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    widen(values, bytes) {
      const view = viewOf(bytes);
      for (let i = 0; i < values.length; i++) values[i] = get(view, i * width);
    },
    narrow(bytes, values) {
      const view = viewOf(bytes);
      for (let i = 0; i < values.length; i++) set(view, i * width, values[i]);
    },
  };
}

function clamped(value: number, low: number, high: number): number {
  if (Number.isNaN(value)) return 0;
  return Math.trunc(Math.min(high, Math.max(low, value)));
}

const TWO_32 = 2 ** 32;
const TWO_53 = 2 ** 53;
const TWO_63 = 2 ** 63;

function getInt64(view: DataView, at: number): number {
  const high = view.getInt32(at + 4, true);
  // Within 2^53 the two halves make an exact float64, at a fraction of a bigint's time.
  if (high >= -0x200000 && high < 0x200000) return high * TWO_32 + view.getUint32(at, true);
  return nearestOfInt64(view.getBigInt64(at, true));
}

function setInt64(view: DataView, at: number, value: number): void {
  if (!(Math.abs(value) < TWO_53)) {
    view.setBigInt64(at, int64Of(value), true);
    return;
  }
  const whole = Math.trunc(value);
  const high = Math.floor(whole / TWO_32);
  view.setUint32(at, whole - high * TWO_32, true);
  view.setInt32(at + 4, high, true);
}

function int64Of(value: number): bigint {
  if (Number.isNaN(value)) return 0n;
  if (value >= TWO_63) return 2n ** 63n - 1n;
  return value <= -TWO_63 ? -(2n ** 63n) : BigInt(Math.trunc(value));
}

/**
 * The float32 nearest to a 64-bit integer, rounded once: through float64 it could be rounded twice. Above 2^53 the low bits only say
 * whether the value lies beyond the middle of two floats, so they are folded into one sticky bit that float64 still holds.
 */
function nearestOfInt64(value: bigint): number {
  const magnitude = value < 0n ? -value : value;
  const low = magnitude & 0xfffffn;
  const folded = Number((magnitude - low) | (low === 0n ? 0n : 0x80000n));
  return Math.fround(value < 0n ? -folded : folded);
}

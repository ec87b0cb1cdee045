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

/**
 * Rounds values in place to those that the codec's type holds.
 *
 * @param bytes - gets the values as stored; who rounds often hands over the same. Default: new memory.
 */
export function roundTo(
  codec: Codec,
  values: Float32Array,
  bytes: Uint8Array = new Uint8Array(values.length * codec.width),
): void {
  codec.narrow(bytes, values);
  codec.widen(values, bytes);
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
      return copied(Float64Array, (stored, values) => stored.set(values));
    case 'I64':
      return { widen: (values, bytes) => widenInt64(values, alignedTo(4, bytes)), narrow: narrowInt64 };
    case 'I32':
      return copied(Int32Array, clampTo(-2147483648, 2147483647));
    case 'I16':
      return copied(Int16Array, clampTo(-32768, 32767));
    case 'I8':
      return copied(Int8Array, clampTo(-128, 127));
    case 'U8':
      return copied(Uint8Array, clampTo(0, 255));
    case 'BOOL':
      return {
        widen(values, bytes) {
          for (let i = 0; i < values.length; i++) values[i] = bytes[i] === 0 ? 0 : 1;
        },
        narrow(bytes, values) {
          for (let i = 0; i < values.length; i++) bytes[i] = values[i] === 0 ? 0 : 1;
        },
      };
    default:
      return dtype satisfies never;
  }
}

/** The bytes themselves where they lie at a multiple of `width`, else a copy of them. */
const alignedTo = (width: number, bytes: Uint8Array): Uint8Array =>
  bytes.byteOffset % width === 0 ? bytes : bytes.slice();

/** Hands `write` memory at a multiple of `width`, and copies it to `bytes` where that is elsewhere. */
function writeAligned(width: number, bytes: Uint8Array, write: (aligned: Uint8Array) => void): void {
  const aligned = bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes.length);
  write(aligned);
  if (aligned !== bytes) bytes.set(aligned);
}

const codesIn = (bytes: Uint8Array): Uint16Array =>
  new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);

/** Sixteen-bit codes. */
function words(
  decode: (values: Float32Array, codes: Uint16Array) => void,
  encode: (codes: Uint16Array, values: Float32Array) => void,
): CodecBody {
  return {
    widen: (values, bytes) => decode(values, codesIn(alignedTo(2, bytes))),
    narrow: (bytes, values) =>
      writeAligned(2, bytes, (aligned) => {
        encode(codesIn(aligned), values);
      }),
  };
}

type StoredNumbers = Float64Array | Int32Array | Int16Array | Int8Array | Uint8Array;

/** Numbers that a typed array holds: copied into float32 they are rounded to nearest even. */
function copied<T extends StoredNumbers>(
  type: { new (buffer: ArrayBufferLike, offset: number, length: number): T; BYTES_PER_ELEMENT: number },
  write: (stored: T, values: Float32Array) => void,
): CodecBody {
  const width = type.BYTES_PER_ELEMENT;
  const numbersIn = (bytes: Uint8Array): T => new type(bytes.buffer, bytes.byteOffset, bytes.length / width);
  return {
    widen: (values, bytes) => values.set(numbersIn(alignedTo(width, bytes))),
    narrow: (bytes, values) =>
      writeAligned(width, bytes, (aligned) => {
        write(numbersIn(aligned), values);
      }),
  };
}

/** Truncated toward zero and clamped; a NaN fails the first compares and is stored as 0. */
const clampTo =
  (low: number, high: number) =>
  (stored: StoredNumbers, values: Float32Array): void => {
    for (let i = 0; i < values.length; i++) {
      const v = values[i];
      stored[i] = v >= high ? high : v <= low ? low : v;
    }
  };

const TWO_32 = 2 ** 32;
const TWO_63 = 2 ** 63;

function widenInt64(values: Float32Array, bytes: Uint8Array): void {
  const halves = new Int32Array(bytes.buffer, bytes.byteOffset, 2 * values.length);
  for (let i = 0; i < values.length; i++) {
    const low = halves[2 * i] >>> 0;
    const high = halves[2 * i + 1];
    // Within 2^53 the two halves make an exact float64.
    values[i] =
      high >= -0x200000 && high < 0x200000
        ? high * TWO_32 + low
        : nearestOfInt64((BigInt(high) << 32n) | BigInt(low));
  }
}

function narrowInt64(bytes: Uint8Array, values: Float32Array): void {
  writeAligned(4, bytes, (aligned) => {
    const halves = new Int32Array(aligned.buffer, aligned.byteOffset, 2 * values.length);
    for (let i = 0; i < values.length; i++) {
      const v = values[i];
      let low = 0;
      let high = 0;
      if (v >= TWO_63) {
        low = -1;
        high = 0x7fffffff;
      } else if (v <= -TWO_63) high = -0x80000000;
      else if (!Number.isNaN(v)) {
        const whole = Math.trunc(v);
        high = Math.floor(whole / TWO_32);
        low = whole - high * TWO_32;
      }
      halves[2 * i] = low;
      halves[2 * i + 1] = high;
    }
  });
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

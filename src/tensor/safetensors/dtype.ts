/** Element types of safetensors files, as the format names them. https://huggingface.co/docs/safetensors */

/** Bits of an element, in increasing order of alignment: the order in which a writer lays tensors out is the reverse of it. */
export const dtypeBits = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

/** Every type that a file may hold. */
export type StoredDtype = keyof typeof dtypeBits;

/** Types whose values are read as numbers and written from them; tensors of the others can only be copied. */
export const tensorDtypes = [
  'F64',
  'F32',
  'F16',
  'BF16',
  'F8_E4M3',
  'F8_E5M2',
  'I64',
  'I32',
  'I16',
  'I8',
  'U8',
  'BOOL',
] as const satisfies readonly StoredDtype[];
export type TensorDtype = (typeof tensorDtypes)[number];

export function isStoredDtype(name: string): name is StoredDtype {
  return Object.hasOwn(dtypeBits, name);
}

/** Whether the values of such a tensor can be read as numbers. */
export function isTensorDtype(dtype: StoredDtype): dtype is TensorDtype {
  return (tensorDtypes as readonly StoredDtype[]).includes(dtype);
}

/** Whether the type is a floating-point one that merges compute with. */
export function isFloatDtype(dtype: StoredDtype): boolean {
  return /^B?F\d/.test(dtype);
}

/** Bytes of `elements` elements. A type below eight bits ends on a whole byte at even numbers of elements only. */
export function bytesOf(dtype: StoredDtype, elements: number): number {
  return (elements * dtypeBits[dtype]) / 8;
}

/** Magnitude from which a value is stored as an infinity, which is halfway past the largest finite one; infinity for wider types. */
export function overflowLimit(dtype: StoredDtype): number {
  if (dtype === 'F16') return 65_520;
  return dtype === 'BF16' ? 3.39617752923046e38 : Number.POSITIVE_INFINITY;
}

/** Quantized uploads: block-wise int8, float16 and bfloat16. */
import { UpdateRejectedError } from '../combine/errors.js';
import { InvalidArgumentError } from '../errors.js';
import { randomKey } from '../kernels/address.js';
import { dense, type Payload, type Stage, type StageContext } from './stage.js';

export interface QuantizeOptions {
  format: 'int8' | 'f16' | 'bf16';
  /** Values that share a scale, 16 to 65,536; int8 only. Default: 256. */
  block?: number;
  /** Nearest (ties to even), or stochastic: unbiased, addressed by (seed, round, client). Default: nearest. */
  rounding?: 'nearest' | 'stochastic';
}

/**
 * Quantizes the upload. Decoding gives float32 back.
 *
 * Wire sizes: int8 n + 4 * ceil(n / block) bytes, f16 and bf16 2n bytes.
 * @throws {InvalidArgumentError} for an unknown format or rounding, or a block outside 16 to 65,536.
 * @throws {UpdateRejectedError} on an update that is not finite, or holds a value that the format does not reach
 *   (f16: above 65,504).
 */
export function quantize({ format, block = 256, rounding = 'nearest' }: QuantizeOptions): Stage {
  if (!['int8', 'f16', 'bf16'].includes(format))
    throw new InvalidArgumentError('quantize', 'format', 'int8, f16 or bf16', format);
  if (rounding !== 'nearest' && rounding !== 'stochastic')
    throw new InvalidArgumentError('quantize', 'rounding', 'nearest or stochastic', rounding);
  if (!(Number.isInteger(block) && block >= 16 && block <= 65_536))
    throw new InvalidArgumentError('quantize', 'block', 'an integer from 16 to 65536', block);
  const stochastic = rounding === 'stochastic';
  const codec = format === 'int8' ? int8(block, stochastic) : half(format, stochastic);
  return { name: 'quantize', upload: codec };
}

function streamOf({ seed, round, client }: StageContext): [number, number, number, number, number, number] {
  const { key0, key1 } = randomKey(seed, { purpose: 'compression', round, entity: client });
  return [key0, key1, 0, 0, 0, 0];
}

function valuesOf(payload: Payload): Float32Array {
  if (payload.kind === 'dense') return payload.values;
  throw new InvalidArgumentError('quantize', 'its place', 'the only quantizer of the pipeline', payload.kind);
}

function int8(block: number, stochastic: boolean): NonNullable<Stage['upload']> {
  return {
    encode(payload, context) {
      const values = valuesOf(payload);
      const codes = new Int8Array(values.length);
      const scales = new Float32Array(Math.ceil(values.length / block));
      const { kernels } = context;
      const bad = stochastic
        ? kernels.quantizeInt8Stochastic(codes, scales, values, block, ...streamOf(context))
        : kernels.quantizeInt8(codes, scales, values, block);
      if (bad >= 0) throw new UpdateRejectedError(String(context.client), 'not-finite', values[bad]);
      return { kind: 'int8', codes, scales, block, bytes: codes.byteLength + scales.byteLength };
    },
    decode(payload, { kernels }) {
      if (payload.kind !== 'int8') return payload;
      const values = new Float32Array(payload.codes.length);
      kernels.dequantizeInt8(values, payload.codes, payload.scales, payload.block);
      return dense(values);
    },
  };
}

/** Greatest finite value of a format; a larger one would arrive as infinity. */
const kLargest = { f16: 65_504, bf16: (2 - 2 ** -7) * 2 ** 127 } as const;

function half(format: 'f16' | 'bf16', stochastic: boolean): NonNullable<Stage['upload']> {
  return {
    encode(payload, context) {
      const values = valuesOf(payload);
      const { kernels } = context;
      if (kernels.allFiniteF32(values) === 0)
        throw new UpdateRejectedError(String(context.client), 'not-finite', Number.NaN);
      const largest = kernels.maxAbsF32(values);
      if (largest > kLargest[format])
        throw new UpdateRejectedError(String(context.client), 'above-bound', largest, kLargest[format]);
      const codes = new Uint16Array(values.length);
      if (stochastic) {
        const stream = streamOf(context);
        if (format === 'f16') kernels.encodeF16Stochastic(codes, values, ...stream);
        else kernels.encodeBf16Stochastic(codes, values, ...stream);
      } else if (format === 'f16') kernels.encodeF16(codes, values);
      else kernels.encodeBf16(codes, values);
      return { kind: format, codes, bytes: codes.byteLength };
    },
    decode(payload, { kernels }) {
      if (payload.kind !== 'f16' && payload.kind !== 'bf16') return payload;
      const values = new Float32Array(payload.codes.length);
      if (payload.kind === 'f16') kernels.decodeF16(values, payload.codes);
      else kernels.decodeBf16(values, payload.codes);
      return dense(values);
    },
  };
}

/**
 * TensorBoard event files: TFRecord framing, masked CRC-32C and the few protobuf fields that scalars need.
 *
 * Field numbers: tensorboard/compat/proto/event.proto and summary.proto. `simple_value` alone is accepted by
 * TensorBoard as a scalar, so no plug-in metadata is written. Browser-safe; the file itself is the run folder's matter.
 */
import { InvalidArgumentError } from '../errors.js';
import type { Metrics } from '../federation/events.js';

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

/** CRC-32C (Castagnoli, reflected), as an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = CRC_TABLE[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** The masked form that TFRecord stores, so that a checksum of data holding checksums stays useful. */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** Frames one record: length, its checksum, data, its checksum, all little-endian. */
export function frameRecord(data: Uint8Array): Uint8Array {
  const frame = new Uint8Array(16 + data.length);
  const view = new DataView(frame.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(frame.subarray(0, 8)), true);
  frame.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return frame;
}

/** A growing byte string with protobuf's wire forms. */
class ProtoWriter {
  private bytes: number[] = [];

  varint(value: bigint): this {
    let rest = value;
    for (; rest > 0x7fn; rest >>= 7n) this.bytes.push(Number(rest & 0x7fn) | 0x80);
    this.bytes.push(Number(rest));
    return this;
  }

  key(key: number): this {
    this.bytes.push(key);
    return this;
  }

  float64(value: number): this {
    const raw = new DataView(new ArrayBuffer(8));
    raw.setFloat64(0, value, true);
    return this.raw(new Uint8Array(raw.buffer));
  }

  float32(value: number): this {
    const raw = new DataView(new ArrayBuffer(4));
    raw.setFloat32(0, value, true);
    return this.raw(new Uint8Array(raw.buffer));
  }

  delimited(content: Uint8Array): this {
    return this.varint(BigInt(content.length)).raw(content);
  }

  raw(content: Uint8Array): this {
    for (const byte of content) this.bytes.push(byte);
    return this;
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.bytes);
  }
}

const utf8 = new TextEncoder();
const KEY = {
  wallTime: 0x09,
  step: 0x10,
  fileVersion: 0x1a,
  summary: 0x2a,
  value: 0x0a,
  tag: 0x0a,
  simpleValue: 0x15,
} as const;

/** The record that opens every event file. `wallTime` is Unix seconds. */
export function encodeFileVersion(wallTime: number): Uint8Array {
  const event = new ProtoWriter().key(KEY.wallTime).float64(wallTime);
  return frameRecord(event.key(KEY.fileVersion).delimited(utf8.encode('brain.Event:2')).finish());
}

/**
 * One record holding a scalar for every metric.
 *
 * @param wallTime - Unix seconds.
 * @param step - a whole number from 0 to 2^63 - 1; a bigint above 2^53.
 * @param metrics - rounded to float32; NaN and infinities are kept, and TensorBoard draws them as gaps.
 * @throws {InvalidArgumentError} for a step that is negative or not whole.
 */
export function encodeScalars(wallTime: number, step: number | bigint, metrics: Metrics): Uint8Array {
  if (typeof step === 'number' ? !Number.isSafeInteger(step) || step < 0 : step < 0n || step >= 1n << 63n)
    throw new InvalidArgumentError(
      'encodeScalars',
      'step',
      'a whole number from 0, as a bigint above 2^53',
      step,
    );
  const summary = new ProtoWriter();
  for (const [name, value] of Object.entries(metrics)) {
    const entry = new ProtoWriter().key(KEY.tag).delimited(utf8.encode(name));
    summary.key(KEY.value).delimited(entry.key(KEY.simpleValue).float32(value).finish());
  }
  const event = new ProtoWriter().key(KEY.wallTime).float64(wallTime).key(KEY.step).varint(BigInt(step));
  return frameRecord(event.key(KEY.summary).delimited(summary.finish()).finish());
}

/**
 * `events.out.tfevents.<seconds, 10 digits>.<host>.<pid>.<n>`.
 *
 * @param n - 0 for the first file of a run; a resumed run starts the next one.
 */
export function eventFileName(unixSeconds: number, host: string, pid: number, n: number): string {
  const seconds = String(Math.floor(unixSeconds)).padStart(10, '0');
  return `events.out.tfevents.${seconds}.${host.replace(/[^A-Za-z0-9-]+/g, '-') || 'localhost'}.${pid}.${n}`;
}

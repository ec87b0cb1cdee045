import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidArgumentError } from '../../src/errors.js';
import {
  crc32c,
  encodeFileVersion,
  encodeScalars,
  eventFileName,
  frameRecord,
  maskedCrc32c,
} from '../../src/report/tfevents.js';

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('CRC-32C', () => {
  // Check values of RFC 3720, appendix B.4, and the usual "123456789".
  it.each([
    ['the digits', ascii('123456789'), 0xe3069283],
    ['32 zero bytes', new Uint8Array(32), 0x8a9136aa],
    ['32 bytes of ones', new Uint8Array(32).fill(255), 0x62a8ab43],
    ['nothing', new Uint8Array(0), 0],
  ])('of %s is the published value', (_, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });

  it('is masked as TFRecord asks', () => {
    expect(maskedCrc32c(ascii('123456789'))).toBe(0xc78ab0e5);
  });
});

describe('event records', () => {
  // A file that TensorBoard's own event reader accepts as scalar "loss", step 7, value 0.5.
  it('equal the golden file byte for byte', () => {
    expect(hex(encodeFileVersion(1_700_000_000))).toBe(
      '1800000000000000a37f4b220900000040fc54d9411a0d627261696e2e4576656e743a32eced8f9d',
    );
    expect(hex(encodeScalars(1_700_000_001, 7, { loss: 0.5 }))).toBe(
      '1a00000000000000129bd82d0900004040fc54d94110072a0d0a0b0a046c6f7373150000003f368fc084',
    );
  });

  it('carry any step below 2^63 and any number of scalars, read back by an independent decoder', () => {
    const metrics = fc.dictionary(
      fc.string({ unit: 'grapheme' }).filter((key) => key !== '__proto__'),
      fc.float(),
      { maxKeys: 30 },
    );
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 63n) - 1n }), metrics, (step, values) => {
        const record = encodeScalars(1.5, step, values);
        const decoded = readRecord(record);
        expect(decoded.step).toBe(step);
        expect(decoded.wallTime).toBe(1.5);
        expect(decoded.scalars).toEqual(Object.entries(values));
      }),
      { seed: 11, numRuns: 200 },
    );
  });

  it('refuse steps that TensorBoard cannot hold', () => {
    for (const step of [-1, 0.5, Number.NaN, 2 ** 53, -1n, 1n << 63n])
      expect(() => encodeScalars(0, step, {})).toThrow(InvalidArgumentError);
  });

  it('are framed with both checksums over the right bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
        const frame = frameRecord(data);
        const view = new DataView(frame.buffer);
        expect(Number(view.getBigUint64(0, true))).toBe(data.length);
        expect(view.getUint32(8, true)).toBe(maskedCrc32c(frame.slice(0, 8)));
        expect(view.getUint32(12 + data.length, true)).toBe(maskedCrc32c(data));
      }),
      { seed: 12, numRuns: 100 },
    );
  });
});

it('event files are named as TensorBoard looks for them', () => {
  expect(eventFileName(1_700_000_000.9, 'box/../a b', 42, 0)).toBe(
    'events.out.tfevents.1700000000.box-a-b.42.0',
  );
});

/** A protobuf reader written from the wire format alone. */
function readRecord(frame: Uint8Array): { wallTime: number; step: bigint; scalars: [string, number][] } {
  const data = frame.subarray(12, frame.length - 4);
  const event = fields(data);
  const summary = event.find((f) => f.id === 5)?.bytes ?? new Uint8Array();
  return {
    wallTime: view(event.find((f) => f.id === 1)?.bytes).getFloat64(0, true),
    step: event.find((f) => f.id === 2)?.varint ?? -1n,
    scalars: fields(summary).map(({ bytes }) => {
      const value = fields(bytes);
      return [new TextDecoder().decode(value[0].bytes), view(value[1].bytes).getFloat32(0, true)];
    }),
  };
}

function view(bytes: Uint8Array = new Uint8Array()): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function fields(data: Uint8Array): { id: number; varint: bigint; bytes: Uint8Array }[] {
  const found = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = data[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < data.length) {
    const key = Number(varint());
    const wire = key & 7;
    const scalar = wire === 0 ? varint() : 0n;
    const length = wire === 0 ? 0 : wire === 1 ? 8 : wire === 5 ? 4 : Number(varint());
    found.push({ id: key >> 3, varint: scalar, bytes: data.subarray(at, at + length) });
    at += length;
  }
  return found;
}

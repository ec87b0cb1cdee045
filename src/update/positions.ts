/**
 * Positions of kept units on the wire: the smallest of four codes, ties to the first (spec: table of position codes).
 * Positions are over units, not over weights: that is where dropping whole neurons saves.
 */
import { HeddleError, InvalidArgumentError } from '../errors.js';

export const positionCodes = ['bitmap', 'list', 'gaps', 'runs'] as const;
export type PositionCode = (typeof positionCodes)[number];

export interface EncodedPositions {
  readonly code: PositionCode;
  readonly bytes: Uint8Array;
}

/** Positions that a peer sent are not a sorted set below the number of units. */
export class PositionsFormatError extends HeddleError {
  constructor(problem: string) {
    super(
      'ERR_POSITIONS_FORMAT',
      `encoded positions: ${problem}`,
      'the sender and the receiver must run the same version and model',
    );
  }
}

/**
 * Encodes a sorted set of positions.
 *
 * `bitmap`: bit i of byte i >> 3, least significant first. `list`: u16 little endian each (u32 above 65,536 units).
 * `gaps`: LEB128 of gap - 1, the first gap from -1. `runs`: LEB128 lengths of alternating runs, kept first (may be 0).
 * @param kept - strictly ascending, below `units`.
 * @throws {InvalidArgumentError} if it is not.
 */
export function encodePositions(kept: Uint32Array, units: number): EncodedPositions {
  if (!kept.every((position, i) => position < units && (i === 0 || position > kept[i - 1])))
    throw new InvalidArgumentError('encodePositions', 'kept', `strictly ascending below ${units}`, kept);
  const candidates = positionCodes.map((code) => ({ code, bytes: encoders[code](kept, units) }));
  return candidates.reduce((best, next) => (next.bytes.length < best.bytes.length ? next : best));
}

/** @throws {PositionsFormatError} on anything that is not the encoding of a strictly ascending set below `units`. */
export function decodePositions({ code, bytes }: EncodedPositions, units: number): Uint32Array {
  if (!positionCodes.includes(code)) throw new PositionsFormatError(`unknown code ${String(code)}`);
  const kept = decoders[code](bytes, units);
  kept.forEach((position, i) => {
    if (position >= units) throw new PositionsFormatError(`position ${position} of ${units} units`);
    if (i > 0 && position <= kept[i - 1]) throw new PositionsFormatError('positions are not ascending');
  });
  return Uint32Array.from(kept);
}

type Encoder = (kept: Uint32Array, units: number) => Uint8Array;
const encoders: Record<PositionCode, Encoder> = {
  bitmap(kept, units) {
    const bytes = new Uint8Array(Math.ceil(units / 8));
    for (const position of kept) bytes[position >> 3] |= 1 << (position & 7);
    return bytes;
  },
  list(kept, units) {
    const width = listWidth(units);
    const bytes = new Uint8Array(kept.length * width);
    const view = new DataView(bytes.buffer);
    kept.forEach((position, i) => {
      if (width === 2) view.setUint16(2 * i, position, true);
      else view.setUint32(4 * i, position, true);
    });
    return bytes;
  },
  gaps(kept) {
    const bytes: number[] = [];
    let last = -1;
    for (const position of kept) {
      pushVarint(bytes, position - last - 1);
      last = position;
    }
    return Uint8Array.from(bytes);
  },
  runs(kept, units) {
    const bytes: number[] = [];
    let next = 0;
    let i = 0;
    while (next < units) {
      const start = i;
      while (i < kept.length && kept[i] === next + (i - start)) i++;
      const keptRun = i - start;
      pushVarint(bytes, keptRun);
      next += keptRun;
      if (next >= units) break;
      const end = i < kept.length ? kept[i] : units;
      pushVarint(bytes, end - next);
      next = end;
    }
    return Uint8Array.from(bytes);
  },
};

type Decoder = (bytes: Uint8Array, units: number) => number[];
const decoders: Record<PositionCode, Decoder> = {
  bitmap(bytes, units) {
    if (bytes.length !== Math.ceil(units / 8))
      throw new PositionsFormatError(`bitmap of ${bytes.length} bytes for ${units} units`);
    const kept: number[] = [];
    for (let i = 0; i < bytes.length * 8; i++) if ((bytes[i >> 3] >> (i & 7)) & 1) kept.push(i);
    return kept;
  },
  list(bytes, units) {
    const width = listWidth(units);
    if (bytes.length % width !== 0 || bytes.length / width > units)
      throw new PositionsFormatError(`list of ${bytes.length} bytes for ${units} units`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Array.from({ length: bytes.length / width }, (_, i) =>
      width === 2 ? view.getUint16(2 * i, true) : view.getUint32(4 * i, true),
    );
  },
  gaps(bytes, units) {
    const kept: number[] = [];
    let last = -1;
    for (const gap of readVarints(bytes, units)) {
      last += gap + 1;
      kept.push(last);
    }
    return kept;
  },
  runs(bytes, units) {
    const kept: number[] = [];
    let next = 0;
    readVarints(bytes, units + 1).forEach((run, i) => {
      if (run === 0 && i > 0) throw new PositionsFormatError('an empty run after the first');
      if (next + run > units) throw new PositionsFormatError(`runs reach past ${units} units`);
      if (i % 2 === 0) for (let k = 0; k < run; k++) kept.push(next + k);
      next += run;
    });
    if (next !== units) throw new PositionsFormatError(`runs cover ${next} of ${units} units`);
    return kept;
  },
};

function listWidth(units: number): 2 | 4 {
  return units <= 65_536 ? 2 : 4;
}

function pushVarint(bytes: number[], value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
}

function readVarints(bytes: Uint8Array, most: number): number[] {
  const values: number[] = [];
  let value = 0;
  let scale = 1;
  for (const byte of bytes) {
    value += (byte & 0x7f) * scale;
    if (scale > 2 ** 28 || value > 0xffffffff) throw new PositionsFormatError('a number above 2^32 - 1');
    if (byte === 0 && scale > 1) throw new PositionsFormatError('a number with leading zeros');
    if (byte & 0x80) scale *= 128;
    else {
      values.push(value);
      if (values.length > most) throw new PositionsFormatError('more numbers than units');
      value = 0;
      scale = 1;
    }
  }
  if (scale !== 1) throw new PositionsFormatError('ends inside a number');
  return values;
}

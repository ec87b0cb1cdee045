/**
 * The pieces of a SentencePiece model (`tokenizer.model`, `spiece.model`): a protocol buffer whose field 1 repeats a message of text (1),
 * score (2, a float) and kind (3); a piece's id is its place. Everything else is passed over by its length.
 */

export type PieceKind = 'normal' | 'unknown' | 'control' | 'user-defined' | 'unused' | 'byte';

export interface Piece {
  readonly text: string;
  readonly score: number;
  readonly kind: PieceKind;
}

/** In the order of their numbers, from 1. */
const KINDS: readonly PieceKind[] = ['normal', 'unknown', 'control', 'user-defined', 'unused', 'byte'];

const VARINT = 0;
const EIGHT_BYTES = 1;
const LENGTH = 2;
const FOUR_BYTES = 5;

/** Bytes are not a SentencePiece model; the message says why. */
export class SentencePieceError extends Error {}

interface Field {
  readonly number: number;
  readonly type: number;
  /** Of a varint, below 2^53; 0 for other types. */
  readonly value: number;
  /** Content of the other types. */
  readonly begin: number;
  readonly end: number;
}

/** Reads pieces; nothing is allocated by a length that the bytes do not have. @throws {SentencePieceError} */
export function readPieces(bytes: Uint8Array): Piece[] {
  const pieces: Piece[] = [];
  const decoder = new TextDecoder('utf-8', { fatal: true });
  for (const { number, type, begin, end } of fieldsOf(bytes, 0, bytes.length)) {
    if (number !== 1) continue;
    if (type !== LENGTH) throw new SentencePieceError(`piece ${pieces.length} is no message`);
    pieces.push(readPiece(bytes, begin, end, decoder, pieces.length));
  }
  if (pieces.length === 0) throw new SentencePieceError('it holds no pieces');
  return pieces;
}

function readPiece(bytes: Uint8Array, from: number, to: number, decoder: TextDecoder, index: number): Piece {
  let text: string | undefined;
  let score = 0;
  let kind: PieceKind = 'normal';
  for (const { number, type, value, begin, end } of fieldsOf(bytes, from, to)) {
    if (number === 1 && type === LENGTH) {
      try {
        text = decoder.decode(bytes.subarray(begin, end));
      } catch {
        throw new SentencePieceError(`piece ${index} is not UTF-8 text`);
      }
    } else if (number === 2 && type === FOUR_BYTES)
      score = new DataView(bytes.buffer, bytes.byteOffset + begin, 4).getFloat32(0, true);
    else if (number === 3 && type === VARINT) {
      const named = KINDS[value - 1];
      if (named === undefined) throw new SentencePieceError(`piece ${index} is of the unknown kind ${value}`);
      kind = named;
    }
  }
  if (text === undefined) throw new SentencePieceError(`piece ${index} has no text`);
  return { text, score, kind };
}

function* fieldsOf(bytes: Uint8Array, begin: number, end: number): Generator<Field> {
  let at = begin;
  const varint = (): number => {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 10; count++) {
      if (at >= end) throw new SentencePieceError(`it ends within a number at byte ${at}`);
      const byte = bytes[at++];
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
    throw new SentencePieceError(`the number at byte ${at} has no end`);
  };
  while (at < end) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    const type = tag % 8;
    let value = 0;
    let length = 0;
    if (type === VARINT) value = varint();
    else if (type === EIGHT_BYTES) length = 8;
    else if (type === FOUR_BYTES) length = 4;
    else if (type === LENGTH) length = varint();
    else throw new SentencePieceError(`field ${number} at byte ${at} is of wire type ${type}`);
    if (number === 0 || length > end - at)
      throw new SentencePieceError(`field ${number} at byte ${at} goes beyond the end`);
    yield { number, type, value, begin: at, end: at + length };
    at += length;
  }
}

/** The model with more pieces behind its own: in a protocol buffer, repeated fields may be continued at the end. */
export function appendPieces(bytes: Uint8Array, pieces: readonly Piece[]): Uint8Array {
  const encoder = new TextEncoder();
  const parts = pieces.map(({ text, score, kind }) => {
    const content = encoder.encode(text);
    const float = new Uint8Array(4);
    new DataView(float.buffer).setFloat32(0, score, true);
    const message = [
      ...[(1 << 3) | LENGTH, ...varintBytes(content.length), ...content],
      ...[(2 << 3) | FOUR_BYTES, ...float],
      ...[(3 << 3) | VARINT, KINDS.indexOf(kind) + 1],
    ];
    return Uint8Array.from([(1 << 3) | LENGTH, ...varintBytes(message.length), ...message]);
  });
  const whole = new Uint8Array(parts.reduce((n, part) => n + part.length, bytes.length));
  whole.set(bytes);
  let at = bytes.length;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function varintBytes(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return [...bytes, rest];
}

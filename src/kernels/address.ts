/**
 * Addressed randomness: every random number has a place, and the place alone decides its value.
 *
 * Philox4x32-10 (Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3"). The run seed and the counter
 * (purpose, round, entity lo, entity hi) give a key; under that key the counter (block lo, block hi, step, site) gives
 * four words. No generator has a state, so the order in which work is done cannot change a result.
 */
import { InvalidArgumentError } from '../errors.js';
import { philox4x32 } from './reference/philox.js';

/** What a random number is for. Part of every file that can be reproduced: never renumber, only append. */
export const Purpose = {
  init: 0,
  partition: 1,
  select: 2,
  batch: 3,
  dropout: 4,
  noise: 5,
  compression: 6,
  gate: 7,
  synth: 8,
  system: 9,
  attack: 10,
  merge: 11,
  data: 12,
  test: 13,
} as const;
export type PurposeName = keyof typeof Purpose;

/** Key of a stream of blocks: what the random kernels take as `key0`, `key1`. */
export interface RandomKey {
  readonly key0: number;
  readonly key1: number;
}

/** Where a stream belongs. */
export interface RandomAddress {
  purpose: PurposeName;
  /** Integer from 0 to 2^32 - 1. Default: 0. */
  round?: number;
  /** A client id (from 0 to 2^53 - 1), or a 64-bit hash of a tensor's name. Default: 0. */
  entity?: number | bigint;
}

/**
 * Reads a 64-bit seed: a non-negative integer, or a decimal string for values above 2^53.
 *
 * @throws {InvalidArgumentError} for anything else.
 */
export function parseSeed(seed: number | string | bigint): bigint {
  const text = typeof seed === 'string' ? seed.trim() : seed;
  const valid =
    typeof text === 'bigint' ||
    (typeof text === 'number' && Number.isSafeInteger(text)) ||
    (typeof text === 'string' && /^\d+$/.test(text));
  const value = valid ? BigInt(text) : -1n;
  if (value < 0n || value >= 1n << 64n)
    throw new InvalidArgumentError(
      'seed',
      'seed',
      'an integer from 0 to 2^64 - 1 (a string above 2^53)',
      seed,
    );
  return value;
}

/**
 * Key of the stream at `address` under `seed`: words 0 and 1 of the block at counter (purpose, round, entity).
 *
 * @param seed - 0 to 2^64 - 1; above 2^53 a string of digits or a bigint.
 * @throws {InvalidArgumentError} for another seed, an unknown purpose, or a round or entity out of range: two addresses never
 *   share a stream.
 */
export function randomKey(seed: number | string | bigint, address: RandomAddress): RandomKey {
  const bits = parseSeed(seed);
  const { purpose, round = 0 } = address;
  if (!Object.hasOwn(Purpose, purpose))
    throw new InvalidArgumentError('randomKey', 'purpose', Object.keys(Purpose).join(', '), purpose);
  if (!(Number.isInteger(round) && round >= 0 && round <= 0xffffffff))
    throw new InvalidArgumentError('randomKey', 'round', 'an integer from 0 to 2^32 - 1', round);
  const entity = entityBits(address.entity ?? 0);
  const words = philox4x32(
    Purpose[purpose],
    round,
    Number(entity & 0xffffffffn),
    Number((entity >> 32n) & 0xffffffffn),
    Number(bits & 0xffffffffn),
    Number(bits >> 32n),
  );
  return { key0: words[0], key1: words[1] };
}

function entityBits(entity: number | bigint): bigint {
  const value = typeof entity === 'bigint' || Number.isSafeInteger(entity) ? BigInt(entity) : -1n;
  if (value < 0n || value >= 1n << 64n)
    throw new InvalidArgumentError(
      'randomKey',
      'entity',
      'an integer from 0 to 2^64 - 1 (a bigint above 2^53)',
      entity,
    );
  return value;
}

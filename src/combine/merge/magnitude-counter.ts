/**
 * The largest entries of a task vector that spans many tensors: counted digit by digit over all of them, in any order and by any number
 * of threads, and nothing kept of the values.
 */
import type { Kernels } from '../../kernels/kernels.js';

/** Which bits of a magnitude are counted, and of which magnitudes: `countMagnitudesU32`. */
export interface CountedDigit {
  readonly prefix: number;
  readonly prefixShift: number;
  readonly shift: number;
  readonly digits: number;
}

/** As `RankSearch` has them: 13 bits of the 31, then the other 18. */
const kSecondBits = 18;
const kSecondDigits = 1 << kSecondBits;
const FIRST_DIGIT: CountedDigit = { prefix: 0, prefixShift: 31, shift: kSecondBits, digits: 1 << 13 };
/** Of the counters of one search, in one thread. */
export const COUNTER_BYTES = Uint32Array.BYTES_PER_ELEMENT * kSecondDigits;
const kFirstInfinite = 0x7f800000 >>> kSecondBits;
/** What a kernel's counters hold. */
const kMostCounted = 2 ** 32 - 1;

/** Elements by digit; float64 where 32 bits might not hold them. */
export type Totals = Float64Array | Uint32Array;

/** Counts one digit of the magnitudes of any number of elements: what 32 bits cannot hold is carried into float64 totals. */
export class MagnitudeCounter {
  readonly #counts: Uint32Array;
  #carried: Float64Array | undefined;
  #seen = 0;

  /** @param capacity - elements that are counted before the counters are carried over; 2^32 - 1 at most. */
  constructor(
    private readonly kernels: Kernels,
    readonly digit: CountedDigit,
    private readonly capacity = kMostCounted,
  ) {
    this.#counts = new Uint32Array(digit.digits);
  }

  /** Counts |x - base|, rounded to float32. */
  count(x: Float32Array, base: Float32Array): void {
    const { prefix, prefixShift, shift, digits } = this.digit;
    for (let begin = 0; begin < x.length; ) {
      if (this.#seen === this.capacity) this.#carry();
      const end = Math.min(x.length, begin + this.capacity - this.#seen);
      this.kernels.countMagnitudesU32(
        this.#counts,
        x.subarray(begin, end),
        base.subarray(begin, end),
        prefix,
        prefixShift,
        shift,
        digits,
      );
      this.#seen += end - begin;
      begin = end;
    }
  }

  /** Whether an element was not finite, of those counted since the counters were last carried over; of the first digit. */
  get holdsNonFinite(): boolean {
    for (let digit = kFirstInfinite; digit < FIRST_DIGIT.digits; digit++)
      if (this.#counts[digit] > 0) return true;
    return false;
  }

  /** Elements by digit, in memory of the counter, which counts no more. */
  totals(): Totals {
    if (this.#carried === undefined) return this.#counts;
    this.#carry();
    return this.#carried;
  }

  #carry(): void {
    this.#carried ??= new Float64Array(this.digit.digits);
    for (let i = 0; i < this.#counts.length; i++) this.#carried[i] += this.#counts[i];
    this.#counts.fill(0);
    this.#seen = 0;
  }
}

/** The search for the magnitude of one rank. After each round of counting it is told what was counted, and says what is counted next. */
export class ThresholdSearch {
  #next: CountedDigit | undefined = FIRST_DIGIT;
  #rank: number;
  #bits = 0;
  #equal = 0;

  /** @param rank - 1 is the largest; at most the number of elements. */
  constructor(rank: number) {
    this.#rank = rank;
  }

  /** Whether nothing was counted yet. */
  get isFirst(): boolean {
    return this.#next === FIRST_DIGIT;
  }

  /** What has to be counted over all elements; undefined once the magnitude is known. */
  get next(): CountedDigit | undefined {
    return this.#next;
  }

  /** @param totals - of `next`, over all elements. */
  tell(totals: Totals): void {
    let digit = totals.length - 1;
    while (digit > 0 && this.#rank > totals[digit]) this.#rank -= totals[digit--];
    if (this.isFirst) {
      this.#next = { prefix: digit, prefixShift: kSecondBits, shift: 0, digits: kSecondDigits };
      return;
    }
    this.#bits = (this.#next?.prefix ?? 0) * kSecondDigits + digit;
    this.#equal = totals[digit];
    this.#next = undefined;
  }

  /** Bits of the magnitude at the rank. */
  get bits(): number {
    return this.#bits;
  }

  /** Elements of that magnitude up to the rank. */
  get ties(): number {
    return this.#rank;
  }

  /** Whether all elements of that magnitude are among them: nobody has to know which tensors they lie in. */
  get takesAll(): boolean {
    return this.#rank === this.#equal;
  }

  /** What counts the elements of that magnitude, as the only digit. */
  get ofThreshold(): CountedDigit {
    return { prefix: this.#bits, prefixShift: 0, shift: 0, digits: 1 };
  }
}

/** Deals `ties` out to tensors in order, each at most as many as it has. */
export function dealTies(ties: number, found: readonly number[]): number[] {
  let left = ties;
  return found.map((count) => {
    const taken = Math.min(left, count);
    left -= taken;
    return taken;
  });
}

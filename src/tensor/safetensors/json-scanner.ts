/**
 * A JSON reader for headers that nobody vouches for: it refuses duplicate keys, which `JSON.parse` hides, keeps integers
 * beyond 2^53 exact, makes Maps, so that no name touches a prototype, and limits nesting.
 */

export type JsonValue = string | number | bigint | boolean | null | readonly JsonValue[] | JsonObject;
export type JsonObject = ReadonlyMap<string, JsonValue>;

/** What is wrong with a text, and at which UTF-16 unit. */
export class JsonScanError extends Error {
  constructor(
    readonly kind: 'syntax' | 'duplicate',
    readonly detail: string,
    readonly at: number,
  ) {
    super(`${detail} at character ${at}`);
  }
}

/**
 * Reads one JSON value (RFC 8259) with white space around it.
 *
 * @returns integers without fraction and exponent as numbers, or as bigints above 2^53 - 1; other numbers as float64; objects as Maps.
 * @throws {JsonScanError} at the first thing that is not JSON, a duplicate key, a lone surrogate, or nesting above `maxDepth`.
 */
export function scanJson(text: string, maxDepth = 8): JsonValue {
  let at = 0;

  const fail = (detail: string, kind: 'syntax' | 'duplicate' = 'syntax'): never => {
    throw new JsonScanError(kind, detail, at);
  };
  const skipSpace = (): void => {
    for (;;) {
      const c = text.charCodeAt(at);
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return;
      at++;
    }
  };
  const expect = (character: string): void => {
    skipSpace();
    if (text[at] !== character) fail(`expected ${JSON.stringify(character)}`);
    at++;
  };
  const accept = (character: string): boolean => {
    skipSpace();
    if (text[at] !== character) return false;
    at++;
    return true;
  };

  const string = (): string => {
    expect('"');
    const first = at;
    let result = '';
    let plain = first;
    for (;;) {
      const c = text.charCodeAt(at);
      if (c === 0x22) break;
      if (Number.isNaN(c)) fail('a string has no end');
      if (c < 0x20) fail('a control character in a string');
      if (c !== 0x5c) {
        at++;
        continue;
      }
      result += text.slice(plain, at) + escaped();
      plain = at;
    }
    result += text.slice(plain, at);
    at++;
    if (!isWellFormed(result)) fail('half of a surrogate pair in a string');
    return result;
  };
  const escaped = (): string => {
    const letter = text[at + 1] ?? '';
    if (letter === 'u') {
      const digits = text.slice(at + 2, at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) fail('a \\u escape without four hexadecimal digits');
      at += 6;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    const meant = ESCAPES.get(letter);
    if (meant === undefined) return fail('an unknown escape');
    at += 2;
    return meant;
  };

  const number = (): number | bigint => {
    NUMBER.lastIndex = at;
    const match = NUMBER.exec(text);
    if (match === null) return fail('expected a value');
    at = NUMBER.lastIndex;
    const [written, fraction, exponent] = match;
    const value = Number(written);
    // -0 is a float, as in the reference reader.
    if (fraction !== undefined || exponent !== undefined || Object.is(value, -0)) return notInteger(value);
    if (Number.isSafeInteger(value)) return value;
    // BigInt takes quadratic time, and nothing legal has so many digits.
    return written.length > 40 ? fail('an integer of too many digits') : BigInt(written);
  };

  const word = (name: string, value: boolean | null): boolean | null => {
    if (!text.startsWith(name, at)) return fail('expected a value');
    at += name.length;
    return value;
  };

  const value = (depth: number): JsonValue => {
    skipSpace();
    switch (text[at]) {
      case '{':
        return object(depth + 1);
      case '[':
        return array(depth + 1);
      case '"':
        return string();
      case 't':
        return word('true', true);
      case 'f':
        return word('false', false);
      case 'n':
        return word('null', null);
      default:
        return number();
    }
  };
  const enter = (depth: number): void => {
    if (depth > maxDepth) fail(`nested more than ${maxDepth} levels deep`);
    at++;
  };
  const array = (depth: number): readonly JsonValue[] => {
    enter(depth);
    const items: JsonValue[] = [];
    if (accept(']')) return items;
    do items.push(value(depth));
    while (accept(','));
    expect(']');
    return items;
  };
  const object = (depth: number): JsonObject => {
    enter(depth);
    const entries = new Map<string, JsonValue>();
    if (accept('}')) return entries;
    do {
      const key = string();
      if (entries.has(key)) fail(`the key ${JSON.stringify(key.slice(0, 80))} appears twice`, 'duplicate');
      expect(':');
      entries.set(key, value(depth));
    } while (accept(','));
    expect('}');
    return entries;
  };

  const result = value(0);
  skipSpace();
  if (at < text.length) fail('something follows the value');
  return result;
}

/** A number that is written as a float is none of the format's integers, even where its value is whole. */
function notInteger(value: number): number {
  return Number.isInteger(value) ? Number.NaN : value;
}

/** Whether a string has no half of a surrogate pair: whether it can be written as UTF-8. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

const ESCAPES = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);

const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;

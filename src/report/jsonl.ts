import { EVENT_SCHEMA, type RunEvent, type RunSummary } from '../federation/events.js';

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

const NON_FINITE: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
};

/** Keys below which names belong to the user and are never respelt. */
const VERBATIM = new Set(['metrics']);

const toKebab = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const toCamel = (key: string): string =>
  key.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

/**
 * A record as the run folder's JSON files spell it: kebab-case keys, metric names as they stand, "NaN", "Infinity" and
 * "-Infinity" for numbers that JSON lacks. Undefined members are left out.
 */
export function toFileJson(value: unknown, verbatimKeys = false): Json {
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return value.toString();
  if (ArrayBuffer.isView(value)) return Array.from(value as Float64Array, (v) => toFileJson(v));
  if (Array.isArray(value)) return value.map((v) => toFileJson(v));
  if (typeof value !== 'object') return String(value);
  // Entries, not assignment: a metric named `__proto__` is a key like any other.
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, v]) => v !== undefined)
      .map(([key, v]) => [verbatimKeys ? key : toKebab(key), toFileJson(v, VERBATIM.has(key))]),
  );
}

/** One event as one line of `metrics.jsonl`, newline included. */
export function encodeEvent(event: RunEvent): string {
  const { schema, event: kind, round, step, time, metrics, ...rest } = event;
  // The common fields first and in a fixed order, so that files read well and compare well.
  return `${JSON.stringify(toFileJson({ schema, event: kind, round, step, time, metrics, ...rest }))}\n`;
}

/**
 * Reads one line of `metrics.jsonl`.
 *
 * @returns the event, or undefined for a line that is blank, cut short by a crash, of an event kind or schema that this
 *   version does not know: a reader of run folders goes on with the next line.
 */
export function decodeEvent(line: string): RunEvent | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    // The only writer is append-only, so an unreadable line is the half-written last one.
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const record = fromFileJson(parsed as Json) as Record<string, unknown>;
  if (record.schema !== EVENT_SCHEMA || typeof record.metrics !== 'object' || record.metrics === null)
    return undefined;
  if (!KINDS.has(String(record.event)) || typeof record.round !== 'number') return undefined;
  return record as unknown as RunEvent;
}

const KINDS: ReadonlySet<string> = new Set<RunEvent['event']>([
  'start',
  'round',
  'eval',
  'warning',
  'client',
  'end',
]);

/** Keys whose strings are text even when they spell a number's name. */
const TEXT_KEYS = new Set(['name', 'message', 'noise', 'reasons', 'hint', 'code']);

function fromFileJson(value: Json, key = '', verbatimKeys = false): unknown {
  if (typeof value === 'string')
    return !TEXT_KEYS.has(key) && Object.hasOwn(NON_FINITE, value) ? NON_FINITE[value] : value;
  if (Array.isArray(value)) return value.map((v) => fromFileJson(v, key));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, v]) =>
      verbatimKeys ? [name, fromFileJson(v)] : [toCamel(name), fromFileJson(v, name, VERBATIM.has(name))],
    ),
  );
}

/** All readable events of a `metrics.jsonl` text, in file order. */
export function decodeEvents(text: string): RunEvent[] {
  return text
    .split('\n')
    .map(decodeEvent)
    .filter((event) => event !== undefined);
}

/** `summary.json`, indented, newline at the end. */
export function encodeSummary(summary: RunSummary): string {
  return `${JSON.stringify(toFileJson(summary), null, 2)}\n`;
}

/** Reads a `summary.json`; undefined when the text is not one that this version knows. */
export function decodeSummary(text: string): RunSummary | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const record = fromFileJson(parsed as Json) as Record<string, unknown>;
  return record.schema === EVENT_SCHEMA &&
    typeof record.status === 'string' &&
    typeof record.metrics === 'object'
    ? (record as unknown as RunSummary)
    : undefined;
}

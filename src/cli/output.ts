import type { Command } from 'commander';
import picocolors from 'picocolors';
import { HeddleError } from '../errors.js';
import { formatNumber, printable } from '../report/format.js';
import { toFileJson } from '../report/jsonl.js';
import { type TerminalStream, wantsColor } from '../report/terminal.js';

/** Options that every verb takes. */
export interface CommonOptions {
  json?: boolean;
  quiet?: boolean;
  verbose?: boolean;
  /** commander's form of `--no-color`. */
  color?: boolean;
}

export type Colors = ReturnType<typeof picocolors.createColors>;

/** Where a verb writes: its result on stdout, everything else on stderr. */
export interface Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly stderr: TerminalStream;
  /** Whether stderr is coloured; `colors` serve stdout. */
  readonly color: boolean;
  readonly colors: Colors;
  /** Prints the verb's result: `text` for people, or `value` as one JSON object under `--json`. */
  result(value: object, text: () => string): void;
  /** A line about what is going on, on stderr; nothing under `--quiet`. */
  note(line: string): void;
  /** A note that something may not be as it should. */
  warn(message: string): void;
  /** As `note`, under `--verbose` only. */
  detail(line: string): void;
}

export function withCommonOptions(command: Command): Command {
  return command
    .option('--json', 'print one JSON object on stdout and nothing else there')
    .option('--quiet', 'print results and errors only')
    .option('--verbose', 'say more, and print the stack of errors')
    .option('--no-color', 'no colours (NO_COLOR does the same)');
}

export function createOutput(options: CommonOptions): Output {
  const { json = false, quiet = false, verbose = false } = options;
  const allowed = options.color !== false;
  const note = (line: string): void => {
    if (!quiet) process.stderr.write(`${line}\n`);
  };
  const color = allowed && wantsColor(process.stderr, process.env);
  const { yellow } = picocolors.createColors(color);
  return {
    json,
    quiet,
    verbose,
    stderr: process.stderr,
    color,
    colors: picocolors.createColors(allowed && !json && wantsColor(process.stdout, process.env)),
    result(value, text) {
      process.stdout.write(json ? `${JSON.stringify(toFileJson(value))}\n` : `${text()}\n`);
    },
    note,
    warn: (message) => note(`${yellow('warning')} ${printable(message)}`),
    detail(line) {
      if (verbose) note(line);
    },
  };
}

/** 1 tensor, 1,061 tensors. */
export function counted(n: number, noun: string): string {
  return `${formatNumber(n)} ${noun}${n === 1 ? '' : 's'}`;
}

/** An error's parts as `--json` prints them. */
export function errorRecord(error: unknown): { code: string; class: string; message: string; hint: string } {
  if (error instanceof HeddleError)
    return { code: error.code, class: classOf(error.code), message: error.problem, hint: error.hint };
  const message = error instanceof Error ? error.message : String(error);
  return {
    code: 'ERR_UNEXPECTED',
    class: 'unexpected',
    message: message === '' ? 'an error without a message was thrown' : message,
    hint: 'run again with --verbose for the stack; it names the code that threw',
  };
}

/** The code without its prefixes, as recipes' errors are listed: `missing_tensor`, `incomplete_buffer`. */
function classOf(code: string): string {
  return code.replace(/^ERR_(MERGE_)?/, '').toLowerCase();
}

/** Prints an error: one JSON object on stdout under `--json`, else message and hint on stderr. */
export function printError(error: unknown, options: CommonOptions): void {
  const record = errorRecord(error);
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ error: record })}\n`);
  } else {
    const allowed = options.color !== false;
    const colors = picocolors.createColors(allowed && wantsColor(process.stderr, process.env));
    process.stderr.write(`${colors.red(colors.bold('error'))} ${colors.dim(record.code)}\n`);
    process.stderr.write(`  ${indented(record.message)}\n`);
    process.stderr.write(`${colors.cyan('  Fix:')} ${indented(record.hint)}\n`);
  }
  if (options.verbose) process.stderr.write(`${stackOf(error).split('\n').map(printable).join('\n')}\n`);
}

/** The lines of a message, in which names from files and recipes may hold anything. */
function indented(text: string): string {
  return text.split('\n').map(printable).join('\n  ');
}

/** A value with every text in it safe to print; for what is formatted elsewhere. */
export function withPrintableText<T>(value: T): T {
  if (typeof value === 'string') return printable(value) as T;
  if (Array.isArray(value)) return value.map(withPrintableText) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, withPrintableText(part)])) as T;
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}

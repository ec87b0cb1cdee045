/** Messages between the stream and its threads. */
import { HeddleError } from '../../errors.js';
import { ModelFileError } from '../../tensor/safetensors/errors.js';
import type { ChunkCommand, TaskStart } from './task.js';

export interface ThreadSetup {
  readonly backend: 'native' | 'wasm' | 'reference';
  readonly isa?: string;
  readonly addonPath?: string;
}

export type ThreadMessage =
  | { readonly type: 'setup'; readonly setup: ThreadSetup }
  | { readonly type: 'begin'; readonly id: number; readonly start: TaskStart }
  | { readonly type: 'run'; readonly id: number; readonly command: ChunkCommand }
  | { readonly type: 'end'; readonly id: number }
  | { readonly type: 'collect' };

/** Every message but `end` gets one, in order. */
export type ThreadReply = { readonly result: unknown } | { readonly error: ThreadError };

export interface ThreadError {
  readonly code?: string;
  readonly message: string;
  readonly hint?: string;
  readonly stack?: string;
  /** Fields of the error that can be cloned, as `tensor` and `model`. */
  readonly place: Readonly<Record<string, string | number>>;
}

export function plainError(error: unknown): ThreadError {
  if (!(error instanceof Error)) return { message: String(error), place: {} };
  const place = Object.fromEntries(
    Object.entries(error).filter(
      ([key, value]) =>
        !['code', 'hint', 'name'].includes(key) && ['string', 'number'].includes(typeof value),
    ),
  );
  if (!(error instanceof HeddleError)) return { message: error.message, stack: error.stack, place };
  return { code: error.code, message: error.problem, hint: error.hint, stack: error.stack, place };
}

/** The error again, with the stack of the thread. */
export function revivedError({ code, message, hint, stack, place }: ThreadError): Error {
  const error =
    code === undefined
      ? new Error(message)
      : place.file === undefined
        ? new HeddleError(code, message, hint ?? '')
        : new ModelFileError(code, message, hint ?? '', place);
  if (stack !== undefined) error.stack = stack;
  return Object.assign(error, place);
}

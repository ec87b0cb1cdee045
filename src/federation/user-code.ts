import { HeddleError } from '../errors.js';
import { UserCodeError } from './errors.js';

/**
 * Calls code that came from outside; what it throws is wrapped so that it names hook, round and client. Errors of the engine
 * itself pass as they are: they say more.
 *
 * @param round - from 0.
 */
export function callUserCode<T>(hook: string, round: number, client: number | undefined, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw asUserCodeError(hook, round, client, error);
  }
}

export function asUserCodeError(
  hook: string,
  round: number,
  client: number | undefined,
  error: unknown,
): HeddleError {
  return error instanceof HeddleError ? error : new UserCodeError(hook, round + 1, client, error);
}

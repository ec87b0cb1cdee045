/** Runs a federation on this machine: a pure function of configuration, data and seed, told as events while it goes on. */
import { kernelBuildId } from '../kernels/build-id.js';
import type { SimulateOptions } from './config/objects.js';
import { configHash } from './config/output.js';
import { type ResolvedConfig, resolveOptions } from './config/resolve.js';
import { createEventStream, type EventStream } from './event-stream.js';
import type { RunEvent } from './events.js';
import type { Host } from './host.js';
import { Run, type RunInfo, type SimulationResult } from './run.js';
import { setUp } from './setup.js';

export interface Simulation {
  /** Start, rounds, warnings, end; can be iterated more than once. */
  readonly events: AsyncIterable<RunEvent>;
  /** Rejects with the error that ended the run; an aborted one with {@link RunAbortedError}, whose `partial` is the result so far. */
  readonly result: Promise<SimulationResult>;
  /** Settles when data, model and partition are there. */
  readonly info: Promise<RunInfo>;
}

interface Deferred<T> {
  promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

function deferred<T>(): Deferred<T> {
  const made = {} as Deferred<T>;
  made.promise = new Promise<T>((resolve, reject) => {
    Object.assign(made, { resolve, reject });
  });
  return made;
}

/** Options, or a configuration that was resolved from a file, with a signal beside it. */
export type SimulationInput =
  | SimulateOptions
  | { readonly resolved: ResolvedConfig; readonly signal?: AbortSignal };

/**
 * Starts a run. A signal that is aborted lets the current round finish.
 *
 * @param host - where data files and facts about the machine come from; the package's entries pass theirs.
 */
export function startRun(input: SimulationInput, host: Host): Simulation {
  const events = createEventStream();
  const info = deferred<RunInfo>();
  // Callers that only want the result must not see a second rejection.
  info.promise.catch(() => {});
  const result = drive(input, host, events, info).catch((error: unknown) => {
    info.reject(error);
    throw error;
  });
  result.catch(() => {}).finally(() => events.end());
  return { events, result, info: info.promise };
}

async function drive(
  input: SimulationInput,
  host: Host,
  events: EventStream,
  info: Deferred<RunInfo>,
): Promise<SimulationResult> {
  const started = Date.now() / 1000;
  const clock = performance.now();
  const resolved = 'resolved' in input ? input.resolved : resolveOptions(input);
  const setup = await setUp(resolved, host);
  try {
    const hashes = { configHash: await configHash(setup.config), kernelBuild: await kernelBuildId() };
    const run = new Run(setup, resolved, host, events, { started, clock }, hashes);
    info.resolve(run.info());
    return await run.execute(input.signal);
  } finally {
    await setup.dispose();
  }
}

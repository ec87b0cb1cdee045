import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { loadConfig } from '../federation/config/load.node.js';
import type { ResolvedConfig } from '../federation/config/resolve.js';
import { TASK_NAMES } from '../federation/config/schema.js';
import { RunAbortedError } from '../federation/errors.js';
import type { RunSummary } from '../federation/events.js';
import type { SimulationResult } from '../federation/run.js';
import { decodeSummary } from '../report/jsonl.js';
import { type RecordedSimulation, startSimulation } from '../report/recorded-simulation.node.js';
import { createTerminalReporter, type TerminalReporter } from '../report/terminal.js';
import { backendOption, isaOption } from './backend-options.js';
import { FingerprintMismatchError, TimeoutError, UsageError } from './errors.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { listenForInterrupt } from './interrupt.js';
import { type CommonOptions, createOutput, withCommonOptions } from './output.js';
import { positiveNumber, repeated, seedText, type Verb, wholeNumber } from './verb.js';

interface SimulateVerbOptions extends CommonOptions {
  runConfig?: string[];
  synthetic?: boolean;
  backend?: string;
  isa?: string;
  workers?: number;
  seed?: string;
  runsDir?: string;
  expect?: string;
  timeout?: number;
}

export function simulateCommand(run: Verb): Command {
  return withCommonOptions(
    new Command('simulate')
      .description(
        'Runs a federation on this machine and leaves a folder with metrics, model and report page.',
      )
      .argument('[config-or-task]', `a YAML or JSON file, or a task: ${TASK_NAMES.join(', ')}`)
      .option(
        '-c, --run-config <path=value>',
        'changes the configuration; a dotted path and a YAML value, or a file with a fragment; repeatable, last wins',
        repeated,
      )
      .option('--synthetic', "use the task's generated twin: same shapes, nothing to download")
      .addOption(backendOption())
      .addOption(isaOption())
      .option('--workers <n>', 'threads that train clients; 0: chosen and printed', wholeNumber(0, 1024))
      .option('--seed <n>', 'seed of all randomness, 0 to 2^64 - 1', seedText)
      .option('--runs-dir <folder>', 'folder that gets a folder for this run; default: run.dir, then ./runs')
      .option(
        '--expect <sha>',
        'fail unless the run ends with this fingerprint, or that of this summary.json',
      )
      .option(
        '--timeout <s>',
        'end the run after the round in which this many seconds have passed',
        positiveNumber,
      ),
  )
    .addHelpText(
      'after',
      `
Examples:
  heddle simulate mnist-2nn --synthetic                 a first result in seconds, nothing to download
  heddle simulate run.yaml -c client.lr=0.05 -c "update.pipeline=[]"
  heddle simulate run.yaml --backend wasm --workers 2 --json
  heddle simulate run.yaml --expect runs/first/summary.json

Ctrl-C finishes the round, writes model and summary, and exits with 130; a second one exits at once.
With --json the run's summary.json is printed, with fingerprint and metrics.`,
    )
    .action(run(simulateVerb));
}

async function simulateVerb(target: string | undefined, options: SimulateVerbOptions): Promise<ExitCode> {
  const output = createOutput(options);
  if (target === undefined)
    throw new UsageError(
      'simulate needs a configuration file or a task',
      `try \`heddle simulate ${TASK_NAMES[1]} --synthetic\`; the tasks are ${TASK_NAMES.join(', ')}`,
    );
  const isTask = TASK_NAMES.some((name) => name === target);
  const expected = options.expect === undefined ? undefined : await readExpectation(options.expect);
  const resolved = withRunsDir(
    await loadConfig(target, [...(options.runConfig ?? []), ...flagOverrides(options)]),
  );
  const stop = new AbortController();
  const run = startSimulation(
    { resolved, signal: stop.signal },
    {
      configText: isTask ? undefined : await readFile(target, 'utf8'),
      configFile: isTask ? undefined : target,
      command: commandLine(target, options),
    },
  );
  const reporter = createTerminalReporter({
    stream: output.stderr,
    quiet: output.quiet,
    color: output.color,
  });
  const interruption = {
    doing: 'finishing the round, then writing model and summary',
    reason: new Error('interrupted'),
  };
  const release = [listenForInterrupt(stop, output, interruption), startTimer(stop, options.timeout)];
  try {
    const summary = await watch(run, reporter);
    output.result(summary, () => resultLine(summary));
    if (expected) checkFingerprint(expected, summary);
    return EXIT.done;
  } catch (error) {
    reporter.stop();
    if (!(error instanceof RunAbortedError)) throw error;
    if (options.timeout !== undefined && error.cause === TIMED_OUT)
      throw new TimeoutError(options.timeout, error.rounds, error.runDir, error);
    const { summary } = error.partial as SimulationResult;
    reporter.finish(summary);
    output.result(summary, () => resultLine(summary));
    return EXIT.interrupted;
  } finally {
    for (const undo of release) undo();
  }
}

/** Shows the run until it ends; rejects with what ended it. */
async function watch(run: RecordedSimulation, reporter: TerminalReporter): Promise<RunSummary> {
  for await (const event of run.events) reporter.handle(event);
  const { summary } = await run.result;
  reporter.finish(summary);
  return summary;
}

function resultLine(summary: RunSummary): string {
  return `${summary.fingerprint}  ${summary.paths.folder}`;
}

/** Flags are overrides that come last. */
function flagOverrides(options: SimulateVerbOptions): string[] {
  const { synthetic, backend, isa, workers, seed, runsDir } = options;
  return [
    ...(synthetic ? ['data.synthetic=true'] : []),
    ...(backend === undefined ? [] : [`backend.type=${backend}`]),
    ...(isa === undefined ? [] : [`backend.isa=${isa}`]),
    ...(workers === undefined ? [] : [`backend.workers=${workers}`]),
    // As text: a seed above 2^53 would lose digits as a number.
    ...(seed === undefined ? [] : [`run.seed="${seed}"`]),
    ...(runsDir === undefined ? [] : [`run.dir=${JSON.stringify(resolve(runsDir))}`]),
  ];
}

/** The command line always leaves a record: below `./runs` where nothing else is said. */
function withRunsDir(resolved: ResolvedConfig): ResolvedConfig {
  const { config } = resolved;
  if (config.run.dir !== undefined) return resolved;
  return { ...resolved, config: { ...config, run: { ...config.run, dir: resolve('runs') } } };
}

/** The command that runs the same again, whatever HEDDLE_BACKEND says there. */
function commandLine(target: string, options: SimulateVerbOptions): string {
  const flags = [
    ...(options.runConfig ?? []).flatMap((change) => ['-c', change]),
    ...(options.synthetic ? ['--synthetic'] : []),
    ...(['backend', 'isa', 'workers', 'seed'] as const).flatMap((name) =>
      options[name] === undefined ? [] : [`--${name}`, String(options[name])],
    ),
  ];
  return ['npx heddle simulate', ...[target, ...flags].map(shellWord)].join(' ');
}

function shellWord(text: string): string {
  return /^[\w./:=@,+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

const TIMED_OUT = Symbol('timed out');

function startTimer(stop: AbortController, seconds: number | undefined): () => void {
  if (seconds === undefined) return () => undefined;
  const timer = setTimeout(() => stop.abort(TIMED_OUT), 1000 * seconds);
  return () => clearTimeout(timer);
}

interface Expectation {
  fingerprint: string;
  /** The whole summary, where a file was named. */
  summary?: RunSummary;
}

async function readExpectation(expect: string): Promise<Expectation> {
  if (/^[0-9a-f]{64}$/i.test(expect)) return { fingerprint: expect.toLowerCase() };
  const hint = 'give the 64 hexadecimal digits of a fingerprint, or the path of a summary.json';
  let text: string;
  try {
    text = await readFile(expect, 'utf8');
  } catch (error) {
    throw new UsageError(
      `--expect: ${JSON.stringify(expect)} is neither a fingerprint nor a readable file`,
      hint,
      {
        cause: error,
      },
    );
  }
  const summary = decodeSummary(text);
  if (summary === undefined) throw new UsageError(`--expect: ${expect} is not the summary of a run`, hint);
  return { fingerprint: summary.fingerprint, summary };
}

const BESIDE = ['configHash', 'partitionHash', 'kernelBuild', 'backend', 'profile'] as const;

function checkFingerprint(expected: Expectation, summary: RunSummary): void {
  if (expected.fingerprint === summary.fingerprint) return;
  const spelt = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const other = expected.summary;
  const lines = other
    ? BESIDE.map((key) =>
        other[key] === summary[key]
          ? `${spelt(key)} is equal`
          : `${spelt(key)} differs (${other[key]}, now ${summary[key]})`,
      )
    : BESIDE.map((key) => `${spelt(key)} ${summary[key]}`);
  throw new FingerprintMismatchError(expected.fingerprint, summary.fingerprint, lines);
}

import { Bench } from 'tinybench';
import { median } from './statistics.js';

/** Something to time. Its result must have been checked before. */
export interface Candidate {
  name: string;
  run: () => unknown;
}

/** Samples of one candidate, in seconds of one call. */
export interface Timing {
  samples: number[];
  /** Median of each turn, in the order of the turns. */
  turns: number[];
}

export interface TimingOptions {
  /** Seconds for each candidate over all turns. */
  seconds: number;
  /** How often the candidates are measured in turn (A B A B ...). */
  turns: number;
}

/** Measures candidates in turn, so that a drift of the machine meets all of them alike. */
export function timeInTurn(candidates: readonly Candidate[], options: TimingOptions): Map<string, Timing> {
  const timings = emptyTimings(candidates);
  for (let turn = 0; turn < options.turns; turn++)
    for (const { name, run } of candidates) {
      const bench = newBench(turn, options);
      bench.add(name, () => {
        run();
      });
      bench.runSync();
      collect(bench, timings.get(name));
    }
  return timings;
}

/** As {@link timeInTurn}, for candidates that return a promise. */
export async function timeJobsInTurn(
  candidates: readonly Candidate[],
  options: TimingOptions,
): Promise<Map<string, Timing>> {
  const timings = emptyTimings(candidates);
  for (let turn = 0; turn < options.turns; turn++)
    for (const { name, run } of candidates) {
      const bench = newBench(turn, options);
      bench.add(name, async () => {
        await run();
      });
      await bench.run();
      collect(bench, timings.get(name));
    }
  return timings;
}

function emptyTimings(candidates: readonly Candidate[]): Map<string, Timing> {
  return new Map(candidates.map(({ name }): [string, Timing] => [name, { samples: [], turns: [] }]));
}

function newBench(turn: number, { seconds, turns }: TimingOptions): Bench {
  return new Bench({
    time: (1000 * seconds) / turns,
    iterations: 2,
    // The first turn also lets the JavaScript engine and WebAssembly reach their optimised code.
    warmup: turn === 0,
    warmupTime: (1000 * seconds) / turns / 2,
    warmupIterations: 1,
    retainSamples: true,
    throws: true,
  });
}

function collect({ tasks: [task] }: Bench, timing: Timing | undefined): void {
  const { result } = task;
  if (!('latency' in result)) throw new Error(`${task.name} was not measured`);
  const samples = (result.latency.samples ?? []).map((ms) => ms / 1000);
  timing?.samples.push(...samples);
  timing?.turns.push(median(samples));
}

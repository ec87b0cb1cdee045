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
export function timeInTurn(
  candidates: readonly Candidate[],
  { seconds, turns }: TimingOptions,
): Map<string, Timing> {
  const timings = new Map(candidates.map(({ name }): [string, Timing] => [name, { samples: [], turns: [] }]));
  for (let turn = 0; turn < turns; turn++)
    for (const { name, run } of candidates) {
      const bench = new Bench({
        time: (1000 * seconds) / turns,
        iterations: 2,
        // The first turn also lets the JavaScript engine and WebAssembly reach their optimised code.
        warmup: turn === 0,
        warmupTime: (1000 * seconds) / turns / 2,
        warmupIterations: 1,
        retainSamples: true,
        throws: true,
      });
      bench.add(name, () => {
        run();
      });
      const [task] = bench.runSync();
      const { result } = task;
      if (!('latency' in result)) throw new Error(`${name} was not measured`);
      const samples = (result.latency.samples ?? []).map((ms) => ms / 1000);
      const timing = timings.get(name);
      timing?.samples.push(...samples);
      timing?.turns.push(median(samples));
    }
  return timings;
}

/** What a run tells while it goes on, for how long, and what it costs in memory. */
import v8 from 'node:v8';
import vm from 'node:vm';
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/federation/events.js';
import { startRun } from '../../src/federation/simulate.js';
import { allow, fullPipeline, host, options, simulate, trainer, watch } from './fixtures.js';

describe('the event stream', () => {
  it('is start, then every round once in order, then end', async () => {
    const { events, rounds, result } = await watch(options({ run: { name: 'told', seed: 3 } }));
    expect(events.map(({ event }) => event)).toEqual(['start', 'round', 'round', 'round', 'round', 'end']);
    expect(events.map(({ round }) => round)).toEqual([0, 1, 2, 3, 4, 4]);
    expect(events[0]).toMatchObject({
      name: 'told',
      rounds: 4,
      clients: 12,
      cohortSize: 6,
      parameters: 83,
      seed: '3',
      backend: 'reference',
      profile: 'plain',
      partitionHash: result?.summary.partitionHash,
      configHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(events.at(-1)).toMatchObject({ status: 'completed', fingerprint: result?.fingerprint });
    let time = 0;
    for (const event of events) {
      expect(event).toMatchObject({ schema: 1, step: event.round });
      expect(event.time).toBeGreaterThanOrEqual(time);
      time = event.time;
    }
    for (const { metrics, detail } of rounds) {
      expect(metrics['clients/selected']).toBe(6);
      expect(metrics['central-val/accuracy']).toBeGreaterThanOrEqual(0);
      const phases = detail?.phases ?? [];
      const sum = phases.reduce((total, { seconds }) => total + seconds, 0);
      expect(sum).toBeGreaterThan(0);
      expect(Math.abs(sum - metrics['time/round-s'])).toBeLessThan(0.002);
      for (const { seconds } of phases) expect(seconds).toBeGreaterThanOrEqual(0);
    }
  });

  it('learns: the accuracy on other data rises far above chance', async () => {
    const { result } = await watch(options({ run: { numServerRounds: 15 } }));
    expect(result?.metrics['central-val/accuracy'].final).toBeGreaterThan(0.85);
    expect(result?.metrics['train/loss'].final).toBeLessThan(1.0986 / 2); // chance is log 3
  });

  it('can be read twice, and late', async () => {
    const run = startRun(options(), host);
    const read = async (): Promise<RunEvent[]> => {
      const seen: RunEvent[] = [];
      for await (const event of run.events) seen.push(event);
      return seen;
    };
    const [one, two] = await Promise.all([read(), read()]);
    await run.result;
    expect(two).toEqual(one);
    expect(await read()).toEqual(one);
  });

  it('has a line a client where it was asked for', async () => {
    const own = trainer(({ params, client }) =>
      new Float32Array(params.length).fill(client === 4 ? Number.NaN : 0.1),
    );
    const { events } = await watch(
      options({
        log: { clientMetrics: 'all' },
        client: { trainer: own },
        strategy: { cohortSize: 12 },
        run: { numServerRounds: 1 },
      }),
    );
    const lines = events.flatMap((event) => (event.event === 'client' ? [event] : []));
    expect(lines.map(({ client }) => client)).toEqual([...Array(12).keys()]);
    expect(lines.filter(({ status }) => status === 'rejected').map(({ client }) => client)).toEqual([4]);
    expect(lines[0].metrics).toMatchObject({ 'train/loss': 1, 'train/accuracy': 0 });
  });

  it('evaluates every so many rounds and after the last', async () => {
    const { rounds } = await watch(options({ eval: { frequency: 3 }, run: { numServerRounds: 7 } }));
    const evaluated = rounds.filter(({ metrics }) => 'central-val/loss' in metrics);
    expect(evaluated.map(({ round }) => round)).toEqual([3, 6, 7]);
  });

  it('evaluation does not depend on its batch size', async () => {
    const one = await simulate(options({ eval: { batchSize: 60 } }));
    const other = await simulate(options({ eval: { batchSize: 7 } }));
    expect(other.metrics['central-val/accuracy']).toEqual(one.metrics['central-val/accuracy']);
    const { final } = one.metrics['central-val/loss'];
    expect(other.metrics['central-val/loss'].final).toBeCloseTo(final, 6);
  });

  it('ends at the target where it was asked for, and tells when the target was reached', async () => {
    const target = { targetValue: 0.6, numServerRounds: 40 };
    const stopped = await watch(options({ run: { ...target, stopAtTarget: true } }));
    const whole = await watch(options({ run: target }));
    const first = whole.rounds.findIndex(({ metrics }) => metrics['central-val/accuracy'] >= 0.6) + 1;
    expect(first).toBeGreaterThan(0);
    expect(stopped.rounds).toHaveLength(first);
    expect(stopped.result?.summary).toMatchObject({ status: 'completed', rounds: first, plannedRounds: 40 });
    expect(whole.result?.summary.rounds).toBe(40);
    for (const { result } of [stopped, whole])
      expect(result?.summary.target).toMatchObject({ value: 0.6, roundsToTarget: first });
  });
});

describe('memory', () => {
  it('stays flat over 300 rounds of the whole pipeline', async () => {
    v8.setFlagsFromString('--expose-gc');
    const collect = vm.runInNewContext('gc') as () => void;
    const used = (): number => {
      collect();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      return (heapUsed + arrayBuffers) / 2 ** 20;
    };
    const run = startRun(
      options({
        update: fullPipeline,
        privacy: allow,
        run: { numServerRounds: 300 },
        model: { type: 'mlp', layers: [6, 64, 64, 3], activation: 'tanh' },
        eval: { frequency: 100 },
        backend: { type: 'wasm', workers: 1 },
      }),
      host,
    );
    let early = 0;
    for await (const event of run.events) if (event.event === 'round' && event.round === 60) early = used();
    await run.result;
    // 240 rounds more: a leak of one update of 4,867 weights a client would be 28 MB. The stream keeps the last 128 events for
    // readers that come late, some 6 KB each; compiled code and the test runner's own records scatter by a few MB.
    expect(used() - early).toBeLessThan(8);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RoundEvent, RunEvent } from '../../src/federation/events.js';
import {
  decodeEvent,
  decodeEvents,
  decodeSummary,
  encodeEvent,
  encodeSummary,
} from '../../src/report/jsonl.js';
import { fakeRun, fakeSummary } from './fake-run.js';

const round = (metrics: Record<string, number>): RoundEvent => ({
  schema: 1,
  event: 'round',
  round: 10,
  step: 10,
  time: 1_700_000_000.123,
  metrics,
});

describe('metrics.jsonl', () => {
  it('has the documented line for a round', () => {
    expect(encodeEvent(round({ 'train/loss': 0.5 }))).toBe(
      '{"schema":1,"event":"round","round":10,"step":10,"time":1700000000.123,"metrics":{"train/loss":0.5}}\n',
    );
  });

  it('spells out the numbers that JSON lacks', () => {
    const line = encodeEvent(round({ a: Number.NaN, b: Infinity, c: -Infinity }));
    expect(JSON.parse(line).metrics).toEqual({ a: 'NaN', b: 'Infinity', c: '-Infinity' });
  });

  it('writes keys in kebab-case and metric names as they stand', () => {
    const [start] = fakeRun({ rounds: 1 });
    const line = JSON.parse(encodeEvent({ ...start, metrics: { myScore: 1 } } as RunEvent));
    expect(line['config-hash']).toBe('c'.repeat(64));
    expect(line.metrics).toEqual({ myScore: 1 });
  });

  it('gives back any round, whatever its metrics are called', () => {
    const value = fc.double().filter((v) => !Object.is(v, -0));
    const key = fc.oneof(fc.string(), fc.constantFrom('toString', '__proto__', 'NaN', 'a-b', 'aB'));
    fc.assert(
      fc.property(fc.array(fc.tuple(key, value)), value, fc.string(), (entries, p50, name) => {
        const event: RoundEvent = {
          ...round(Object.fromEntries(entries)),
          detail: {
            norms: { p10: 0, p50, p90: Number.NaN, maxNorm: Infinity },
            holders: [{ name, counts: [1, 2] }],
          },
        };
        const line = encodeEvent(event);
        expect(line.indexOf('\n')).toBe(line.length - 1);
        expect(decodeEvent(line)).toEqual(event);
      }),
      { seed: 15, numRuns: 300 },
    );
  });

  it('is read up to a last line that a crash cut short, skipping kinds from later versions', () => {
    const run = fakeRun({ rounds: 3 });
    const text = run.map(encodeEvent).join('');
    expect(decodeEvents(text)).toEqual(run);
    const cut = text.slice(0, -20);
    expect(decodeEvents(cut)).toEqual(run.slice(0, -1));
    const later = '{"schema":1,"event":"telepathy","round":1,"step":1,"time":0,"metrics":{}}\n';
    expect(decodeEvents(`${later}null\n[]\n"x"\n\n${text}`)).toEqual(run);
  });
});

describe('summary.json', () => {
  it('uses the documented keys and gives the summary back', () => {
    const summary = fakeSummary(fakeRun({ rounds: 60 }));
    const text = encodeSummary(summary);
    const file = JSON.parse(text);
    expect(file).toMatchObject({
      status: 'completed',
      fingerprint: summary.fingerprint,
      'config-hash': summary.configHash,
      'partition-hash': summary.partitionHash,
      'kernel-build': summary.kernelBuild,
      privacy: { epsilon: 'Infinity', guarantee: 'none' },
    });
    expect(file.metrics['central-val/accuracy'].final).toBe(summary.metrics['central-val/accuracy'].final);
    expect(decodeSummary(text)).toEqual(summary);
    expect(decodeSummary('{"schema":99}')).toBeUndefined();
    expect(decodeSummary('{')).toBeUndefined();
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatBudget,
  formatBytes,
  formatMetric,
  formatNumber,
  formatPercent,
  formatSeconds,
  printable,
} from '../../src/report/format.js';

describe('numbers for people', () => {
  it.each([
    [formatNumber(199_210), '199,210'],
    [formatNumber(1_663_370), '1,663,370'],
    [formatNumber(0), '0'],
    [formatNumber(-0.12345), '−0.123'],
    [formatNumber(1234.5), '1,230'],
    [formatNumber(0.00001234), '1.23e−5'],
    [formatNumber(-0.00001234), '−1.23e−5'],
    [formatNumber(Number.NaN), 'NaN'],
    [formatNumber(-Infinity), '−∞'],
    [formatNumber(undefined), '–'],
    [formatPercent(0.9125), '91.3 %'],
    [formatPercent(1, 0), '100 %'],
    [formatBytes(0), '0 B'],
    [formatBytes(999), '999 B'],
    [formatBytes(999.7), '1 kB'],
    [formatBytes(1_593_680), '1.59 MB'],
    [formatBytes(999_600_000), '1 GB'],
    [formatSeconds(0.0123), '12 ms'],
    [formatSeconds(0.9999), '1.0 s'],
    [formatSeconds(59.96), '1:00'],
    [formatSeconds(3725), '1:02:05'],
    [formatMetric('central-val/accuracy', 0.5), '50.0 %'],
    [formatMetric('fed-val/accuracy.p10', 0.5), '50.0 %'],
    [formatMetric('comm/up-bytes-total', 2000), '2 kB'],
    [formatMetric('time/round-s', 2), '2.0 s'],
    [formatMetric('perf/clients-per-s', 2), '2'],
    [formatMetric('privacy/epsilon', Infinity), '∞'],
  ])('%s', (shown, expected) => {
    expect(shown).toBe(expected);
  });

  it('never round a privacy budget down, and by at most a part in a thousand up', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-30, max: 1e9, noNaN: true }), (spent) => {
        const shown = Number(formatBudget(spent).replaceAll(',', '').replace('−', '-'));
        expect(shown).toBeGreaterThanOrEqual(spent);
        expect(shown).toBeLessThanOrEqual(spent * 1.00101);
      }),
      { seed: 18, numRuns: 2000 },
    );
    expect(formatBudget(9.9999)).toBe('10');
    expect(formatBudget(2)).toBe('2');
  });

  it('keep terminal escapes out of what is printed', () => {
    expect(printable('a\x1b[2Jb\r\nc\u009b31md')).toBe('a [2Jb c 31md');
  });
});

import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/federation/events.js';
import { createTerminalReporter, type TerminalStream, wantsColor } from '../../src/report/terminal.js';
import { createProgressFold, progressLine, sparkline } from '../../src/report/terminal-line.js';
import { fakeRun, fakeSummary } from './fake-run.js';

const ESC = '\x1b';
const plain = (text: string): string => text;

function sink(tty = false, columns = 120): { stream: TerminalStream; text(): string } {
  const stream: TerminalStream & PassThrough = new PassThrough();
  const chunks: string[] = [];
  stream.on('data', (chunk) => chunks.push(String(chunk)));
  if (tty) Object.assign(stream, { isTTY: true, columns });
  return { stream, text: () => chunks.join('') };
}

async function show(events: readonly RunEvent[], options: { tty?: boolean; color?: boolean } = {}) {
  const { stream, text } = sink(options.tty);
  const reporter = createTerminalReporter({ stream, color: options.color });
  for (const event of events) reporter.handle(event);
  reporter.finish(fakeSummary(events));
  await delay(0);
  return text();
}

describe('without a terminal', () => {
  it('names the back end first, then prints the first round and every tenth', async () => {
    const lines = (await show(fakeRun({ rounds: 34 }))).split('\n');
    expect(lines[0]).toBe(
      'mnist-2nn-protected  native (avx2, fma)  2 workers  100 clients, 10 a round  199,210 parameters',
    );
    const rounds = lines.filter((line) => line.startsWith('round'));
    expect(rounds.map((line) => Number(/round +(\d+)\/34/.exec(line)?.[1]))).toEqual([1, 10, 20, 30, 34]);
    expect(rounds[1]).toMatch(
      /^round 10\/34 {2}accuracy [\d.]+ % {2}[▁-█]+ {2}norm [\d.]+ {2}\d+ % clipped {2}[\d.]+ MB sent \(\d+ % of dense\) {2}[\d.]+ clients\/s {2}[\d.]+ s left$/,
    );
    expect(lines.join('\n')).not.toContain(ESC);
    expect(lines.filter((line) => line.startsWith('warning'))).toEqual([
      'warning the update of client 63 held NaN and was left out',
    ]);
  });

  it('closes with a table of the result and the paths', async () => {
    const text = await show(fakeRun({ rounds: 60 }));
    expect(text).toMatch(/status +completed, 60 of 60 rounds/);
    expect(text).toMatch(/target 90\.0 % +reached in round \d+, after [\d.]+ s/);
    expect(text).toMatch(
      /privacy +no guarantee: noise from the simulation generator; the FisherDropout choice/,
    );
    expect(text).toMatch(/fingerprint +[0-9a-f]{64}/);
    expect(text.endsWith('runs/x\n')).toBe(true);
  });

  it('prints no control character of a name or a message', async () => {
    const events = fakeRun({ rounds: 25, name: `evil${ESC}[2J\r\nname` }).map((event) =>
      event.event === 'warning' ? { ...event, message: `${ESC}]0;owned\x07` } : event,
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(await show(events)).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
  });
});

describe('on a terminal', () => {
  it('keeps one line up to date, prints warnings above it and gives the line back', async () => {
    const { stream, text } = sink(true);
    const reporter = createTerminalReporter({ stream, color: false });
    const events = fakeRun({ rounds: 30 });
    for (const event of events) {
      reporter.handle(event);
      if (event.round === 15) await delay(150);
    }
    reporter.stop();
    reporter.stop();
    await delay(0);
    const before = text();
    await delay(250);
    // Stopped: no timer draws on.
    expect(text()).toBe(before);
    expect(before).toContain('round 15/30');
    expect(before).toContain('round 30/30');
    expect(before).toContain('warning the update of client 63 held NaN and was left out\n');
    // Line wrapping is switched off while drawing and on again at the end.
    expect(before.lastIndexOf(`${ESC}[?7h`)).toBeGreaterThan(before.lastIndexOf(`${ESC}[?7l`));
    expect(before.split('\n').filter((line) => /round +\d+\//.test(line)).length).toBeLessThanOrEqual(2);
  });

  it('fits any width by leaving out the least telling figures first', () => {
    const fold = createProgressFold();
    let progress = fold(fakeRun({ rounds: 1 })[0]);
    for (const event of fakeRun({ rounds: 50 }).slice(0, 40)) progress = fold(event);
    let shorter = progressLine(progress, Number.POSITIVE_INFINITY, plain);
    for (let columns = 160; columns > 12; columns--) {
      const line = progressLine(progress, columns, plain);
      expect(line.length).toBeLessThan(Math.max(columns, 'round 38/50 '.length));
      expect(line.length).toBeLessThanOrEqual(shorter.length);
      shorter = line;
      expect(line.startsWith('round 38/50')).toBe(true);
      if (columns > 40) expect(line).toContain('accuracy');
    }
  });
});

describe('what the line shows', () => {
  it('takes rates and time left from the rounds after the first', () => {
    const fold = createProgressFold();
    const round = (n: number, time: number): RunEvent => ({
      schema: 1,
      event: 'round',
      round: n,
      step: n,
      time,
      metrics: { 'clients/reported': 10, 'comm/up-bytes': 100, 'comm/down-bytes': 50 },
      detail: { denseBytes: 600 },
    });
    fold(fakeRun({ rounds: 10 })[0]);
    // The first round takes 100 s, the others 2 s each: 5 clients a second, 7 rounds or 14 s left.
    expect(fold(round(1, 100)).clientsPerSecond).toBeUndefined();
    fold(round(2, 102));
    const progress = fold(round(3, 104));
    expect(progress.clientsPerSecond).toBe(5);
    expect(progress.secondsLeft).toBe(14);
    expect(progress.sentBytes).toBe(450);
    expect(progress.sentRatio).toBe(0.25);
  });

  it('draws a sparkline from the smallest to the largest value, with gaps for NaN', () => {
    expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7])).toBe('▁▂▃▄▅▆▇█');
    expect(sparkline([5, Number.NaN, 5])).toBe('▁ ▁');
    expect(sparkline([])).toBe('');
  });

  it('keeps the history short and in order however long the run is', () => {
    const fold = createProgressFold();
    let history: readonly number[] = [];
    for (let n = 1; n <= 5000; n++)
      history = fold({
        schema: 1,
        event: 'round',
        round: n,
        step: n,
        time: n,
        metrics: { 'train/loss': n },
      }).history;
    expect(history.length).toBeLessThanOrEqual(24);
    expect(history.length).toBeGreaterThan(10);
    expect(history[0]).toBe(1);
    expect(history.at(-1)).toBe(5000);
    expect([...history].sort((a, b) => a - b)).toEqual(history);
  });
});

describe('quiet and colours', () => {
  it('prints nothing when quiet', async () => {
    const { stream, text } = sink(true);
    const reporter = createTerminalReporter({ stream, quiet: true });
    const events = fakeRun({ rounds: 12 });
    for (const event of events) reporter.handle(event);
    reporter.finish(fakeSummary(events));
    await delay(0);
    expect(text()).toBe('');
  });

  it('colours only when asked, or on a terminal that does not refuse', async () => {
    const tty = sink(true).stream;
    const file = sink().stream;
    expect(wantsColor(tty)).toBe(true);
    expect(wantsColor(tty, { NO_COLOR: '1' })).toBe(false);
    expect(wantsColor(tty, { NO_COLOR: '' })).toBe(true);
    expect(wantsColor(tty, { TERM: 'dumb' })).toBe(false);
    expect(wantsColor(file)).toBe(false);
    expect(wantsColor(file, { FORCE_COLOR: '1' })).toBe(true);
    expect(wantsColor(file, { FORCE_COLOR: '1', NO_COLOR: '1' })).toBe(false);
    expect(await show(fakeRun({ rounds: 2 }), { color: true })).toContain(`${ESC}[1m`);
  });
});

/** What takes long says so, without flooding a log. */
import { PassThrough } from 'node:stream';
import { SingleBar } from 'cli-progress';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createOutput, type Output } from '../../src/cli/output.js';
import { createProgressBar } from '../../src/cli/progress-bar.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** The notes of 40 seconds at ten updates a second, each with the second at which it came. */
function linesOf(output: Output): string[] {
  const lines: string[] = [];
  const note = (line: string): void => void lines.push(line);
  const { update, stop } = createProgressBar({ ...output, stderr: new PassThrough(), note }, 'reading');
  for (let tenth = 0; tenth < 400; tenth++) {
    update(tenth, 400, (seconds) => `after ${seconds} s`);
    vi.advanceTimersByTime(100);
  }
  stop();
  return lines;
}

describe('progress without a terminal', () => {
  it('is silent for two seconds, then a line every ten', () => {
    expect(linesOf(createOutput({}))).toEqual([2, 12, 22, 32].map((s) => `reading: after ${s} s`));
  });

  it('is nothing under --quiet', () => {
    expect(linesOf(createOutput({ quiet: true }))).toEqual([]);
  });
});

describe('progress on a terminal', () => {
  it('fills the bar by what there is to do now, not by what was thought first', () => {
    const stderr = Object.assign(new PassThrough(), { isTTY: true, columns: 120 });
    const { stop: end } = SingleBar.prototype;
    let filled = 0;
    vi.spyOn(SingleBar.prototype, 'stop').mockImplementation(function (this: SingleBar) {
      filled = this.getProgress();
      end.call(this);
    });
    const { update, stop } = createProgressBar({ ...createOutput({}), stderr }, 'merging');
    for (const [done, total] of [
      [100, 400],
      [100, 200],
      [150, 200],
    ]) {
      vi.advanceTimersByTime(3000);
      update(done, total, () => '');
    }
    stop();
    vi.restoreAllMocks();
    expect(filled).toBe(0.75);
  });
});

/** The example page, as a person uses it. */
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type SimulateOptions, simulate } from '../../src/index.js';
import { findAddon } from '../../src/kernels/select.js';
import { example, launchChromium, makeSite, openPage, root } from './chromium.js';

interface Choice {
  rounds: number;
  cohortSize: number;
  split: 'alike' | 'uneven';
  threads: number;
}

const { simulateOptions } = (await import(join(root, 'examples/browser/options.js'))) as {
  simulateOptions(choice: Choice): SimulateOptions;
};

let site: Awaited<ReturnType<typeof makeSite>>;
let server: Awaited<ReturnType<typeof example.serveFolder>>;
let browser: Browser;
let page: Page;
let said: string[];

beforeAll(async () => {
  browser = await launchChromium();
  site = await makeSite();
  server = await example.serveFolder(site.folder);
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  await site?.remove();
});
beforeEach(async () => {
  said = [];
  page = await openPage(browser, server.url, said);
});
afterEach(async () => {
  await page.close();
  expect(said).toEqual([]);
});

async function start({ rounds, cohortSize, split, threads }: Choice): Promise<void> {
  await page.getByLabel('Rounds', { exact: true }).fill(String(rounds));
  await page.getByLabel('Clients a round').fill(String(cohortSize));
  await page.getByLabel('Clients’ data').selectOption(split);
  // More threads than cores are allowed, so that both kinds of runner are tested on every machine.
  await page.getByLabel('Threads').evaluate((input) => input.removeAttribute('max'));
  await page.getByLabel('Threads').fill(String(threads));
  await page.getByRole('button', { name: 'Start' }).click();
}

async function shown(id: string): Promise<string> {
  return (await page.locator(`#${id}`).textContent()) ?? '';
}

async function ended(): Promise<{ status: string; fingerprint: string; accuracy: number }> {
  await page.waitForFunction(() => document.body.dataset.state === 'idle', undefined, { timeout: 120_000 });
  return {
    status: await shown('status'),
    fingerprint: await shown('fingerprint'),
    accuracy: Number.parseFloat(await shown('accuracy')) / 100,
  };
}

async function fingerprintInNode(choice: Choice, backend: SimulateOptions['backend']): Promise<string> {
  return (await simulate({ ...simulateOptions(choice), backend })).fingerprint;
}

describe('the example page', () => {
  test('has no shared memory to lean on', async () => {
    expect(await page.evaluate(() => [crossOriginIsolated, typeof SharedArrayBuffer])).toEqual([
      false,
      'undefined',
    ]);
  });

  test('learns, stays responsive, and ends with the bytes of Node', { timeout: 240_000 }, async () => {
    const choice: Choice = { rounds: 12, cohortSize: 10, split: 'uneven', threads: 2 };
    await page.evaluate(() => {
      // The longest time in which the page could not run a timer, over the whole run.
      const state = { last: performance.now(), longest: 0, begun: performance.now() };
      setInterval(() => {
        const now = performance.now();
        state.longest = Math.max(state.longest, now - state.last);
        state.last = now;
      }, 5);
      Object.assign(globalThis, { state });
    });
    await start(choice);
    expect(await page.getByRole('button', { name: 'Start' }).isDisabled()).toBe(true);
    const { status, fingerprint, accuracy } = await ended();
    const { longest, total } = await page.evaluate(() => {
      const { state } = globalThis as unknown as { state: { longest: number; begun: number } };
      return { longest: state.longest, total: performance.now() - state.begun };
    });

    expect(status).toMatch(/^Done: 12 rounds/);
    expect(accuracy).toBeGreaterThan(0.9);
    expect(await shown('round')).toBe('12 of 12');
    expect(await shown('backend')).toBe('wasm-simd, 2 threads');
    expect(await page.getByRole('img').getAttribute('aria-label')).toMatch(/after 12 of 12 rounds$/);
    expect(await page.locator('.curve').getAttribute('points')).toMatch(/^(\S+,\S+ ?){12}$/);
    // A page that computes itself stands still for whole jobs; this one only draws.
    expect(longest).toBeLessThan(total / 4);

    expect(fingerprint).toBe(await fingerprintInNode(choice, { type: 'wasm', workers: 1 }));
    if ('addon' in findAddon())
      expect(fingerprint).toBe(await fingerprintInNode(choice, { type: 'native', isa: 'base', workers: 2 }));
  });

  test('gives the same bytes for 1 and 3 threads', { timeout: 120_000 }, async () => {
    const choice: Choice = { rounds: 1, cohortSize: 5, split: 'alike', threads: 1 };
    await start(choice);
    const one = await ended();
    expect(await shown('backend')).toBe('wasm-simd, 1 thread');
    await start({ ...choice, threads: 3 });
    const three = await ended();
    expect(three.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(three.fingerprint).toBe(one.fingerprint);
  });

  test.each([1, 2])('stops after the round at hand, on %i threads', { timeout: 120_000 }, async (threads) => {
    const choice: Choice = { rounds: 500, cohortSize: 2, split: 'alike', threads };
    await start(choice);
    await page.waitForFunction(() => document.querySelectorAll('.dot').length > 0, undefined, {
      timeout: 60_000,
    });
    await page.getByRole('button', { name: 'Stop' }).click();
    const { status, fingerprint } = await ended();
    const rounds = Number(/^Stopped after (\d+) of 500 rounds\.$/.exec(status)?.[1]);
    expect(rounds).toBeGreaterThan(0);
    // A stopped run is a whole shorter run.
    expect(fingerprint).toBe(await fingerprintInNode({ ...choice, rounds }, { type: 'wasm', workers: 1 }));
    await start({ ...choice, rounds: 1 });
    expect((await ended()).status).toMatch(/^Done: 1 round in/);
  });

  test('tells what is wrong with a form that cannot be run', async () => {
    await start({ rounds: 0, cohortSize: 5, split: 'alike', threads: 1 });
    expect(await page.locator('body').getAttribute('data-state')).toBe('idle');
    expect(
      await page
        .getByLabel('Rounds', { exact: true })
        .evaluate((input: HTMLInputElement) => input.validity.valid),
    ).toBe(false);
  });
});

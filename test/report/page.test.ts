import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ReportAssets, renderReport } from '../../src/report/html.js';
import { readReportAssets } from '../../src/report/report-assets.node.js';
import type { ReportData } from '../../src/report/report-data.js';
import { fakePartition, fakeReport } from './fake-run.js';

const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';

let folder: string;
let assets: ReportAssets;
let browser: Browser;

beforeAll(async () => {
  if (!existsSync(executablePath))
    throw new Error(
      `no Chromium at ${executablePath}: install it (apt-get install chromium) or set CHROMIUM_PATH to one`,
    );
  folder = mkdtempSync(join(tmpdir(), 'heddle-report-'));
  const script = fileURLToPath(new URL('../../scripts/build-report.mjs', import.meta.url));
  execFileSync(process.execPath, [script, '--out-dir', folder]);
  assets = await readReportAssets(pathToFileURL(`${folder}/`));
  browser = await chromium.launch({
    executablePath,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
});

afterAll(async () => {
  await browser?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

interface Opened {
  page: Page;
  /** Console messages, page errors and requests beyond the file itself. */
  noise: string[];
}

async function open(data: ReportData, options: { width?: number; dark?: boolean } = {}): Promise<Opened> {
  const file = join(folder, `report-${Math.trunc(performance.now() * 1000)}.html`);
  writeFileSync(file, renderReport(data, assets));
  const url = pathToFileURL(file).href;
  const page = await browser.newPage({
    viewport: { width: options.width ?? 1200, height: 900 },
    colorScheme: options.dark ? 'dark' : 'light',
  });
  const noise: string[] = [];
  page.on('console', (message) => noise.push(message.text()));
  page.on('pageerror', (error) => noise.push(error.message));
  page.on('request', (request) => {
    if (request.url() !== url) noise.push(request.url());
  });
  page.on('dialog', (dialog) => {
    noise.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.goto(url);
  if (data.partition) await page.locator('#partition svg').waitFor();
  return { page, noise };
}

const readout = (page: Page, panel: string, label: string) =>
  page.locator('.panel', { hasText: panel }).locator('.legend li', { hasText: label }).locator('b');

/** A run of three rounds in which Model Stock merged: the ratio rises to 0.8, the angle falls from 70 to 64 degrees. */
function mergedReport(tensors: number): ReportData {
  const data = fakeReport({ rounds: 3 });
  const events = data.events.map((event) => {
    if (event.event !== 'round') return event;
    const values = { t: 0.5 + 0.1 * event.round, angle: 73 - 3 * event.round };
    return {
      ...event,
      metrics: { ...event.metrics, 'merge/t-mean': values.t, 'merge/angle-mean': values.angle },
      detail: {
        ...event.detail,
        merge: {
          rule: 'model-stock',
          period: event.round,
          tensors: Array.from({ length: tensors }, (_, i) => ({ name: `fc${i}.weight`, values })),
        },
      },
    };
  });
  return { ...data, events };
}

describe('the report page in Chromium', () => {
  it('shows every part of a run, loads nothing and breaks no rule of its content policy', async () => {
    const { page, noise } = await open(fakeReport({ rounds: 40 }));
    expect(await page.locator('.panel h3').allTextContents()).toEqual([
      'Accuracy',
      'Loss',
      'Update norm and share clipped',
      'Bytes by stage',
      'Time by phase',
      'FisherDropout: holders by neuron',
    ]);
    expect(await page.locator('.panel svg[role=img][aria-label]').count()).toBe(6);
    expect(await page.locator('.box.warning').textContent()).toContain(
      'No (ε, δ) guarantee: noise from the simulation generator; the FisherDropout choice is unaccounted.',
    );
    // 100 clients with one or two classes each: one rectangle for each class held, and the ground.
    const held = fakePartition().clients.flatMap((client) =>
      client.counts.filter((count) => count > 0),
    ).length;
    expect(await page.locator('#partition svg rect').count()).toBe(held + 1);
    expect(await page.locator('.command').textContent()).toContain('npx heddle simulate examples/mnist.yaml');
    expect(noise).toEqual([]);
    await page.close();
  });

  it('moves one cursor through all plots, by slider, key and pointer', async () => {
    const data = fakeReport({ rounds: 40 });
    const { page, noise } = await open(data);
    const at = (round: number) => {
      const event = data.events.find((e) => e.event === 'round' && e.round === round);
      return {
        accuracy: `${(100 * (event?.metrics['central-val/accuracy'] ?? 0)).toFixed(1)} %`,
        clipped: `${Math.round(100 * (event?.metrics['update/clip-frac'] ?? 0))} %`,
      };
    };
    const expectRound = async (round: number): Promise<void> => {
      await page.waitForFunction(
        (r) => document.querySelector('output')?.textContent === `${r} of 40`,
        round,
      );
      expect(await readout(page, 'Accuracy', 'central-val').textContent()).toBe(at(round).accuracy);
      expect(await readout(page, 'Update norm', 'clipped').textContent()).toBe(at(round).clipped);
      const lines = page.locator('.panel .cursor-line');
      expect(await lines.count()).toBe(5);
    };
    await expectRound(40);
    await page.locator('input[type=range]').fill('7');
    await expectRound(7);
    await page.locator('input[type=range]').press('ArrowRight');
    await expectRound(8);

    const loss = page.locator('.panel svg').nth(1);
    const box = await loss.boundingBox();
    // Margins of 56 and 12 pixels around rounds 0 to 40.5.
    const x = 56 + (20 / 40.5) * ((box?.width ?? 0) - 68);
    await loss.hover({ position: { x, y: 80 } });
    await expectRound(20);
    const positions = await page
      .locator('.panel .cursor-line')
      .evaluateAll((lines) => lines.map((line) => Number(line.getAttribute('x1'))));
    expect(Math.abs(positions[0] - x)).toBeLessThan(1.5);
    expect(positions[1]).toBeCloseTo(positions[0], 6);
    expect(noise).toEqual([]);
    await page.close();
  });

  it('sorts the clients of the heat map', async () => {
    const { page } = await open(fakeReport({ rounds: 3 }));
    const order = () => page.locator('#partition svg').evaluate((svg) => svg.innerHTML);
    const before = await order();
    await page.selectOption('select', { label: 'largest class' });
    expect(await order()).not.toBe(before);
    expect(await page.locator('#partition svg').getAttribute('aria-label')).toContain(
      'sorted by largest class. 100 clients, 10 classes.',
    );
    await page.close();
  });

  it('shows hostile names as text', async () => {
    const name = '</script><script>alert(1)</script><img src=x onerror=alert(2)>"\'&amp;\u2028';
    const data = fakeReport({ rounds: 25, name });
    const hostile: ReportData = {
      ...data,
      command: name,
      configDifferences: [{ path: name, value: { [name]: name }, default: name }],
      partition: { classes: [name, '<b>'], clients: [{ id: 0, counts: [1, 2] }] },
      summary: { ...data.summary, privacy: { ...data.summary.privacy, reasons: [name] } },
      events: data.events.map((event) => {
        if (event.event === 'warning') return { ...event, message: name };
        if (event.event !== 'round') return event;
        return {
          ...event,
          detail: {
            ...event.detail,
            bytes: [{ name, direction: 'upload' as const, bytes: 5 }],
            phases: [{ name, seconds: 1 }],
            holders: [{ name, counts: [1, 2, 3] }],
            merge: { rule: name, period: 1, tensors: [{ name, values: { t: 0.5, angle: 60 } }] },
          },
        };
      }),
    };
    const { page, noise } = await open(hostile);
    expect(noise).toEqual([]);
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.locator('script').count()).toBe(2);
    expect(await page.locator('h1').textContent()).toContain(name);
    expect(await page.locator('.command').textContent()).toBe(name);
    expect(await page.locator('.warnings li').first().textContent()).toContain(name);
    expect(await page.locator('.legend', { hasText: name }).count()).toBeGreaterThanOrEqual(5);
    await page.close();
  });

  it.each([
    [2, ['fc0.weight', 'fc1.weight']],
    [7, ['mean of tensors']],
  ])('draws ratio and angle of Model Stock for %d tensors', async (count, names) => {
    const { page, noise } = await open(mergedReport(count));
    const titles = await page.locator('.panel h3').allTextContents();
    expect(titles.slice(-2)).toEqual(['Model Stock: ratio t', 'Model Stock: angle between updates']);
    const legend = (panel: string) => page.locator('.panel', { hasText: panel }).locator('.legend li');
    expect(await legend('ratio t').count()).toBe(names.length);
    for (const name of names) {
      await readout(page, 'ratio t', name).waitFor();
      expect(await readout(page, 'ratio t', name).textContent()).toBe('0.8');
      expect(await readout(page, 'angle between', name).textContent()).toBe('64°');
    }
    await page.locator('input[type=range]').fill('1');
    expect(await readout(page, 'angle between', names[0]).textContent()).toBe('70°');
    expect(noise).toEqual([]);
    await page.close();
  });

  it('refuses any script or image that is not its own', async () => {
    const { page, noise } = await open(fakeReport({ rounds: 3 }));
    const ran = await page.evaluate(async () => {
      const script = document.createElement('script');
      script.textContent = 'window.intruder = true';
      document.body.append(script);
      const image = document.createElement('img');
      const refused = new Promise((resolve) => {
        image.onerror = () => resolve('refused');
        image.onload = () => resolve('loaded');
      });
      image.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=';
      document.body.append(image);
      return [await refused, 'intruder' in window];
    });
    expect(ran).toEqual(['refused', false]);
    expect(noise.filter((text) => text.includes('Content Security Policy')).length).toBeGreaterThanOrEqual(2);
    await page.close();
  });

  it('follows the colour scheme, fits a telephone, and prints light', async () => {
    const background = (page: Page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await open(fakeReport({ rounds: 10 }), { dark: true, width: 360 });
    expect(await background(dark.page)).toBe('rgb(21, 23, 27)');
    expect(await dark.page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    await dark.page.emulateMedia({ media: 'print' });
    expect(await background(dark.page)).toBe('rgb(255, 255, 255)');
    const light = await open(fakeReport({ rounds: 10 }));
    expect(await background(light.page)).toBe('rgb(250, 249, 246)');
    expect([...dark.noise, ...light.noise]).toEqual([]);
    await dark.page.close();
    await light.page.close();
  });

  it.each([
    ['no round', { rounds: 0 }],
    ['one round', { rounds: 1 }],
    ['1500 rounds', { rounds: 1500 }],
    ['metrics only', { rounds: 30, detail: false }],
  ])('stands a run of %s', async (_, options) => {
    const { page, noise } = await open({ ...fakeReport(options), partition: fakePartition(5000) });
    expect(noise).toEqual([]);
    expect(await page.locator('.panel').count()).toBe(options.rounds === 0 ? 0 : 'detail' in options ? 4 : 6);
    expect(await page.locator('#partition p').textContent()).toContain(
      '5,000 clients (an even sample of 300',
    );
    await page.close();
  });
});

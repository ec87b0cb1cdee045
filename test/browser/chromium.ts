/** Headless Chromium, bundles of the built package, and pages that must stay free of console messages. */
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildResult, build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';

export const root = fileURLToPath(new URL('../..', import.meta.url));

interface Example {
  buildPage(outDir: string): Promise<void>;
  contentPolicy: string;
  serveFolder(
    folder: string,
    options?: { policy?: string },
  ): Promise<{ url: string; close(): Promise<void> }>;
}

async function loadExample(): Promise<Example> {
  const [built, served] = await Promise.all(
    ['build.mjs', 'serve.mjs'].map((name) => import(join(root, 'examples/browser', name))),
  );
  return { ...built, ...served } as Example;
}

export const example = await loadExample();

export async function launchChromium(): Promise<Browser> {
  const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';
  if (!existsSync(executablePath))
    throw new Error(
      `there is no Chromium at ${executablePath}: install it (Debian and Ubuntu: apt-get install chromium) or set CHROMIUM_PATH`,
    );
  const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'];
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync'];
  return chromium.launch({ executablePath, args: [...args, ...quiet] });
}

/** Bundles as a plain user of esbuild does: no loader, no external, no plugin. */
export function bundle(contents: string, outfile?: string): Promise<BuildResult<{ metafile: true }>> {
  return build({
    stdin: { contents, resolveDir: root, sourcefile: 'app.js' },
    outfile,
    bundle: true,
    write: outfile !== undefined,
    minify: true,
    format: 'esm',
    platform: 'browser',
    conditions: ['browser'],
    metafile: true,
    logLevel: 'silent',
  });
}

/** A folder with the example page, and with `library.html`, which puts the package's exports on `globalThis.heddle`. */
export async function makeSite(): Promise<{ folder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'heddle-site-'));
  await mkdir(folder, { recursive: true });
  await Promise.all([
    example.buildPage(folder),
    bundle("import * as heddle from 'heddle'; globalThis.heddle = heddle;", join(folder, 'library.js')),
    bundle("import 'heddle/worker';", join(folder, 'thread.js')),
    cp(join(root, 'dist/engine.wasm'), join(folder, 'engine.wasm')),
    writeFile(
      join(folder, 'library.html'),
      '<!doctype html><title>library</title><link rel="icon" href="data:,"><script type="module" src="library.js"></script>',
    ),
  ]);
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** @param said - takes every console message and uncaught error of the page and its workers. */
export async function openPage(browser: Browser, url: string, said: string[]): Promise<Page> {
  const page = await browser.newPage();
  page.on('console', (message) => said.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => said.push(`uncaught: ${error.message}`));
  page.on('crash', () => said.push('the page crashed'));
  await page.goto(url);
  return page;
}

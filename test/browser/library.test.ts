/** `import ... from 'heddle'` through a plain esbuild bundle, under several content policies. */
import { gzipSync } from 'node:zlib';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { simulate } from '../../src/index.js';
import { bundle, example, launchChromium, makeSite, openPage } from './chromium.js';

type Library = typeof import('../../src/index.web.js');

const options = {
  run: { numServerRounds: 1, seed: 3 },
  data: { task: 'mnist-2nn', synthetic: true },
  strategy: { cohortSize: 3 },
  backend: { type: 'wasm', workers: 2 },
} as const;

let site: Awaited<ReturnType<typeof makeSite>>;
let browser: Browser;
let inNode: string;

beforeAll(async () => {
  browser = await launchChromium();
  site = await makeSite();
  inNode = (await simulate({ ...options, backend: { type: 'wasm', workers: 1 } })).fingerprint;
});
afterAll(async () => {
  await browser?.close();
  await site?.remove();
});

/** Opens the library's page under `policy`. */
async function withPage<T>(
  policy: string,
  use: (page: Page, said: string[], requested: string[]) => Promise<T>,
): Promise<T> {
  const server = await example.serveFolder(site.folder, { policy });
  const said: string[] = [];
  const page = await openPage(browser, `${server.url}library.html`, said);
  const requested: string[] = [];
  page.on('request', (request) => requested.push(request.url().slice(server.url.length)));
  try {
    return await use(page, said, requested);
  } finally {
    await page.close();
    await server.close();
  }
}

/** Runs `options` in the page; what it says besides the result: warnings, threads. */
function runInPage(page: Page) {
  return page.evaluate(async (given) => {
    const { startSimulation } = (globalThis as unknown as { heddle: Library }).heddle;
    const run = startSimulation(given);
    const warnings: string[] = [];
    for await (const event of run.events) if (event.event === 'warning') warnings.push(event.code);
    const { fingerprint, summary } = await run.result;
    return { fingerprint, workers: summary.workers, platform: summary.environment.platform, warnings };
  }, options);
}

describe('a plain bundle', () => {
  test('asks nothing of the bundler and reaches no Node module', async () => {
    const { outputFiles, metafile, warnings } = await bundle(
      "import { simulate, init } from 'heddle'; globalThis.app = { simulate, init };",
    );
    expect(warnings).toEqual([]);
    expect(outputFiles).toHaveLength(1);
    const [{ imports }] = Object.values(metafile.outputs);
    expect(imports).toEqual([]);
    const [{ text, contents }] = outputFiles ?? [];
    expect(text).not.toMatch(/["'`]node:/);
    expect(Object.keys(metafile.inputs).filter((path) => path.includes('.node.'))).toEqual([]);
    // Engine, worker and checks of configurations together: a guard against whole libraries that slip in.
    expect(gzipSync(contents).byteLength).toBeLessThan(240_000);
  });

  test('simulates on its own threads, under the policy of the example', { timeout: 120_000 }, async () => {
    await withPage(example.contentPolicy, async (page, said) => {
      const result = await runInPage(page);
      expect(result).toEqual({ fingerprint: inNode, workers: 2, platform: 'web', warnings: [] });
      expect(said).toEqual([]);
    });
  });

  test('takes the engine and the threads that init() is given', { timeout: 120_000 }, async () => {
    const policy =
      "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; img-src data:";
    await withPage(policy, async (page, said, requested) => {
      const { backend, started } = await page.evaluate(async () => {
        const { init } = (globalThis as unknown as { heddle: Library }).heddle;
        const counter = { started: 0 };
        Object.assign(globalThis, { counter });
        const info = await init({
          backend: 'wasm',
          wasm: new URL('engine.wasm', location.href),
          createWorker: () => {
            counter.started++;
            return new Worker('thread.js', { type: 'module' });
          },
        });
        return { backend: info.backend, started: counter.started };
      });
      expect([backend, started]).toEqual(['wasm', 0]);
      expect(requested).toContain('engine.wasm');
      const result = await runInPage(page);
      expect(result).toEqual({ fingerprint: inNode, workers: 2, platform: 'web', warnings: [] });
      expect(await page.evaluate(() => (globalThis as unknown as { counter: unknown }).counter)).toEqual({
        started: 2,
      });
      expect(said).toEqual([]);
    });
  });

  test('trains in the page and says so where the policy refuses threads', { timeout: 120_000 }, async () => {
    const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; img-src data:";
    await withPage(policy, async (page, said) => {
      const result = await runInPage(page);
      expect(result).toEqual({
        fingerprint: inNode,
        workers: 1,
        platform: 'web',
        warnings: ['WARN_NO_THREADS'],
      });
      // The browser reports the refusal itself.
      expect(said.join()).toMatch(/worker/i);
    });
  });

  test.each([
    {
      name: 'a policy without wasm-unsafe-eval',
      policy: "default-src 'none'; script-src 'self'; img-src data:",
      init: { backend: 'wasm' as const },
      code: 'ERR_BACKEND_UNAVAILABLE',
      text: /wasm-unsafe-eval/,
    },
    {
      name: 'an engine that is not there',
      policy: example.contentPolicy.replace("default-src 'none'", "default-src 'none'; connect-src 'self'"),
      init: { backend: 'wasm' as const, wasm: '/missing.wasm' },
      code: 'ERR_BACKEND_UNAVAILABLE',
      text: /missing\.wasm answered 404/,
    },
    {
      name: 'native code',
      policy: example.contentPolicy,
      init: { backend: 'native' as const },
      code: 'ERR_BACKEND_UNAVAILABLE',
      text: /a browser cannot load native code/,
    },
  ])('refuses $name with a typed error', async ({ policy, init, code, text }) => {
    await withPage(policy, async (page) => {
      const error = await page.evaluate(async (given) => {
        const heddle = (globalThis as unknown as { heddle: Library }).heddle;
        const thrown: unknown = await heddle.init(given).catch((e: unknown) => e);
        if (!(thrown instanceof heddle.HeddleError)) return { code: 'none', message: String(thrown) };
        return { code: thrown.code, message: `${thrown.message} ${thrown.hint}` };
      }, init);
      expect(error.code).toBe(code);
      expect(error.message).toMatch(text);
    });
  });

  test('says that a browser has no files', async () => {
    await withPage(example.contentPolicy, async (page) => {
      const code = await page.evaluate(async () => {
        const { simulate } = (globalThis as unknown as { heddle: Library }).heddle;
        return simulate({ data: { task: 'mnist-2nn' } }).catch(({ code }: { code: string }) => code);
      });
      expect(code).toBe('ERR_DATA_NOT_FOUND');
    });
  });
});

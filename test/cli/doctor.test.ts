import { describe, expect, it } from 'vitest';
import { errorOf, heddle, parsed, temporaryFolder } from './run-cli.js';

const nowhere = '/nonexistent/heddle.node';

interface Report {
  ok: boolean;
  backend: { chosen?: string; why: string; attempts: { what: string; why: string }[] };
  native: { loaded: boolean; levels: { name: string; state: string }[]; 'not-compiled': string[] };
  wasm: { simd: boolean; loads: boolean };
  'self-tests': { backend: string; kernels: number; failures: string[] }[];
  problems: { problem: string; mend: string }[];
}

describe('heddle doctor', () => {
  it('finds every kernel equal to the reference on every back end that runs here', async () => {
    const result = await heddle(['doctor', '--json']);
    const report = parsed(result) as unknown as Report;
    expect(report['self-tests'].map(({ backend }) => backend)).toContain('wasm');
    for (const { kernels, failures } of report['self-tests']) {
      expect(failures).toEqual([]);
      expect(kernels).toBeGreaterThan(80);
    }
    expect(report.ok).toBe(true);
    expect(result.code).toBe(0);
  });

  it('names the instruction sets of the sources, each with what became of it', async () => {
    const report = parsed(await heddle(['doctor', '--json'])) as unknown as Report;
    const named = [...report.native.levels.map(({ name }) => name), ...report.native['not-compiled']];
    expect(named.sort()).toEqual(['avx2', 'avx512', 'base', 'neon']);
    for (const { state } of report.native.levels) expect(state).toMatch(/^(used|runs-here|not-supported)$/);
  });

  it('falls back to WebAssembly without an addon, says so, and is content', async () => {
    const result = await heddle(['doctor', '--json'], { env: { HEDDLE_ADDON: nowhere } });
    const report = parsed(result) as unknown as Report;
    expect(result.code).toBe(0);
    expect(report.backend.chosen).toBe('wasm');
    expect(report.backend.attempts[0]?.what).toContain(nowhere);
    expect(report.problems[0]?.mend).toContain('build-native');
  });

  it('ends with 4, every attempt and the mend where native was asked for and is missing', async () => {
    const { code, stdout } = await heddle(['doctor', '--backend', 'native'], {
      env: { HEDDLE_ADDON: nowhere },
    });
    expect(code).toBe(4);
    expect(stdout).toContain(nowhere);
    expect(stdout).toContain('npm run build:native');
  });

  it('obeys HEDDLE_BACKEND and says who decided', async () => {
    const report = parsed(
      await heddle(['doctor', '--json'], { env: { HEDDLE_BACKEND: 'reference' } }),
    ) as unknown as Report;
    expect(report.backend).toMatchObject({ chosen: 'reference', why: 'asked for by HEDDLE_BACKEND' });
  });
});

describe('heddle bench kernels', () => {
  it('times a kernel on a back end, checked, with a rate and its share of a plain copy', async () => {
    const result = await heddle([
      ...['bench', 'kernels', '--filter', 'scaleF32', '--backend', 'wasm'],
      ...['--seconds', '0.05', '--turns', '2', '--json'],
    ]);
    expect(result.code).toBe(0);
    const { rows, failed } = parsed(result) as unknown as {
      rows: { kernel: string; backend: string; 'median-seconds': number; 'gigabytes-per-second': number }[];
      failed: unknown[];
    };
    expect(failed).toEqual([]);
    expect(rows).toHaveLength(1);
    const [row] = rows;
    expect(row).toMatchObject({
      kernel: 'scaleF32',
      backend: 'wasm',
      'of-ceiling': { ceiling: 'copy' },
    });
    // 16 Mi float32, read and written: the rate is the bytes over the time.
    expect(row['gigabytes-per-second']).toBeCloseTo((8 * 2 ** 24) / row['median-seconds'] / 1e9, 6);
  });

  it('cannot use a back end that is missing', async () => {
    const result = await heddle(['bench', 'kernels', '--backend', 'native', '--json'], {
      env: { HEDDLE_ADDON: nowhere },
    });
    expect(result.code).toBe(4);
    expect(errorOf(result)).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE' });
    expect(errorOf(result).message).toContain(nowhere);
  });
});

describe('heddle build-native', () => {
  it('names the packages and the command where the build tools are not installed', async () => {
    // Only meaningful where the package itself has no build tools; this checkout has them, so PATH and log are looked at.
    const cache = await temporaryFolder();
    const result = await heddle(['build-native', '--json'], {
      env: { XDG_CACHE_HOME: cache, PATH: '/nonexistent' },
    });
    expect(result.code).toBe(1);
    expect(errorOf(result)).toMatchObject({ code: 'ERR_NATIVE_BUILD' });
    expect(errorOf(result).hint).not.toBe('');
  });
});

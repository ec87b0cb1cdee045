// Which back end is chosen and who decided, what a forced one that is missing says, and every instruction set forced in turn.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { InvalidArgumentError } from '../../src/errors.js';
import { BackendUnavailableError } from '../../src/kernels/errors.js';
import { chooseLevel, type NativeAddon } from '../../src/kernels/native.js';
import { availableBackends, findAddon, loadBackend, resolveBackend } from '../../src/kernels/select.js';

const found = findAddon();
const levels = 'addon' in found ? found.addon.levels() : [];
const missing = '/nowhere/heddle.node';

function errorOf(call: () => unknown): BackendUnavailableError {
  try {
    call();
  } catch (error) {
    if (error instanceof BackendUnavailableError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

afterEach(() => vi.unstubAllEnvs());

describe('the choice of a back end', () => {
  it('is that of the option, then of the environment, then native or WASM', () => {
    vi.stubEnv('HEDDLE_BACKEND', 'reference');
    expect(resolveBackend({ backend: 'wasm' })).toMatchObject({ backend: 'wasm', chosenBy: 'option' });
    expect(resolveBackend()).toMatchObject({ backend: 'reference', chosenBy: 'environment' });
    for (const unset of ['', undefined]) {
      vi.stubEnv('HEDDLE_BACKEND', unset);
      const backend = 'addon' in found ? 'native' : 'wasm';
      expect(resolveBackend()).toMatchObject({ backend, chosenBy: 'auto' });
    }
  });

  it('names who asked for a back end that there is not', () => {
    vi.stubEnv('HEDDLE_BACKEND', 'gpu');
    expect(() => resolveBackend()).toThrow(InvalidArgumentError);
    expect(() => resolveBackend()).toThrow(
      /HEDDLE_BACKEND must be auto, native, wasm, reference, received "gpu"/,
    );
    expect(() => resolveBackend({ backend: '' as 'auto' })).toThrow(/backend must be .* received ""/);
  });

  it('falls back to WASM in auto alone, and keeps why', () => {
    const info = resolveBackend({ addonPath: missing });
    expect(info).toMatchObject({ backend: 'wasm', chosenBy: 'auto' });
    expect(info.attempts).toHaveLength(1);
    expect(info.attempts[0].what).toContain(missing);
  });

  it('is an error with every attempt and a mend where native was forced', () => {
    for (const options of [{ backend: 'native' as const }, { isa: 'avx2' }]) {
      const error = errorOf(() => resolveBackend({ ...options, addonPath: missing }));
      expect(error.code).toBe('ERR_BACKEND_UNAVAILABLE');
      expect(error.attempts).toHaveLength(1);
      expect(error.message).toContain(missing);
      expect(error.hint).toContain('build-native');
    }
    vi.stubEnv('HEDDLE_ISA', 'avx2');
    expect(() => resolveBackend({ addonPath: missing })).toThrow(BackendUnavailableError);
    vi.stubEnv('HEDDLE_ISA', '');
    expect(resolveBackend({ addonPath: missing }).backend).toBe('wasm');
  });

  it('takes the profile of the reference', async () => {
    expect((await loadBackend({ backend: 'reference', profile: 'fma' })).profile).toBe('fma');
    expect((await loadBackend({ backend: 'reference' })).profile).toBe('plain');
  });
});

describe('the choice of an instruction set', () => {
  /** An addon of levels alone. */
  const addonWith = (runs: Record<string, boolean>): NativeAddon =>
    ({
      levels: () => Object.entries(runs).map(([name, runsHere]) => ({ name, profile: 'fma', runsHere })),
    }) as unknown as NativeAddon;
  const addon = addonWith({ base: true, avx2: true, avx512: false });

  it('is the last that runs here, or the one that was forced', () => {
    expect(chooseLevel(addon).name).toBe('avx2');
    expect(chooseLevel(addon, 'base').name).toBe('base');
  });

  it('says what was asked for and what there is', () => {
    const here = errorOf(() => chooseLevel(addon, 'avx512'));
    expect(here.message).toContain('instruction set "avx512": this processor cannot run it');
    expect(here.hint).toContain('base, avx2,');
    expect(errorOf(() => chooseLevel(addon, 'mmx')).message).toContain(
      'instruction set "mmx": the addon has base, avx2, avx512',
    );
  });

  it.runIf('addon' in found)('forces each that runs here, by option and by HEDDLE_ISA', async () => {
    const running = levels.filter((level) => level.runsHere);
    expect(running.length).toBeGreaterThan(0);
    for (const { name, profile } of running) {
      expect(await loadBackend({ backend: 'native', isa: name })).toMatchObject({ isa: name, profile });
      vi.stubEnv('HEDDLE_ISA', name);
      expect(resolveBackend()).toMatchObject({ backend: 'native', isa: name, profile });
      vi.unstubAllEnvs();
    }
    const known = (await availableBackends()).filter(({ backend }) => backend === 'native');
    expect(known.map(({ isa }) => isa)).toEqual(running.map(({ name }) => name));
  });
});

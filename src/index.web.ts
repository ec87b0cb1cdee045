/** heddle in a browser (or any place without files): the same library over WASM. */
import type { RunEnvironment } from './federation/events.js';
import { type Host, NoFilesError, syntheticTwin } from './federation/host.js';
import type { SimulationResult } from './federation/run.js';
import { type Simulation, type SimulationInput, startRun } from './federation/simulate.js';
import { version } from './version.js';

export * from './public.js';

const host: Host = {
  async loadTask(config) {
    const twin = syntheticTwin(config);
    if (!twin) throw new NoFilesError(config.data.task ?? 'the data');
    return twin;
  },
  moduleUrl: (module) => new URL(module, globalThis.location?.href).href,
  environment: (): RunEnvironment => ({
    heddle: version,
    runtime: globalThis.navigator?.userAgent ?? 'unknown',
    platform: 'web',
    arch: 'wasm32',
    cpu: 'unknown',
    cores: globalThis.navigator?.hardwareConcurrency ?? 1,
    memoryBytes: 0,
  }),
};

/** Starts a simulation; see `startRun`. */
export function startSimulation(options: SimulationInput): Simulation {
  return startRun(options, host);
}

/** Runs a simulation to its end. */
export function simulate(options: SimulationInput): Promise<SimulationResult> {
  return startSimulation(options).result;
}

/** heddle on Node: the library with files behind it. */

export { loadConfig } from './federation/config/load.node.js';
export * from './public.js';
export {
  type NodeSimulationOptions,
  type RecordedSimulation,
  simulate,
  startSimulation,
} from './report/recorded-simulation.node.js';

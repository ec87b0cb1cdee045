import { availableParallelism, cpus, totalmem } from 'node:os';
import type { RunEnvironment } from '../federation/events.js';

/**
 * This machine and runtime, as `env.json` and the report tell them: nothing of the user, the host name, the folders or the
 * environment variables.
 *
 * @param version - version of heddle.
 */
export function collectEnvironment(version: string): RunEnvironment {
  return {
    heddle: version,
    runtime: `node ${process.versions.node}`,
    platform: process.platform,
    arch: process.arch,
    // Some ARM kernels and containers name no model.
    cpu: cpus()[0]?.model.trim() || 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
  };
}

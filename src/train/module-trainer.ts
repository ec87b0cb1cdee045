/** A trainer in a module of its own, on worker threads: `client.trainer: ./my-trainer.mjs`. */
import { TrainerModuleError } from './errors.js';
import type { Trainer, TrainResult } from './trainer.js';
import { createWorkerPool } from './worker-pool.js';

export interface ModuleTrainer extends Trainer {
  dispose(): Promise<void>;
}

/** @param module - URL of a module that exports `trainer`. */
export function createModuleTrainer(module: string, workers: number): ModuleTrainer {
  const pool = createWorkerPool(workers, { type: 'trainer', module });
  return {
    name: module,
    async train(job, signal) {
      signal?.throwIfAborted();
      try {
        return (await pool.submit({ type: 'train', job })) as TrainResult;
      } catch (error) {
        if ((error as { code?: string }).code === 'ERR_TRAINER_MODULE')
          throw new TrainerModuleError(module, (error as Error).message, error);
        throw error;
      }
    },
    dispose: () => pool.dispose(),
  };
}

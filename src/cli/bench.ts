import { Command } from 'commander';
import type { Kernels } from '../kernels/kernels.js';
import { loadBackend } from '../kernels/select.js';
import { type BackendOptions, backendChoice, backendOption, isaOption } from './backend-options.js';
import { KernelCheckError, UsageError } from './errors.js';
import { EXIT } from './exit-codes.js';
import { type CommonOptions, createOutput, withCommonOptions } from './output.js';
import { positiveNumber, type Verb, wholeNumber } from './verb.js';

interface BenchOptions extends CommonOptions, BackendOptions {
  seconds: number;
  turns: number;
}

export function benchCommand(run: Verb): Command {
  return new Command('bench')
    .description('Measures this machine: the kernels, training steps, or whole simulations.')
    .addCommand(kernelsCommand(run), { isDefault: true })
    .addCommand(trainingCommand(run))
    .addCommand(simulationCommand(run))
    .addHelpText(
      'after',
      `
Each result is checked before it is timed; back ends are measured in turn, and ratios come from the same turns.

Examples:
  heddle bench kernels
  heddle bench kernels --isa avx2 --json
  heddle bench training
  heddle bench simulation`,
    );
}

function timed(command: Command): Command {
  return withCommonOptions(
    command
      .addOption(backendOption())
      .addOption(isaOption())
      .option('--seconds <s>', 'seconds for each row and back end', positiveNumber, 0.3)
      .option('--turns <n>', 'how often the back ends are measured in turn', wholeNumber(1, 1000), 5),
  );
}

function kernelsCommand(run: Verb): Command {
  return timed(
    new Command('kernels').description('times the kernels of the table, native beside WebAssembly'),
  )
    .option('--filter <text>', 'only kernels whose name holds this text, or of this family')
    .addHelpText(
      'after',
      `
"of copy" and "of read" are the kernel's rate over that of a plain copy or read of 64 MB, measured in the same
turns. "x wasm" is the speed over that of WebAssembly; (same) where a rank test cannot tell the two apart.

Examples:
  heddle bench kernels --filter clip
  heddle bench kernels --backend wasm
  heddle bench kernels --filter gemm --isa avx2 --json`,
    )
    .action(
      run(async (options: BenchOptions & { filter?: string }) => {
        const output = createOutput(options);
        const { benchKernels, selectKernels } = await import('./bench/kernels.js');
        const { describeMachine, kernelTable } = await import('./bench/tables.js');
        if (selectKernels(options.filter).length === 0)
          throw new UsageError(
            `no timed kernel has ${JSON.stringify(options.filter)} in its name`,
            'see docs/kernels.md for the names and families, or leave --filter out',
          );
        const backends = await benchBackends(options);
        const machine = await describeMachine(backends);
        const result = benchKernels({
          backends,
          filter: options.filter,
          secondsEach: options.seconds,
          turns: options.turns,
          onRow: ([row]) => output.note(`  ${row.kernel} ${row.size}`),
          onCheckFailed: (kernel, backend, difference) =>
            output.note(`  ${kernel} on ${backend} differs from the reference: ${difference}`),
        });
        if (result.failed.length > 0 && result.rows.length === 0)
          throw new KernelCheckError(result.failed.map(({ kernel, backend }) => `${kernel} (${backend})`));
        output.result({ machine, ...result }, () => kernelTable(result, machine, output.colors));
        return result.failed.length > 0 ? EXIT.failed : EXIT.done;
      }),
    );
}

function trainingCommand(run: Verb): Command {
  return timed(
    new Command('training').description(
      'times steps of local training, and what clipping and Fisher add to them',
    ),
  )
    .option('--filter <text>', 'only models whose name holds this text: 2nn, mnist-cnn, cifar10-cnn')
    .addHelpText(
      'after',
      `
One thread, but for "2 threads": the clients a second of two threads over those of one. "clip / SGD" is a step with every
example's gradient clipped (no noise) over a plain one, "Fisher / SGD" a step of the diagonal Fisher.

Examples:
  heddle bench training --filter 2nn
  heddle bench training --backend native --seconds 2 --json`,
    )
    .action(
      run(async (options: BenchOptions & { filter?: string }) => {
        const output = createOutput(options);
        const { benchTraining, workloads } = await import('./bench/training.js');
        const { describeMachine, trainingTable } = await import('./bench/tables.js');
        const { filter } = options;
        if (filter !== undefined && !workloads.some(({ name }) => name.includes(filter)))
          throw new UsageError(
            `no timed model has ${JSON.stringify(filter)} in its name`,
            `the models are ${[...new Set(workloads.map(({ name }) => name))].join(', ')}`,
          );
        const backends = await benchBackends(options);
        const machine = await describeMachine(backends);
        const result = await benchTraining({
          backends,
          filter,
          secondsEach: options.seconds,
          turns: options.turns,
          onRow: ({ workload, batchSize, backend }) => output.note(`  ${workload} B=${batchSize} ${backend}`),
        });
        output.result({ machine, ...result }, () => trainingTable(result, machine, output.colors));
        return result.failed.length > 0 ? EXIT.failed : EXIT.done;
      }),
    );
}

interface SimulationOptions extends BenchOptions {
  workers?: number;
  runs: number;
}

function simulationCommand(run: Verb): Command {
  return withCommonOptions(
    new Command('simulation')
      .description('times a published run, the overhead of a client update, and watches memory')
      .addOption(backendOption())
      .addOption(isaOption())
      .option('--workers <n>', 'threads that train clients; 0: chosen', wholeNumber(0, 1024))
      .option('--runs <n>', 'runs of the published workload; the median counts', wholeNumber(1, 100), 3),
  )
    .addHelpText(
      'after',
      `
The published run is mnist-lr of FLUTE: 1000 clients, 10 a round, batch 10, 100 rounds, an evaluation every 20.

Examples:
  heddle bench simulation
  heddle bench simulation --backend wasm --runs 1 --json`,
    )
    .action(
      run(async (options: SimulationOptions) => {
        const output = createOutput(options);
        const { benchSimulation } = await import('./bench/simulation.js');
        const { describeMachine, simulationTable } = await import('./bench/tables.js');
        const { workers, runs } = options;
        const choice = backendChoice(options);
        const kernels = await loadBackend(choice);
        const machine = await describeMachine([kernels]);
        kernels.dispose();
        const onStep = (text: string): void => output.note(`  ${text}`);
        const result = await benchSimulation({ ...choice, workers, runs, onStep });
        output.result({ machine, ...result }, () => simulationTable(result, machine, output.colors));
        return EXIT.done;
      }),
    );
}

/** The back end asked for, or the chosen one with WebAssembly beside it. */
async function benchBackends(options: BenchOptions): Promise<Kernels[]> {
  const { backend } = options;
  const chosen = await loadBackend(backendChoice(options));
  if (backend !== undefined && backend !== 'auto') return [chosen];
  return chosen.backend === 'wasm' ? [chosen] : [chosen, await loadBackend({ backend: 'wasm' })];
}

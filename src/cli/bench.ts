import { Command } from 'commander';
import type { Kernels } from '../kernels/kernels.js';
import { loadBackend } from '../kernels/select.js';
import { backendOption, isaOption } from './doctor.js';
import { KernelCheckError, UsageError } from './errors.js';
import { EXIT } from './exit-codes.js';
import { type CommonOptions, createOutput, withCommonOptions } from './output.js';
import { positiveNumber, type Verb, wholeNumber } from './verb.js';

interface BenchOptions extends CommonOptions {
  backend?: 'auto' | 'native' | 'wasm' | 'reference';
  isa?: string;
  seconds: number;
  turns: number;
}

export function benchCommand(run: Verb): Command {
  return new Command('bench')
    .description('Measures this machine: the kernels, training steps, or whole simulations.')
    .addCommand(kernelsCommand(run), { isDefault: true })
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

/** The back end asked for, or the chosen one with WebAssembly beside it. */
async function benchBackends({ backend, isa }: BenchOptions): Promise<Kernels[]> {
  const chosen = await loadBackend({ backend, isa });
  if (backend !== undefined && backend !== 'auto') return [chosen];
  return chosen.backend === 'wasm' ? [chosen] : [chosen, await loadBackend({ backend: 'wasm' })];
}

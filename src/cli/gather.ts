import { join } from 'node:path';
import { Command, Option } from 'commander';
import { type GatherReport, gatherSidecars } from '../merge/sidecars/gather.node.js';
import { formatNumber, formatSeconds, printable } from '../report/format.js';
import { openTrainingSession } from '../train/training-session.js';
import { type BackendOptions, backendChoice, backendOption, isaOption } from './backend-options.js';
import { InterruptedError, UsageError } from './errors.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { refuseIdleOptions } from './idle-options.js';
import { interruptible } from './interrupt.js';
import { type CommonOptions, counted, createOutput, withCommonOptions } from './output.js';
import { createProgressBar } from './progress-bar.js';
import { loadTaskModel, type TaskOptions } from './task-model.js';
import { type Verb, wholeNumber } from './verb.js';

interface GatherVerbOptions extends CommonOptions, BackendOptions, TaskOptions {
  fisher?: boolean;
  labels: 'data' | 'model';
  gram?: boolean;
  overwrite?: boolean;
  workers?: number;
}

export function gatherCommand(run: Verb): Command {
  return withCommonOptions(
    new Command('gather')
      .description('Measures a model on data: what the merge methods fisher and regmean weigh models by.')
      .argument('<model>', 'folder of the model; it gets fisher.safetensors and gram.safetensors')
      .option('--task <name>', 'names the model and the data, as mnist-2nn, or a configuration file')
      .option('--synthetic', "the generated twin of the task's data")
      .addOption(new Option('--part <part>', 'which examples').choices(['train', 'test']).default('train'))
      .option('--limit <n>', 'measure on the first n examples', wholeNumber(1))
      .option('--fisher', 'the Fisher information of every weight; without --gram, nothing else')
      .addOption(
        new Option(
          '--labels <whose>',
          "of the Fisher information: the data's, or in expectation the model's own",
        )
          .choices(['data', 'model'])
          .default('data'),
      )
      .option('--gram', 'the Gram matrix of the inputs of every linear layer; without --fisher, nothing else')
      .option('--overwrite', 'replace measurements')
      .option('--workers <n>', 'threads that compute; default: one a core', wholeNumber(1, 1024))
      .addOption(backendOption())
      .addOption(isaOption()),
  )
    .addHelpText(
      'after',
      `
Examples:
  heddle gather finetuned --task mnist-2nn
  heddle gather finetuned --task run.yaml --limit 2000 --fisher
  heddle merge fisher.yaml merged              merge_method: fisher, over models that were measured

Ctrl-C stops; no file is left half written.
The files name the model that they were measured on; a merge refuses them beside another.`,
    )
    .action(run(gatherVerb));
}

async function gatherVerb(folder: string, options: GatherVerbOptions, command: Command): Promise<ExitCode> {
  const output = createOutput(options);
  // Gram matrices know no labels.
  if (options.fisher === undefined && options.gram === true)
    refuseIdleOptions(command, [{ options: ['--labels'], beside: ['--fisher'] }]);
  const { task, synthetic, part, limit, labels, overwrite, workers } = options;
  if (task === undefined)
    throw new UsageError('gather needs --task', 'name model and data, as --task mnist-2nn');
  const kernels = backendChoice(options);
  const both = options.fisher === undefined && options.gram === undefined;
  const reason = new InterruptedError(
    `the measurement was interrupted; no file was left half written in ${folder}`,
    'run the same command again, with --overwrite if one of the two files is there already',
  );
  const report = await interruptible(output, { doing: 'stopping', reason }, async (signal) => {
    const { model, data } = await loadTaskModel({ task, synthetic, part });
    signal.throwIfAborted();
    const session = await openTrainingSession(model, { workers, ...kernels });
    const { update, stop } = createProgressBar(output, 'measuring');
    const index = Uint32Array.from({ length: Math.min(data.size, limit ?? data.size) }, (_, i) => i);
    output.detail(
      `measuring on ${counted(index.length, 'example')}, ${counted(session.runner.workers, 'thread')}`,
    );
    const onProgress = (done: number, of: number): void =>
      update(done, of, (seconds) => {
        const left = formatSeconds((seconds * (of - done)) / done);
        return `${formatNumber(done)} of ${counted(of, 'measurement')}, ${left} left`;
      });
    try {
      return await gatherSidecars(folder, session, data, {
        fisher: both || options.fisher === true,
        gram: both || options.gram === true,
        index,
        ...{ labels, overwrite, signal, onProgress },
      });
    } finally {
      stop();
      await session.dispose();
    }
  });
  output.result(report, () => textOf(report));
  return EXIT.done;
}

function textOf({ folder, files, examples, modules }: GatherReport): string {
  const layers = modules.length > 0 ? [`Gram matrices of ${modules.map(printable).join(', ')}`] : [];
  return [
    `measured on ${counted(examples, 'example')}: ${files.map((file) => printable(join(folder, file))).join(', ')}`,
    ...layers,
  ].join('\n');
}

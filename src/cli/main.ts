/** The command `heddle`: finds the verb, prints its errors, and turns them into exit codes. */
import { Command, CommanderError } from 'commander';
import { nearest } from '../config/names.js';
import { version } from '../version.js';
import { benchCommand } from './bench.js';
import { buildNativeCommand } from './build-native.js';
import { diffCommand } from './diff.js';
import { doctorCommand } from './doctor.js';
import { UsageError } from './errors.js';
import { evolveCommand } from './evolve.js';
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.js';
import { gatherCommand } from './gather.js';
import { inspectCommand } from './inspect.js';
import { mergeCommand } from './merge.js';
import { printError } from './output.js';
import { recycleCommand } from './recycle.js';
import { simulateCommand } from './simulate.js';
import { soupCommand } from './soup.js';
import type { Verb } from './verb.js';

const VERBS: readonly ((run: Verb) => Command)[] = [
  simulateCommand,
  mergeCommand,
  inspectCommand,
  diffCommand,
  evolveCommand(),
  recycleCommand,
  soupCommand,
  gatherCommand,
  benchCommand,
  doctorCommand,
  buildNativeCommand,
];

/**
 * Runs one command line.
 *
 * @param args - what follows the command's own name.
 * @returns the exit code; every error has been printed by then.
 */
export async function main(args: readonly string[]): Promise<ExitCode> {
  let code: ExitCode = EXIT.done;
  const program = new Command('heddle')
    .description(
      'Simulates federated learning, protects and combines updates, on native and WebAssembly kernels.',
    )
    .version(version, '-V, --version', 'print the version')
    .helpCommand(false)
    .addHelpText('after', EXAMPLES);
  for (const verb of VERBS)
    program.addCommand(
      verb((action) => async (...received) => {
        code = await action(...received);
      }),
    );
  program.addCommand(helpCommand(program));
  for (const command of allCommands(program))
    command.exitOverride().configureOutput({ outputError: () => {} });

  try {
    if (args.length === 0) program.outputHelp();
    else await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done;
    const shown = error instanceof CommanderError ? usageError(error, args, program) : error;
    printError(shown, {
      json: args.includes('--json'),
      verbose: args.includes('--verbose'),
      color: !args.includes('--no-color'),
    });
    return exitCodeOf(shown);
  }
}

const EXAMPLES = `
Examples:
  heddle simulate mnist-2nn --synthetic      a first result in seconds, nothing to download
  heddle simulate run.yaml -c client.lr=0.05
  heddle inspect models/base                 tensors, norms, values that are not finite
  heddle merge ties.yaml merged
  heddle evolve search.yaml out              the recipe whose model scores best
  heddle soup run1 run2 --out soup --task mnist-2nn
  heddle gather run1 --task mnist-2nn        what merges by fisher and regmean weigh by
  heddle recycle wider model wide --units fc1=400
  heddle bench kernels
  heddle doctor

Exit codes: 0 done, 1 user code threw, 2 bad arguments or configuration, 3 data missing or corrupt, or a
disk full or failing, 4 back end unavailable, 5 out of memory, 6 time-out, 7 diverged, 8 too few clients,
9 privacy budget exhausted, 130 interrupted.`;

/** As `main`, with the process's own arguments; ends the process when everything is printed. */
export async function runFromShell(): Promise<void> {
  // A reader that closes the pipe early, as `head` does, wants no more and no complaint; the work and its exit code stay.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  process.exitCode = await main(process.argv.slice(2));
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  // A thread that a user's trainer left running must not keep a finished command alive.
  process.exit();
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()));
}

/** `heddle help bench kernels`; commander's own prints all it has for a verb that it does not know. */
function helpCommand(program: Command): Command {
  return new Command('help')
    .description('help for a verb')
    .argument('[verb...]')
    .action((names: string[]) => {
      let command = program;
      for (const name of names) {
        const found = command.commands.find((one) => one.name() === name);
        if (found === undefined) throw unknownVerb('there is no verb', name, command, 'heddle help');
        command = found;
      }
      command.outputHelp();
    });
}

function unknownVerb(problem: string, name: string, { commands }: Command, help: string): UsageError {
  const near = nearest(
    name,
    commands.map((command) => command.name()),
  );
  return new UsageError(
    `${problem} ${JSON.stringify(name)}`,
    near === undefined ? `see \`${help}\`` : `did you mean ${near}? See \`${help}\``,
  );
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

/** A mistake on the command line as an error with the nearest valid spelling. */
function usageError(error: CommanderError, args: readonly string[], program: Command): UsageError {
  const [problem] = error.message.replace(/^error: /, '').split('\n');
  const verb = program.commands.find((command) => command.name() === args[0]);
  const help = verb === undefined ? 'heddle --help' : `heddle ${verb.name()} --help`;
  // What is no verb below `bench` is taken for an argument of the one that it has by default.
  const [, below] = args;
  const verbs = verb?.commands.map((command) => command.name()) ?? [];
  const isUnknown = verbs.length > 0 && /^\w/.test(below) && !verbs.includes(below);
  if (error.code === 'commander.excessArguments' && verb !== undefined && isUnknown)
    return unknownVerb(`${verb.name()} has no verb`, below, verb, help);
  const wrong = /'([^']+)'/.exec(problem)?.[1]?.split(/[ =]/)[0] ?? '';
  const candidates =
    error.code === 'commander.unknownCommand'
      ? program.commands.map((command) => command.name())
      : error.code === 'commander.unknownOption'
        ? [program, ...(verb ? allCommands(verb) : [])].flatMap((command) =>
            command.options.flatMap((option) => option.long ?? []),
          )
        : [];
  const near = nearest(wrong, candidates);
  const hint = near === undefined ? `see \`${help}\`` : `did you mean ${near}? See \`${help}\``;
  return new UsageError(problem, hint, { cause: error });
}

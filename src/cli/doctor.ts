import { Command } from 'commander';
import { formatBytes } from '../report/format.js';
import { type BackendOptions, backendChoice, backendOption, isaOption } from './backend-options.js';
import { type Diagnosis, diagnose, type LevelState } from './diagnosis.js';
import { EXIT } from './exit-codes.js';
import { type Colors, type CommonOptions, createOutput, withCommonOptions } from './output.js';
import type { Verb } from './verb.js';

type DoctorOptions = CommonOptions & BackendOptions;

export function doctorCommand(run: Verb): Command {
  return withCommonOptions(
    new Command('doctor')
      .description('Says what this machine has, which back end is used and why, and tests the kernels.')
      .addOption(backendOption())
      .addOption(isaOption()),
  )
    .addHelpText(
      'after',
      `
Examples:
  heddle doctor
  heddle doctor --backend native     why native cannot be had, if it cannot
  heddle doctor --json

Exit codes: 0 everything that was asked for works, 4 it does not.`,
    )
    .action(
      run(async (options: DoctorOptions) => {
        const output = createOutput(options);
        output.detail('testing the kernels of every back end that runs here');
        const diagnosis = await diagnose(backendChoice(options));
        output.result(diagnosis, () => describeDiagnosis(diagnosis, output.colors));
        return diagnosis.ok ? EXIT.done : EXIT.backend;
      }),
    );
}

/** The diagnosis as people read it. */
export function describeDiagnosis(diagnosis: Diagnosis, colors: Colors): string {
  const { backend, native, wasm, machine, versions, data, selfTests, problems } = diagnosis;
  const good = colors.green('✓');
  const bad = colors.red('✗');
  const mark = (ok: boolean): string => (ok ? good : bad);
  const lines: string[] = [];
  const section = (title: string): void => {
    lines.push('', colors.bold(title));
  };
  const row = (label: string, value: string): void => {
    lines.push(`  ${colors.dim(label.padEnd(16))} ${value}`);
  };

  lines.push(colors.bold(`heddle ${versions.heddle}`));
  section('Back end');
  if (backend.chosen === undefined) row('chosen', `${bad} none: ${backend.why}`);
  else
    row(
      'chosen',
      `${good} ${colors.bold(backend.chosen)} (${backend.isa}, ${backend.profile}): ${backend.why}`,
    );
  for (const { name, value } of diagnosis.environment) row(name, value);
  row('native', native.loaded ? `${good} ${native.path}` : `${bad} no addon loads`);
  for (const { what, why } of native.attempts) lines.push(`      ${colors.dim(`${what}:`)} ${why}`);
  if (!native.loaded) row('cache', native.cache);
  for (const level of native.levels) row(`  ${level.name}`, describeLevel(level, colors));
  if (native.loaded)
    for (const name of native.notCompiled) row(`  ${name}`, 'in the sources, not compiled here');
  row('WebAssembly', `${mark(wasm.simd)} SIMD  ${mark(wasm.loads)} engine ${wasm.why ?? 'compiles'}`);

  section('Self-test');
  for (const { backend: name, isa, profile, kernels, failures } of selfTests) {
    const passed = kernels - failures.length;
    row(
      name,
      `${mark(failures.length === 0)} ${isa} (${profile}): ${passed} of ${kernels} kernels equal the reference`,
    );
    for (const failure of failures) lines.push(`      ${failure}`);
  }
  if (selfTests.length === 0) row('', 'not run');

  section('Machine');
  row('processor', `${machine.cpu}, ${machine.threads} ${machine.threads === 1 ? 'thread' : 'threads'}`);
  row('memory', `${formatBytes(machine.memoryBytes)}, ${formatBytes(machine.freeBytes)} free`);
  row('platform', `${machine.platform} ${machine.arch}`);
  row('node', `${versions.node}, Node-API ${versions.napi}, V8 ${versions.v8}`);
  row('kernel build', diagnosis.kernelBuild);

  section('Data');
  row('MNIST', data.mnist.found ? `${good} ${data.mnist.folder}` : `${bad} not found`);

  if (problems.length > 0) {
    section(problems.length === 1 ? 'One thing to know' : `${problems.length} things to know`);
    for (const { problem, mend, fatal } of problems)
      lines.push(`  ${fatal ? bad : colors.yellow('!')} ${problem}`, `    ${colors.cyan('Fix:')} ${mend}`);
  } else {
    lines.push('', `${good} everything works`);
  }
  return lines.join('\n');
}

function describeLevel({ state, profile }: LevelState, colors: Colors): string {
  if (state === 'used') return `${colors.green('✓')} used (${profile})`;
  if (state === 'runs-here') return `${colors.green('✓')} runs here (${profile})`;
  return colors.yellow(`compiled, not run: this processor lacks it (${profile})`);
}

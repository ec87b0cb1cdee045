/** Fitness from a program of the user's: it gets the folder of a model and prints one number. */
import { spawn } from 'node:child_process';
import { HeddleError } from '../../errors.js';

/** The program did not give a number. */
export class FitnessCommandError extends HeddleError {
  constructor(
    problem: string,
    output: string,
    cause?: unknown,
    hint = 'the program must exit with 0 and print one number, and nothing else, on stdout',
  ) {
    const said = output.trim().slice(-400);
    super('ERR_FITNESS_COMMAND', said === '' ? problem : `${problem}; it said: ${said}`, hint, { cause });
  }
}

/** More than this on stdout is no number. */
const maxOutput = 4096;
const numberForm = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

export interface CommandFitnessOptions {
  /** Seconds. */
  readonly timeout: number;
  /** Folder that the program starts in. Default: the process's own. */
  readonly cwd?: string;
  readonly signal?: AbortSignal;
}

/**
 * Runs the program without a shell; what it starts itself is ended with it.
 *
 * @param command - program and arguments. `{model}` in an argument stands for the folder; without one it is added at the end.
 * @throws {FitnessCommandError} if it cannot be started, ends otherwise than with 0, takes too long, or prints anything but a number.
 */
export async function commandFitness(
  command: readonly string[],
  folder: string,
  options: CommandFitnessOptions,
): Promise<number> {
  const stdout = await runCommand(command, folder, options);
  const text = stdout.trim();
  if (numberForm.test(text)) return Number(text);
  throw new FitnessCommandError(`${command[0]} did not print one finite number`, stdout);
}

/**
 * As `commandFitness`, for a program that prints a JSON object of numbers.
 *
 * @throws {FitnessCommandError} as `commandFitness`; which tasks must be there is the caller's to say.
 */
export async function commandTasks(
  command: readonly string[],
  folder: string,
  options: CommandFitnessOptions,
): Promise<Readonly<Record<string, unknown>>> {
  const stdout = await runCommand(command, folder, options);
  const hint = 'with tasks, the program must exit with 0 and print one JSON object with a number for each';
  let value: unknown;
  try {
    value = JSON.parse(stdout);
  } catch (error) {
    throw new FitnessCommandError(`${command[0]} did not print a JSON object`, stdout, error, hint);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, unknown>>;
  throw new FitnessCommandError(`${command[0]} did not print a JSON object`, stdout, undefined, hint);
}

/** What the program printed on stdout. */
function runCommand(
  command: readonly string[],
  folder: string,
  { timeout, cwd, signal }: CommandFitnessOptions,
): Promise<string> {
  const placed = command.map((part) => part.replaceAll('{model}', folder));
  const named = command.some((part) => part.includes('{model}'));
  const [program, ...args] = named ? placed : [...placed, folder];
  return new Promise((resolve, reject) => {
    // A group of its own, so that a script's children end with the script.
    const grouped = process.platform !== 'win32';
    const child = spawn(program, args, { cwd, detached: grouped, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    let ended: string | undefined;
    const end = (why: string): void => {
      ended ??= why;
      try {
        if (grouped && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
        else child.kill('SIGKILL');
      } catch (error) {
        // Already gone.
        if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
      }
    };
    const onAbort = (): void => end('was stopped');
    const timer = setTimeout(() => end(`took longer than ${timeout} s`), 1000 * timeout);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (stdout.length > maxOutput) end(`printed more than ${maxOutput} characters`);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-maxOutput);
    });
    const settle = (finish: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      finish();
    };
    child.on('error', (error) =>
      settle(() =>
        reject(
          new FitnessCommandError(
            `${program} cannot be started: ${error.message}`,
            '',
            error,
            'name a program that is on the PATH, or give its path; it is started without a shell',
          ),
        ),
      ),
    );
    child.on('close', (code, killedBy) =>
      settle(() => {
        if (ended !== undefined) {
          const hint = ended.startsWith('took') ? 'make it quicker, or raise timeout, in seconds' : undefined;
          return reject(new FitnessCommandError(`${program} ${ended}`, stderr, undefined, hint));
        }
        if (code !== 0)
          return reject(
            new FitnessCommandError(
              `${program} ended with ${killedBy ?? `exit code ${code}`}`,
              stderr || stdout,
            ),
          );
        resolve(stdout);
      }),
    );
  });
}

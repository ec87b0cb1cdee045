import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { RunEnvironment, RunEvent, RunPaths, RunSummary } from '../federation/events.js';
import { makeFolder } from '../tensor/safetensors/output-folder.node.js';
import { decodeEvents, encodeEvent, encodeSummary, toFileJson } from './jsonl.js';
import {
  createGrowingFile,
  type FileSystem,
  type GrowingFile,
  nodeFileSystem,
  writeWhole,
} from './run-files.node.js';
import { RunFolderError } from './run-folder-error.js';
import { openSinks, type Sink, type SinkName } from './run-sinks.node.js';

export interface RunFolderOptions {
  /** Folder in which the run's own folder is made, as `runs`; made when missing. Ignored with `path`. */
  dir: string;
  /** Name of the run, any text; what a file name cannot hold is replaced. */
  name: string;
  /** Exactly this folder instead of a dated one below `dir`; it must be missing or empty. */
  path?: string;
  sinks: readonly SinkName[];
  /** The configuration as given, and with every default filled in. */
  config: string;
  resolvedConfig: string;
  environment: RunEnvironment;
  /** Clock, for the folder's name and the event file's. Default: the system's. */
  now?: () => Date;
  /** Six hexadecimal digits that tell runs of one second apart. Default: drawn. */
  id?: string;
  fs?: FileSystem;
}

/** The folder of one run. Calls are carried out in the order they were made; each rejects with a `RunFolderError`. */
export interface RunFolder {
  readonly path: string;
  /** What has been written so far. */
  paths(): RunPaths;
  /** Hands an event to every sink; on disk when the promise of a `round`, `eval`, `warning` or `end` resolves. */
  record(event: RunEvent): Promise<void>;
  /** Adds a line to `run.log`. */
  log(line: string): Promise<void>;
  writePartition(report: unknown): Promise<void>;
  /** @param model - a whole safetensors file. */
  writeModel(model: Uint8Array): Promise<void>;
  /** Writes `summary.json` with its `paths` filled in, and returns it so. */
  writeSummary(summary: RunSummary): Promise<RunSummary>;
  writeReport(html: string): Promise<void>;
  /** The run's events without those of single clients, read back from the disk; empty without the `jsonl` sink. */
  readEvents(): Promise<RunEvent[]>;
  /** Flushes, closes and removes `run.pid`. Safe to call twice. */
  close(): Promise<void>;
}

/** `runs/<yyyymmdd-hhmmss>-<name>-<id>`: the clock is local time, as people look for their runs by it. */
export function runFolderName(name: string, time: Date, id: string): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  const date = `${time.getFullYear()}${two(time.getMonth() + 1)}${two(time.getDate())}`;
  const clock = `${two(time.getHours())}${two(time.getMinutes())}${two(time.getSeconds())}`;
  return `${date}-${clock}-${sanitiseRunName(name)}-${id}`;
}

/** A run's name as one harmless part of a file name: letters, digits, `.`, `_` and `-`, at most 64 of them. */
export function sanitiseRunName(name: string): string {
  const safe = name
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/\.{2,}/g, '.')
    .replace(/-{2,}/g, '-')
    .slice(0, 64)
    .replace(/^[.-]+|[.-]+$/g, '');
  return safe === '' ? 'run' : safe;
}

/**
 * Makes the folder of a run with its configuration, environment and sinks.
 *
 * @throws {RunFolderError} `ERR_DISK_FULL`, `ERR_RUN_FOLDER_DENIED`, `ERR_RUN_FOLDER_READ_ONLY`,
 *   `ERR_RUN_FOLDER_EXISTS` or `ERR_RUN_FOLDER`, each with the path at fault.
 */
export async function createRunFolder(options: RunFolderOptions): Promise<RunFolder> {
  const { fs = nodeFileSystem, now = () => new Date() } = options;
  const time = now();
  const path =
    options.path === undefined
      ? await makeDatedFolder(fs, options, time)
      : await makeExactFolder(fs, resolve(options.path));
  const at = (name: string): string => join(path, name);
  const written: RunPaths = { folder: path };

  const open: GrowingFile[] = [];
  const grow = async (name: string): Promise<GrowingFile> => {
    const file = await createGrowingFile(fs, at(name));
    open.push(file);
    return file;
  };
  let log: GrowingFile;
  let sinks: Sink[];
  try {
    await writeWhole(fs, at('run.pid'), `${process.pid}\n`);
    await writeWhole(fs, at('config.yaml'), options.config);
    await writeWhole(fs, at('config.resolved.yaml'), options.resolvedConfig);
    await writeWhole(fs, at('env.json'), `${JSON.stringify(toFileJson(options.environment), null, 2)}\n`);
    log = await grow('run.log');
    sinks = await openSinks(fs, path, options.sinks, time, grow, written);
  } catch (error) {
    // The folder is ours and holds no result yet; what is told is the first error, not a failure to tidy.
    for (const file of open) await file.close().catch(() => undefined);
    if (options.path === undefined)
      await fs.rm(path, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
  let clients: GrowingFile | undefined;
  let closed = false;
  let broken: RunFolderError | undefined;

  // One chain: a second event never overtakes the first, and the failure of one is told to its own caller only.
  let chain: Promise<unknown> = Promise.resolve();
  const inOrder = <T>(work: () => Promise<T>): Promise<T> => {
    const result = chain.then(work);
    chain = result.catch(() => undefined);
    return result;
  };

  return {
    path,
    paths: () => ({ ...written }),
    record: (event) =>
      inOrder(async () => {
        if (event.event === 'client') {
          clients ??= await grow('clients.jsonl');
          clients.append(encodeEvent(event));
          return;
        }
        // A sink that failed once is behind its own count; writing on could leave a hole in its file.
        if (broken !== undefined) throw broken;
        try {
          for (const sink of sinks) await sink(event);
          await clients?.flush();
        } catch (error) {
          broken = RunFolderError.from(error, 'writing', path);
          throw broken;
        }
      }),
    log: (line) =>
      inOrder(async () => {
        log.append(`${now().toISOString()} ${line.replaceAll('\n', '\n    ')}\n`);
        await log.flush();
      }),
    writePartition: (report) =>
      inOrder(() => writeWhole(fs, at('partition.json'), `${JSON.stringify(toFileJson(report))}\n`)),
    writeModel: (model) =>
      inOrder(async () => {
        await writeWhole(fs, at('model.safetensors'), model);
        written.model = 'model.safetensors';
      }),
    writeSummary: (summary) =>
      inOrder(async () => {
        const complete = { ...summary, paths: { ...written, summary: 'summary.json' } };
        await writeWhole(fs, at('summary.json'), encodeSummary(complete));
        written.summary = 'summary.json';
        return complete;
      }),
    writeReport: (html) =>
      inOrder(async () => {
        await writeWhole(fs, at('report.html'), html);
        written.report = 'report.html';
      }),
    readEvents: () =>
      inOrder(async () =>
        written.metrics ? decodeEvents(await fs.readFile(at(written.metrics), 'utf8')) : [],
      ),
    close: () =>
      inOrder(async () => {
        if (closed) return;
        closed = true;
        const failures: unknown[] = [];
        for (const file of open) await file.close().catch((error) => failures.push(error));
        await fs.rm(at('run.pid'), { force: true }).catch((error) => failures.push(error));
        if (failures.length > 0) throw RunFolderError.from(failures[0], 'closing', path);
      }),
  };
}

async function makeDatedFolder(fs: FileSystem, options: RunFolderOptions, time: Date): Promise<string> {
  const parent = resolve(options.dir);
  try {
    await makeFolder(parent, (one) => fs.mkdir(one));
  } catch (error) {
    throw RunFolderError.from(error, 'making', parent);
  }
  for (let attempt = 1; ; attempt++) {
    const path = join(
      parent,
      runFolderName(options.name, time, options.id ?? randomBytes(3).toString('hex')),
    );
    try {
      await fs.mkdir(path);
      return path;
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw RunFolderError.from(error, 'making', path);
      // A given id, or the sixteenth drawn one, is taken: not chance any more.
      if (options.id !== undefined || attempt === 16) throw alreadyThere(path, error);
    }
  }
}

async function makeExactFolder(fs: FileSystem, path: string): Promise<string> {
  let entries: string[];
  try {
    await makeFolder(path, (one) => fs.mkdir(one));
    entries = await fs.readdir(path);
  } catch (error) {
    if (isErrno(error, 'EEXIST')) throw alreadyThere(path, error);
    throw RunFolderError.from(error, 'making', path);
  }
  if (entries.length > 0) throw alreadyThere(path);
  return path;
}

function alreadyThere(path: string, cause?: unknown): RunFolderError {
  return new RunFolderError(
    'ERR_RUN_FOLDER_EXISTS',
    path,
    `run folder: ${path} is there already and not empty`,
    'choose another folder, or leave it out and let one be named by date',
    { cause },
  );
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

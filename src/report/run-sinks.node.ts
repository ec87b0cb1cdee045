import { hostname } from 'node:os';
import { join } from 'node:path';
import type { RunEvent, RunPaths } from '../federation/events.js';
import { createCsvTable, widenRows } from './csv.js';
import { encodeEvent } from './jsonl.js';
import type { FileSystem, GrowingFile } from './run-files.node.js';
import { RunFolderError } from './run-folder-error.js';
import { encodeFileVersion, encodeScalars, eventFileName } from './tfevents.js';

export type SinkName = 'jsonl' | 'csv' | 'tensorboard';

/** Writes an event where it belongs; on disk when the promise resolves. */
export type Sink = (event: RunEvent) => Promise<void>;

/**
 * Opens the files that grow with the run.
 *
 * @param grow - makes a file of the run folder by its relative name.
 * @param written - gets the name of each file made.
 */
export async function openSinks(
  fs: FileSystem,
  path: string,
  names: readonly SinkName[],
  time: Date,
  grow: (name: string) => Promise<GrowingFile>,
  written: RunPaths,
): Promise<Sink[]> {
  const sinks: Sink[] = [];
  if (names.includes('jsonl')) {
    sinks.push(jsonlSink(await grow('metrics.jsonl')));
    written.metrics = 'metrics.jsonl';
  }
  if (names.includes('csv')) {
    sinks.push(csvSink(await grow('metrics.csv')));
    written.csv = 'metrics.csv';
  }
  if (names.includes('tensorboard')) {
    const folder = join(path, 'tb');
    try {
      await fs.mkdir(folder);
    } catch (error) {
      throw RunFolderError.from(error, 'making', folder);
    }
    const seconds = time.getTime() / 1000;
    const name = `tb/${eventFileName(seconds, hostname(), process.pid, 0)}`;
    const file = await grow(name);
    file.append(encodeFileVersion(seconds));
    await file.flush();
    sinks.push(tensorboardSink(file));
    written.tensorboard = name;
  }
  return sinks;
}

function jsonlSink(file: GrowingFile): Sink {
  return (event) => {
    file.append(encodeEvent(event));
    return file.flush();
  };
}

function tensorboardSink(file: GrowingFile): Sink {
  return async (event) => {
    if (!hasMeasurements(event)) return;
    file.append(encodeScalars(event.time, event.step, event.metrics));
    await file.flush();
  };
}

function csvSink(file: GrowingFile): Sink {
  const table = createCsvTable();
  return async (event) => {
    if (!hasMeasurements(event)) return;
    const edit = table.add(event.round, event.time, event.metrics);
    const { widen } = edit;
    if (widen !== undefined) await file.rewrite((rows) => widenRows(rows, widen));
    await file.replaceFrom(edit.at, edit.text);
  };
}

function hasMeasurements(event: RunEvent): boolean {
  return (event.event === 'round' || event.event === 'eval') && Object.keys(event.metrics).length > 0;
}

/**
 * The record of an unfinished output: which tensors are done, so that a later run goes on from them, and which renames are left.
 *
 * A line is written as soon as a tensor is finished. After a kill the system still holds the bytes, so every line counts; after a crash of
 * the machine only as many as the last `synced` says do, which is written when their bytes have reached the disk.
 */
import { type FileHandle, open, readFile, rename } from 'node:fs/promises';
import { uptime } from 'node:os';

/** Renames that make a model appear. */
export interface RevealSteps {
  /** Files of the folder that make room, in order. */
  readonly away: readonly string[];
  /** Files that get their final names, in order. */
  readonly names: readonly string[];
}

export interface JournalRecord {
  /** Names the plan and the layout. */
  readonly key: string;
  /** Tensors whose bytes can be relied on, in the order in which they were finished. */
  readonly finished: readonly string[];
  /** What was noted with them, by tensor. */
  readonly notes: ReadonlyMap<string, unknown>;
  /** Where nothing but renames is left to do. */
  readonly reveal?: RevealSteps;
}

export interface Journal {
  readonly finished: ReadonlySet<string>;
  readonly notes: ReadonlyMap<string, unknown>;
  /** @param note - anything that JSON can hold. */
  finish(tensor: string, note?: unknown): Promise<void>;
  /** Says that the bytes of the `count` tensors finished first are on the disk. */
  synced(count: number): Promise<void>;
  /** Says that all bytes are on the disk, and which renames remain. */
  reveal(steps: RevealSteps): Promise<void>;
  close(): Promise<void>;
}

/** Begins a journal, with what is finished already; an earlier one of that path is replaced in one step. */
export async function createJournal(
  path: string,
  key: string,
  { finished, notes }: Pick<JournalRecord, 'finished' | 'notes'> = { finished: [], notes: new Map() },
): Promise<Journal> {
  const fresh = `${path}.tmp`;
  const handle = await open(fresh, 'w');
  const head = { version: 1, key, boot: await bootId() };
  const done = finished.map((tensor) => ({ finished: tensor, note: notes.get(tensor) }));
  const lines = [head, ...done, { synced: finished.length }];
  await handle.write(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await rename(fresh, path);
  return journalOf(handle, new Set(finished), new Map(notes));
}

/** What an earlier run recorded; undefined if there is nothing that can be relied on. */
export async function readJournal(path: string): Promise<JournalRecord | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  // A line without its end was being written when the run ended.
  const lines = text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .slice(0, -1);
  const [head, ...records] = lines.map(parseLine);
  if (head?.version !== 1 || typeof head.key !== 'string') return undefined;
  const finished: string[] = [];
  const notes = new Map<string, unknown>();
  let synced = 0;
  let reveal: RevealSteps | undefined;
  for (const record of records) {
    if (typeof record.finished === 'string') {
      finished.push(record.finished);
      if (record.note !== undefined) notes.set(record.finished, record.note);
    }
    if (typeof record.synced === 'number') synced = record.synced;
    if (typeof record.reveal === 'object') reveal = record.reveal as RevealSteps;
  }
  const sameBoot = head.boot === (await bootId());
  return {
    key: head.key,
    finished: sameBoot ? finished : finished.slice(0, synced),
    notes,
    reveal,
  };
}

function journalOf(handle: FileHandle, finished: Set<string>, notes: Map<string, unknown>): Journal {
  let pending: Promise<unknown> = Promise.resolve();
  let closed = false;
  const append = (record: object, sync: boolean): Promise<void> => {
    const step = pending.then(async () => {
      await handle.write(`${JSON.stringify(record)}\n`);
      if (sync) await handle.datasync();
    });
    // The caller meets the error; the next line is tried all the same.
    pending = step.catch(() => undefined);
    return step;
  };
  return {
    finished,
    notes,
    async finish(tensor, note) {
      if (finished.has(tensor)) return;
      finished.add(tensor);
      if (note !== undefined) notes.set(tensor, note);
      await append({ finished: tensor, note }, false);
    },
    synced: (count) => append({ synced: count }, true),
    reveal: (steps) => append({ synced: finished.size, reveal: steps }, true),
    async close() {
      if (closed) return;
      closed = true;
      await pending;
      await handle.close();
    },
  };
}

function parseLine(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    // A damaged line finishes nothing.
    return {};
  }
}

/** Names the time since the machine started: process numbers of another one say nothing. */
export async function bootId(): Promise<string> {
  try {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  } catch {
    // Not Linux: the minute in which the machine started. If it is off by one, tensors are written again.
    return String(Math.round((Date.now() / 1000 - uptime()) / 60));
  }
}

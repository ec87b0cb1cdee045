/** Which process writes to a folder: one at a time, also where several begin at the same moment. */
import { randomBytes, randomInt } from 'node:crypto';
import { open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { OutputBusyError } from './errors.js';
import { bootId } from './journal.node.js';

/** Hidden file within the folder, followed by the process and a random name. */
const CLAIM = '.heddle-writing-';
/** Of processes that begin together all step back, and try again after different times. */
const TRIES = 6;
const LONGEST_WAIT_MS = 60;

/** Names of the claims of this process that are held, whatever paths lead to them; one that is not here is of an earlier process with its number. */
const held = new Set<string>();

export interface Claim {
  /** Safe to call again. A file that cannot be removed is hidden, and void from here on: no failure of the write that ends. */
  release(): Promise<void>;
}

/**
 * Claims a folder for writing. Every writer puts down a file of its own and then looks for others: of two writers at least one sees the
 * other, so that never both go on. What a killed process left is removed.
 *
 * @throws {OutputBusyError} if another writer holds the folder.
 */
export async function claimFolder(folder: string): Promise<Claim> {
  const name = `${CLAIM}${process.pid}-${randomBytes(6).toString('hex')}`;
  const path = join(folder, name);
  const release = async (): Promise<void> => {
    if (held.delete(name)) await rm(path, { force: true }).catch(() => undefined);
  };
  for (let tries = 1; ; tries++) {
    held.add(name);
    try {
      const handle = await open(path, 'wx');
      try {
        await handle.writeFile(await bootId());
      } finally {
        await handle.close();
      }
      const holder = await otherHolder(folder, name);
      if (holder === undefined) return { release };
      if (tries === TRIES) throw new OutputBusyError(folder, holder.pid, holder.path);
    } catch (error) {
      await release();
      throw error;
    }
    await release();
    await wait(randomInt(1, LONGEST_WAIT_MS));
  }
}

interface Holder {
  readonly pid: number;
  /** Of its claim. */
  readonly path: string;
}

/** A writer other than that of `own` that has claimed the folder. */
async function otherHolder(folder: string, own: string): Promise<Holder | undefined> {
  let holder: Holder | undefined;
  for (const name of await readdir(folder)) {
    if (!name.startsWith(CLAIM) || name === own) continue;
    const path = join(folder, name);
    const pid = Number.parseInt(name.slice(CLAIM.length), 10);
    // Empty while its process still writes it.
    const boot = await readFile(path, 'utf8').catch(() => '');
    const lives = pid === process.pid ? held.has(name) : isRunning(pid);
    if (lives && (boot === '' || boot === (await bootId()))) holder = { pid, path };
    else await rm(path, { force: true });
  }
  return holder;
}

/** Whether a process of this machine has that number. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // A process of another user exists and may not be signalled.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

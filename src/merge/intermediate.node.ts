/** Outputs of a recipe's documents that others use: kept for a later run where the last document was interrupted. */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { claimFolder } from '../tensor/safetensors/claim.node.js';
import { modelIoError } from '../tensor/safetensors/io-error.js';
import { exists, makeFolder, PARTIAL, removeEmpty } from '../tensor/safetensors/output-folder.node.js';
import { openModel } from '../tensor/safetensors/reader.node.js';
import type { MergePlan } from './plan.js';

/** Folder within the output for the intermediate models of a recipe of several documents. */
const INTERMEDIATES = '.heddle-intermediates';
/** File beside an intermediate model that says what it was made of. */
export const STEP_KEY_FILE = '.heddle-step';

export interface Intermediates {
  /** Folder of a document's output. */
  folderOf(name: string): string;
  /** Gives the folder free; removes the models unless they are kept, and what was made for nothing around them. */
  end(how: { readonly keep: boolean }): Promise<void>;
}

/**
 * Makes the folder for intermediate models, and holds it until the last document is merged: another merge would remove what this one reads.
 *
 * @throws {OutputBusyError} if another merge into the same output has not ended; {ModelFileError} where no folder can be made.
 */
export async function claimIntermediates(output: string): Promise<Intermediates> {
  const folder = join(output, INTERMEDIATES);
  let made: string[] = [];
  try {
    made = await makeFolder(folder);
    const claim = await claimFolder(folder);
    return {
      // No name is that of the folder, of the one above, or of a claim.
      folderOf: (name) => join(folder, encodeURIComponent(name).replace(/^\./, '%2E')),
      async end({ keep }) {
        // What cannot be removed is hidden, and goes with the next merge.
        if (!keep)
          for (const name of await readdir(folder).catch(() => []))
            if (!name.startsWith('.'))
              await rm(join(folder, name), { recursive: true, force: true }).catch(() => undefined);
        await claim.release();
        await removeEmpty(made.length > 0 ? made : [folder]);
      },
    };
  } catch (error) {
    await removeEmpty(made);
    throw modelIoError(error, 'writing', output);
  }
}

/** Names what an intermediate model is made of: document and inputs by the key of its plan, and the files beside its tensors. */
export function stepKey(planKey: string, plan: MergePlan, shardSize?: number): string {
  const files = plan.files.map(({ name, from, content }) => {
    if (from === undefined) return [name, Buffer.from(content ?? '').toString('base64')];
    const { size, mtimeNs } = statSync(from, { bigint: true });
    return [name, from, String(size), String(mtimeNs)];
  });
  return createHash('sha256')
    .update(JSON.stringify([planKey, shardSize ?? null, files]))
    .digest('hex');
}

/** Whether the folder holds the whole model of that key; a model whose renames were interrupted does not count. */
export async function holdsStep(folder: string, key: string, plan: MergePlan): Promise<boolean> {
  if (await exists(join(folder, PARTIAL))) return false;
  const noted = await readFile(join(folder, STEP_KEY_FILE), 'utf8').catch(() => undefined);
  if (noted !== key) return false;
  const model = await openModel(folder).catch(() => undefined);
  if (model === undefined) return false;
  const { tensors } = model;
  await model.close();
  return (
    tensors.size === plan.outputs.length &&
    plan.outputs.every(({ name, dtype, shape }) => {
      const stored = tensors.get(name);
      return stored !== undefined && stored.dtype === dtype && String(stored.shape) === String(shape);
    })
  );
}

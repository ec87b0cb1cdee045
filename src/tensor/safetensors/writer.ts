/** What the writer of models promises. Files: `writer.node.ts`. */
import type { StoredDtype } from './dtype.js';
import type { FileRange } from './file-range.js';

export interface OutputInfo {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
}

export interface ModelWriterOptions {
  /** Bytes of tensors in a file at most; a tensor is never split. 0: one file. Default: 5e9. */
  readonly shardSize?: number;
  /** Text by key for every file's header; `format: pt` is added. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** What the bytes depend on (a hash of the plan). An unfinished output of another key is not resumed. */
  readonly planKey?: string;
  /** Go on from the tensors that an interrupted writer of the same `planKey` and outputs finished. Default: begin anew. */
  readonly resume?: boolean;
  /** Replace a model that the folder holds. Default: refuse. */
  readonly overwrite?: boolean;
  /** Files and folders that are read meanwhile; an output folder that holds one is refused. */
  readonly inputs?: readonly string[];
  /** Force the bytes to the disk before the model appears. Default: true. */
  readonly sync?: boolean;
}

export interface WrittenModel {
  readonly folder: string;
  /** Names of the files with tensors, in order; then the index, where there is one. */
  readonly files: readonly string[];
  /** Of tensors. */
  readonly bytes: number;
}

/**
 * A model that is being written. Nothing in the folder can be loaded until `commit`: the bytes go to a hidden folder within it, and a
 * file's header is written last.
 */
export interface ModelWriter {
  readonly folder: string;
  /** Tensors that a former run finished (`resume`): they need not be written again. */
  readonly finished: ReadonlySet<string>;
  /** Writes stored bytes of a tensor from element `begin` on; chunks and tensors in any order, and side by side. */
  write(tensor: string, begin: number, bytes: Uint8Array): Promise<void>;
  /** Where a tensor's bytes go, for threads that write by themselves before `commit` or `abort` is called. Absent: not to a file. */
  rangeOf?(tensor: string): FileRange;
  /** Says that all bytes of the tensor have been written; what `resume` goes by. `note`: anything that JSON can hold. */
  finish(tensor: string, note?: unknown): Promise<void>;
  /** What was said of finished tensors with `finish`, also by the former run. Absent: nothing is kept. */
  readonly notes?: ReadonlyMap<string, unknown>;
  /** Adds a file beside the tensors, as `config.json`, by content or copied byte for byte. It appears with the model. */
  addFile(name: string, content: string | Uint8Array | { readonly from: string }): Promise<void>;
  /**
   * Makes the model appear: everything on disk, files under their final names, the index last.
   *
   * @throws {ModelFileError} `ERR_UNFINISHED_OUTPUT` if a tensor is not finished.
   */
  commit(): Promise<WrittenModel>;
  /** Gives up. `keep`: what was finished stays for `resume`; else everything is removed. Safe to call twice, and after `commit`. */
  abort(options?: { readonly keep?: boolean }): Promise<void>;
}

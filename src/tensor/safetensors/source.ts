/** A model on disk or in memory as its tensors: names, types, shapes, and bytes by position. */
import type { StoredDtype } from './dtype.js';
import type { FileRange } from './file-range.js';

export interface TensorInfo {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  /** Elements: the product of `shape`; 1 for rank 0. */
  readonly size: number;
  readonly bytes: number;
  /** Name of the file within the model that holds it. */
  readonly file: string;
  /** Byte of that file at which it begins; of no particular alignment. */
  readonly offset: number;
}

export interface ModelFile {
  readonly name: string;
  /** Where it is; the name again where there are no paths. */
  readonly path: string;
  readonly size: number;
}

export interface ModelSource {
  /** As the caller named it. */
  readonly path: string;
  /** In the order of the files, and within a file in the order of the bytes. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly files: readonly ModelFile[];
  /** Text by key of the first file's header; empty without one. */
  readonly metadata: Readonly<Record<string, string>>;
  /** `config.json`, where the model has one. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** What is odd but does no harm, as tensors that the index does not list. */
  readonly warnings: readonly string[];
  /**
   * Bytes of the elements [begin, end) of a tensor, row-major and little-endian, read by position.
   *
   * @param into - memory to fill from its start; its view of the bytes read is returned. Default: new memory.
   * @throws {InputChangedError} if the file was written to since it was opened.
   * @throws {ModelFileError} if it cannot be read.
   */
  readBytes(info: TensorInfo, begin: number, end: number, into?: Uint8Array): Promise<Uint8Array>;
  /** Where a tensor's bytes lie, for threads that read by themselves and have `verify` asked afterwards. Absent: not in a file. */
  rangeOf?(info: TensorInfo): FileRange | undefined;
  /** @throws {InputChangedError} if a file was written to since it was opened; content behind a replaced name is unharmed. */
  verify(): Promise<void>;
  /** Safe to call twice. */
  close(): Promise<void>;
}

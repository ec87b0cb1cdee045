/** Where bytes lie in an open file, for threads that read and write them without another thread's help. */

export interface FileRange {
  /** Number of the open file in this process, good in all its threads until whoever opened it closes it. */
  readonly descriptor: number;
  /** Byte of the file at which the range begins. */
  readonly position: number;
  /** For messages. */
  readonly path: string;
}

/** Reads and writes by position, blocking the thread that asks. */
export interface FileAccess {
  /** Fills `into` from byte `at` of the range on. @throws {ModelFileError} if it cannot. */
  read(range: FileRange, at: number, into: Uint8Array): void;
  /** Writes `bytes` from byte `at` of the range on. @throws {ModelFileError} if it cannot. */
  write(range: FileRange, at: number, bytes: Uint8Array): void;
}

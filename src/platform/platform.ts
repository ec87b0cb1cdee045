/** What differs between Node and a browser. `node.ts` and `web.ts` implement it; nothing else forks. */
export interface Attempt {
  what: string;
  why: string;
}

export interface WorkerHandle {
  post(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  onMessage(listener: (message: unknown) => void): void;
  onError(listener: (error: Error) => void): void;
  /** Whether the thread keeps the process alive; a new one does. Absent where threads never do. */
  keepAlive?(busy: boolean): void;
  terminate(): Promise<void>;
}

/** The thread that started this one, seen from a worker. */
export interface ParentHandle {
  post(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  onMessage(listener: (message: unknown) => void): void;
}

/** A hash of data that comes in parts. */
export interface StreamingHash {
  update(bytes: Uint8Array): void;
  /** 64 lower-case hexadecimal digits; ends the hash. */
  digestHex(): string;
}

export interface Platform {
  readonly name: 'node' | 'web';
  /** Threads that can run at once. */
  availableParallelism(): number;
  /** An environment variable; always undefined in a browser. */
  environment(name: string): string | undefined;
  /** The addon's exports, or every place where it was looked for and why it did not load. */
  loadAddon(path?: string): { addon: unknown; path: string } | { attempts: Attempt[] };
  /** The compiled engine: the bytes that the package carries, unless `init` gave others. */
  loadWasm(): Promise<WebAssembly.Module>;
  /** A thread that runs the package's worker entry. */
  createWorker(): WorkerHandle;
  /** SHA-256 of data that comes in parts; of what is in memory: `sha256Hex`. */
  createSha256(): StreamingHash;
  /** Resident memory of the process in bytes; undefined where it cannot be known. */
  residentBytes(): number | undefined;
}

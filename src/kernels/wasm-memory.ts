import { OutOfMemoryError } from './errors.js';

const kPage = 65_536;
const kAlignment = 64;

/**
 * First-fit allocator over the part of a WASM memory above the kernels' own statics. Blocks are aligned to 64 bytes;
 * the list of free ranges is kept sorted and merged, so that a loop of equal allocations never grows the memory.
 */
export class WasmHeap {
  private readonly free: { start: number; size: number }[] = [];
  private readonly used = new Map<number, number>();
  private end: number;

  constructor(
    readonly memory: WebAssembly.Memory,
    heapBase: number,
  ) {
    this.end = alignUp(heapBase);
  }

  /** Bytes handed out and not yet given back. */
  get bytesInUse(): number {
    let total = 0;
    for (const size of this.used.values()) total += size;
    return total;
  }

  allocate(bytes: number): number {
    const size = Math.max(alignUp(bytes), kAlignment);
    const at = this.free.findIndex((range) => range.size >= size);
    if (at >= 0) {
      const range = this.free[at];
      const { start } = range;
      if (range.size === size) this.free.splice(at, 1);
      else {
        range.start += size;
        range.size -= size;
      }
      this.used.set(start, size);
      return start;
    }
    const start = this.end;
    this.reserve(start + size);
    this.end = start + size;
    this.used.set(start, size);
    return start;
  }

  release(start: number): void {
    const size = this.used.get(start);
    if (size === undefined) return;
    this.used.delete(start);
    let at = this.free.findIndex((range) => range.start > start);
    if (at < 0) at = this.free.length;
    this.free.splice(at, 0, { start, size });
    this.merge(at);
    if (at > 0) this.merge(at - 1);
    const last = this.free.at(-1);
    if (last && last.start + last.size === this.end) {
      this.end = last.start;
      this.free.pop();
    }
  }

  private merge(at: number): void {
    const range = this.free[at];
    const next = this.free[at + 1];
    if (range && next && range.start + range.size === next.start) {
      range.size += next.size;
      this.free.splice(at + 1, 1);
    }
  }

  private reserve(bytes: number): void {
    const missing = Math.ceil((bytes - this.memory.buffer.byteLength) / kPage);
    if (missing <= 0) return;
    try {
      this.memory.grow(missing);
    } catch (cause) {
      throw new OutOfMemoryError(bytes, 'WebAssembly memory', cause);
    }
  }
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / kAlignment) * kAlignment;
}

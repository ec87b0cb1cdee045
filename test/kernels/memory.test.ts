// Memory of every back end: what `alloc` gives, foreign arrays and shared ones, and views of memory that grows.
import { describe, expect, it } from 'vitest';
import { DisposedError, InvalidArgumentError } from '../../src/errors.js';
import { OutOfMemoryError } from '../../src/kernels/errors.js';
import { findAddon, loadBackend } from '../../src/kernels/select.js';
import { WasmHeap } from '../../src/kernels/wasm-memory.js';
import { backends } from '../support/backends.js';

describe.each(backends)('memory of $backend', (k) => {
  it('is zeroed, also where a disposed buffer stood', () => {
    const first = k.alloc(1000);
    k.fillF32(first, 7);
    first.dispose();
    const second = k.alloc(1000);
    expect(second.f32()).toEqual(new Float32Array(1000));
    second.dispose();
  });

  it('has elements of the dtype asked for', () => {
    expect(k.alloc(3, 'f64').view()).toEqual(new Float64Array(3));
    expect(k.alloc(3, 'i8').view()).toEqual(new Int8Array(3));
    expect(k.alloc(0).view()).toEqual(new Float32Array(0));
  });

  it('is refused to a kernel after dispose, which may be called twice', () => {
    const x = k.alloc(4);
    x.dispose();
    x.dispose();
    expect(() => x.f32()).toThrow(DisposedError);
    expect(() => k.fillF32(x, 1)).toThrow(DisposedError);
  });

  it.each([-1, 1.5, NaN, Infinity, 2 ** 53])(
    'is not allocated for %d elements, and later calls work',
    (n) => {
      expect(() => k.alloc(n)).toThrow(InvalidArgumentError);
      const x = k.alloc(2);
      k.fillF32(x, 1);
      expect([...x.f32()]).toEqual([1, 1]);
    },
  );

  it('ends in a typed error with a mend', () => {
    const huge = () => k.alloc(2 ** 45);
    expect(huge).toThrow(OutOfMemoryError);
    expect(huge).toThrow(/cannot allocate \d+ bytes.*\n.*dispose buffers/);
  });

  it('mixes with arrays from elsewhere, however large they are', () => {
    // Larger than what the memory of WASM has free, so that copying the foreign array in makes it grow.
    const n = 3 << 20;
    const inside = k.alloc(n);
    k.fillF32(inside, 1);
    const foreign = new Float32Array(n).fill(2);
    k.axpyF32(foreign, inside, 10);
    expect([foreign[0], foreign[n - 1]]).toEqual([12, 12]);
    const other = k.alloc(n);
    k.weightedSumF32(other, [new Float32Array(n).fill(5), inside], Float64Array.of(2, 3));
    expect([other.f32()[0], other.f32()[n - 1]]).toEqual([13, 13]);
    inside.dispose();
    other.dispose();
  });

  it('may be a shared array, at any offset', () => {
    const shared = new SharedArrayBuffer(64);
    const x = new Float32Array(shared, 12, 5);
    k.fillF32(x, 3);
    k.scaleF32(x, 2);
    expect([...new Float32Array(shared)]).toEqual([0, 0, 0, 6, 6, 6, 6, 6, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(k.sumSquaresF32(x)).toBe(180);
  });

  it('may be destination and source at once in elementwise kernels', () => {
    const n = 37;
    const values = Float32Array.from({ length: n }, (_, i) => i - 18);
    const x = values.slice();
    k.addF32(x, x, x);
    expect(x).toEqual(values.map((v) => 2 * v));
    k.subtractF32(x, x, values);
    expect(x).toEqual(values);
    k.axpyF32(x, x, 3);
    expect(x).toEqual(values.map((v) => 4 * v));
    k.multiplyF32(x, values, values);
    k.reluF32(x, x);
    expect(x).toEqual(values.map((v) => v * v));
    k.copyF32(x, x);
    k.squareF32(x, x);
    expect(x).toEqual(values.map((v) => v ** 4));
    // The same for memory of the back end.
    const own = k.alloc(n);
    own.f32().set(values);
    k.addF32(own, own, own);
    expect(own.f32()).toEqual(values.map((v) => 2 * v));
  });
});

describe('native memory', () => {
  const found = findAddon();
  it.runIf('addon' in found)('starts at multiples of 64 bytes', async () => {
    if (!('addon' in found)) return;
    const k = await loadBackend({ backend: 'native' });
    for (const n of [1, 3, 17, 1000, 100_003])
      for (const dtype of ['f32', 'f64', 'u8'] as const) {
        const { buffer, byteOffset, byteLength } = k.alloc(n, dtype).view();
        expect(found.addon.misalignment(new Uint8Array(buffer, byteOffset, byteLength))).toBe(0);
      }
  });
});

describe('WASM memory', () => {
  it('detaches views when it grows, and gives new ones', async () => {
    const k = await loadBackend({ backend: 'wasm' });
    const x = k.alloc(8);
    const before = x.f32();
    k.fillF32(x, 4);
    k.alloc(4 << 20);
    expect(before.length).toBe(0);
    expect([...x.f32()]).toEqual([4, 4, 4, 4, 4, 4, 4, 4]);
  });

  it('ends in a typed error at its maximum, and is whole after it', () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 2 });
    const heap = new WasmHeap(memory, 1024);
    const held = heap.allocate(100_000);
    expect(() => heap.allocate(100_000)).toThrow(OutOfMemoryError);
    expect(heap.bytesInUse).toBe(100_032);
    heap.release(held);
    expect(heap.bytesInUse).toBe(0);
    expect(heap.allocate(100_000)).toBe(held);
  });

  it('is used again: equal allocations in a loop do not grow it', () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 100 });
    const heap = new WasmHeap(memory, 0);
    const [a, b, c] = [1000, 2000, 3000].map((bytes) => heap.allocate(bytes));
    heap.release(b);
    heap.release(a);
    heap.release(a);
    // Both neighbours are one range now: 1024 + 2048 bytes.
    expect(heap.allocate(3072)).toBe(a);
    heap.release(c);
    const size = memory.buffer.byteLength;
    for (let i = 0; i < 1000; i++) heap.release(heap.allocate(50_000));
    expect(memory.buffer.byteLength).toBe(size);
  });
});

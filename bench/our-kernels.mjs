// Our side of the peers' operations on flat vectors: same operands, same result, the kernel that does it.
const N = 1 << 24;

/** The operands of bench/peers/README.md: float32 in [-0.5, 0.5) from a hash of (index, seed). */
export function fillUniform(array, seed) {
  const start = Math.imul(seed, 0x85ebca6b);
  for (let i = 0; i < array.length; i++) {
    let h = (Math.imul(i, 0x9e3779b1) + start) >>> 0;
    h = (h ^ (h >>> 15)) >>> 0;
    h = Math.imul(h, 0x2c1b3c6d) >>> 0;
    h = (h ^ (h >>> 12)) >>> 0;
    array[i] = (h >>> 8) * 2 ** -24 - 0.5;
  }
  return array;
}

/** Memory of one operation, so that all of it is given back at its end. */
class Operands {
  #buffers = [];

  constructor(kernels) {
    this.kernels = kernels;
  }

  empty(n, dtype = 'f32') {
    const buffer = this.kernels.alloc(n, dtype);
    this.#buffers.push(buffer);
    return buffer;
  }

  uniform(n, seed) {
    const buffer = this.empty(n);
    fillUniform(buffer.view(), seed);
    return buffer;
  }

  mask(n) {
    const source = fillUniform(new Float32Array(n), 2);
    const buffer = this.empty(n, 'u8');
    const view = buffer.view();
    for (let i = 0; i < n; i++) view[i] = source[i] > 0 ? 1 : 0;
    return buffer;
  }

  from(array, dtype) {
    const buffer = this.empty(array.length, dtype);
    buffer.view().set(array);
    return buffer;
  }

  /** A kernel with its operands settled; views are made when every operand has its memory. */
  bind(name, ...buffers) {
    return this.kernels.bind(
      name,
      buffers.map((buffer) => ('view' in buffer ? buffer.view() : buffer)),
    );
  }

  dispose() {
    for (const buffer of this.#buffers) buffer.dispose();
  }
}

const NORMAL_ADDRESS = [0x243f6a88, 0x85a308d3, 0, 0, 0, 0];
const moments = (array) => {
  let sum = 0;
  for (const v of array) sum += v;
  const mean = sum / array.length;
  let squares = 0;
  for (const v of array) squares += (v - mean) ** 2;
  return { mean, variance: squares / array.length };
};

/** `prepare(operands, args)` returns `run`, and `results`: values of which one must have the peer's digest. */
const operations = {
  fill: (o, { n = N }) => {
    const x = o.empty(n);
    const kernel = o.bind('fillF32', x);
    return { run: () => kernel([0.25]), results: () => [x.view()] };
  },
  copy: (o, { n = N }) => {
    const [x, y] = [o.uniform(n, 1), o.empty(n)];
    const kernel = o.bind('copyF32', y, x);
    return { run: () => kernel([]), results: () => [y.view()] };
  },
  scale: (o, { n = N }) => {
    const x = o.uniform(n, 1);
    const kernel = o.bind('scaleF32', x);
    return { run: () => kernel([1 + 2 ** -10]), results: () => [x.view()] };
  },
  add: (o, { n = N }) => {
    const [x, y] = [o.uniform(n, 1), o.uniform(n, 2)];
    const kernel = o.bind('addF32', y, y, x);
    return { run: () => kernel([]), results: () => [y.view()] };
  },
  subtract: (o, { n = N }) => binary(o, n, 'subtractF32'),
  multiply: (o, { n = N }) => binary(o, n, 'multiplyF32'),
  axpy: (o, { n = N }) => {
    const [x, y] = [o.uniform(n, 1), o.uniform(n, 2)];
    const kernel = o.bind('axpyF32', y, x);
    return { run: () => kernel([2 ** -10]), results: () => [y.view()] };
  },
  lerp: (o, { n = N }) => {
    const [x, y] = [o.uniform(n, 1), o.uniform(n, 2)];
    const kernel = o.bind('lerpF32', y, y, x);
    return { run: () => kernel([0.125]), results: () => [y.view()] };
  },
  dotF64: (o, { n = N }) => reduction(o, 'dotF32', o.uniform(n, 1), o.uniform(n, 2)),
  sumSquares: (o, { n = N }) => reduction(o, 'sumSquaresF32', o.uniform(n, 1)),
  maxAbs: (o, { n = N }) => reduction(o, 'maxAbsF32', o.uniform(n, 1)),
  allFinite: (o, { n = N }) => reduction(o, 'allFiniteF32', o.uniform(n, 1)),
  dotAndNorms: (o, { n = N }) => {
    const [out, x, y] = [o.empty(3, 'f64'), o.uniform(n, 1), o.uniform(n, 2)];
    const kernel = o.bind('dotAndNormsF32', out, x, y);
    return { run: () => kernel([]), results: () => [out.view()] };
  },
  weightedSum: (o, { n = 1 << 21, k = 8 }) => {
    const out = o.empty(n);
    const sources = Array.from({ length: k }, (_, j) => o.uniform(n, 10 + j));
    const weights = Float64Array.from({ length: k }, (_, j) => (j + 1) / 64);
    const held = o.from(weights, 'f64');
    return { run: () => o.kernels.weightedSumF32(out, sources, held), results: () => [out.view()] };
  },
  clipInPlace: (o, { n = N }) => {
    const x = o.uniform(n, 1);
    const norm = Math.sqrt(o.bind('sumSquaresF32', x)([]));
    const kernel = o.bind('clipInPlaceF32', x);
    let bound = 0.999 * norm;
    // The kernel returns the norm that it found, from which the next bound follows, as the peer's does.
    return { run: () => (bound = 0.999 * kernel([bound])), results: () => [x.view()] };
  },
  clipAccumulate: (o, { n = N }) => {
    const [acc, x] = [o.empty(n, 'f64'), o.uniform(n, 1)];
    const kernel = o.bind('clipAccumulateF64', acc, x);
    return { run: () => kernel([1, 1]), results: () => [acc.view()] };
  },
  applyMask: (o, { n = N }) => {
    const [x, mask] = [o.uniform(n, 1), o.mask(n)];
    const kernel = o.bind('applyMaskF32', x, mask);
    return { run: () => kernel([]), results: () => [x.view()] };
  },
  maskedAccumulate: (o, { n = N }) => {
    const [acc, counts, x, mask] = [o.empty(n, 'f64'), o.empty(n, 'f64'), o.uniform(n, 1), o.mask(n)];
    const kernel = o.bind('maskedAccumulateF64', acc, counts, x, mask);
    return { run: () => kernel([1]), results: () => [{ acc: acc.view(), counts: counts.view() }] };
  },
  accumulateSquares: (o, { n = N }) => {
    const [acc, x] = [o.empty(n, 'f64'), o.uniform(n, 1)];
    const kernel = o.bind('accumulateSquaresF64', acc, x);
    return { run: () => kernel([]), results: () => [acc.view()] };
  },
  segmentSums: (o, { n = N, segment = 256 }) => {
    const segments = Math.ceil(n / segment);
    const [out, x] = [o.empty(segments, 'f64'), o.uniform(n, 1)];
    const offsets = o.from(
      Uint32Array.from({ length: segments + 1 }, (_, i) => Math.min(n, i * segment)),
      'u32',
    );
    const kernel = o.bind('sumSegmentsF32', out, x, offsets);
    return { run: () => kernel([]), results: () => [out.view()] };
  },
  kthLargestMagnitude: (o, { n = 1 << 22 }) => {
    const kernel = o.bind('magnitudeThresholdF32', o.uniform(n, 1));
    let value = Number.NaN;
    return { run: () => (value = kernel([Math.max(1, Math.floor(n / 10))])), results: () => [value] };
  },
  quantizeInt8: (o, { n = N, block = 256 }) => {
    const [codes, scales, x] = [o.empty(n, 'i8'), o.empty(Math.ceil(n / block)), o.uniform(n, 1)];
    const kernel = o.bind('quantizeInt8', codes, scales, x);
    return { run: () => kernel([block]), results: () => [{ codes: codes.view(), scales: scales.view() }] };
  },
  dequantizeInt8: (o, { n = N, block = 256 }) => {
    const q = fillUniform(new Float32Array(n), 1);
    for (let i = 0; i < n; i++) q[i] = Math.trunc(Math.fround(q[i] * 254));
    const [x, codes, scales] = [o.empty(n), o.from(q, 'i8'), o.uniform(Math.ceil(n / block), 2)];
    const kernel = o.bind('dequantizeInt8', x, codes, scales);
    return { run: () => kernel([block]), results: () => [x.view()] };
  },
  encodeF16: (o, { n = N }) => encode(o, n, 'F16'),
  encodeBf16: (o, { n = N }) => encode(o, n, 'Bf16'),
  decodeF16: (o, { n = N }) => decode(o, n, 'F16'),
  decodeBf16: (o, { n = N }) => decode(o, n, 'Bf16'),
  uniformF32: (o, { n = 1 << 22 }) => samples(o, n, 'uniformF32', []),
  normalF32: (o, { n = 1 << 22 }) => samples(o, n, 'normalF32', [1]),
  addNormalF32: (o, { n = 1 << 22 }) => samples(o, n, 'addNormalF32', [0.5]),
  gemm: (o, { m, n, k, transA = false, transB = false }) => {
    const [c, a, b] = [o.empty(m * n), o.uniform(m * k, 1), o.uniform(k * n, 2)];
    const kernel = o.bind('gemmF32', c, a, b, new Float32Array(0));
    const scalars = [m, n, k, Number(transA), Number(transB), 1, 0, 0];
    return { run: () => kernel(scalars), results: () => [c.view()] };
  },
};

function binary(o, n, name) {
  const [out, x, y] = [o.empty(n), o.uniform(n, 1), o.uniform(n, 2)];
  const kernel = o.bind(name, out, x, y);
  return { run: () => kernel([]), results: () => [out.view()] };
}

function reduction(o, name, ...vectors) {
  const kernel = o.bind(name, ...vectors);
  let value = Number.NaN;
  return {
    run: () => {
      value = kernel([]);
    },
    results: () => [value],
  };
}

/** Peers digest the codes or the values that they stand for. */
function encode(o, n, format) {
  const [codes, x, back] = [o.empty(n, 'u16'), o.uniform(n, 1), o.empty(n)];
  const kernel = o.bind(`encode${format}`, codes, x);
  const decoder = o.bind(`decode${format}`, back, codes);
  return {
    run: () => kernel([]),
    results: () => {
      decoder([]);
      return [codes.view(), back.view()];
    },
  };
}

function decode(o, n, format) {
  const [x, codes, source] = [o.empty(n), o.empty(n, 'u16'), o.uniform(n, 1)];
  if (format === 'F16') o.bind('encodeF16', codes, source)([]);
  else {
    // The peer cuts the lower half off, without rounding.
    const bits = new Uint32Array(source.view().slice().buffer);
    codes.view().set(bits.map((word) => word >>> 16));
  }
  const kernel = o.bind(`decode${format}`, x, codes);
  return { run: () => kernel([]), results: () => [x.view()] };
}

function samples(o, n, name, before) {
  const x = o.empty(n);
  const kernel = o.bind(name, x);
  let step = 0;
  const run = () => {
    const address = [...NORMAL_ADDRESS];
    // A new address each time: the same numbers added again and again would not be noise.
    address[4] = step++;
    kernel([...before, ...address]);
  };
  return { run, results: () => [moments(x.view())] };
}

/** One operation on a back end: `run`, `results` and `dispose`. */
export function prepareKernel(kernels, op, args) {
  const operands = new Operands(kernels);
  return { ...operations[op](operands, args), dispose: () => operands.dispose() };
}

export const kernelOperations = Object.keys(operations).filter((name) => name !== 'gemm');

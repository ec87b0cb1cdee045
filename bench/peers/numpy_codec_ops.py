"""Codecs, random samples and matrix products, as well as numpy can express them."""

from bench_op import BenchOp, blocks, op, uniform

import numpy as np

N = 1 << 24
F32 = np.float32


@op("numpy.quantizeInt8")
def quantize_int8(args: dict) -> BenchOp:
    """Blocks of 256: scale = absmax / 127, code = rint(x / scale)."""
    n = int(args.get("n", N))
    x, scratch = uniform(n, 1), np.empty(n, F32)
    block = int(args.get("block", 256))
    rows, t = x.reshape(-1, block), scratch.reshape(-1, block)
    q, scales = np.empty(rows.shape, np.int8), np.empty((len(rows), 1), F32)
    parts = blocks(len(rows), 64)

    def over(rows, t, q, scales, absmax):
        np.divide(absmax, F32(127), out=scales)
        np.maximum(scales, F32(1e-38), out=scales)
        np.divide(rows, scales, out=t)
        np.rint(t, out=t)
        np.copyto(q, t, casting="unsafe")

    def abs_first(rows, t, q, scales):
        np.abs(rows, out=t)
        over(rows, t, q, scales, t.max(axis=1, keepdims=True))

    def min_and_max(rows, t, q, scales):
        over(rows, t, q, scales, np.maximum(rows.max(axis=1, keepdims=True), -rows.min(axis=1, keepdims=True)))

    def blocked():
        for s in parts:
            min_and_max(rows[s], t[s], q[s], scales[s])

    return BenchOp(
        {
            "abs, max": lambda: abs_first(rows, t, q, scales),
            "max, min": lambda: min_and_max(rows, t, q, scales),
            "blocked": blocked,
        },
        lambda: {"codes": q, "scales": scales},
        n_bytes=5 * n + 4 * len(rows),
    )


@op("numpy.dequantizeInt8")
def dequantize_int8(args: dict) -> BenchOp:
    n = int(args.get("n", N))
    block = int(args.get("block", 256))
    q = (uniform(n, 1) * F32(254)).astype(np.int8).reshape(-1, block)
    scales, out = uniform(len(q), 2).reshape(-1, 1), np.empty(q.shape, F32)
    return BenchOp({"multiply": lambda: np.multiply(q, scales, out=out)}, lambda: out, n_bytes=5 * n + 4 * len(q))


@op("numpy.encodeF16")
def encode_f16(args: dict) -> BenchOp:
    n = int(args.get("n", N))
    x = uniform(n, 1)
    out = np.empty(n, np.float16)
    return BenchOp({"copyto": lambda: np.copyto(out, x, casting="same_kind")}, lambda: out, n_bytes=6 * n)


@op("numpy.decodeF16")
def decode_f16(args: dict) -> BenchOp:
    n = int(args.get("n", N))
    x, out = uniform(n, 1), np.empty(n, F32)
    half = x.astype(np.float16)
    return BenchOp({"copyto": lambda: np.copyto(out, half)}, lambda: out, n_bytes=6 * n)


@op("numpy.encodeBf16")
def encode_bf16(args: dict) -> BenchOp:
    """Round to nearest even on the bits; numpy has no bfloat16. The check is of the 16-bit patterns."""
    n = int(args.get("n", N))
    x = uniform(n, 1)
    bits, t, out, parts = x.view(np.uint32), np.empty(n, np.uint32), np.empty(n, np.uint16), blocks(n)

    def over(bits, t, out):
        np.right_shift(bits, 16, out=t)
        np.bitwise_and(t, 1, out=t)
        np.add(t, bits, out=t)
        np.add(t, 0x7FFF, out=t)
        np.right_shift(t, 16, out=t)
        np.copyto(out, t, casting="unsafe")

    def blocked():
        for s in parts:
            over(bits[s], t[: s.stop - s.start], out[s])

    return BenchOp({"bits": lambda: over(bits, t, out), "blocked": blocked}, lambda: out, n_bytes=6 * n)


@op("numpy.decodeBf16")
def decode_bf16(args: dict) -> BenchOp:
    n = int(args.get("n", N))
    x, out = uniform(n, 1), np.empty(n, F32)
    half = (x.view(np.uint32) >> 16).astype(np.uint16)
    return BenchOp(
        {"left_shift": lambda: np.left_shift(half, 16, out=out.view(np.uint32), dtype=np.uint32)},
        lambda: out,
        n_bytes=6 * n,
    )


def _generators() -> dict[str, np.random.Generator]:
    kinds = {"SFC64": np.random.SFC64, "PCG64": np.random.PCG64, "PCG64DXSM": np.random.PCG64DXSM}
    return {name: np.random.Generator(kind(7)) for name, kind in kinds.items()}


def _moments(x) -> dict:
    """Samples differ between generators; mean and variance do not."""
    return {"mean": float(np.mean(x, dtype=np.float64)), "variance": float(np.var(x, dtype=np.float64))}


@op("numpy.normalF32")
def normal_f32(args: dict) -> BenchOp:
    n = int(args.get("n", 1 << 22))
    out = np.empty(n, F32)
    variants = {
        name: lambda g=g: g.standard_normal(out=out, dtype=np.float32) for name, g in _generators().items()
    }
    return BenchOp(variants, lambda: _moments(out), n_bytes=4 * n, n_items=n)


@op("numpy.addNormalF32")
def add_normal_f32(args: dict) -> BenchOp:
    """y += sigma * normal."""
    n, sigma = int(args.get("n", 1 << 22)), F32(args.get("sigma", 0.5))
    y, scratch = np.zeros(n, F32), np.empty(n, F32)

    def call(g):
        g.standard_normal(out=scratch, dtype=np.float32)
        np.multiply(scratch, sigma, out=scratch)
        np.add(y, scratch, out=y)

    variants = {name: lambda g=g: call(g) for name, g in _generators().items()}
    return BenchOp(variants, lambda: _moments(y), n_bytes=8 * n, n_items=n)


@op("numpy.uniformF32")
def uniform_f32(args: dict) -> BenchOp:
    n = int(args.get("n", 1 << 22))
    out = np.empty(n, F32)
    variants = {name: lambda g=g: g.random(out=out, dtype=np.float32) for name, g in _generators().items()}
    return BenchOp(variants, lambda: _moments(out), n_bytes=4 * n, n_items=n)


@op("numpy.gemm")
def gemm(args: dict) -> BenchOp:
    """C[m, n] = op(A) op(B) with transA, transB; A is stored [k, m] when transposed, B [n, k]."""
    m, n, k = int(args["m"]), int(args["n"]), int(args["k"])
    trans_a, trans_b = bool(args.get("transA")), bool(args.get("transB"))
    a = uniform(m * k, 1).reshape((k, m) if trans_a else (m, k))
    b = uniform(k * n, 2).reshape((n, k) if trans_b else (k, n))
    left, right, out = a.T if trans_a else a, b.T if trans_b else b, np.empty((m, n), F32)
    return BenchOp(
        {"matmul": lambda: np.matmul(left, right, out=out), "dot": lambda: np.dot(left, right, out=out)},
        lambda: out,
        n_flops=2 * m * n * k,
    )

"""The engine's vector kernels, as well as numpy can express them."""

import math

from bench_op import BenchOp, blocks, op, uniform

import numpy as np

N = 1 << 24  # 64 MiB of float32, larger than a last-level cache
F32 = np.float32


def _unary(args: dict) -> tuple[int, np.ndarray, np.ndarray]:
    """n, x and an uninitialised scratch of the same length."""
    n = int(args.get("n", N))
    return n, uniform(n, 1), np.empty(n, F32)


class _Scalar:
    """Keeps a scalar result for the check."""

    value: object = None

    def of(self, compute):
        def call():
            self.value = compute()

        return call

    def get(self):
        return self.value


@op("numpy.fill")
def fill(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    return BenchOp({"fill": lambda: x.fill(F32(0.25))}, lambda: x, n_bytes=4 * n)


@op("numpy.copy")
def copy(args: dict) -> BenchOp:
    n, x, out = _unary(args)
    return BenchOp({"copyto": lambda: np.copyto(out, x)}, lambda: out, n_bytes=8 * n)


@op("numpy.sum")
def sum_(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    scalar, ones = _Scalar(), np.ones(1 << 14, F32)

    def blocked():
        return math.fsum(float(np.dot(x[s], ones[: s.stop - s.start])) for s in parts)

    parts = blocks(n)
    return BenchOp(
        {"sum": scalar.of(lambda: float(x.sum())), "blocked dot with ones": scalar.of(blocked)},
        scalar.get,
        n_bytes=4 * n,
    )


@op("numpy.scale")
def scale(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    a = F32(args.get("factor", 1 + 2.0**-10))
    return BenchOp({"multiply out=": lambda: np.multiply(x, a, out=x)}, lambda: x, n_bytes=8 * n)


def _binary(function):
    def prepare(args: dict) -> BenchOp:
        n, x, out = _unary(args)
        y = uniform(n, 2)
        return BenchOp({"out=": lambda: function(x, y, out=out)}, lambda: out, n_bytes=12 * n)

    return prepare


op("numpy.subtract")(_binary(np.subtract))
op("numpy.multiply")(_binary(np.multiply))


@op("numpy.add")
def add(args: dict) -> BenchOp:
    """y += x."""
    n, x, _ = _unary(args)
    y = uniform(n, 2)
    return BenchOp({"add out=": lambda: np.add(y, x, out=y)}, lambda: y, n_bytes=12 * n)


@op("numpy.axpy")
def axpy(args: dict) -> BenchOp:
    """y += a * x."""
    n, x, scratch = _unary(args)
    y, a, parts = uniform(n, 2), F32(args.get("a", 2.0**-10)), blocks(n)

    def with_temporary():
        nonlocal y
        y += a * x

    def with_scratch():
        np.multiply(x, a, out=scratch)
        np.add(y, scratch, out=y)

    def blocked():
        for s in parts:
            t = scratch[: s.stop - s.start]
            np.multiply(x[s], a, out=t)
            np.add(y[s], t, out=y[s])

    return BenchOp(
        {"y += a * x": with_temporary, "scratch": with_scratch, "blocked": blocked}, lambda: y, n_bytes=12 * n
    )


@op("numpy.lerp")
def lerp(args: dict) -> BenchOp:
    """y += t * (x - y)."""
    n, x, scratch = _unary(args)
    y, t, parts = uniform(n, 2), F32(args.get("t", 0.125)), blocks(n)

    def pass_over(x, y, scratch):
        np.subtract(x, y, out=scratch)
        np.multiply(scratch, t, out=scratch)
        np.add(y, scratch, out=y)

    def blocked():
        for s in parts:
            pass_over(x[s], y[s], scratch[: s.stop - s.start])

    return BenchOp({"scratch": lambda: pass_over(x, y, scratch), "blocked": blocked}, lambda: y, n_bytes=12 * n)


@op("numpy.dot")
def dot(args: dict) -> BenchOp:
    """Whatever precision np.dot keeps for float32."""
    n, x, _ = _unary(args)
    y, scalar = uniform(n, 2), _Scalar()
    return BenchOp({"dot": scalar.of(lambda: float(np.dot(x, y)))}, scalar.get, n_bytes=8 * n)


@op("numpy.dotF64")
def dot_f64(args: dict) -> BenchOp:
    """Accumulated in float64, as the engine does."""
    n, x, _ = _unary(args)
    y, scalar, parts = uniform(n, 2), _Scalar(), blocks(n)

    def blocked():
        return math.fsum(float(np.dot(x[s].astype(np.float64), y[s].astype(np.float64))) for s in parts)

    return BenchOp(
        {
            "einsum dtype=": scalar.of(lambda: float(np.einsum("i,i->", x, y, dtype=np.float64))),
            "vecdot dtype=": scalar.of(lambda: float(np.vecdot(x, y, dtype=np.float64))),
            "blocked": scalar.of(blocked),
        },
        scalar.get,
        n_bytes=8 * n,
    )


@op("numpy.norm")
def norm(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    scalar = _Scalar()
    return BenchOp({"linalg.norm": scalar.of(lambda: float(np.linalg.norm(x)))}, scalar.get, n_bytes=4 * n)


@op("numpy.sumSquares")
def sum_squares(args: dict) -> BenchOp:
    """Accumulated in float64."""
    n, x, _ = _unary(args)
    scalar, parts, wide = _Scalar(), blocks(n), np.empty(1 << 14, np.float64)

    def blocked():
        total = 0.0
        for s in parts:
            t = wide[: s.stop - s.start]
            np.copyto(t, x[s])
            total += float(np.dot(t, t))
        return total

    return BenchOp(
        {
            "einsum dtype=": scalar.of(lambda: float(np.einsum("i,i->", x, x, dtype=np.float64))),
            "square, sum dtype=": scalar.of(lambda: float(np.square(x, dtype=np.float64).sum())),
            "blocked": scalar.of(blocked),
        },
        scalar.get,
        n_bytes=4 * n,
    )


@op("numpy.maxAbs")
def max_abs(args: dict) -> BenchOp:
    n, x, scratch = _unary(args)
    scalar, parts = _Scalar(), blocks(n)
    return BenchOp(
        {
            "max of max, -min": scalar.of(lambda: float(max(x.max(), -x.min()))),
            "abs out=, max": scalar.of(lambda: float(np.abs(x, out=scratch).max())),
            "blocked": scalar.of(lambda: float(max(max(x[s].max(), -x[s].min()) for s in parts))),
        },
        scalar.get,
        n_bytes=4 * n,
    )


@op("numpy.allFinite")
def all_finite(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    scalar, parts, flags = _Scalar(), blocks(n), np.empty(n, np.bool_)
    return BenchOp(
        {
            "isfinite.all": scalar.of(lambda: bool(np.isfinite(x, out=flags).all())),
            "blocked": scalar.of(lambda: all(np.isfinite(x[s]).all() for s in parts)),
        },
        scalar.get,
        n_bytes=4 * n,
    )


@op("numpy.dotAndNorms")
def dot_and_norms(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    y, scalar, parts = uniform(n, 2), _Scalar(), blocks(n, 1 << 12)

    def over(x, y):
        return np.array([np.dot(x, y), np.dot(x, x), np.dot(y, y)], np.float64)

    return BenchOp(
        {
            "three dots": scalar.of(lambda: over(x, y)),
            "blocked": scalar.of(lambda: sum(over(x[s], y[s]) for s in parts)),
        },
        scalar.get,
        n_bytes=8 * n,
    )


@op("numpy.weightedSum")
def weighted_sum(args: dict) -> BenchOp:
    """out = sum of w[k] * x[k] over k inputs that are separate arrays, as updates arrive."""
    n, k = int(args.get("n", 1 << 21)), int(args.get("k", 8))
    xs, w = [uniform(n, 10 + j) for j in range(k)], [F32((j + 1) / 64) for j in range(k)]
    out, scratch, parts = np.empty(n, F32), np.empty(n, F32), blocks(n)

    def over(xs, out, scratch):
        np.multiply(xs[0], w[0], out=out)
        for j in range(1, k):
            np.multiply(xs[j], w[j], out=scratch)
            np.add(out, scratch, out=out)

    def with_temporaries():
        out[:] = sum(wj * xj for wj, xj in zip(w, xs))

    def blocked():
        for s in parts:
            over([x[s] for x in xs], out[s], scratch[: s.stop - s.start])

    return BenchOp(
        {
            "scratch": lambda: over(xs, out, scratch),
            "sum of products": with_temporaries,
            "average": lambda: np.copyto(out, np.average(xs, axis=0, weights=w) * sum(w), casting="same_kind"),
            "blocked": blocked,
        },
        lambda: out,
        n_bytes=4 * n * (k + 1),
    )


@op("numpy.weightedSumStacked")
def weighted_sum_stacked(args: dict) -> BenchOp:
    """The same over one [k, n] matrix, which suits BLAS (a matrix-vector product)."""
    n, k = int(args.get("n", 1 << 21)), int(args.get("k", 8))
    x, w = np.stack([uniform(n, 10 + j) for j in range(k)]), ((np.arange(k) + 1) / 64).astype(F32)
    out = np.empty(n, F32)
    return BenchOp(
        {
            "matmul": lambda: np.matmul(w, x, out=out),
            "einsum": lambda: np.einsum("k,kn->n", w, x, out=out),
        },
        lambda: out,
        n_bytes=4 * n * (k + 1),
    )


@op("numpy.clipInPlace")
def clip_in_place(args: dict) -> BenchOp:
    """x *= min(1, C / ||x||); C shrinks so that every call scales."""
    n, x, _ = _unary(args)
    clip = 0.999 * float(np.linalg.norm(x))

    def call():
        nonlocal clip
        length = float(np.linalg.norm(x))
        np.multiply(x, F32(min(1.0, clip / length)), out=x)
        clip = 0.999 * length

    return BenchOp({"norm, multiply": call}, lambda: x, n_bytes=12 * n)


@op("numpy.clipAccumulate")
def clip_accumulate(args: dict) -> BenchOp:
    """acc(float64) += x * min(1, C / ||x||)."""
    n, x, _ = _unary(args)
    acc, wide, clip, parts = np.zeros(n), np.empty(n), float(args.get("clip", 1.0)), blocks(n)

    def factor():
        length = math.sqrt(float(np.dot(x, x)))
        return min(1.0, clip / length) if length > 0 else 1.0

    def with_temporary():
        nonlocal acc
        acc += x * F32(factor())

    def with_scratch():
        np.multiply(x, factor(), out=wide, dtype=np.float64)
        np.add(acc, wide, out=acc)

    def blocked():
        a = factor()
        for s in parts:
            t = wide[: s.stop - s.start]
            np.multiply(x[s], a, out=t, dtype=np.float64)
            np.add(acc[s], t, out=acc[s])

    return BenchOp(
        {"scratch": with_scratch, "acc += x * factor": with_temporary, "blocked": blocked},
        lambda: acc,
        n_bytes=4 * n + 4 * n + 16 * n,
    )


@op("numpy.applyMask")
def apply_mask(args: dict) -> BenchOp:
    n, x, out = _unary(args)
    mask = uniform(n, 2) > 0
    return BenchOp(
        {
            "multiply": lambda: np.multiply(x, mask, out=out),
            "where": lambda: np.copyto(out, np.where(mask, x, F32(0))),
        },
        lambda: out,
        n_bytes=9 * n,
    )


@op("numpy.maskedAccumulate")
def masked_accumulate(args: dict) -> BenchOp:
    """acc += x where mask, counts += mask."""
    n, x, scratch = _unary(args)
    mask, acc, counts, parts = uniform(n, 2) > 0, np.zeros(n, F32), np.zeros(n, np.uint32), blocks(n)

    def over(x, mask, acc, counts, scratch):
        np.multiply(x, mask, out=scratch)
        np.add(acc, scratch, out=acc)
        np.add(counts, mask, out=counts)

    def blocked():
        for s in parts:
            over(x[s], mask[s], acc[s], counts[s], scratch[: s.stop - s.start])

    return BenchOp(
        {"multiply, add": lambda: over(x, mask, acc, counts, scratch), "blocked": blocked},
        lambda: {"acc": acc, "counts": counts},
        n_bytes=21 * n,
    )


@op("numpy.accumulateSquares")
def accumulate_squares(args: dict) -> BenchOp:
    n, x, scratch = _unary(args)
    f, parts = np.zeros(n, F32), blocks(n)

    def over(x, f, scratch):
        np.multiply(x, x, out=scratch)
        np.add(f, scratch, out=f)

    def blocked():
        for s in parts:
            over(x[s], f[s], scratch[: s.stop - s.start])

    return BenchOp({"scratch": lambda: over(x, f, scratch), "blocked": blocked}, lambda: f, n_bytes=12 * n)


@op("numpy.segmentSums")
def segment_sums(args: dict) -> BenchOp:
    """Sums of contiguous segments of equal length."""
    n, x, _ = _unary(args)
    length = int(args.get("segment", 256))
    starts, scalar = np.arange(0, n, length), _Scalar()
    variants = {"add.reduceat": scalar.of(lambda: np.add.reduceat(x, starts))}
    if n % length == 0:
        variants["reshape, sum"] = scalar.of(lambda: x.reshape(-1, length).sum(axis=1))
    return BenchOp(variants, scalar.get, n_bytes=4 * n)


@op("numpy.kthLargestMagnitude")
def kth_largest_magnitude(args: dict) -> BenchOp:
    n = int(args.get("n", 1 << 22))
    x, scalar, k = uniform(n, 1), _Scalar(), int(args.get("k", max(1, n // 10)))

    def in_place():
        a = np.abs(x)
        a.partition(n - k)
        return float(a[n - k])

    return BenchOp({"abs, partition": scalar.of(in_place)}, scalar.get, n_bytes=4 * n, n_items=n)

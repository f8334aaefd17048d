"""ProbSparse attention, forward and backward, from 96 to 32k rows: ours, dense, and the peers.

B batch   L length   H heads   E width per head

python benchmarks/attention.py            ours, torch's fused attention, plain dense attention
python benchmarks/attention.py --peers    also those of `transformers` and `neuralforecast`
"""

from __future__ import annotations

import argparse
import importlib
import math
from collections.abc import Callable

import torch
from harness import peak_memory, print_methods, time_in_turn, write_results
from torch import Tensor, nn
from torch.nn import functional as F

from informer.nn import ProbAttention

H, E = 8, 64
SIZES = ((32, 96), (8, 720), *((1, 2**n) for n in range(10, 16)))
SLOPE_FROM = 1024

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]  # three of (B, L, H, E) to one


def fused(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Dense attention as torch fuses it, which stores no weights."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))  # (B, H, L, E)
    return F.scaled_dot_product_attention(q, k, v)


def dense(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Dense attention as a textbook has it."""
    weights = (torch.einsum("blhe,bshe->bhls", q, k) / math.sqrt(E)).softmax(-1)
    return torch.einsum("bhls,bshe->blhe", weights, v)


def neuralforecast() -> Attention:
    """The ProbSparse attention of `neuralforecast`."""
    module = importlib.import_module("neuralforecast.models.informer")
    attention = module.ProbAttention(mask_flag=False, factor=5)
    return lambda q, k, v: attention(q, k, v, None)[0]


def transformers() -> Attention:
    """That of `transformers`, without its projections; it can only attend to its own input."""
    module = importlib.import_module("transformers.models.informer.modeling_informer")
    attention = module.InformerProbSparseAttention(H * E, H, sampling_factor=5)
    for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
        setattr(attention, name, nn.Identity())
    return lambda q, k, v: attention(q.flatten(2))[0]


def methods(with_peers: bool) -> dict[str, Attention]:
    """Every attention that is at hand, by name."""
    ours = {name: ProbAttention(causal=False, backend=name) for name in ("fast", "reference")}
    found: dict[str, Attention] = {
        "fast": lambda q, k, v: ours["fast"](q, k, v)[0],
        "reference": lambda q, k, v: ours["reference"](q, k, v)[0],
        "SDPA": fused,
        "dense": dense,
    }
    for name, make in (("neuralforecast", neuralforecast), ("transformers", transformers)):
        if with_peers:
            try:
                found[name] = make()
            except ImportError as error:
                print(f"{name} is left out: {error}")
    return found


def measure(
    attentions: dict[str, Attention], size: tuple[int, int], n_rounds: int
) -> dict[str, dict[str, float]]:
    """Seconds and bytes of each attention at one size."""
    B, L = size
    device = "cuda" if torch.cuda.is_available() else "cpu"
    inputs = [torch.randn(B, L, H, E, device=device, requires_grad=True) for _ in range(3)]

    def step(attend: Attention) -> None:
        for x in inputs:
            x.grad = None
        torch.autograd.backward(attend(*inputs).sum())

    steps = {name: (lambda a=attend: step(a)) for name, attend in attentions.items()}
    measured = time_in_turn(steps, n_rounds)
    for name, run in steps.items():
        for x in inputs:
            x.grad = None
        measured[name]["peak_bytes"] = float(peak_memory(run) or math.nan)
    return measured


def slope(rows: list[dict[str, object]], method: str, field: str) -> float:
    """Of `field` over L, both as logarithms, from SLOPE_FROM rows on (least squares)."""
    points = [
        (math.log(row["L"]), math.log(row[field]))  # type: ignore[arg-type]
        for row in rows
        if row["method"] == method and row["B"] == 1
    ]
    x, y = torch.tensor(points).unbind(1)
    x = x - x.mean()
    return float((x * y).sum() / x.square().sum())


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--peers", action="store_true", help="also peers that are installed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cap", type=float, default=4.0, help="a method ends at a step this long")
    options = parser.parse_args()

    attentions = methods(options.peers)
    rows: list[dict[str, object]] = []
    for size in SIZES:
        measured = measure(attentions, size, options.rounds)
        for name, numbers in measured.items():
            rows.append({"B": size[0], "L": size[1], "method": name, **numbers})
        # Four times as long at twice the length: leave out what would take minutes or gigabytes.
        attentions = {
            name: attend
            for name, attend in attentions.items()
            if name == "fast"
            or (measured[name]["best_s"] < options.cap and measured[name]["peak_bytes"] < 3e9)
        }
        columns = {
            "best ms": lambda m: f"{1e3 * m['best_s']:.1f}",
            "median ms": lambda m: f"{1e3 * m['median_s']:.1f}",
            "MB": lambda m: f"{m['peak_bytes'] / 1e6:.0f}",
        }
        print_methods({"B": size[0], "L": size[1]}, measured, columns)
    slopes = {
        f"{name} {field}": round(slope(rows, name, field), 3)
        for name in ("fast", "reference")
        for field in ("best_s", "peak_bytes")
    }
    print(f"slope from {SLOPE_FROM} rows on, in log-log: {slopes}")
    write_results("attention", rows, H=H, E=E, slopes=slopes)


if __name__ == "__main__":
    main()

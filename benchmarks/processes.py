"""How far two processes (DDP) stray from one at the same global batch, and why.

    python benchmarks/processes.py

The loss curves of the same training in one process and in two, as the largest relative difference
of any epoch. Two processes round differently. ProbSparse chooses queries, and a choice turns on the
last digit, so beside it stands one process whose first weights were moved by 1e-7 of themselves.
The distilling layers have batch norms: on GPUs these are synchronised; on the CPU each process
normalises its half of the batch.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from harness import print_table, write_results
from series import CONFIG, FRAME, rows

from informer.config import InformerConfig
from informer.data import fit_scales, regular_panel, scales_of
from informer.nn import Informer
from informer.training import EpochRecord, fit

TRAINING = replace(CONFIG.training, epochs=3, steps_per_epoch=30, learning_rate=1e-3)
MOVED = 1e-7
CASES = (
    ("full", False, "two processes"),
    ("prob", False, "two processes"),
    ("prob", False, "moved weights"),
    ("prob", True, "two processes"),
    ("prob", True, "moved weights"),
)


def history(attn: str, distil: bool, how: str) -> tuple[EpochRecord, ...]:
    """The epochs of a training on 40 series."""
    model = CONFIG.model
    panel = regular_panel(rows(0, 40, 1_000), FRAME)
    boundary = panel.grid[-168]
    sizes = {name: getattr(model, name) for name in ("seq_len", "label_len", "pred_len")}
    train, val = (
        panel.windows(
            scales_of(fit_scales(panel, boundary, FRAME, model.seq_len), panel, model.seq_len),
            panel.marks(FRAME, model.embed),
            panel.origins(between, model.seq_len, model.pred_len, at_most=5_000),
            n_targets=1,
            **sizes,
        )
        for between in ((None, boundary), (boundary, None))
    )
    settings: InformerConfig = replace(model, attn=attn, distil=distil, dropout=0.0)
    torch.manual_seed(0)
    network = Informer(settings)
    if how == "moved weights":
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(1 + MOVED * torch.randn_like(parameter))
    n_processes = 2 if how == "two processes" else 1
    return fit(network, train, val, replace(TRAINING, devices=n_processes)).history


def main() -> None:
    """Train, compare, write."""
    known: dict[tuple[str, bool], tuple[EpochRecord, ...]] = {}
    cells = []
    for attn, distil, how in CASES:
        if (attn, distil) not in known:
            known[attn, distil] = history(attn, distil, "one process")
        pairs = list(zip(known[attn, distil], history(attn, distil, how), strict=True))
        differences = {
            name: max(abs(getattr(b, name) / getattr(a, name) - 1) for a, b in pairs)
            for name in ("train_loss", "val_loss")
        }
        cells.append({"attn": attn, "distil": distil, "against one process": how, **differences})
    header = ("attn", "distil", "against one process", "train_loss", "val_loss")
    print_table(
        header,
        [
            [*(cell[name] for name in header[:3]), *(f"{cell[name]:.1e}" for name in header[3:])]
            for cell in cells
        ],
    )
    write_results("processes", cells)


if __name__ == "__main__":
    main()

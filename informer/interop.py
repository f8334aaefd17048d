"""Checkpoints of the reference implementation (zhouhaoyi/Informer2020), read and written.

Its `checkpoint.pth` is a bare state dict, of one GPU or of several; what network it belongs to is
said by the flags of the command that trained it.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from typing import Any, Literal

import torch
from torch import Tensor

from informer.config import InformerConfig
from informer.errors import CheckpointError, ConfigError
from informer.nn import N_POSITIONS, Informer

__all__ = [
    "NETWORK_FLAGS", "config_from_flags", "load_reference_checkpoint", "save_reference_checkpoint",
]  # fmt: skip

# fmt: off
NETWORK_FLAGS = frozenset((
    "model", "enc_in", "dec_in", "c_out", "seq_len", "label_len", "pred_len", "factor", "d_model",
    "n_heads", "e_layers", "d_layers", "d_ff", "dropout", "attn", "embed", "freq", "padding",
    "activation", "output_attention", "distil", "mix",
))
# The reference's flags that say nothing about the network.
_OTHER_FLAGS = frozenset((
    "data", "root_path", "data_path", "features", "target", "checkpoints", "do_predict", "cols",
    "num_workers", "itr", "train_epochs", "batch_size", "patience", "learning_rate", "des",
    "loss", "lradj", "use_amp", "inverse", "use_gpu", "gpu", "use_multi_gpu", "devices",
    "device_ids", "detail_freq",
))
# fmt: on
# No flags of the reference, but often kept beside a checkpoint to say how a run was made.
_RUN_NOTES = frozenset({"seed", "forward_seed", "optimizer"})

# Channels of the data sets for which the reference overrides enc_in, dec_in and c_out.
_DATA_CHANNELS = {
    **dict.fromkeys(("ETTh1", "ETTh2", "ETTm1", "ETTm2"), 7),
    "WTH": 12,
    "ECL": 321,
    "Solar": 137,
}

_NAMED = 5  # at most so many keys are named in a message


def load_reference_checkpoint(
    checkpoint: str | PathLike[str] | Mapping[str, Tensor],
    args: Mapping[str, Any],
    *,
    backend: Literal["fast", "reference"] = "fast",
) -> Informer:
    """Make a model of a checkpoint that the reference implementation saved.

    Args:
        checkpoint: Path of the file, or the state dict itself; the `module.` prefix that training
            on several GPUs leaves is dropped.
        args: The flags it was trained with, by their names there (`vars(args)` will do); a flag
            that is absent has the reference's default, a flag that does not concern the network
            is ignored. The stack's layers are `s_layers` or `e_layers`: "3,2,1" or a list.
        backend: How the model computes its attention.

    Returns:
        The model on the CPU, in eval mode.

    Raises:
        ConfigError: `args` has names that are no flags of the reference, or values that cannot be.
        CheckpointError: The file cannot be read, would run code, or does not fit `args`.
    """
    config = config_from_flags(args, backend)
    state = _read(checkpoint) if isinstance(checkpoint, (str, PathLike)) else dict(checkpoint)
    state = {name.removeprefix("module."): value for name, value in state.items()}
    with torch.random.fork_rng(devices=[]):  # the start values are overwritten: spend no numbers
        model = Informer(config)
    _check_fit(model, state)
    model.load_state_dict(state)
    return model.eval()


def save_reference_checkpoint(model: Informer, path: str | PathLike[str]) -> None:
    """Write a state dict that the reference implementation loads, position tables included.

    Args:
        model: Any of its networks.
        path: The file to write, `checkpoint.pth` there.

    Raises:
        ConfigError: The network has a part that the reference does not have.
    """
    config = model.config
    if config.options:
        name = config.options[0]
        paper = InformerConfig.__dataclass_fields__[name].default
        raise ConfigError(
            f"{name}={getattr(config, name)} does not exist in the reference implementation, so "
            "these weights would give other forecasts there; to export a model, train it with "
            f"{name}={paper}."
        )
    state: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        state[name] = value.detach().cpu()
        if name.endswith("value_embedding.tokenConv.bias"):  # the place the reference has it at
            embedding = name.removesuffix("value_embedding.tokenConv.bias")
            table = model.get_buffer(f"{embedding}position_embedding.pe")
            state[f"{embedding}position_embedding.pe"] = table[:, :N_POSITIONS].detach().cpu()
    torch.save({name: value.clone() for name, value in state.items()}, fspath(path))


def config_from_flags(
    args: Mapping[str, Any], backend: Literal["fast", "reference"] = "fast"
) -> InformerConfig:
    """The network that flags of the reference describe; as `load_reference_checkpoint` reads them.

    Raises:
        ConfigError: `args` has names that are no flags of the reference, or values that cannot be.
    """
    unknown = sorted(set(args) - NETWORK_FLAGS - _OTHER_FLAGS - _RUN_NOTES - {"s_layers"})
    if unknown:
        raise ConfigError(
            f"{', '.join(unknown)}: the reference implementation has no such flags; use its "
            f"names, such as {', '.join(sorted(NETWORK_FLAGS)[:_NAMED])}."
        )
    values = {name: args[name] for name in args if name in NETWORK_FLAGS}
    n_channels = _DATA_CHANNELS.get(args.get("data", ""))
    if n_channels is not None and "features" in args:
        n_in, n_out = {"M": (n_channels, n_channels), "S": (1, 1)}.get(
            args["features"], (n_channels, 1)
        )
        values = {"enc_in": n_in, "dec_in": n_in, "c_out": n_out, **values}
    values["e_layers"] = _layers(args)
    return InformerConfig(**values, backend=backend)


def _layers(args: Mapping[str, Any]) -> int | tuple[int, ...]:
    """`e_layers` as the config has it; a stack's comes from `s_layers` where that is given."""
    given = args.get("e_layers", 2)
    if args.get("model", "informer") != "informerstack":
        return int(given)
    if "s_layers" in args or isinstance(given, int):
        given = args.get("s_layers", "3,2,1")
    counts: Iterable[Any] = given.split(",") if isinstance(given, str) else given
    try:
        return tuple(int(count) for count in counts)
    except ValueError as error:
        raise ConfigError(f"s_layers is {given!r}; give counts such as '3,2,1'.") from error


def _read(path: str | PathLike[str]) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            # It warns of unusual pickles; here they either load or are refused below.
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"no checkpoint at {fspath(path)}; check the path.") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{fspath(path)} is not a plain state dict. It is damaged, or it holds objects that "
            "could run code, and such files are refused. Save it with "
            "torch.save(model.state_dict(), path)."
        ) from error
    except (OSError, EOFError, RuntimeError) as error:
        raise CheckpointError(
            f"{fspath(path)} cannot be read ({error}). Give a file that torch.save wrote."
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CheckpointError(
            f"{fspath(path)} holds no state dict (names and tensors) but a "
            f"{type(state).__name__}; save it with torch.save(model.state_dict(), path)."
        )
    return dict(state)


def _check_fit(model: Informer, state: Mapping[str, Tensor]) -> None:
    """Raise one `CheckpointError` that names every way in which the two do not fit."""
    ours = model.state_dict()
    theirs = {name: value for name, value in state.items() if not name.endswith("_embedding.pe")}
    misfits = [
        f"{name} is {tuple(theirs[name].shape)}, expected {tuple(ours[name].shape)}"
        for name in ours
        if name in theirs and theirs[name].shape != ours[name].shape
    ]
    found = [
        _some("missing", [name for name in ours if name not in theirs]),
        _some("unexpected", [name for name in theirs if name not in ours]),
        _some("of another shape", misfits),
    ]
    if any(found):
        raise CheckpointError(
            f"the checkpoint does not match its flags: {'; '.join(filter(None, found))}. Give the "
            "flags of its training."
        )


def _some(what: str, names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{len(names)} {what}: {', '.join(names[:_NAMED])}{more}" if names else ""

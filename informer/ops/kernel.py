"""The C functions of the fast backend, built once per machine by its own compiler.

Their sources lie in the folder `c`. Building them takes half a second, for all shapes and
precisions, and the result is kept in the user's cache folder.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["call", "find_compiler", "load_kernel", "suits_kernel"]

_LOGGER = logging.getLogger(__name__)

_SOURCES = Path(__file__).parent / "c"

# Tried in order; a compiler without OpenMP still builds functions that run on one thread.
_FLAGS = (
    ("-O3", "-march=native", "-fopenmp", "-fPIC", "-shared"),
    ("-O3", "-fopenmp-simd", "-fPIC", "-shared"),
)


def suits_kernel(*tensors: Tensor) -> bool:
    """Whether C functions can work on tensors: in float32 on the CPU, run as they are written.

    Under autocast they may be of its precision too; a caller then widens them to float32.
    """
    known = {torch.float32}
    if torch.is_autocast_enabled("cpu"):
        known.add(torch.get_autocast_dtype("cpu"))
    plain = all(x.device.type == "cpu" and x.dtype in known for x in tensors)
    return plain and not torch.compiler.is_compiling() and load_kernel() is not None


def call(name: str, *arguments: Tensor | float | None) -> int:
    """Call a C function; it gets the number of threads as its last argument.

    Args:
        name: Of the function; its signature stands in the folder `c`.
        arguments: A tensor is passed as the address of its first number, None as a null pointer,
            an int as int64_t, a float as float.

    Returns:
        What the function returns, if it does.
    """
    kernel = load_kernel()
    assert kernel is not None
    passed = (*arguments, torch.get_num_threads())
    returned: int = getattr(kernel, name)(*map(_as_c, passed))
    return returned


def _as_c(argument: Tensor | float | None) -> ctypes.c_void_p | ctypes.c_int64 | ctypes.c_float:
    if isinstance(argument, Tensor):
        return ctypes.c_void_p(argument.data_ptr())
    if isinstance(argument, float):
        return ctypes.c_float(argument)
    return ctypes.c_void_p(None) if argument is None else ctypes.c_int64(argument)


@functools.cache
def load_kernel() -> ctypes.CDLL | None:
    """The built functions, or None where they cannot be built or loaded.

    A kept library that is damaged, or that this machine cannot load, is removed and built anew.
    """
    compiler = find_compiler()
    if compiler is None:
        return None
    reason = ""
    for flags in _FLAGS:
        name = _name(compiler, flags)
        try:
            return _kept(name) or _built(compiler, flags, name)
        except _NotBuiltError as error:
            reason = str(error)
    _LOGGER.warning(
        "the C functions cannot be built with %s, so training is slower: %s. Repair the compiler, "
        "or set CC to another one.", compiler, reason,
    )  # fmt: skip
    return None


def find_compiler() -> str | None:
    """The path of the C compiler that the environment names, or that is installed."""
    return shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")


class _NotBuiltError(Exception):
    """Why a compiler and its flags give no library that can be loaded."""


def _name(compiler: str, flags: tuple[str, ...]) -> str:
    """What libraries of these sources, this compiler and this machine are called."""
    texts = [path.read_text() for path in (*_sources(), _SOURCES / "shared.h")]
    identity = "\0".join((*texts, compiler, *flags, platform.machine(), _processor()))
    return f"informer-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"


def _sources() -> list[Path]:
    return sorted(_SOURCES.glob("*.c"))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _kept(name: str) -> ctypes.CDLL | None:
    """The library that this machine has built before; None where there is no sound one.

    Its name ends with the digest of its content: to load one that is cut would end the process.
    """
    folder = _cache_dir()
    for path in sorted(folder.glob(f"{name}-*.so")) if folder is not None else []:
        try:
            if path.stem == f"{name}-{_digest(path)}":
                return ctypes.CDLL(str(path))
            _LOGGER.info("%s is damaged", path)
        except OSError as error:
            _LOGGER.info("%s cannot be loaded: %s", path, error)
        with suppress(OSError):
            path.unlink()
    return None


def _built(compiler: str, flags: tuple[str, ...], name: str) -> ctypes.CDLL:
    """Build a library, load it, and keep it where that can be; else it serves this process alone.

    Raises:
        _NotBuiltError: neither in the cache folder nor in that of temporary files.
    """
    reason = ""
    for folder in dict.fromkeys((_cache_dir(), None)):
        try:
            if folder is not None:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="informer-", dir=folder) as scratch:
                library = Path(scratch, f"{name}.so")
                _compile(compiler, flags, library)
                loaded = ctypes.CDLL(str(library))
                if folder is not None:  # whole or not at all, also with several processes at it
                    library.replace(folder / f"{name}-{_digest(library)}.so")
                return loaded
        except (OSError, _NotBuiltError) as error:
            reason = str(error)
            _LOGGER.info("building the C functions failed: %s", reason)
    raise _NotBuiltError(reason)


def _compile(compiler: str, flags: tuple[str, ...], library: Path) -> None:
    command = [compiler, *flags, *map(str, _sources()), "-o", str(library), "-lm"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired as error:
        raise _NotBuiltError(f"it takes longer than {error.timeout:.0f} s") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"it ends with status {done.returncode}"]
        raise _NotBuiltError(lines[-1])


def _cache_dir() -> Path | None:
    """The user's folder for built code; None for a user without a home."""
    named = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(named or Path.home() / ".cache", "informer-pipeline")
    except RuntimeError:
        return None


def _processor() -> str:
    """What `-march=native` depends on, as a home folder may be shared by unlike machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(sorted({line for line in lines if line.startswith(("flags", "model name"))}))

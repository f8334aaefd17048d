"""The sparsity measurement: every way of computing it against its definition."""

import math
import subprocess
import sys
import warnings

import pytest
import torch
from hypothesis import given, settings, strategies as st

from informer.ops import kernel, sparsity
from informer.ops.sparsity import measure_gathered, measure_sparsity, measure_tiled


def by_definition(queries, keys, sampled_keys):
    """In float64: (B, H, L)."""
    q, k = queries.double().transpose(1, 2), keys.double().transpose(1, 2)
    scores = (q.unsqueeze(3) * k[:, :, sampled_keys]).sum(-1)  # (B, H, L, K)
    return scores.amax(-1) - scores.sum(-1) / keys.shape[1]


def draw(B, L, S, H, E, K, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    queries = torch.randn(B, L, H, E, generator=generator).to(dtype)
    keys = torch.randn(B, S, H, E, generator=generator).to(dtype)
    return queries, keys, torch.randint(S, (L, K), generator=generator)


@pytest.fixture
def _always_kernel(monkeypatch):
    if kernel.load_kernel() is None:
        pytest.skip("no C compiler")
    monkeypatch.setattr(sparsity, "_FEW_SCORES", 0)


sizes = st.tuples(
    st.integers(1, 3),  # B
    st.integers(1, 40),  # L
    st.integers(1, 40),  # S
    st.integers(1, 3),  # H
    st.sampled_from([1, 3, 8, 16, 24, 32, 64]),  # E
    st.integers(1, 11),  # K
)


@pytest.mark.usefixtures("_always_kernel")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_kernel_computes_the_definition(dtype):
    @settings(max_examples=40, deadline=None)
    @given(sizes, st.integers(0, 2**16))
    def check(size, seed):
        inputs = draw(*size, seed=seed, dtype=dtype)
        # bfloat16 inputs are exact in float32, so both precisions must agree as closely.
        torch.testing.assert_close(
            measure_sparsity(*inputs).double(), by_definition(*inputs), atol=2e-5, rtol=1e-5
        )

    check()


@pytest.mark.usefixtures("_always_kernel")
def test_the_kernel_shares_one_long_head_between_threads():
    inputs = draw(1, 40, 9000, 2, 64, 13)  # its packed keys exceed what a thread keeps alone
    torch.testing.assert_close(
        measure_sparsity(*inputs).double(), by_definition(*inputs), atol=2e-5, rtol=1e-5
    )


@pytest.mark.usefixtures("_always_kernel")
def test_the_kernel_reads_any_strides():
    queries, keys, sampled = draw(2, 12, 14, 3, 8, 5)
    expected = measure_sparsity(queries, keys, sampled)
    turned = queries.transpose(1, 3).contiguous().transpose(1, 3)
    apart = torch.cat((keys, keys), dim=1)[:, ::2]
    assert turned.stride(-1) != 1
    torch.testing.assert_close(measure_sparsity(turned, keys, sampled), expected)
    torch.testing.assert_close(
        measure_sparsity(queries, apart, sampled), by_definition(queries, apart, sampled).float()
    )


@given(size=sizes, seed=st.integers(0, 2**16), dense=st.booleans())
@settings(max_examples=40, deadline=None)
def test_tiles_compute_the_definition(size, seed, dense):
    inputs = draw(*size, seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparsity, "_TILE_NUMBERS", 500)  # several tiles, the last one shorter
        patch.setattr(sparsity, "_DENSE_KEYS", math.inf if dense else 0)
        measured = measure_tiled(*inputs)
    torch.testing.assert_close(measured.double(), by_definition(*inputs), atol=2e-5, rtol=1e-5)


def test_one_expression_computes_the_definition():
    inputs = draw(2, 9, 11, 3, 8, 5)
    torch.testing.assert_close(measure_gathered(*inputs).double(), by_definition(*inputs))


def test_float64_is_measured_in_float64():
    queries, keys, sampled = draw(2, 9, 11, 3, 8, 5, dtype=torch.float64)
    measured = measure_sparsity(queries, keys, sampled)
    torch.testing.assert_close(measured, by_definition(queries, keys, sampled), rtol=1e-12, atol=0)


def test_without_a_compiler_it_warns_once_and_agrees(monkeypatch):
    inputs = draw(2, 9, 11, 3, 8, 5)
    monkeypatch.setattr(sparsity, "_FEW_SCORES", 0)
    monkeypatch.setattr(sparsity, "_MANY_SCORES", 0)
    monkeypatch.setattr(sparsity, "load_kernel", lambda: None)
    monkeypatch.setattr(sparsity, "find_compiler", lambda: None)
    sparsity._warn_once.cache_clear()
    with pytest.warns(UserWarning, match="no C compiler"):
        measured = measure_sparsity(*inputs)
    torch.testing.assert_close(measured.double(), by_definition(*inputs), atol=2e-5, rtol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measure_sparsity(*inputs)


def test_few_scores_never_call_a_compiler(monkeypatch):
    monkeypatch.setattr(sparsity, "load_kernel", lambda: pytest.fail("asked for the kernel"))
    measure_sparsity(*draw(2, 24, 24, 4, 8, 20))


def test_nothing_of_size_l_k_e_is_stored():
    """Peak memory of a process that measures, where L x K x E numbers would take 2.1 GB."""
    if kernel.load_kernel() is None:
        pytest.skip("no C compiler")
    code = (
        "import resource, torch\n"
        "from informer.ops.sparsity import measure_sparsity\n"
        "q, k = torch.randn(2, 1, 16384, 8, 64)\n"
        "index = torch.randint(16384, (16384, 64))\n"
        "measure_sparsity(q[:, :512], k, index[:512])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "measure_sparsity(q, k, index)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 < 40e6  # the indices as int32, and one head's keys


def test_torch_compile_keeps_the_measurement_whole():
    inputs = draw(2, 9, 11, 3, 8, 5)
    compiled = torch.compile(measure_sparsity, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(*inputs), measure_sparsity(*inputs))

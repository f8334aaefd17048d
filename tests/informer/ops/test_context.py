"""The context of long windows, in chunks: the same as at once."""

import pytest
import torch
from hypothesis import given, settings, strategies as st

from informer.ops import context
from informer.ops.context import attend_and_spread
from informer.ops.kernel import load_kernel

cases = st.tuples(
    st.integers(1, 3),  # B
    st.integers(3, 60),  # L and S
    st.integers(1, 4),  # H
    st.sampled_from([2, 8, 16]),  # E
)


def draw(B, L, H, E, seed):
    torch.manual_seed(seed)
    n_top = max(1, L // 3)
    q_top = torch.randn(B, H, n_top, E, requires_grad=True)
    keys, values = (torch.randn(B, L, H, E, requires_grad=True) for _ in range(2))
    top = torch.rand(B, H, L).topk(n_top, sorted=False).indices
    return (q_top, keys, values), top


def run(qkv, top, n_queries, causal):
    y, weights = attend_and_spread(*qkv, top, n_queries, causal=causal)
    assert weights is None
    direction = torch.linspace(-1, 1, y.numel()).view_as(y)
    return y, torch.autograd.grad((y * direction).sum(), qkv)


@given(case=cases, causal=st.booleans(), chunk=st.sampled_from([1, 200, 10**6]))
@settings(max_examples=50, deadline=None)
def test_chunks_give_what_fused_attention_gives(case, causal, chunk):
    qkv, top = draw(*case, seed=sum(case))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context, "_LONG", 10**9)
        expected, wanted = run(qkv, top, case[1], causal)
        patch.setattr(context, "_LONG", 1)
        patch.setattr(context, "_CHUNK_WEIGHTS", chunk)
        y, gradients = run(qkv, top, case[1], causal)
    torch.testing.assert_close(y, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(gradients, wanted, atol=5e-5, rtol=1e-4)


def test_chunks_read_heads_that_lie_apart(monkeypatch):
    monkeypatch.setattr(context, "_LONG", 1)
    (q_top, keys, values), top = draw(2, 20, 3, 8, seed=0)
    apart = [torch.stack((x, x), dim=2)[:, :, 0] for x in (keys, values)]
    y, _ = attend_and_spread(q_top, *apart, top, 20, causal=False)
    expected, _ = attend_and_spread(q_top, keys, values, top, 20, causal=False)
    torch.testing.assert_close(y, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.skipif(load_kernel() is None, reason="no C compiler")
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("width", [3, 16, 40])
def test_running_sums_in_c_are_those_of_torch(backwards, width, monkeypatch):
    x = torch.randn(3, 50, 2, width)
    found = context._running_sum(x, backwards=backwards)
    monkeypatch.setattr(context, "suits_kernel", lambda *_: False)
    wanted = context._running_sum(x, backwards=backwards)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)

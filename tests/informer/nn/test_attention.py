"""Attention: two backends, one contract."""

import math

import pytest
import torch
from hypothesis import assume, given, settings, strategies as st

from informer.nn.attention import (
    AttentionLayer,
    FullAttention,
    ProbAttention,
    draw_keys,
    n_kept,
    prob_sparse_reference,
)
from informer.ops import full_attention, prob_sparse_fast, sparsity
from informer.ops.dropout import Mask, drop
from informer.ops.kernel import load_kernel
from informer.ops.sparsity import measure_sparsity


def draw(B, L, S, H, E, seed=0, dtype=torch.float32):
    """Queries, keys and values that ask for gradients, and the sampled keys."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((B, L, H, E), (B, S, H, E), (B, S, H, E))
    q, k, v = (torch.randn(s, generator=generator).to(dtype).requires_grad_() for s in shapes)
    return (q, k, v), torch.randint(S, (L, n_kept(5, S)), generator=generator)


def gap(q, k, sampled, n_top):
    """The smallest distance, over heads, between the last query kept and the first not kept."""
    if n_top == q.shape[1]:
        return math.inf
    ranked = measure_sparsity(q.double(), k.double(), sampled).sort(descending=True).values
    return (ranked[..., n_top - 1] - ranked[..., n_top]).min().item()


def run(attend, qkv, sampled, n_top, **options):
    """The context and map of an attention, and the gradients of a fixed function of the context."""
    context, weights = attend(*qkv, sampled, n_top, **options)
    direction = torch.linspace(-1, 1, context.numel()).view_as(context)
    return context, weights, torch.autograd.grad((context.float() * direction).sum(), qkv)


sizes = st.tuples(
    st.integers(1, 3),  # B
    st.integers(2, 70),  # L
    st.integers(2, 70),  # S
    st.integers(1, 3),  # H
    st.sampled_from([2, 8, 16]),  # E
)


@given(size=sizes, causal=st.booleans(), need_weights=st.booleans(), seed=st.integers(0, 2**16))
@settings(max_examples=60, deadline=None)
def test_backends_agree_in_float32(size, causal, need_weights, seed):
    B, L, S, H, E = size
    S = L if causal else S
    qkv, sampled = draw(B, L, S, H, E, seed)
    n_top = n_kept(5, L)
    assume(gap(qkv[0], qkv[1], sampled, n_top) > 1e-4)  # else rounding may choose another query

    options = {"causal": causal, "need_weights": need_weights}
    context, weights, gradients = run(prob_sparse_fast, qkv, sampled, n_top, **options)
    expected = run(prob_sparse_reference, qkv, sampled, n_top, **options)
    torch.testing.assert_close(context, expected[0], atol=1e-5, rtol=1e-5)
    assert (weights is None) == (not need_weights)
    torch.testing.assert_close(weights, expected[1], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(gradients, expected[2], atol=5e-5, rtol=1e-4)


@given(size=sizes, causal=st.booleans(), seed=st.integers(0, 2**16))
@settings(max_examples=40, deadline=None)
def test_bfloat16_stays_near_float32(size, causal, seed):
    B, L, S, H, E = size
    S = L if causal else S
    qkv, sampled = draw(B, L, S, H, E, seed, dtype=torch.bfloat16)
    n_top = n_kept(5, L)
    assume(gap(qkv[0], qkv[1], sampled, n_top) > 1e-4)

    wide = tuple(x.detach().float().requires_grad_() for x in qkv)
    context, _, gradients = run(prob_sparse_fast, qkv, sampled, n_top, causal=causal)
    expected, _, expected_gradients = run(
        prob_sparse_reference, wide, sampled, n_top, causal=causal
    )
    assert context.dtype == torch.bfloat16
    # Eight bits of mantissa: each number within a few hundredths of the largest.
    assert (context.float() - expected).abs().max() <= 0.04 * expected.abs().max() + 1e-3
    largest = max(want.abs().max() for want in expected_gradients)  # one alone may cancel out
    for got, want in zip(gradients, expected_gradients, strict=True):
        assert (got.float() - want).abs().max() <= 0.04 * largest + 1e-3


@pytest.mark.parametrize("causal", [False, True])
def test_gradients_are_those_of_finite_differences(causal):
    qkv, sampled = draw(2, 7, 7, 2, 3, seed=1, dtype=torch.float64)
    assert gap(qkv[0], qkv[1], sampled, 4) > 1e-3

    def attend(*inputs):
        return prob_sparse_fast(*inputs, sampled, 4, causal=causal)[0]

    assert torch.autograd.gradcheck(attend, qkv)


def test_backends_agree_where_the_kernel_measures(monkeypatch):
    monkeypatch.setattr(sparsity, "_FEW_SCORES", 0)
    qkv, sampled = draw(2, 300, 260, 4, 16, seed=3)
    n_top = n_kept(5, 300)
    assert gap(qkv[0], qkv[1], sampled, n_top) > 1e-4
    fast = run(prob_sparse_fast, qkv, sampled, n_top)
    plain = run(prob_sparse_reference, qkv, sampled, n_top)
    torch.testing.assert_close(fast[0], plain[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(fast[2], plain[2], atol=5e-5, rtol=1e-4)


@pytest.mark.parametrize("causal", [False, True])
def test_full_attention_backends_agree(causal):
    qkv, _ = draw(2, 13, 13, 3, 8)
    fast = FullAttention(causal=causal, backend="fast")(*qkv)[0]
    plain = FullAttention(causal=causal, backend="reference")(*qkv)[0]
    torch.testing.assert_close(fast, plain, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_full_attention_with_dropout_is_attention_with_masked_weights(causal, monkeypatch):
    """In chunks of the batch, forward and backward, against one expression with the same mask."""
    if load_kernel() is None:
        pytest.skip("no C compiler")
    (q, k, v), _ = draw(5, 9, 9, 2, 4)
    mask = Mask(0.3, seed=12345)
    monkeypatch.setattr(Mask, "draw", lambda p: mask)
    monkeypatch.setattr(full_attention, "_CHUNK_WEIGHTS", 2 * 2 * 9 * 9)  # two samples, then one

    attention = FullAttention(causal=causal, dropout=0.3, backend="fast").train()
    context = attention(q, k, v)[0]
    scores = torch.einsum("blhe,bshe->bhls", q, k) / 2
    if causal:
        scores = scores.masked_fill(torch.ones(9, 9, dtype=torch.bool).triu(1), -math.inf)
    kept = drop(torch.ones(5, 2, 9, 9), mask)
    assert 0.2 < (kept == 0).float().mean() < 0.4
    expected = torch.einsum("bhls,bshe->blhe", scores.softmax(-1) * kept, v)
    torch.testing.assert_close(context, expected, atol=1e-6, rtol=1e-5)
    direction = torch.linspace(-1, 1, context.numel()).view_as(context)
    got = torch.autograd.grad((context * direction).sum(), (q, k, v))
    want = torch.autograd.grad((expected * direction).sum(), (q, k, v))
    torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-4)


def test_full_attention_drops_weights_in_training_only():
    qkv, _ = draw(2, 13, 11, 3, 8)
    for backend in ("fast", "reference"):
        attention = FullAttention(causal=False, dropout=0.5, backend=backend)
        assert not torch.equal(attention(*qkv)[0], attention(*qkv)[0])
        attention.eval()
        torch.testing.assert_close(attention(*qkv)[0], attention(*qkv)[0])


def test_kept_queries_attend_and_the_others_receive_the_mean():
    qkv, sampled = draw(1, 40, 40, 1, 8)
    context, weights = prob_sparse_fast(*qkv, sampled, 5, need_weights=True)
    mean = qkv[2].mean(dim=1)
    lazy = torch.isclose(context[0], mean, atol=1e-6).all(-1).squeeze(-1)  # (L,)
    assert lazy.sum() == 35
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 1, 40))


def test_mix_interleaves_heads_and_time_and_without_it_rows_stay_apart():
    torch.manual_seed(0)
    layer = AttentionLayer(FullAttention(causal=True), 8, 2, mix=False)
    x = torch.randn(1, 6, 8)
    later = x.clone()
    later[:, -1] += 1
    torch.testing.assert_close(layer(x, x, x)[0][:, :-1], layer(later, later, later)[0][:, :-1])
    layer.mix = True
    assert not torch.allclose(layer(x, x, x)[0][:, :-1], layer(later, later, later)[0][:, :-1])


@pytest.mark.parametrize(
    ("factor", "length", "expected"), [(5, 96, 25), (5, 24, 20), (5, 8, 8), (3, 96, 15), (5, 1, 1)]
)
def test_n_kept_is_the_factor_times_the_rounded_logarithm(factor, length, expected):
    assert n_kept(factor, length) == expected


def test_keys_are_drawn_from_the_global_generator_or_the_given_one():
    torch.manual_seed(3)
    drawn = draw_keys(5, 9, 4)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.randint(9, (5, 4)))
    state = torch.get_rng_state()
    own = draw_keys(5, 9, 4, torch.Generator().manual_seed(3))
    assert torch.equal(own, drawn)
    assert torch.equal(torch.get_rng_state(), state)


def test_prob_attention_runs_on_one_row():
    qkv, _ = draw(2, 1, 1, 2, 4)
    for backend in ("fast", "reference"):
        context, _ = ProbAttention(causal=True, backend=backend)(*qkv)
        torch.testing.assert_close(context, qkv[2])

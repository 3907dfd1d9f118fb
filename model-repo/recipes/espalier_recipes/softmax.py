"""Cross-entropy over a whole catalogue without ever holding all logits."""

from __future__ import annotations

import torch

_LOG2E = 1.4426950408889634


class _Whole(torch.autograd.Function):
    """Loss and gradients in one pass over chunks of rows that stay in the cache.

    exp2 of clamped logits needs no row maximum: logits of these models are far below 80.
    """

    @staticmethod
    def forward(ctx, users, items, bias, targets, chunk):
        d_users, d_items = torch.empty_like(users), torch.zeros_like(items)
        d_bias = torch.zeros_like(bias)
        transposed = (items * _LOG2E).t().contiguous()
        loss = 0.0
        count = len(targets)
        for start in range(0, count, chunk):
            rows = users[start : start + chunk]
            wanted = targets[start : start + chunk]
            weights = torch.addmm(bias * _LOG2E, rows, transposed).clamp_(max=115.0).exp2_()
            inverse = 1.0 / weights.sum(1)
            own = weights.gather(1, wanted[:, None])[:, 0] * inverse
            loss -= own.clamp_min(1e-30).log().sum()
            d_users[start : start + chunk] = (weights @ items) * inverse[:, None] - items[wanted]
            d_items.addmm_(weights.t(), rows * inverse[:, None])
            d_bias.addmv_(weights.t(), inverse)
        d_items.index_add_(0, targets, users, alpha=-1.0)
        d_bias.index_add_(0, targets, torch.ones(count), alpha=-1.0)
        ctx.save_for_backward(d_users, d_items, d_bias)
        ctx.count = max(1, count)
        return torch.as_tensor(loss / ctx.count)

    @staticmethod
    def backward(ctx, gradient):
        d_users, d_items, d_bias = ctx.saved_tensors
        scale = gradient / ctx.count
        return d_users * scale, d_items * scale, d_bias * scale, None, None


def whole(users, items, bias, targets, chunk: int = 256) -> torch.Tensor:
    """Mean cross-entropy of targets [P] under logits users [P, d] · items [n, d] + bias [n]."""
    return _Whole.apply(users, items, bias, targets, chunk)


def sampled(users, items, bias, targets, negatives: torch.Tensor) -> torch.Tensor:
    """Cross-entropy against uniformly drawn negatives, weighted up to stand for the catalogue."""
    own = (users * items[targets]).sum(1) + bias[targets]
    other = users @ items[negatives].t() + bias[negatives]
    other = other + torch.log(torch.tensor(len(items) / len(negatives)))
    other = other.masked_fill(negatives[None, :] == targets[:, None], -1e9)
    return (torch.logsumexp(torch.cat((own[:, None], other), 1), 1) - own).mean()

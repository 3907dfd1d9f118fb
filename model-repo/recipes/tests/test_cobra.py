"""COBRA: BeamFusion by hand, the decode against every item, training's pass and the graphs against the decode."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from espalier_recipes import cobra, cobra_graphs, features, sasrec, tiger


def model_of(seed: int, levels: int = 2, size: int = 3, items: int = 14, events: int = 5):
    """A model of random weights, its items' codes and vectors."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    known = features.Features(
        rng.normal(size=(items, 8)).astype(np.float32), *(rng.integers(-1, 4, items) for _ in range(3))
    )
    start = sasrec.SASRec(known, sasrec.Shape(width=16, heads=2, inner=16)).eval()
    model = cobra.Cobra(cobra.Shape(history=events), levels, size, known, start).eval()
    with torch.no_grad():
        for value in model.parameters():
            value.normal_(std=0.4)
        return model, rng.integers(0, size, (items, levels)), model.vectors()


def test_fuse_twoBeams_areThoseCalculatedByHand():
    scores = cobra.fuse(np.log([0.5, 0.25]), np.array([0, 0, 1]), np.array([0.5, 0.25, 0.5]), cobra.Fusion())
    expected = np.array([0.651090, 0.651090, 0.348910]) * [0.495462, 0.009075, 0.495462]
    np.testing.assert_allclose(np.exp(scores), expected, atol=2e-6)


@pytest.mark.parametrize("seed", range(5))
def test_decode_wideBeam_equalsComparingEveryItem(seed):
    model, codes, vectors = model_of(seed)
    rng = np.random.default_rng(seed)
    history = rng.integers(0, len(codes), 4)
    fusion = cobra.Fusion()
    ((items, scores),) = cobra.decode(model, tiger.Trie(codes, 3), vectors, [history], 9, 20, fusion)
    shown = cobra.shown(torch.from_numpy(history)[None], torch.from_numpy(codes), vectors)
    legal = sorted(set(range(len(codes))) - set(history.tolist()))
    ids = sorted({tuple(codes[item]) for item in legal})
    with torch.no_grad():
        x = model.positions(*shown)
        beams, meant = [], []
        for own in ids:
            hidden, after = model.training_hidden(x, torch.tensor(own)[None, None], torch.tensor([3]))
            read = after[0, 0] + hidden[0, 3]
            total = model.log_probs(hidden[0, 3])[1 + own[0]] + model.log_probs(read[0])[4 + own[1]]
            beams.append(float(total))
            meant.append(model.vector(read[1]).numpy())
    owners = np.array([ids.index(tuple(codes[item])) for item in legal])
    cosines = np.array([vectors[item].numpy() @ meant[owner] for item, owner in zip(legal, owners)])
    fused = cobra.fuse(np.array(beams), owners, cosines, fusion)
    order = np.argsort(-fused, kind="stable")
    assert items.tolist() == [legal[i] for i in order]
    np.testing.assert_allclose(scores, fused[order], atol=1e-4)


@pytest.mark.parametrize("levels,seed", [(1, 0), (2, 1), (3, 2)])
def test_graphs_equalTheModelAsBeamsChangeParents(levels, seed):
    model, codes, vectors = model_of(seed, levels)
    items = torch.tensor([[-1, -1, 3, 1, 2], [0, 4, 2, 2, 7]])
    shown = cobra.shown(items, torch.from_numpy(codes), vectors)
    each = torch.arange(2)[:, None]
    with torch.no_grad():
        user, *state = model.read_history(model.positions(*shown), shown[0][..., 0] >= 0)
        found, *served = cobra_graphs.Prefill(model).eval()(*shown)
        torch.testing.assert_close(found, model.log_probs(user)[:, 1:4], atol=1e-5, rtol=1e-4)
        prefix, cache = torch.zeros(2, 1, 0, dtype=torch.long), None
        for level in range(1, levels + 1):
            parents = torch.randint(0, prefix.shape[1], (2, 3 + level))
            code = torch.randint(0, 3, (2, 3 + level))
            prefix = torch.cat((prefix[each, parents], code[..., None]), -1)
            given = [] if cache is None else [cache[each, parents]]
            hidden = model.read_codes(*state, prefix) + user[:, None]
            if level == levels:
                found = cobra_graphs.Dense(model).eval()(*served, code, *given)
                torch.testing.assert_close(found, model.vector(hidden), atol=1e-5, rtol=1e-4)
            else:
                found, new = cobra_graphs.Step(model, level).eval()(*served, code, *given)
                expected = model.log_probs(hidden)[..., 1 + 3 * level : 4 + 3 * level]
                torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
                cache = torch.cat((*given, new), 2)


def test_cobra_beforeTraining_meansWhatSasrecDoes():
    """Where codes say nothing yet, the vector points where SASRec's user vector does."""
    rng = np.random.default_rng(3)
    known = features.Features(
        rng.normal(size=(30, 8)).astype(np.float32), *(rng.integers(-1, 4, 30) for _ in range(3))
    )
    start = sasrec.SASRec(known, sasrec.Shape()).eval()
    model = cobra.Cobra(cobra.Shape(), 2, 3, known, start).eval()
    with torch.no_grad():
        model.embed_tokens.weight.zero_()
        table = start.tower()
        items = torch.from_numpy(rng.integers(0, 30, (4, 6)))
        shown = cobra.shown(items, torch.zeros(30, 2, dtype=torch.long), table)
        user, *_ = model.read_history(model.positions(*shown), items >= 0)
        torch.testing.assert_close(user, start.hidden(items, table)[:, -1], atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(model.vectors(), torch.nn.functional.normalize(table, dim=-1))


def test_codesALevel_clustersHoldAboutADozen():
    assert [cobra.codes_a_level(items) for items in (9, 192, 193, 12101)] == [4, 4, 8, 32]

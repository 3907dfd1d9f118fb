"""The fused search equals a plain one over a trie of the legal items alone."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import table_models
from espalier_recipes import fused

SERVED = Path(__file__).parents[3] / "retrieval-server" / "src" / "test" / "resources" / "table-models"


def _reference(tables, history, legal, beam):
    """(score, lowest item, codes) best first; `legal` maps items to codes."""
    first = int(history.sum()) % 7
    under = {}
    for item, path in legal.items():
        for level in range(1, len(tables) + 1):
            prefix = path[:level]
            under[prefix] = min(under.get(prefix, item), item)
    beams = [(0.0, ())]
    for level, table in enumerate(tables):
        grown = []
        for score, prefix in beams:
            row = (first + sum((3 + at) * code for at, code in enumerate(prefix))) % 7
            for code in range(table.shape[1]):
                if (*prefix, code) in under:
                    grown.append((score + float(table[row, code]), (*prefix, code)))
        last = level == len(tables) - 1
        grown.sort(key=lambda beam: (-beam[0], under[beam[1]] if last else beam[1]))
        beams = grown[:beam]
    return [(score, under[path], path) for score, path in beams]


def _session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _read(found, row):
    lists = []
    for place, score in enumerate(found["scores"][row]):
        if np.isfinite(score):
            lists.append((float(score), int(found["item"][row, place]), tuple(found["codes"][row, place].tolist())))
        else:
            assert found["node"][row, place] == found["item"][row, place] == -1
    return lists


def _run(session, inputs):
    return dict(zip((port.name for port in session.get_outputs()), session.run(None, inputs)))


@pytest.mark.parametrize("levels", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("seed", range(3))
def test_fused_churnAndFilters_equalASearchOverTheLegalItems(levels, seed):
    rng = np.random.default_rng([levels, seed])
    size = int(rng.integers(2, 7))
    tables = table_models.tables(rng, levels, size)
    prefill, steps = table_models.model(tables)
    live = _session(fused.fuse(prefill, steps, live=True))
    plain = fused.fuse(prefill, steps, live=False)
    sessions = {"plain": _session(plain)}
    for _ in range(20):
        items, batch = int(rng.integers(1, 90)), int(rng.integers(1, 4))
        codes = rng.integers(0, size, (items, levels))
        trie = fused.trie(codes)
        beam = int(rng.integers(1, 30))
        history = rng.integers(0, 9, (batch, 2, levels))
        given = {"history": history, "beams": np.zeros((batch, beam), np.int64)}
        everything = {item: tuple(path) for item, path in enumerate(codes.tolist())}
        own = _session(fused.with_trie(plain, trie))
        for found in (_run(sessions["plain"], given | trie), _run(own, given)):
            for row in range(batch):
                assert _read(found, row) == _reference(tables, history[row], everything, beam)
        added, room = int(rng.integers(0, 9)), int(rng.integers(9, 12))
        expected, rows = [], []
        for row in range(batch):
            keep = rng.random() ** 2 if rng.random() < 0.7 else 0.05
            legal = rng.random(items) < keep
            # Some of what is added stood in the snapshot before, under other codes: lower indices come too.
            new_items = rng.permutation(np.concatenate((np.flatnonzero(~legal), items + np.arange(12))))[:added]
            new_codes = rng.integers(0, size, (len(new_items), levels))
            rows.append(fused.delta(new_codes, new_items, trie, room) | {"filter": fused.filter_words(legal[trie["item_at"]])})
            legal_now = {item: path for item, path in everything.items() if legal[item]}
            legal_now |= {int(item): tuple(path) for item, path in zip(new_items, new_codes.tolist())}
            expected.append(_reference(tables, history[row], legal_now, beam))
        stacked = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        found = _run(live, given | trie | stacked)
        for row in range(batch):
            assert _read(found, row) == expected[row]


def test_tableModels_thoseOfTheServersTests_areMadeHere(tmp_path):
    table_models.write(tmp_path)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.onnx"))
    assert made == sorted(path.relative_to(SERVED) for path in SERVED.rglob("*.onnx"))
    for path in made:
        assert (tmp_path / path).read_bytes() == (SERVED / path).read_bytes(), path

"""Item-to-item neighbours: what follows what, counted over training sequences."""

from __future__ import annotations

import numpy as np
from scipy import sparse


def count(sequences, items: int, reach: int = 5) -> sparse.csr_matrix:
    """[items, items]: how often the column comes within `reach` events after the row, or before.

    An event g steps away counts 1/g, and half of that when it comes before; a sequence counts less
    the longer it is.
    """
    rows, columns, weights = [], [], []
    for sequence in sequences:
        share = 1.0 / np.log2(2 + len(sequence))
        for gap in range(1, min(reach, len(sequence) - 1) + 1):
            before, after = sequence[:-gap], sequence[gap:]
            rows += [before, after]
            columns += [after, before]
            weights += [np.full(len(before), share / gap), np.full(len(before), 0.5 * share / gap)]
    if not rows:
        return sparse.csr_matrix((items, items))
    return sparse.coo_matrix(
        (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), (items, items)
    ).tocsr()


def similar(sequences, items: int, popularity: float = 0.3) -> sparse.csr_matrix:
    """Counts divided by the row's and the column's frequency to the power of `popularity`."""
    found = count(sequences, items)
    found.setdiag(0)
    found.eliminate_zeros()
    total = np.maximum(np.asarray(found.sum(1)).ravel(), 1e-9)
    left = sparse.diags(1.0 / total)
    frequency = np.maximum(np.asarray(found.sum(0)).ravel(), 1e-9)
    right = sparse.diags(frequency**-popularity)
    return (left @ found @ right).tocsr()


def best(similarity: sparse.csr_matrix, k: int) -> list[list[tuple[int, float]]]:
    """The k best neighbours of each item, best first, ties to the lower index."""
    lists = []
    for row in range(similarity.shape[0]):
        part = slice(similarity.indptr[row], similarity.indptr[row + 1])
        columns, values = similarity.indices[part], similarity.data[part]
        order = np.lexsort((columns, -values))[:k]
        lists.append([(int(columns[i]), float(values[i])) for i in order])
    return lists


def matrix(lists, items: int) -> sparse.csr_matrix:
    rows = [row for row, pairs in enumerate(lists) for _ in pairs]
    columns = [item for pairs in lists for item, _ in pairs]
    values = [value for pairs in lists for _, value in pairs]
    return sparse.csr_matrix((values, (rows, columns)), (items, items))


def score(neighbours: sparse.csr_matrix, histories, decay: float, last: int) -> sparse.csr_matrix:
    """[users, items]: Σ over the last events of decay^age · similarity."""
    rows, columns, weights = [], [], []
    for row, history in enumerate(histories):
        recent = np.asarray(history)[-last:][::-1]
        rows += [row] * len(recent)
        columns += list(recent)
        weights += list(decay ** np.arange(len(recent)))
    taken = sparse.csr_matrix((weights, (rows, columns)), (len(histories), neighbours.shape[0]))
    return (taken @ neighbours).tocsr()

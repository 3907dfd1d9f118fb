"""The part `assign` of a TIGER bundle: ids for items that it was not trained on (docs/bundles.md)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from . import assign, compact
from .bundle import Writer, reopened
from .data import Folder, Item, left_padded
from .export import Exported, Port
from .item_codes import LastCodes, Prefixes, willing
from .text_encoder import Encoded

_SEEN = 48  # histories over which the decoder's willingness is averaged
_EXAMPLES = 200


def held_out(folder: Folder, seed: int = 1) -> np.ndarray:
    """Items that `assign` never learns from: those that the decoder hardly saw as well (at most one training
    interaction), which a twentieth at most are, and a thirtieth of all."""
    rng = np.random.default_rng((seed, 11))
    counts = folder.split().counts()
    out = np.zeros(len(counts), bool)
    out[rng.permutation(len(counts))[: len(counts) // 30]] = True
    out[rng.permutation(np.flatnonzero(counts <= 1))[: len(counts) // 20]] = True
    return out


def add(writer: Writer, folder: Folder, codes: np.ndarray, size: int, work: Path, seconds: float, seed: int = 1) -> bool:
    """Trains and adds the part to a bundle whose decoder is exported; False when the items have no texts to learn."""
    texts, out = [item.text() for item in folder.items], held_out(folder, seed)
    if sum(bool(text) for text in texts) - int(out.sum()) < 2:
        return False
    model, tokenizer = assign.fit(texts, codes, size, out, work, seconds, folder.fingerprint, seed=seed)
    compact.round_weights(model, ("table.weight",))
    books = model.codebooks.detach().numpy()
    writer.array("codebooks", "codebooks.npy", books.reshape(-1, books.shape[-1]).astype(np.float16))
    tokenizer.no_truncation()
    tokenizer.save(str(writer.file("assign_tokenizer", "assign_tokenizer.json")))
    tokenizer.enable_truncation(assign.MAX_TOKENS)
    _export(writer, model, tokenizer)

    prefixes = Prefixes(codes)
    rng = np.random.default_rng((seed, 5))
    train = [sequence for sequence in folder.split().train if len(sequence)]
    seen = [train[row] for row in rng.permutation(len(train))[:_SEEN]]
    histories = left_padded(seen, writer.manifest["parameters"]["history"])
    listed = willing(writer.repository.root, writer.manifest, prefixes, histories)
    writer.lines(
        "last_codes",
        "last_codes.tsv",
        (f"{' '.join(map(str, prefix))}\t{' '.join(map(str, listed[prefix]))}" for prefix in prefixes.whole()),
    )
    writer.lines(
        "assign_held_out", "assign_held_out.tsv", (item.id for item, away in zip(folder.items, out) if away)
    )
    writer.examples("assign_parity", "assign_parity.jsonl.gz", _examples(model, tokenizer, prefixes, listed, rng))
    known = np.flatnonzero(out & np.array([bool(text) for text in texts]))
    own = codes[known, :-1]
    vectors = assign.vectors_of(model, Encoded(tokenizer, [texts[row] for row in known]), books.shape[-1]).numpy()
    given, _ = prefixes.nearest(vectors, books)
    for level in range(own.shape[1]):
        agreed = (given[:, : level + 1] == own[:, : level + 1]).all(1).mean() if len(known) else 0.0
        writer.manifest["metrics"][f"assign.held_out.level{level + 1}"] = round(float(agreed), 6)
    writer.parameters(assign={"max_tokens": assign.MAX_TOKENS, "unknown": assign.UNKNOWN})
    return True


def _export(writer: Writer, model: assign.Assigner, tokenizer) -> None:
    def example(*lengths: int) -> dict[str, torch.Tensor]:
        ids = torch.zeros(len(lengths), max(lengths), dtype=torch.int64)
        for row, length in enumerate(lengths):
            ids[row, :length] = torch.randint(1, tokenizer.get_vocab_size(), (length,))
        return {"input_ids": ids, "attention_mask": (ids > 0).to(torch.int64)}

    varying = {port: {1: "tokens"} for port in ("input_ids", "attention_mask")}
    compact.add_model(
        writer,
        "assign",
        model,
        example(5, 9, 2),
        Exported(
            [Port(name, torch.int64, (-1,)) for name in varying],
            [Port("vector", torch.float32, (model.codebooks.shape[-1],))],
            max_batch=256,
            preferred=(64, 256),
            warm=[{name: (24,) for name in varying}],
        ),
        varying=varying,
        checks=[example(1), example(assign.MAX_TOKENS, 3)],
        tables=("table.weight",),
    )


def _examples(model, tokenizer, prefixes: Prefixes, listed, rng) -> list[dict]:
    """Made-up items and the codes that they get, one after the other; none is near the border of another code.

    The words are the tokenizer's own in a random order: texts of real catalogues are not committed.
    """
    words = sorted(piece for piece in tokenizer.get_vocab() if piece.isalpha() and len(piece) > 2)
    if not words:
        return []

    def some(most: int) -> str:
        return " ".join(rng.choice(words, rng.integers(1, most + 1)))

    items = [
        {"title": some(12).upper(), "brand": some(2), "category": [some(2) for _ in range(rng.integers(0, 5))]}
        for _ in range(_EXAMPLES)
    ]
    for odd in ("Émile’s crème—50 ml…", "日本 の 茶", "x" * 300, "a-b/c_d (12.5%)", "  tabs\tand\u00a0spaces  "):
        items.append({"title": odd, "brand": some(1), "category": []})
    texts = [Item("", item["title"], item["brand"], tuple(item["category"])).text() for item in items]
    books = model.codebooks.detach().numpy()
    vectors = assign.vectors_of(model, Encoded(tokenizer, texts), books.shape[-1]).numpy()
    found, margin = prefixes.nearest(vectors, books)
    last = LastCodes(prefixes, listed, books)
    return [
        {
            **item,
            "tokens": tokenizer.encode(text).ids,
            "vector": [round(float(value), 5) for value in vector],
            "codes": [*prefix.tolist(), last.take(tuple(prefix.tolist()), vector)],
        }
        for item, text, vector, prefix, gap in zip(items, texts, vectors, found, margin)
        if gap > 1e-3
    ]


def add_to(root: Path, name: str, version: int, folder: Folder, seconds: float) -> str:
    """Adds the part to a bundle that is there, whose decoder stays as it is."""
    writer = reopened(root, name, version)
    if writer.manifest["data"]["fingerprint"] != folder.fingerprint:
        raise ValueError(f"{folder.path}: {folder.fingerprint} (expected: {writer.manifest['data']['fingerprint']}, of {name})")
    lines = (writer.draft / writer.manifest["files"]["semantic_ids"]).read_text("utf-8").splitlines()
    codes = np.array([line.split("\t")[1].split() for line in lines], dtype=np.int64)
    work = root / ".work" / name
    if not add(writer, folder, codes, writer.manifest["parameters"]["codes"], work, seconds):
        raise ValueError(f"{folder.path}: no texts (expected: items with a title, brand or category)")
    return writer.finish()

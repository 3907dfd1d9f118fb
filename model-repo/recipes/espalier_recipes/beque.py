"""BEQUE (WWW'24, 2311.03758): query rewrites that are aligned with what a simulated search makes of them.

A small seq2seq model stands where the paper has a 7 B language model. What it learns comes from the catalogue and
from lexicons, never from judged queries:

* words that people use, to words that titles use: each phrase of descriptions, attributes and titles, to the
  product phrase nearest in meaning, or with one word changed for its nearest title word;
* spelling: corruptions of the same phrases by a lexicon of real misspellings and by random edits, splits and joins;
* the query itself where it already finds what it means.

**Rejection sampling** keeps a rewrite y of a query x by three scores, each made with the text index and the
teacher's vectors (cosine, query against title):

* relevance(x, y) = mean cosine of x to the ten best products for y;
* increment(x, y) = relevant products among the hundred best for y that are not among the hundred best for x, per
  relevant product among x's own (at least one); relevant = cosine above the folder's `relevant` threshold;
* hitrate(x, y) = share of x's transacted products among the hundred best for y. Transactions are the purchases
  logged for x (training split); a folder without a log has none, and x's known items stand in: the twenty products
  nearest to x by the teacher. Judgments are never read.

**PRO** aligns the model with the reward r = relevance + ½·min(increment, 2)/2 + hitrate over its own beams (and an
endpoint's, where one is configured), best first:
`−Σ_k log [exp(π_k/T_k^k) / Σ_{i≥k} exp(π_i/T_k^i)]`, `T_k^i = 1/(r_k − r_i)`, `T_k^k = min_{i>k} T_k^i`,
π the mean token log-probability, plus an SFT term on the best.
"""

import hashlib
import random
import time
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from . import query_texts, seq2seq, trainer
from .text_index import analyze, top

RETRIEVED = 100
EXCHANGED = 0.73  # the least cosine of two words that are exchanged beside any others


@dataclass(frozen=True)
class Scores:
    """What a rewrite is worth."""

    relevance: float
    increment: float
    hitrate: float

    @property
    def reward(self) -> float:
        return self.relevance + 0.25 * min(self.increment, 2.0) + self.hitrate


def normalise(query: str) -> str:
    """The key of the rewrite table: NFKC, lower case, single blanks, no control characters."""
    folded = unicodedata.normalize("NFKC", query).lower()
    return " ".join("".join(c if c.isprintable() else " " for c in folded).split())


def adds(query: str, rewrite: str) -> bool:
    """Whether a rewrite has a term that the query has not: fewer of the same words find nothing new."""
    return not set(analyze(rewrite)).issubset(analyze(query))


class Simulator:
    """The simulated search: text retrieval, and the teacher's cosine between queries and titles."""

    def __init__(self, search, title_vectors: np.ndarray, embed, bought: dict[str, set[int]] | None = None):
        """`search`: query to the best item numbers; `embed`: texts to unit vectors; `bought`: items by query."""
        self.search = search
        self.titles = title_vectors
        self.embed = embed
        self.bought = bought or {}
        self.cosines: dict[str, np.ndarray] = {}
        self.lists: dict[str, list[int]] = {}
        sample = title_vectors[:: max(1, len(title_vectors) // 300)]
        # Relevant: nearer than nearly all pairs of products of this catalogue are to each other.
        self.relevant = float(np.quantile(sample @ sample.T, 0.9))

    def prepare(self, queries: list[str]) -> None:
        missing = [query for query in dict.fromkeys(queries) if query not in self.cosines]
        for start in range(0, len(missing), 256):
            part = missing[start : start + 256]
            for query, row in zip(part, self.embed(part) @ self.titles.T, strict=True):
                self.cosines[query] = row.astype(np.float16)

    def found(self, query: str) -> list[int]:
        if query not in self.lists:
            self.lists[query] = self.search(query)[:RETRIEVED]
        return self.lists[query]

    def known(self, query: str) -> set[int]:
        if query in self.bought:
            return self.bought[query]
        return {item for item, _ in top(self.cosines[query].astype(np.float32), 20, -1.0)}

    def score(self, query: str, rewrite: str) -> Scores:
        """The three scores; `prepare` must have seen the query."""
        cosine = self.cosines[query]
        own, new = self.found(query), self.found(rewrite)
        if not new:
            return Scores(0.0, 0.0, 0.0)
        relevance = float(cosine[new[:10]].astype(np.float32).mean())
        before = {item for item in own if cosine[item] > self.relevant}
        after = {item for item in new if cosine[item] > self.relevant}
        increment = len(after - before) / max(1, len(before))
        known = self.known(query)
        hitrate = len(known.intersection(new)) / max(1, len(known))
        return Scores(relevance, increment, hitrate)


class Noise:
    """Misspells, splits and joins words as people do."""

    def __init__(self, lexicon: list[tuple[str, str]], seed: int = 5):
        self.random = random.Random(seed)
        self.written = defaultdict(list)
        for written, meant in lexicon:
            self.written[meant].append(written)

    def word(self, word: str) -> str:
        if word in self.written and self.random.random() < 0.6:
            return self.random.choice(self.written[word])
        if len(word) < 4:
            return word
        place = self.random.randrange(1, len(word) - 1)
        kind = self.random.random()
        if kind < 0.3:
            return word[:place] + word[place + 1 :]
        if kind < 0.55:
            return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
        if kind < 0.75:
            return word[:place] + word[place] + word[place:]
        if kind < 0.9:
            return word[:place] + self.random.choice("abcdefghijklmnopqrstuvwxyz") + word[place + 1 :]
        return word

    def text(self, text: str) -> str:
        words = text.split()
        kind = self.random.random()
        if kind < 0.2:
            long = [i for i, word in enumerate(words) if len(word) >= 6 and word.isalpha()]
            if long:
                i = self.random.choice(long)
                place = self.random.randrange(3, len(words[i]) - 2)
                words[i] = words[i][:place] + " " + words[i][place:]
                return " ".join(words)
        if kind < 0.3 and len(words) > 1:
            i = self.random.randrange(len(words) - 1)
            return " ".join(words[:i] + [words[i] + words[i + 1]] + words[i + 2 :])
        i = self.random.randrange(len(words))
        words[i] = self.word(words[i])
        return " ".join(words)

    def apart(self, text: str) -> str:
        """One word of a text in two, where both parts are long enough to be taken for words."""
        words = text.split()
        long = [i for i, word in enumerate(words) if len(word) >= 6 and word.isalpha()]
        if long:
            i = self.random.choice(long)
            place = self.random.randrange(3, len(words[i]) - 2)
            words[i] = words[i][:place] + " " + words[i][place:]
        return " ".join(words)


def title_words(products) -> Counter:
    """In how many titles each word stands."""
    return Counter(word for product in products for word in set(query_texts.words(product.title)))


def neighbours(words: list[str], vectors: np.ndarray, frequency: Counter, least: float = 0.7, most: int = 2):
    """For each word the nearest words that titles use clearly more often: word to [(word, cosine)]."""
    common = [i for i, word in enumerate(words) if frequency[word] >= 5 and len(word) > 2]
    near = {}
    for start in range(0, len(words), 1024):
        cosine = vectors[start : start + 1024] @ vectors[common].T
        for row, place in enumerate(range(start, min(start + 1024, len(words)))):
            word, found = words[place], []
            for column in np.argsort(-cosine[row])[:8]:
                other = words[common[column]]
                if cosine[row, column] < least:
                    break
                if analyze(other) != analyze(word) and frequency[other] >= 3 * frequency[word] + 5:
                    found.append((other, float(cosine[row, column])))
            if found:
                near[word] = found[:most]
    return near


class Mine:
    """Other words for a query out of the catalogue: what the model learns from, and a source of candidates."""

    def __init__(self, products, kinds, kind_vectors, words, word_vectors, lexicon):
        self.frequency = title_words(products)
        self.kinds, self.kind_vectors = kinds, kind_vectors
        self.near = neighbours(words, word_vectors, self.frequency)
        self.meant = {w: m for w, m in lexicon if w not in self.frequency and self._known(m)}

    def _known(self, text: str) -> bool:
        return all(word in self.frequency for word in text.split())

    def options(self, query: str, vector: np.ndarray | None, most: int = 6) -> list[str]:
        """Spelling mended, words joined, one word changed; with a vector, the nearest product phrases."""
        words, own = query.split(), []
        if query in self.meant:
            own.append(self.meant[query])
        mended = [self.meant.get(word, word) for word in words]
        if mended != words:
            own.append(" ".join(mended))
        for place in range(len(words) - 1):
            joined = words[place] + words[place + 1]
            if self.frequency[joined] >= 3:
                own.append(" ".join(words[:place] + [joined] + words[place + 2 :]))
        for place, word in enumerate(words):
            for other, _ in self.near.get(word, ()):
                own.append(" ".join(words[:place] + [other] + words[place + 1 :]))
        if vector is not None:
            cosine = self.kind_vectors @ vector
            for column in np.argsort(-cosine)[:3]:
                if cosine[column] > 0.6:
                    own.append(self.kinds[column])
        return [text for text in dict.fromkeys(own) if adds(query, text)][:most]


def better(simulator: Simulator, query: str, options: list[str]) -> tuple[str, Scores] | None:
    """The option that rejection sampling keeps: as relevant as the query's own list, and it adds something."""
    own = simulator.score(query, query)
    best = None
    for option in options:
        scores = simulator.score(query, option)
        gains = scores.increment > 0.1 or scores.hitrate > own.hitrate
        if scores.relevance >= own.relevance - 0.02 and gains and scores.reward > own.reward + 0.02:
            if best is None or scores.reward > best[1].reward:
                best = (option, scores)
    return best


def typed_first(phrases, phrase_vectors, kinds, kind_vectors, titles: Counter, most: int) -> list[int]:
    """The phrases that look most like queries: they mean about what a product phrase means, and titles rarely say so.

    Single words come first: what is learnt of them holds beside other words.
    """
    nearest = np.concatenate(
        [(phrase_vectors[s : s + 2048] @ kind_vectors.T).max(1) for s in range(0, len(phrases), 2048)]
    )
    known = set(kinds)
    worth = []
    for row, phrase in enumerate(phrases):
        words = phrase.split()
        if not 2 < len(phrase) < 40 or phrase in known or not all(word.isalpha() for word in words):
            continue
        rare = 1.0 / (1.0 + titles[phrase] / 5.0)
        worth.append((nearest[row] + 0.2 * rare + (0.3 if len(words) == 1 else 0.0), row))
    worth.sort(key=lambda pair: (-pair[0], pair[1]))
    return [row for _, row in worth[:most]]


def pairs(products, phrases, phrase_vectors, mine: Mine, simulator, lexicon, logged=(), most: int = 4000,
          seconds: float = 300.0, seed: int = 3):
    """Training pairs (query, rewrite): mined and kept by rejection sampling; the query itself; the lexicon's."""
    rng = random.Random(seed)
    titles = Counter()
    for product in products:
        tokens = query_texts.words(product.title)
        for size in (1, 2, 3):
            for start in range(len(tokens) - size + 1):
                titles[" ".join(tokens[start : start + size])] += 1
    chosen = typed_first(phrases, phrase_vectors, mine.kinds, mine.kind_vectors, titles, most)
    # A changed word goes on meaning the same beside other words: pair it with words that stand beside others.
    brands = sorted({product.brand.lower() for product in products if product.brand})
    common = sorted(mine.frequency, key=lambda word: (-mine.frequency[word], word))[:2000]
    beside = [word for word in common if mine.frequency[word] >= 8 and word.isalpha() and len(word) > 2]
    mined, identity = [], []
    deadline = time.monotonic() + seconds
    for start in tqdm(range(0, len(chosen), 256), desc="rewrites", unit="batch"):
        rows = chosen[start : start + 256]
        simulator.prepare([phrases[row] for row in rows])
        for row in rows:
            query = phrases[row]
            kept = better(simulator, query, mine.options(query, phrase_vectors[row]))
            simulator.cosines.pop(query, None)
            simulator.lists.pop(query, None)
            if kept is None:
                identity.append((query, query))
                continue
            mined.append((query, kept[0]))
            if len(query.split()) == 1 and beside:
                for _ in range(10):
                    other = rng.choice(beside if rng.random() < 0.7 or not brands else brands)
                    mined.append((f"{other} {query}", f"{other} {kept[0]}"))
        if time.monotonic() > deadline:
            break
    identity += [(kind, kind) for kind in mine.kinds if titles[kind] >= 3]
    identity += [(phrase, phrase) for phrase in phrases if titles[phrase] >= 12]
    spelling = [(w, m) for w, m in lexicon if w != m and all(part in mine.frequency for part in m.split())]
    spelling += [pair for pair in logged if pair[0] != pair[1]]
    return mined, identity, spelling


def exchanges(mine: Mine, products) -> tuple[list[tuple[str, str]], list[str]]:
    """(word, what titles say for it) by meaning and by joining two words, and the words that stand beside others."""
    found = [(word, other) for word, near in mine.near.items() for other, cosine in near if cosine >= EXCHANGED]
    for word, count in mine.frequency.items():
        if count >= 3 and word.isalpha() and len(word) >= 6:
            for place in range(3, len(word) - 2):
                if mine.frequency[word[:place]] and mine.frequency[word[place:]]:
                    found.append((f"{word[:place]} {word[place:]}", word))
    common = sorted(mine.frequency, key=lambda word: (-mine.frequency[word], word))[:3000]
    beside = [word for word in common if word.isalpha() and len(word) > 2]
    return sorted(found), beside + sorted({product.brand.lower() for product in products if product.brand})


def train_model(tokenizer, mined, identity, spelling, exchanged, beside, work: Path, seconds: float,
                start: dict | None = None, epochs: int = 60, rows: int = 9600):
    """Supervised fine-tuning; every epoch draws new rows.

    A third are mined pairs and the lexicon's, a quarter exchanges of a word beside one or two others, the rest phrases
    of the catalogue misspelt, taken apart or as they are. Judged by exact match on pairs that were held out: misspellings
    and mined queries that no row has, greedily decoded. `start`: weights of another catalogue's model over the same tokens.
    """
    model = seq2seq.Seq2Seq(tokenizer.get_vocab_size())
    if start:
        model.load_state_dict(start)
    rng = random.Random(17)
    fixed = sorted(set(mined) | set(spelling))
    rng.shuffle(fixed)
    held = fixed[: min(300, len(fixed) // 10 + 1)]
    fixed = fixed[len(held) :] or held
    withheld = {query for query, _ in held}
    phrases = [phrase for phrase, _ in identity] or [rewrite for _, rewrite in fixed]
    lexicon = [pair for pair in spelling if pair[0] not in withheld]
    unseen = Noise(lexicon)  # misspells without the held-out misspellings

    def row(draw: random.Random) -> tuple[str, str]:
        kind = draw.random()
        if kind < 0.35:
            return draw.choice(fixed)
        if kind < 0.6 and exchanged:
            word, other = draw.choice(exchanged)
            first, last = (draw.choice(beside) if beside and draw.random() < 0.6 else "" for _ in range(2))
            if draw.random() < 0.5:
                last = ""
            return " ".join(f"{first} {word} {last}".split()), " ".join(f"{first} {other} {last}".split())
        phrase = draw.choice(phrases)
        if kind < 0.7:
            return unseen.apart(phrase), phrase
        return unseen.text(phrase) if kind < 0.92 else phrase, phrase

    def epoch(generator):
        draw = random.Random(int(generator.integers(1 << 30)))
        unseen.random = random.Random(draw.random())
        drawn = [pair for pair in (row(draw) for _ in range(rows)) if pair[0] not in withheld]
        sources = [encoding.ids for encoding in tokenizer.encode_batch([q for q, _ in drawn])]
        wanted = [encoding.ids for encoding in tokenizer.encode_batch([y for _, y in drawn])]
        order = sorted(range(len(drawn)), key=lambda i: (len(sources[i]), len(wanted[i])))
        batches = [[(sources[i], wanted[i]) for i in order[s : s + 96]] for s in range(0, len(order), 96)]
        draw.shuffle(batches)
        return batches

    def loss(net, batch):
        ids, mask = seq2seq.pad([source for source, _ in batch])
        target, _ = seq2seq.pad([wanted for _, wanted in batch])
        inputs = torch.cat([torch.full((len(batch), 1), seq2seq.START, dtype=torch.long), target[:, :-1]], 1)
        log_probs = net(ids, mask, inputs)
        return nn.functional.nll_loss(log_probs.flatten(0, 1), target.flatten(), ignore_index=seq2seq.PAD)

    def judge(net):
        outputs = seq2seq.beams(net, tokenizer, [q for q, _ in held], 1)
        right = sum(bool(out) and out[0][0] == wanted for out, (_, wanted) in zip(outputs, held, strict=True))
        return {"exact": right / max(1, len(held))}

    settings = trainer.Settings(
        epochs=epochs, learning_rate=2e-3, average=0.99, patience=8, weight_decay=0.01, judge_every=2
    )
    digest = hashlib.sha256(repr((mined, len(identity), spelling, exchanged, beside)).encode()).hexdigest()
    figures = trainer.train("beque-sft", model, epoch, loss, judge, settings, work, seconds, digest, metric="exact")
    return model, figures


def pro_loss(pi: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
    """The paper's PRO loss of one query: `pi` and `rewards` [n], rewards falling."""
    total = pi.new_zeros(())
    for k in range(len(pi) - 1):
        inverse = (rewards[k] - rewards[k + 1 :]).clamp(min=1e-3)  # 1 / T_k^i
        scaled = torch.cat([(pi[k] * inverse.max()).unsqueeze(0), pi[k + 1 :] * inverse])
        total = total - torch.log_softmax(scaled, 0)[0]
    return total / max(1, len(pi) - 1)


def align(model, tokenizer, queries, simulator: Simulator, work: Path, seconds: float, writer=None, epochs: int = 2,
          scale: float = 8.0):
    """Preference alignment over the model's own beams (and a writer's texts)."""
    model.eval()
    ranked = []
    outputs = seq2seq.beams(model, tokenizer, queries, 5)
    for start in tqdm(range(0, len(queries), 128), desc="preferences", unit="batch"):
        part = queries[start : start + 128]
        simulator.prepare(part)
        for query, found in zip(part, outputs[start : start + 128], strict=True):
            texts = [text for text, _ in found] + (writer(query) if writer else [])
            options = {}
            for text in dict.fromkeys(texts):
                options[text] = simulator.score(query, text).reward
            order = sorted(options, key=lambda text: -options[text])
            if len(order) >= 2 and options[order[0]] - options[order[-1]] > 0.02:
                ranked.append((query, order, [options[text] for text in order]))
            simulator.cosines.pop(query, None)
            simulator.lists.pop(query, None)
    if not ranked:
        return {"reward": 0.0}
    held = ranked[: max(1, min(150, len(ranked) // 8))]
    used = ranked[len(held) :] or ranked

    def epoch(generator):
        order = generator.permutation(len(used))
        return [order[s : s + 16] for s in range(0, len(order), 16)]

    def loss(net, batch):
        rows = [used[i] for i in batch]
        sources, targets = [], []
        for query, order, _ in rows:
            source = tokenizer.encode(query).ids
            for text in order:
                sources.append(source)
                targets.append(tokenizer.encode(text).ids)
        ids, mask = seq2seq.pad(sources)
        target, _ = seq2seq.pad(targets)
        pi = seq2seq.mean_log_probs(net, ids, mask, target)
        total, place = pi.new_zeros(()), 0
        for _, order, rewards in rows:
            own = pi[place : place + len(order)]
            total = total + pro_loss(own, scale * torch.tensor(rewards)) - own[0]
            place += len(order)
        return total / len(rows)

    def judge(net):
        outputs = seq2seq.beams(net, tokenizer, [query for query, _, _ in held], 1)
        rewards = []
        simulator.prepare([query for query, _, _ in held])
        for (query, _, _), found in zip(held, outputs, strict=True):
            rewards.append(simulator.score(query, found[0][0]).reward if found else 0.0)
        return {"reward": float(np.mean(rewards))}

    before = judge(model)["reward"]
    unaligned = {name: value.clone() for name, value in model.state_dict().items()}
    settings = trainer.Settings(epochs=epochs, learning_rate=2e-4, warmup=20, average=0.98, patience=2)
    digest = hashlib.sha256(repr(ranked).encode()).hexdigest()
    figures = trainer.train("beque-pro", model, epoch, loss, judge, settings, work, seconds, digest, metric="reward")
    if figures.get("reward", before) < before:
        model.load_state_dict(unaligned)
        figures = {**figures, "kept": 0.0}
    return {"reward_before": before, **figures}


@dataclass(frozen=True)
class Rewrite:
    """A row of the table."""

    query: str
    text: str
    scores: Scores


def table(model, tokenizer, queries: list[str], simulator: Simulator, most: int = 3, writers=(), width: int = 8,
          meaning: float = 0.5, least: float = -1e9, beamed: int | None = None, keep_own: bool = False) -> list[Rewrite]:
    """The rewrites of each query that rejection sampling keeps, best first; candidates from the beams and `writers`.

    Only the first `beamed` queries ask the model, whose rewrites below the log-probability `least` are left out. With `keep_own` a query for which nothing was better has itself as
    its row: the table then knows it, and a server need not ask the model for it.
    """
    keys = list(dict.fromkeys(normalise(query) for query in queries if normalise(query)))
    rows = []
    asked = keys if beamed is None else keys[:beamed]
    outputs = dict(zip(asked, seq2seq.beams(model, tokenizer, asked, width), strict=True))
    for start in tqdm(range(0, len(keys), 256), desc="rewrite table", unit="batch"):
        part = keys[start : start + 256]
        simulator.prepare(part)
        texts = {query: [text for text, score in outputs.get(query, []) if score >= least] for query in part}
        for writer in writers:
            for query in part:
                texts[query] += writer(query)
        texts = {
            query: [text for text in dict.fromkeys(map(normalise, own)) if adds(query, text)]
            for query, own in texts.items()
        }
        wanted = sorted({text for own in texts.values() for text in own} | {query for query in part if texts[query]})
        vectors = dict(zip(wanted, simulator.embed(wanted), strict=True)) if wanted else {}
        for query in part:
            own = simulator.score(query, query)
            kept = []
            for text in texts[query]:
                if float(vectors[query] @ vectors[text]) < meaning:
                    continue
                scores = simulator.score(query, text)
                gains = scores.increment > 0.1 or scores.hitrate > own.hitrate
                if scores.relevance >= own.relevance - 0.03 and gains:
                    kept.append(Rewrite(query, text, scores))
            kept.sort(key=lambda rewrite: -rewrite.scores.reward)
            if not kept and keep_own:
                kept = [Rewrite(query, query, own)]
            rows.extend(kept[:most])
            simulator.cosines.pop(query, None)
            if keep_own:
                simulator.lists.clear()
    return rows


def table_lines(rows: list[Rewrite]) -> list[str]:
    return [
        f"{row.query}\t{row.text}\t{row.scores.relevance:.4f}\t{row.scores.increment:.4f}\t{row.scores.hitrate:.4f}"
        for row in rows
    ]

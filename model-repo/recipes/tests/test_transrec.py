"""TransRec's corpus, offline search and grounding; the command on a tiny made-up folder."""

import gzip
import json

import numpy as np
import pytest
import torch
import yaml

from espalier_recipes import grounding, transrec, transrec_search
from espalier_recipes.__main__ import main
from espalier_recipes.transrec_corpus import ATTRIBUTE, END, ID, TITLE, Corpus, Vocabulary
from test_feed import write_folder


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def corpus_of(rng, items=12):
    vocabulary = Vocabulary(levels=2, codes=4, texts=5)
    ids = np.array([[5 + item // 4, 9 + item % 4] for item in range(items)])

    def texts(most):
        return [vocabulary.first_text + rng.integers(0, 5, rng.integers(0, most)) for _ in range(items)]

    return Corpus(vocabulary, ids, texts(4), texts(8))


def test_suffix_array_random_texts_equals_sorted_suffixes():
    rng = np.random.default_rng(1)
    for _ in range(500):
        text = rng.integers(0, rng.integers(1, 6), rng.integers(1, 40))
        expected = sorted(range(len(text)), key=lambda at: text[at:].tolist())
        assert transrec_search.suffix_array(text).tolist() == expected


def test_document_names_its_facets():
    corpus = corpus_of(np.random.default_rng(1))
    document = corpus.document(6).tolist()
    assert document[:3] == [ID, 6, 11] and document[3] == ATTRIBUTE and TITLE in document
    text, owner = corpus.text()
    assert (text == END).sum() == 13 and (owner >= 0).sum() == sum(len(corpus.document(i)) for i in range(12))


def test_weight_is_that_of_the_served_formula():
    def weight(facet, log_prob, count, size, gamma, bias=0.0):
        settings = grounding.Settings(gamma=gamma, biases=(bias, bias, bias))
        return grounding.weight(facet, log_prob, count, size, settings)

    assert weight(2, -2.5, 3, 1000, 2) == pytest.approx(5.812726733003045)
    assert weight(0, -2.5, 3, 1000, 3, bias=12) == pytest.approx(78.62191795311071)
    assert weight(1, -4, 300, 308533, 3, bias=5) == pytest.approx(1324.8833913842493)
    assert weight(2, -7, 3, 1000, 2) == 0 and weight(2, -2, 0, 1000, 2) == 0


def test_score_counts_what_does_not_overlap_and_is_new():
    weights = {(7, 8): 10.0, (8, 9): 5.0}
    assert grounding.score([7, 8, 9], weights, 0.8) == 10
    assert grounding.score([7, 8, 1, 8, 9], weights, 0.8) == pytest.approx(13)


def test_search_wide_beams_find_every_ngram_and_where_it_is():
    rng = np.random.default_rng(2)
    for _ in range(20):
        corpus = corpus_of(rng)
        index = transrec_search.Index(corpus)
        model = transrec.TransRec(transrec.Shape(8, 8), corpus.vocabulary.size, 3).eval()
        seen = set(rng.integers(0, 12, 3).tolist())
        (found,) = transrec_search.ngrams(model, index, torch.randn(1, 3), [list(seen)], beam=10_000)
        for facet, ngrams in zip(corpus.vocabulary.facets(), found):
            expected = {}
            for item in range(12):
                document = corpus.document(item).tolist()
                for start in range(len(document)):
                    for end in range(start + 1, min(len(document), start + facet.most) + 1):
                        body = document[start:end]
                        if facet.written:
                            if body[0] != facet.start or body[-1] != facet.end or len(body) < 3:
                                continue
                            body = body[1:-1]
                        if all(facet.low <= token < facet.high for token in body):
                            expected.setdefault(tuple(document[start:end]), []).append(item)
            legal = {ngram: items for ngram, items in expected.items() if set(items) - seen}
            assert {tokens for tokens, _, _ in ngrams} == set(legal)
            for tokens, _, (low, high) in ngrams:
                assert sorted(index.owners(low, high).tolist()) == legal[tokens]
                most, others = int(rng.integers(1, 5)), set(rng.integers(0, 12, rng.integers(0, 4)).tolist())
                by_row = sorted(index.order[low:high].tolist(), key=lambda at: index.row[at + len(tokens) - 1])
                left = [int(index.owner[at]) for at in by_row if int(index.owner[at]) not in others]
                assert index.places(low, high, len(tokens), most, others) == set(left[:most])


def test_command_writes_a_bundle_beside_e4srec(tmp_path):
    source, out = write_folder(tmp_path / "Data"), tmp_path / "out"
    common = ["--data", str(source), "--out", str(out), "--text", "lexical", "--threads", "1"]
    assert main(["train", *common, "--epochs", "0.02", "--max-time", "40s"]) == 0
    assert main(["transrec", *common, "--epochs", "0.1", "--max-time", "10s"]) == 0
    folder = out / "bundles" / "data-transrec" / "1"
    manifest = yaml.safe_load((folder / "bundle.yaml").read_text())
    assert manifest["models"] == {"step": "data-transrec-step", "prefill": "data-e4srec-user"}
    with gzip.open(folder / "parity_texts.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    assert rows
    for row in rows:
        assert not set(row["items"]) & set(row["history"])
        assert row["scores"] == sorted(row["scores"], reverse=True)

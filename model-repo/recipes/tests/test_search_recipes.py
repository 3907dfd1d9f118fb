"""The search recipes on a shop of a hundred products that is made here."""

import json
import random

import numpy as np
import pytest
import torch
from espalier_recipes import agent4ranking, beque, catalogue, compact, endpoint, product_types, search_ranker, search_route, seq2seq, text_encoder
from espalier_recipes.catalogue import Product
from espalier_recipes.text_index import TextIndex, TextSearch

torch.set_num_threads(1)

KINDS = ["phone", "phone case", "notebook", "notebook bag", "desk lamp", "lamp bulb"]


def shop(seed: int = 1) -> list[Product]:
    draw = random.Random(seed)
    found = []
    for number in range(120):
        kind = KINDS[number % len(KINDS)]
        brand = draw.choice(["Acme", "Borealis", "Corvo"])
        colour = draw.choice(["Red", "Black", "White"])
        made_for = f" for Acme X{number}" if kind in ("phone case", "notebook bag") else ""
        found.append(
            Product(
                str(number),
                f"{brand} X{number} {kind}{made_for} {colour}",
                brand,
                description=f"A {colour.lower()} {'laptop' if kind == 'notebook' else kind}",
                attributes={"colour": colour},
            )
        )
    return found


def hashed(texts: list[str]) -> np.ndarray:
    """Unit vectors by hashed words: enough meaning for tests."""
    vectors = np.zeros((len(texts), 64), np.float32)
    for row, text in enumerate(texts):
        for word in text.lower().split():
            vectors[row] += np.random.default_rng(search_route.term_hash(word) & 0xFFFFFFFF).normal(size=64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


def test_types_titles_accessoriesApart():
    products = shop()
    types = product_types.learn(products, hashed([p.title for p in products]), hashed)
    named = [types.names[t] for t in types.of]
    phone, case = named[0], named[1]
    assert phone != case
    assert "case" in case
    assert types.accessory[1] == 1
    assert types.accessory[0] == 0


def test_types_categories_areTheTypes():
    products = [Product(str(i), f"Thing {i}", category=f"Home > {'Lamps' if i % 2 else 'Sofas'} > K{i % 4}") for i in range(40)]
    types = product_types.learn(products, hashed([p.title for p in products]), hashed)
    assert types.names == ["k0", "k1", "k2", "k3"]


def test_types_nothingShared_oneType():
    products = [Product(str(i), "".join(chr(97 + (i * k) % 26) for k in (3, 5, 7))) for i in range(10)]
    types = product_types.learn(products, hashed([p.title for p in products]), hashed)
    assert len(types.of) == 10


def test_normalise_blanksAndCase():
    assert beque.normalise("  Red\tLAMP \u200b") == "red lamp"


def test_termHash_fnv1a():
    assert search_route.term_hash("") == 0x811C9DC5 - (1 << 32)
    assert search_route.term_hash("a") == 0xE40C292C - (1 << 32)


def simulator(products):
    index = TextIndex(products)

    def found(query):
        return [item for item, _ in index.search(query, TextSearch(), 100)]

    return beque.Simulator(found, hashed([p.title for p in products]), hashed)


def test_scores_rewriteFindsMore_incrementPositive():
    products = shop()
    sim = simulator(products)
    sim.bought = {"fone": {0, 6}}
    sim.prepare(["fone", "phone"])
    assert sim.score("fone", "fone") == beque.Scores(0.0, 0.0, 0.0)
    scores = sim.score("fone", "phone")
    assert scores.hitrate == 1.0
    assert sim.score("phone", "phone").increment == 0.0


def test_proLoss_orderAgrees_isSmaller():
    rewards = torch.tensor([3.0, 2.0, 1.0])
    agree = beque.pro_loss(torch.tensor([-0.1, -1.0, -3.0]), rewards)
    against = beque.pro_loss(torch.tensor([-3.0, -1.0, -0.1]), rewards)
    assert 0 < agree < against


def test_proLoss_twoCandidates_asThePaper():
    pi, rewards = torch.tensor([-1.0, -2.0]), torch.tensor([2.0, 1.5])
    temperature = 1 / 0.5
    expected = -torch.log(torch.exp(pi[0] / temperature) / (torch.exp(pi / temperature)).sum())
    assert beque.pro_loss(pi, rewards).item() == pytest.approx(expected.item(), rel=1e-5)


def test_noise_lexiconWord_isMisspelt():
    noise = beque.Noise([("lapm", "lamp")], seed=2)
    assert "lapm" in {noise.word("lamp") for _ in range(50)}


def test_seq2seq_fewSteps_lossFallsAndBeamsAreSorted(tmp_path):
    phrases = [f"{colour} {kind}" for colour in ("red", "black", "white") for kind in KINDS]
    mined = [(phrase.replace("notebook", "laptop"), phrase) for phrase in phrases if "notebook" in phrase]
    tokenizer = seq2seq.train_tokenizer(phrases + [q for q, _ in mined], 200)
    torch.manual_seed(1)
    model, figures = beque.train_model(tokenizer, mined, [], [], [("laptop", "notebook")], ["red"], tmp_path, 60.0, epochs=2, rows=200)
    assert figures["loss"] < 5.0
    found = seq2seq.beams(model, tokenizer, ["red laptop", "lamp"], 3)
    assert len(found) == 2
    for own in found:
        assert len(own) <= 3
        assert own == sorted(own, key=lambda pair: -pair[1])
        assert len({text for text, _ in own}) == len(own)


def test_roundWeights_tables_lossless():
    module = torch.nn.Embedding(100, 32)
    compact.round_weights(module, ("weight",))
    before = module.weight.detach().clone()
    compact.round_weights(module, ("weight",))
    torch.testing.assert_close(module.weight, before, rtol=1e-6, atol=1e-7)


def route(products, rewrites):
    types = len(KINDS)
    of = np.arange(len(products)) % types
    accessory = np.isin(of, [1, 3]).astype(int)
    titles = hashed([p.title for p in products])

    def type_log_probs(queries):
        found = np.full((len(queries), types), -8.0)
        for row, query in enumerate(queries):
            found[row, {"phone": 0, "handset": 0, "phone case": 1}.get(query, 4)] = -0.01
        return found

    return search_route.SearchRoute(
        TextIndex(products), TextSearch(), titles, hashed, type_log_probs, of, accessory,
        search_route.item_terms(products, "english"), search_route.item_terms(products, "english", ("title",)), rewrites,
    )


def features_by_item(query, rewrites):
    found = route(shop(), rewrites).candidates([query])[0]
    assert np.abs(found.features).max() <= 1.0
    return dict(zip(found.items.tolist(), found.features, strict=True))


def test_candidates_everyWordAnswered_meaningCountsNothing():
    by_item = features_by_item("phone", {"phone": [("phone case", 0.5)]})
    assert by_item[0][[1, 2, 3, 5]].tolist() == [0.0, 0.0, 1.0, 0.0]
    assert by_item[1][[1, 2, 3, 5]].tolist() == [0.0, 0.0, 1.0, 0.0]
    assert by_item[0][4] == 0.0
    assert by_item[1][4] < -0.9
    assert max(row[0] for row in by_item.values()) == 1.0


def test_candidates_noWordAnswered_typeAndRewriteCount():
    by_item = features_by_item("handset", {"handset": [("notebook bag", 0.5), ("acme phone", 0.5)]})
    whole = [item for item in by_item if "Acme" in shop()[item].title and "phone" in shop()[item].title]
    assert whole
    assert {by_item[item][5] for item in whole} == {1.0}
    assert by_item[0][2] == 1.0
    assert by_item[1][2] == 0.0
    assert by_item[0][3] == 0.0
    assert by_item[0][6] == 0.0


def test_candidates_wordInTitle_titleCounts():
    by_item = features_by_item("phone", {})
    assert {row[6] for item, row in by_item.items() if "phone" in shop()[item].title.lower()} == {1.0}


def test_candidates_emptyQuery_denseOnly():
    found = route(shop(), {}).candidates(["zzz"])[0]
    assert found.features[:, 0].max() == 0.0
    assert found.features[:, 3].max() == 0.0


def test_rewritesOf_tableFirstThenModelThenPersonas():
    table = [beque.Rewrite("a", "b", beque.Scores(1, 1, 1))]
    personas = [agent4ranking.PersonaRewrite("a", "student", "c", 1.0, 1.0)]
    found = search_route.rewrites_of(["A ", "x"], table, personas, lambda q: [("y", -1.0), ("x", -2.0)])
    assert found == {"A ": [("b", 0.5), ("c", 0.3)], "x": [("y", 0.5)]}


def test_personas_noProposalPasses_keepsQuery():
    rows = agent4ranking.table(["red lamp"], lambda q, p, a: "blue zebra", lambda q: [1, 2] if "lamp" in q else [3], hashed)
    assert [row.text for row in rows] == ["red lamp"] * 4
    assert [row.persona for row in rows] == list(agent4ranking.PERSONAS)


def test_personas_thirdProposalPasses_isTaken():
    def write(query, persona, attempt):
        return ["blue zebra", "green horse", "lamp red"][attempt] if attempt < 3 else None

    rows = agent4ranking.table(["red lamp"], write, lambda q: [1, 2] if "lamp" in q else [3], hashed)
    assert {row.text for row in rows} == {"lamp red"}
    assert rows[0].overlap == 1.0


def test_endpoint_unknownApi_names():
    with pytest.raises(ValueError, match="expected: chat or completions"):
        endpoint.Endpoint("http://x", "m", api="soap")


def test_readProducts_partsMissing_areEmpty(tmp_path):
    rows = [{"id": 7}, {"asin": "b", "title": "Lamp &amp; bulb<br/>", "category": ["Home", "Light"], "attributes": {"w": 4}}]
    (tmp_path / "products.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    products = catalogue.read_products(tmp_path)
    assert products[0] == Product("7")
    assert products[1].title == "Lamp & bulb"
    assert products[1].category == "Home > Light"
    assert products[1].field("attributes") == "w 4"


def test_readProducts_noId_namesTheLine(tmp_path):
    (tmp_path / "products.jsonl").write_text('{"title": "x"}\n')
    with pytest.raises(ValueError, match=r"products.jsonl:1: no id"):
        catalogue.read_products(tmp_path)


def test_readLexicon_bothFormats(tmp_path):
    (tmp_path / "a").write_text("lapm->lamp\naache->cache, ache,\n")
    (tmp_path / "b").write_text("sofa\tcouch\n")
    assert catalogue.read_lexicon(tmp_path / "a") == [("lapm", "lamp"), ("aache", "cache")]
    assert catalogue.read_lexicon(tmp_path / "b") == [("sofa", "couch")]


def test_queryTypes_kindsDecide_logProbabilities():
    products = shop()
    types = product_types.learn(products, hashed([p.title for p in products]), hashed)
    torch.manual_seed(3)
    encoder = text_encoder.TextEncoder(200, hidden=24, heads=2, inner=32)
    kinds = search_ranker.kinds_of(types)
    assert {type_ for _, type_, _ in kinds} == set(range(len(types.names)))
    ids = torch.arange(10).view(2, 5)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    vectors = encoder(ids, mask).detach().numpy()
    model = search_ranker.build(types, encoder, lambda texts: np.tile(vectors[:1], (len(texts), 1)))
    found = model(ids, mask)
    assert found.shape == (2, len(types.names))
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(2))


def test_adds_onlyNewTerms():
    assert beque.adds("gaming laptop", "gaming notebook")
    assert not beque.adds("camera bags", "bag")


def test_mine_joinedAndMendedWords_areOptions():
    products = [Product(str(i), "Wireless headset black") for i in range(6)]
    words = ["wireless", "headset", "black"]
    mine = beque.Mine(products, ["headset"], hashed(["headset"]), words, hashed(words), [("hedset", "headset")])
    assert "headset" in mine.options("head set", hashed(["head set"])[0])
    assert "wireless headset" in mine.options("wireless hedset", hashed(["wireless hedset"])[0])

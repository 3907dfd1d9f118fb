"""The whole feed recipe on tiny made-up folders."""

import gzip
import json
import re

import numpy as np
import onnxruntime
import pytest
import torch
import yaml

from espalier_recipes import data, e4srec, features, heterrec, metrics, sasrec, softmax
from espalier_recipes import tiger, tiger_graphs, tokenizer
from espalier_recipes.__main__ import main


def write_folder(path, items=60, users=80, described=True, seed=1):
    rng = np.random.default_rng(seed)
    path.mkdir(parents=True)
    with (path / "items.jsonl").open("w") as out:
        for item in range(items):
            line = {"id": f"i{item}"}
            if described:
                line |= {"title": f"red thing {item % 7}", "brand": f"b{item % 5}"}
                line |= {"category": ["All", f"c{item % 3}"]} if item % 4 else {}
            out.write(json.dumps(line) + "\n")
    with (path / "sequences.tsv").open("w") as out:
        for user in range(users):
            length = [1, 2, 3, 4, 6, 9, 30][user % 7]
            start = rng.integers(0, items)
            steps = (start + np.cumsum(rng.integers(1, 3, length))) % items
            out.write(f"u{user}\t{' '.join(map(str, steps))}\n")
    return path


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("feed")
    source = write_folder(root / "My Data")
    out = root / "out"
    arguments = ["train", "--data", str(source), "--out", str(out), "--epochs", "0.05"]
    arguments += ["--text", "lexical", "--threads", "1"]
    assert main([*arguments, "--max-time", "60s"]) == 0
    return source, out, arguments


def test_train_writes_every_bundle_with_right_checksums(trained):
    from espalier_recipes.bundle import sha256

    _, out, _ = trained
    names = {path.name for path in (out / "bundles").iterdir()}
    systems = ("tiger", "cobra", "e4srec", "heterrec", "popularity", "neighbours", "fusion")
    assert names == {f"my-data-{system}" for system in systems}
    for name in names:
        folder = out / "bundles" / name / "1"
        manifest = yaml.safe_load((folder / "bundle.yaml").read_text())
        assert manifest["name"] == name
        for file, sum_ in manifest.get("checksums", {}).items():
            base = out if file.startswith("models/") else folder
            assert sha256(base / file) == sum_
        assert set(manifest.get("files", {}).values()) <= set(manifest.get("checksums", {}))
    route = yaml.safe_load((out / "routes" / "my-data-feed.yaml").read_text())
    assert route["ranking"]["bundle"] == "my-data-fusion@1"


def test_train_tigerBundle_codesNewItemsByTheirText(trained):
    from espalier_recipes import item_codes

    _, out, _ = trained
    folder = out / "bundles" / "my-data-tiger" / "1"
    manifest = yaml.safe_load((folder / "bundle.yaml").read_text())
    lines = (folder / "semantic_ids.tsv").read_text().splitlines()
    codes = np.array([line.split("\t")[1].split() for line in lines], dtype=np.int64)
    prefixes = item_codes.Prefixes(codes)
    books = np.load(folder / "codebooks.npy").astype(np.float32)
    books = books.reshape(manifest["parameters"]["levels"], manifest["parameters"]["codes"], -1)
    listed = [line.split("\t") for line in (folder / "last_codes.tsv").read_text().splitlines()]

    assert [tuple(map(int, prefix.split())) for prefix, _ in listed] == prefixes.whole()
    taken = {tuple(row) for row in codes.tolist()}
    for prefix, last in listed:
        for code in last.split():
            assert (*map(int, prefix.split()), int(code)) not in taken
    rows = [json.loads(line) for line in gzip.open(folder / "assign_parity.jsonl.gz")]
    assert rows
    last_codes = item_codes.LastCodes(
        prefixes, {tuple(map(int, p.split())): [int(c) for c in last.split()] for p, last in listed}, books
    )
    for row in rows:
        vector = np.array(row["vector"], dtype=np.float32)
        prefix = tuple(prefixes.nearest(vector[None], books)[0][0].tolist())
        assert [*prefix, last_codes.take(prefix, vector)] == row["codes"]
        assert prefix in prefixes.children


def test_lastCodes_itemsOfOnePrefix_shareOnlyWhenNoneIsFree():
    from espalier_recipes.item_codes import LastCodes, Prefixes

    rng = np.random.default_rng(3)
    for _ in range(300):
        codes = np.unique(rng.integers(0, 4, (6, 3)), axis=0)
        prefixes, books = Prefixes(codes), rng.normal(size=(3, 4, 2)).astype(np.float32)
        last, given = LastCodes(prefixes, {}, books), {tuple(row) for row in codes.tolist()}
        for vector in rng.normal(size=(12, 2)):
            prefix = tuple(prefixes.nearest(vector[None], books)[0][0].tolist())
            code = (*prefix, last.take(prefix, vector))
            if code in given:
                assert all((*prefix, other) in given for other in range(4))
            given.add(code)


def test_rerun_goes_on_from_checkpoints_and_changes_nothing(trained):
    _, out, arguments = trained
    model = out / "models" / "my-data-e4srec-user" / "1" / "model.onnx"
    parity = out / "bundles" / "my-data-tiger" / "1" / "parity.jsonl.gz"
    before = parity.read_bytes()
    epoch = torch.load(out / ".work" / "tiger" / "last.pt", weights_only=False)["state"]["epoch"]
    assert main([*arguments, "--max-time", "60s"]) == 0
    after = torch.load(out / ".work" / "tiger" / "last.pt", weights_only=False)["state"]["epoch"]
    assert after == epoch
    assert parity.read_bytes() == before
    assert model.exists()


def test_tiger_onnx_decode_equals_hugging_face_scores(trained):
    """Sum of Llama's full-vocabulary log-softmax along each served item's codes is its score."""
    from transformers import LlamaForCausalLM

    _, out, _ = trained
    folder = out / "bundles" / "my-data-tiger" / "1"
    manifest = yaml.safe_load((folder / "bundle.yaml").read_text())
    parameters = manifest["parameters"]
    model = LlamaForCausalLM.from_pretrained(folder).eval()
    codes = np.array(
        [
            list(map(int, line.split("\t")[1].split()))
            for line in (folder / "semantic_ids.tsv").read_text().splitlines()
        ]
    )
    offsets = torch.tensor(parameters["level_offsets"])
    embed = model.get_input_embeddings().weight
    rows = [json.loads(line) for line in gzip.open(folder / "parity.jsonl.gz")][:5]
    for row in rows:
        history = torch.from_numpy(codes[row["history"][-parameters["history"] :]])
        for item, score in list(zip(row["items"], row["scores"]))[:3]:
            own = torch.from_numpy(codes[item]) + offsets
            x = embed[history + offsets].sum(1) + embed[parameters["history_token"]]
            x = torch.cat((x, embed[own[:-1]]))[None]
            with torch.no_grad():
                log_probs = torch.log_softmax(model(inputs_embeds=x).logits[0], -1)
            total = log_probs[-len(own) :].gather(1, own[:, None]).sum()
            assert float(total) == pytest.approx(score, abs=1e-4)
        assert not set(row["items"]) & set(row["history"])


@pytest.mark.parametrize("described", [True, False])
def test_train_survives_little_data(tmp_path, described):
    source = write_folder(tmp_path / "small", items=9, users=4, described=described)
    out = tmp_path / "out"
    arguments = ["--epochs", "0.02", "--max-time", "30s", "--name", "x", "--text", "lexical"]
    assert main(["train", "--data", str(source), "--out", str(out), *arguments]) == 0
    for model in (out / "models").iterdir():  # as a server warms them
        session = onnxruntime.InferenceSession(model / "1" / "model.onnx")
        zeros = {
            port.name: np.zeros(
                [1 if isinstance(size, str) else size for size in port.shape],
                np.int64 if port.type == "tensor(int64)" else np.float32,
            )
            for port in session.get_inputs()
        }
        session.run(None, zeros)


def test_train_folderWithoutSequences_saysWhatIsMissing(tmp_path, capsys):
    (tmp_path / "items.jsonl").write_text('{"id": "a"}\n')
    assert main(["train", "--data", str(tmp_path), "--out", str(tmp_path / "o")]) == 2
    assert "sequences.tsv" in capsys.readouterr().err


def test_load_itemOutOfRange_namesLine(tmp_path):
    (tmp_path / "items.jsonl").write_text('{"id": "a"}\n')
    (tmp_path / "sequences.tsv").write_text("u\t0 3\n")
    with pytest.raises(ValueError, match=r"sequences.tsv:1: item 3 \(expected: 0..0\)"):
        data.load(tmp_path)


@pytest.mark.parametrize(
    ("items", "sequences", "message"),
    [
        ('{"id": "a"}\n{"id": ', "", r"items.jsonl:2: .*expected: one JSON object a line"),
        ('["a"]\n', "", r"items.jsonl:1: \["),
        ('{"title": "a"}\n', "", r"items.jsonl:1: no id"),
        ('{"id": "a"}\n', "u\tzero\n", r"sequences.tsv:1: 'zero' \(expected: item numbers\)"),
        ("", "", r"no items \(expected: at least 1\)"),
    ],
)
def test_train_badFolder_namesFileAndLine(tmp_path, capsys, items, sequences, message):
    (tmp_path / "items.jsonl").write_text(items)
    (tmp_path / "sequences.tsv").write_text(sequences)
    assert main(["train", "--data", str(tmp_path), "--out", str(tmp_path / "o")]) == 2
    assert re.search(message, capsys.readouterr().err)


def test_split_holdsOutLastTwo_keepsShortUsersForTraining():
    split = data.Split.leave_one_out(9, [np.arange(5), np.array([1, 2]), np.array([3])])
    assert split.validation.targets.tolist() == [3]
    assert split.test.targets.tolist() == [4]
    assert [len(s) for s in split.train] == [3, 2, 1]


def test_lexical_sameWords_areClose():
    vectors = features.lexical(["red shoe", "red shoe big", "blue lamp", "blue lamp big", ""], 3)
    cosine = vectors @ vectors.T
    assert cosine[0, 1] > cosine[0, 2] + 0.1
    assert not vectors[4].any()


def test_e4srecAndHeterRec_beforeTraining_computeWhatSasrecDoes():
    rng = np.random.default_rng(6)
    known = features.Features(
        rng.normal(size=(40, 8)).astype(np.float32), *(rng.integers(-1, 4, 40) for _ in range(3))
    )
    start = sasrec.SASRec(known, sasrec.Shape()).eval()
    histories = [rng.integers(0, 40, length) for length in (1, 4, 9)]
    with torch.no_grad():
        wanted = sasrec.users(start, histories)
        table = start.tower()
        language = e4srec.E4SRec(e4srec.Shape(), table, start.bias, start).eval()
        hetero = heterrec.HeterRec(heterrec.Shape(), known, table, start).eval()
    torch.testing.assert_close(e4srec.users(language, histories), wanted, atol=5e-3, rtol=1e-2)
    for head in range(hetero.shape.heads):
        torch.testing.assert_close(heterrec.users(hetero, histories)[:, head], wanted)
    torch.testing.assert_close(hetero.catalogue().detach(), table)


def test_windows_everyTransitionOnce():
    sequences = [np.arange(n) for n in (1, 2, 7, 21, 64)]
    windows = data.Windows(sequences, history=8, tokens=40)
    assert windows.transitions() == sum(max(0, len(s) - 1) for s in sequences)
    rng = np.random.default_rng(0)
    numbers = np.concatenate(windows.epoch(rng))
    assert sorted(numbers.tolist()) == list(range(len(windows)))


def test_wholeSoftmax_lossAndGradientsAreThoseOfCrossEntropy():
    torch.manual_seed(3)
    users, items, bias = (torch.randn(*s, requires_grad=True) for s in ((7, 4), (11, 4), (11,)))
    targets = torch.randint(0, 11, (7,))
    expected = torch.nn.functional.cross_entropy(users @ items.t() + bias, targets)
    expected.backward()
    wanted = [value.grad.clone() for value in (users, items, bias)]
    for value in (users, items, bias):
        value.grad = None
    found = softmax.whole(users, items, bias, targets, chunk=3)
    found.backward()
    assert float(found) == pytest.approx(float(expected), abs=1e-5)
    for value, gradient in zip((users, items, bias), wanted):
        torch.testing.assert_close(value.grad, gradient, atol=1e-5, rtol=1e-4)


def test_tokenizer_enoughCodes_idsAreDistinct():
    space = np.random.default_rng(2).normal(size=(300, 6)).astype(np.float32)
    ids = tokenizer.fit(space, levels=3, size=16)
    assert ids.shared() == 0
    assert np.bincount(ids.codes[:, 0], minlength=16).max() <= np.ceil(300 / 16 * 1.25)


def test_tokenizer_fewCodes_itemsShareIds():
    space = np.zeros((10, 2), dtype=np.float32)
    ids = tokenizer.fit(space, levels=1, size=4)
    assert ids.shared() == 10


@pytest.mark.parametrize("seed", range(5))
def test_decode_wideBeam_equalsExhaustiveSearch(seed):
    """With a beam as wide as the catalogue the list is every legal item in order."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    codes = rng.integers(0, 4, (12, 3))
    model = tiger.Tiger(tiger.Shape(history=5, width=16, layers=2, heads=2, inner=16), 3, 4).eval()
    with torch.no_grad():
        for value in model.parameters():
            value.normal_(std=0.5)
    trie = tiger.Trie(codes, 4)
    history = rng.integers(0, 12, 4)
    ((items, scores),) = tiger.decode(model, trie, [history], beam=64, k=12)
    padded = data.left_padded([history], 5)
    shown = torch.from_numpy(np.where(padded[..., None] >= 0, codes[padded.clip(min=0)], -1))
    expected = []
    with torch.no_grad():
        first, keys, values, length = model.prefill(shown)
        for item in sorted(set(range(12)) - set(history.tolist())):
            total = float(first[0, 1 + codes[item, 0]])
            for level in (1, 2):
                prefix = torch.from_numpy(codes[item, :level])[None, None]
                row = model.step(keys, values, length, prefix)[0, 0]
                total += float(row[1 + 4 * level + codes[item, level]])
            expected.append((-total, item))
    assert len(items) == len(expected)
    assert not set(items.tolist()) & set(history.tolist())
    np.testing.assert_allclose(scores, [-s for s, _ in sorted(expected)], atol=1e-4)


def test_tiger_packedTrainingEqualsServedDecode():
    """The one-pass training graph and prefill + step give the same log-probabilities."""
    torch.manual_seed(4)
    model = tiger.Tiger(tiger.Shape(history=6, width=16, layers=2, heads=2, inner=16), 3, 5).eval()
    with torch.no_grad():
        for value in model.parameters():
            value.normal_(std=0.4)
    codes = torch.randint(0, 5, (1, 4, 3))
    written = torch.randint(0, 5, (1, 4, 2))
    with torch.no_grad():
        item_hidden, code_hidden = model.training_hidden(model.items(codes), written, torch.arange(4))
        for length in range(1, 5):
            history = torch.full((1, 6, 3), -1)
            history[:, 6 - length :] = codes[:, :length]
            first, keys, values, count = model.prefill(history)
            torch.testing.assert_close(
                first, model.log_probs(item_hidden[:, length - 1]), atol=1e-5, rtol=1e-4
            )
            for depth in (1, 2):
                row = model.step(keys, values, count, written[:, length - 1 : length, :depth])
                torch.testing.assert_close(
                    row[:, 0],
                    model.log_probs(code_hidden[:, length - 1, depth - 1]),
                    atol=1e-5,
                    rtol=1e-4,
                )


@pytest.mark.parametrize("events", [1, 3, 5])
@pytest.mark.parametrize("levels,heads,seed", [(1, 2, 0), (2, 1, 1), (3, 4, 2), (4, 2, 3), (6, 2, 4)])
def test_tigerGraphs_equalTheModelAsBeamsChangeParents(levels, heads, seed, events):
    torch.manual_seed(seed)
    shape = tiger.Shape(history=5, width=16, layers=2, heads=heads, inner=16)
    model = tiger.Tiger(shape, levels, 7).eval()
    with torch.no_grad():
        for value in model.parameters():
            value.normal_(std=0.4)
    prefill = tiger_graphs.Prefill(model).eval()
    history = torch.randint(0, 7, (3, 5, levels))
    history[0, :2] = -1
    history[1, :4] = -1
    short = history[:, 5 - events :]
    history[:, : 5 - events] = -1
    level = lambda log_probs, at: log_probs[..., 1 + 7 * at : 8 + 7 * at]  # noqa: E731
    with torch.no_grad():
        first, keys, values, length = model.prefill(history)
        found, *state = prefill(short)
        torch.testing.assert_close(found, level(first, 0), atol=1e-5, rtol=1e-4)
        prefix = torch.zeros(3, 1, 0, dtype=torch.long)
        for at in range(1, levels):
            beams = 4 + at
            parents = torch.randint(0, prefix.shape[1], (3, beams))
            code = torch.randint(0, 7, (3, beams))
            each = torch.arange(3)[:, None]
            prefix = torch.cat((prefix[each, parents], code[..., None]), -1)
            given = [] if at == 1 else [cache[each, parents]]
            found = tiger_graphs.Step(model, at).eval()(*state, code, *given)
            found, *new = found if at < levels - 1 else (found,)
            expected = level(model.step(keys, values, length, prefix), at)
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
            cache = torch.cat((*given, *new), 2) if new else None


def test_ranks_tiesGoToLowerItem():
    scores = torch.tensor([[1.0, 2.0, 2.0, 0.0]])
    assert metrics.ranks(scores, np.array([2])).tolist() == [1]
    assert metrics.ranks(scores, np.array([1])).tolist() == [0]


def test_train_huggingFaceBackbone_isServedAsOneGraph(tmp_path):
    from transformers import LlamaConfig, LlamaForCausalLM

    language = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=1,
        )
    )
    language.save_pretrained(tmp_path / "tiny-llama")
    source = write_folder(tmp_path / "data", items=12, users=14)
    out = tmp_path / "out"
    arguments = ["--backbone", str(tmp_path / "tiny-llama"), "--epochs", "0.02", "--max-time", "60s"]
    arguments += ["--name", "x", "--text", "lexical", "--threads", "1"]
    assert main(["train", "--data", str(source), "--out", str(out), *arguments]) == 0
    # The export itself held the graph against PyTorch.
    manifest = yaml.safe_load((out / "bundles/x-e4srec/1/bundle.yaml").read_text())
    assert manifest["parameters"]["backbone"] == "tiny-llama"
    assert (out / "models/x-e4srec-user/1/model.onnx").exists()

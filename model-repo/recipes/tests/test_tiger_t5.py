"""TIGER in T5's shape: graphs, Hugging Face's own forward pass, and the fused search agree."""

import json

import numpy as np
import onnx
import onnxruntime
import torch
import yaml
from safetensors.torch import load_file
from transformers import T5Config, T5ForConditionalGeneration

from espalier_recipes import bundle, fused, fused_models, tiger_t5
from espalier_recipes.__main__ import main

LEVELS, CODES = 3, 16


def test_fusedT5_equalsHuggingFaceOverEveryItem(tmp_path):
    """With a beam as wide as the catalogue every item is scored, also of histories shorter than the longest."""
    rng = np.random.default_rng(3)
    codes = rng.integers(0, CODES, (60, LEVELS))
    shape = tiger_t5.Shape(history=5, width=32, layers=2, heads=3, head=8, inner=48)
    repository = bundle.Repository(tmp_path, "random", "sha256:none", "made up")
    tiger_t5.write_random(repository, "t5", codes, CODES, shape)
    assert main(["fuse", "--out", str(tmp_path), "--bundle", "t5"]) == 0
    folder = tmp_path / "bundles/t5/1"
    manifest = yaml.safe_load((folder / "bundle.yaml").read_text())
    for file, checksum in manifest["checksums"].items():
        path = folder / file if (folder / file).exists() else tmp_path / file
        assert checksum == bundle.sha256(path)
    peer = T5ForConditionalGeneration(T5Config(**json.loads((folder / "config.json").read_text()))).eval()
    missing, unexpected = peer.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    assert not unexpected and all("embed_tokens" in name for name in missing)
    offsets = 1 + CODES * torch.arange(LEVELS)
    live = onnx.load(folder / manifest["files"]["fused_live"])
    assert {port.name for port in live.graph.input} > set(fused.TRIE)
    plain = fused_models.templates(tmp_path, "t5", 1, live=False)
    trie = fused.trie(codes)
    for model, given in ((plain, trie), (fused.with_trie(plain, trie), {})):
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        for items in (2, 5):
            history = tiger_t5.example(LEVELS, CODES, 3, items)
            found = session.run(
                ["scores", "codes"], {"history": history.numpy(), "beams": np.zeros((3, 100), np.int64)} | given
            )
            tokens = torch.where(history >= 0, history + offsets, 0).flatten(1)
            written = torch.from_numpy(codes) + offsets
            for row in range(3):
                start = torch.cat((torch.zeros(60, 1, dtype=torch.long), written[:, :-1]), 1)
                with torch.no_grad():
                    log_probs = peer(
                        input_ids=tokens[row : row + 1].expand(60, -1),
                        attention_mask=(tokens[row : row + 1] > 0).long().expand(60, -1),
                        decoder_input_ids=start,
                    ).logits.log_softmax(-1)
                wanted = log_probs.gather(-1, written[..., None])[..., 0].sum(-1).numpy()
                by_codes = {tuple(path): score for path, score in zip(codes.tolist(), wanted)}
                here = np.isfinite(found[0][row])
                assert here.sum() == len(by_codes)
                expected = [by_codes[tuple(path)] for path in found[1][row][here].tolist()]
                np.testing.assert_allclose(found[0][row][here], expected, atol=1e-4)
                assert (np.diff(found[0][row][here]) <= 0).all()


def test_fusedInt8_isWrittenAndRuns(tmp_path):
    codes = np.random.default_rng(4).integers(0, CODES, (60, LEVELS))
    shape = tiger_t5.Shape(history=3, width=32, layers=1, heads=2, head=16, inner=64)
    tiger_t5.write_random(bundle.Repository(tmp_path, "random", "sha256:none", "made up"), "t5", codes, CODES, shape)
    model = fused_models.templates(tmp_path, "t5", 1, live=False, precision="int8")
    assert any(node.op_type == "MatMulInteger" for node in model.graph.node)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    history = tiger_t5.example(LEVELS, CODES, 2, 3).numpy()
    given = {"history": history, "beams": np.zeros((2, 10), np.int64)} | fused.trie(codes)
    items = session.run(["item"], given)[0]
    assert ((items >= 0) & (items < 60)).all()

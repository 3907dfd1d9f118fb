"""Writes the tokenizer and the golden of TextTokenizerTest.

usage: tokenizer_golden.py TOKENIZER_JSON OUT_DIR

TOKENIZER_JSON is that of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0). The one that is written has
the same rules and the part of its vocabulary that the golden's texts need, so that it is small.
Needs: tokenizers==0.23.3
"""

import json
import pathlib
import sys

from tokenizers import Tokenizer

TEXTS = [
    "",
    "wireless noise cancelling headphones",
    "Crème brûlée ÉCLAIR, 12-pack (3.5oz)!",
    "  tabs\tand\nnewlines   collapse ",
    "iphone14promax case",
    "東京 keyboard 鍵盤",
    "not[SEP]special [MASK] text",
    "emoji 🎧 and unknown glyph \u2603",
    "electroencephalographically " + "x" * 120,
    "don't can't e-mail c++ #1 $9.99 50%",
    "Ａ full-width Ｂ and \u00ad soft\u00adhyphen",
    "the quick brown fox jumps over the lazy dog and keeps on running through the forest until night",
]
LIMITS = [2, 3, 8, 16, 64]


def main(source, out):
    full = Tokenizer.from_file(source)
    full.no_padding()
    full.no_truncation()
    needed = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
    for text in TEXTS:
        needed.update(full.encode(text).tokens)
    config = json.loads(pathlib.Path(source).read_text())
    vocabulary = config["model"]["vocab"]
    kept = sorted((token for token in vocabulary if token in needed), key=vocabulary.get)
    config["model"]["vocab"] = {token: index for index, token in enumerate(kept)}
    for added in config["added_tokens"]:
        added["id"] = config["model"]["vocab"][added["content"]]
    for special in config["post_processor"]["special_tokens"].values():
        special["ids"] = [config["model"]["vocab"][token] for token in special["tokens"]]
    out = pathlib.Path(out)
    # The file keeps its own padding and truncation, which the reader must switch off.
    (out / "tokenizer.json").write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n")

    small = Tokenizer.from_file(str(out / "tokenizer.json"))
    small.no_padding()
    with open(out / "tokenizer-golden.jsonl", "w") as golden:
        for text in TEXTS:
            for limit in LIMITS:
                small.enable_truncation(limit)
                ids = small.encode(text).ids
                golden.write(
                    json.dumps({"text": text, "max": limit, "ids": ids, "decoded": small.decode(ids)}) + "\n"
                )


if __name__ == "__main__":
    main(*sys.argv[1:])

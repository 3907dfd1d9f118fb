"""python -m espalier_recipes train|eval-search --data DIR --out DIR"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from pathlib import Path

_UNITS = {"s": 1, "m": 60, "h": 3600}


def seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text} (expected: a number and s, m or h, e.g. 60m)")
    return float(found[1]) * _UNITS[found[2]]


def label(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]+", text):
        raise argparse.ArgumentTypeError(f"{text} (expected: [a-z0-9-]+)")
    return text


def folder_label(folder: Path) -> str:
    return re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-") or "data"


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="espalier_recipes", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="from a data folder to validated bundles")
    train.add_argument("--data", type=Path, required=True, help="data folder (docs/bundles.md)")
    train.add_argument("--out", type=Path, required=True, help="model repository to write")
    train.add_argument("--max-time", type=seconds, default=seconds("170m"), help="default 170m")
    train.add_argument("--name", type=label, help="first part of the bundles' names")
    train.add_argument("--seed", type=int, default=1)
    train.add_argument(
        "--only", choices=("feed", "search", "cobra"), help="cobra: SASRec and that bundle of the feed's"
    )
    train.add_argument("--version", type=int, default=1, help="version of the bundles, default 1")
    train.add_argument("--threads", type=int, default=0, help="default: all cores")
    train.add_argument("--epochs", type=float, default=1.0, help="multiplies every model's epochs")
    train.add_argument("--test-users", type=int, default=0, help="for the table; default all")
    train.add_argument(
        "--text",
        choices=("minilm", "lexical"),
        default="minilm",
        help="feed: how items' text becomes vectors (lexical takes seconds, minilm minutes)",
    )
    train.add_argument("--backbone", default="sasrec", help="E4SRec: sasrec, random, or any Hugging Face causal language model")
    train.add_argument("--data-licence", default="see the source of the data")
    train.add_argument(
        "--lexicon", type=Path, help="misspellings (written<TAB>meant, or codespell's form)"
    )
    train.add_argument(
        "--no-tables", action="store_true", help="search: leave rewrite tables out of the bundles"
    )
    measure = commands.add_parser("eval-search", help="the search bundles offline, as served")
    measure.add_argument("--data", type=Path, required=True, help="data folder")
    measure.add_argument("--out", type=Path, required=True, help="model repository to read")
    measure.add_argument("--name", type=label, help="first part of the bundles' names")
    measure.add_argument("--json", action="store_true", help="one object a line")
    tables = commands.add_parser("search-tables", help="rewrite tables of the listed queries")
    tables.add_argument("--data", type=Path, required=True, help="data folder")
    tables.add_argument("--out", type=Path, required=True, help="model repository to read")
    tables.add_argument(
        "--tables", type=Path, required=True, help="folder to write <bundle>/<version>/table.tsv to"
    )
    tables.add_argument("--name", type=label, help="first part of the bundles' names")
    fuse = commands.add_parser("fuse", help="adds a bundle's whole beam search as one graph")
    fuse.add_argument("--out", type=Path, required=True, help="model repository to add to")
    fuse.add_argument("--bundle", type=label, required=True)
    fuse.add_argument("--version", type=int, default=1)
    fuse.add_argument("--precision", choices=("fp32", "int8"), default="fp32")
    fuse.add_argument("--into", type=label, help="new bundle to make, as all but fp32 want")
    assign = commands.add_parser("assign", help="adds ids for new items, from their text, to a TIGER bundle")
    assign.add_argument("--data", type=Path, required=True, help="the data folder that it was trained on")
    assign.add_argument("--out", type=Path, required=True, help="model repository to add to")
    assign.add_argument("--bundle", type=label, required=True)
    assign.add_argument("--version", type=int, default=1)
    assign.add_argument("--max-time", type=seconds, default=seconds("10m"), help="default 10m")
    texts = commands.add_parser("transrec", help="adds a TransRec bundle beside the data's E4SRec bundle")
    texts.add_argument("--data", type=Path, required=True, help="data folder")
    texts.add_argument("--out", type=Path, required=True, help="model repository to add to")
    texts.add_argument("--name", type=label, help="first part of the bundles' names")
    texts.add_argument("--version", type=int, default=1)
    texts.add_argument("--max-time", type=seconds, default=seconds("60m"), help="of training; default 60m")
    texts.add_argument("--epochs", type=float, default=1.0, help="multiplies the epochs")
    texts.add_argument("--seed", type=int, default=1)
    texts.add_argument("--text", choices=("minilm", "lexical"), default="minilm")
    texts.add_argument("--test-users", type=int, default=2000)
    texts.add_argument("--threads", type=int, default=0, help="default: all cores")
    return top


def table(rows) -> str:
    columns = ("recall@5", "recall@10", "ndcg@5", "ndcg@10")
    lines = [f"{'model':<12} {'split':<11}" + "".join(f"{c:>11}" for c in columns)]
    for name, part, found in rows:
        lines.append(f"{name:<12} {part:<11}" + "".join(f"{found[c]:>11.4f}" for c in columns))
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    started = time.monotonic()
    options = parser().parse_args(arguments)
    if options.command == "eval-search":
        from . import search_eval

        return search_eval.main(options.data, options.out, options.name, options.json)
    if options.command == "search-tables":
        from . import search_eval

        print("\n".join(search_eval.write_tables(options.data, options.out, options.tables, options.name)))
        return 0
    if options.command == "fuse":
        from . import fused_models

        print(fused_models.add(options.out, options.bundle, options.version, options.precision, options.into))
        return 0
    if options.command == "assign":
        from . import data, new_items

        folder = data.load(options.data)
        print(new_items.add_to(options.out, options.bundle, options.version, folder, options.max_time))
        return 0
    if options.command == "transrec":
        return transrec(options)
    os.environ.setdefault("HF_HUB_OFFLINE", "1" if options.backbone in ("sasrec", "random") else "0")
    import torch

    from . import data, feed

    torch.set_num_threads(options.threads or os.cpu_count() or 1)
    if data.items_file(options.data) is None:
        print(
            f"{options.data}: no items (expected: items.jsonl or products.jsonl)", file=sys.stderr
        )
        return 2
    try:
        folder = data.load(options.data)
    except (OSError, ValueError) as wrong:
        print(wrong, file=sys.stderr)
        return 2
    if not folder.items:
        print(f"{options.data}: no items (expected: at least 1)", file=sys.stderr)
        return 2
    name = options.name or folder_label(options.data)
    options.out.mkdir(parents=True, exist_ok=True)
    with_feed = options.only != "search" and feed.trainable(folder)
    with_search = options.only in (None, "search") and searchable(options.data, folder)
    if not with_feed and not with_search:
        print(
            f"{options.data}: nothing to train on (expected: sequences.tsv for feed;"
            " judgments.tsv, queries.tsv or descriptions for search)",
            file=sys.stderr,
        )
        return 2
    if with_search:
        from . import search

        share = options.max_time * (0.3 if with_feed else 1.0)
        search.train(
            options.data,
            options.out,
            name,
            share,
            options.seed,
            options.version,
            data_licence=options.data_licence,
            lexicon=options.lexicon,
            tables=not options.no_tables,
        )
    if with_feed:
        rows = feed.train(
            folder,
            feed.Options(
                name=name,
                out=options.out,
                # By the clock: what search took beyond its share, measuring included, the feed goes without.
                seconds=max(0.0, options.max_time - (time.monotonic() - started)),
                seed=options.seed,
                version=options.version,
                data_licence=options.data_licence,
                epochs=options.epochs,
                backbone=options.backbone,
                text=options.text,
                test_users=options.test_users,
                only=options.only or "",
            ),
        )
        print(
            "Full ranking over all items; items already seen are masked; validation chose. Test:"
            f" {options.test_users or 'all'} users."
        )
        print(table(rows))
    return 0


def transrec(options) -> int:
    import torch

    from . import data, transrec_bundle

    torch.set_num_threads(options.threads or os.cpu_count() or 1)
    rows = transrec_bundle.train(
        data.load(options.data),
        transrec_bundle.Options(
            out=options.out,
            name=options.name or folder_label(options.data),
            version=options.version,
            seconds=options.max_time,
            epochs=options.epochs,
            seed=options.seed,
            text=options.text,
            test_users=options.test_users,
        ),
    )
    print(table(rows))
    return 0


def searchable(source: Path, folder) -> bool:
    has_queries = any((source / name).exists() for name in ("judgments.tsv", "queries.tsv"))
    return has_queries or any(item.description for item in folder.items)


if __name__ == "__main__":
    sys.exit(main())

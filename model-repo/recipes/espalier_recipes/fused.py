"""The whole constrained beam search in one ONNX graph, put together from a bundle's own step graphs.

`prefill`, the steps and a search between them: any model that keeps TIGER's contract (docs/bundles.md)
can be fused. Each level expands the beams into a window of the trie's children (as wide as the level's
largest family), adds scores, and takes the best with TopK, whose ties go to the lower index. Beams
stand in the order of their prefixes between levels, so that an index is the tie-breaker; at the last
level equal scores go to the lower item.

A trie is three rows by node, breadth first (children of a node, and leaves under it, end where those
of the next begin). The servers' `SemanticIdTrie` keeps ranges of leaves instead. The tensors are inputs of the
template; `with_trie` makes them constants of a snapshot's own model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, parser

WORD = 32  # leaves to a word of a filter

_EXPAND = """
first = Gather<axis=0>(first_child, nodes)
end = Gather<axis=0>(first_child, nodes_after)
window = Range(zero, branching, one)
window32 = Cast<to=6>(window)
first3 = Unsqueeze(first, minus_one)
child = Add(first3, window32)
end3 = Unsqueeze(end, minus_one)
there = Less(child, end3)
safe = Where(there, child, zero32)
child_code = Gather<axis=0>(trie_code, safe)
child_code64 = Cast<to=7>(child_code)
gained = GatherElements<axis=2>(log_probs, child_code64)
scores3 = Unsqueeze(scores, minus_one)
total = Add(scores3, gained)
"""

# A word of a filter: the next legal leaf after its own 32 above, its 32 leaves' bits below. The next legal leaf at or
# after the first of a node lies in the node, or the node is not legal (decision 0012).
_FILTER = """
from_leaf = Gather<axis=0>(first_leaf, safe)
following = Add(safe, one32)
until = Gather<axis=0>(first_leaf, following)
past_level = Equal(until, zero32)
until_leaf = Where(past_level, leaf_count, until)
from64 = Cast<to=7>(from_leaf)
word_at = Div(from64, word_size)
bit = Mod(from64, word_size)
word_at2 = Reshape(word_at, flat)
words = GatherElements<axis=1>(filter, word_at2)
high = Gather<axis=0>(at_or_after, bit)
like = Shape(bit)
words3 = Reshape(words, like)
rest = BitwiseAnd(words3, high)
negative = Neg(rest)
lowest = BitwiseAnd(rest, negative)
residue = Mod(lowest, thirty_seven)
place = Gather<axis=0>(place_of, residue)
base = Mul(word_at, word_size)
within = Add(base, place)
next_after = Div(words3, two_to_32)
none_left = Equal(rest, zero)
next_leaf = Where(none_left, next_after, within)
until64 = Cast<to=7>(until_leaf)
legal = Less(next_leaf, until64)
possible = And(there, legal)
last_leaf = Sub(leaf_count64, one)
item_leaf = Min(next_leaf, last_leaf)
"""

_NO_FILTER = """
possible = Identity(there)
item_leaf = Gather<axis=0>(first_leaf, safe)
"""

_CANDIDATES = """
masked = Where(possible, total, minus_infinity)
candidates = Reshape(masked, flat)
item3 = Gather<axis=0>(item_at, item_leaf)
item64 = Cast<to=7>(item3)
item = Reshape(item64, flat)
"""

# By prefix: a beam's ordinal, then the code.
_KEYS_BY_PREFIX = """
beam_count = Gather<axis=0>(scores_shape, one_list)
beam_count0 = Squeeze(beam_count)
beam_range = Range(zero, beam_count0, one)
beam_key = Mul(beam_range, code_count)
beam_key3 = Unsqueeze(beam_key, minus_one)
key3 = Add(beam_key3, child_code64)
key = Reshape(key3, flat)
"""

_DELTA = """
level_parent = Gather<axis=1>(delta_parent, level)
level_code = Gather<axis=1>(delta_code, level)
level_twin = Gather<axis=1>(delta_node, level)
parent3 = Unsqueeze(level_parent, minus_one)
held = Unsqueeze(delta, one_list)
same = Equal(parent3, held)
real = GreaterOrEqual(held, zero)
match = And(same, real)
match64 = Cast<to=7>(match)
owner = ArgMax<axis=2, keepdims=0>(match64)
matches = ReduceMax<keepdims=0>(match64, two_list)
found = Cast<to=9>(matches)
code_safe = Max(level_code, zero)
owner_score = GatherElements<axis=1>(scores, owner)
row = Mul(owner, code_count)
cell = Add(row, code_safe)
all_log_probs = Reshape(log_probs, flat)
delta_gained = GatherElements<axis=1>(all_log_probs, cell)
delta_total = Add(owner_score, delta_gained)
first64 = Cast<to=7>(first)
end64 = Cast<to=7>(end)
owner_first = GatherElements<axis=1>(first64, owner)
owner_end = GatherElements<axis=1>(end64, owner)
offset = Sub(level_twin, owner_first)
after_first = GreaterOrEqual(offset, zero)
before_end = Less(level_twin, owner_end)
in_window = And(after_first, before_end)
window_start = Mul(owner, branching)
slot = Add(window_start, offset)
slot_safe = Where(in_window, slot, zero)
twin_score = GatherElements<axis=1>(candidates, slot_safe)
twin_legal = Greater(twin_score, minus_infinity)
stands = And(in_window, twin_legal)
alone = Not(stands)
counted = And(found, alone)
delta_scores = Where(counted, delta_total, minus_infinity)
everything = Concat<axis=1>(candidates, delta_scores)
"""

_DELTA_KEY = "every_key = Concat<axis=1>(key, cell)"
_DELTA_ITEM = """
shared_item = Where(stands, delta_item, far)
lowest_item = ScatterElements<axis=1, reduction="min">(item, slot_safe, shared_item)
every_key = Concat<axis=1>(lowest_item, delta_item)
"""
_NO_DELTA = "everything = Identity(candidates)"

_HOW_MANY = """
wide = Shape(everything)
slots = Gather<axis=0>(wide, one_list)
asked = Shape(beams)
asked_width = Gather<axis=0>(asked, one_list)
kept = Min(slots, asked_width)
"""

_TAKE_BY_INDEX = """
best, best_at = TopK<axis=1, largest=1, sorted=0>(everything, kept)
chosen, unused = TopK<axis=1, largest=0, sorted=1>(best_at, kept)
taken = GatherElements<axis=1>(everything, chosen)
"""

# Every score above the k-th best, then of its equals those of the lowest keys.
_TAKE_BY_KEY = """
best, best_at = TopK<axis=1, largest=1, sorted=1>(everything, kept)
least = Sub(kept, one_list)
edge = Gather<axis=1>(best, least)
above = Greater(everything, edge)
level_with = Equal(everything, edge)
ahead = Sub(every_key, far)
tied = Where(level_with, every_key, far)
ranked = Where(above, ahead, tied)
picked, picked_at = TopK<axis=1, largest=0, sorted=1>(ranked, kept)
picked_key = GatherElements<axis=1>(every_key, picked_at)
in_order, order = TopK<axis=1, largest=0, sorted=1>(picked_key, kept)
chosen = GatherElements<axis=1>(picked_at, order)
taken = GatherElements<axis=1>(everything, chosen)
"""

_NEXT = """
window_width = Reshape(branching, one_list)
from_trie = Less(chosen, trie_slots)
in_trie = Min(chosen, last_slot)
trie_parent = Div(in_trie, window_width)
child_flat = Reshape(safe, flat)
trie_node = GatherElements<axis=1>(child_flat, in_trie)
code_flat = Reshape(child_code64, flat)
trie_chosen_code = GatherElements<axis=1>(code_flat, in_trie)
"""

_SLOTS = """
trie_wide = Shape(candidates)
trie_slots = Gather<axis=0>(trie_wide, one_list)
last_slot = Sub(trie_slots, one_list)
"""

_NEXT_PLAIN = """
parent = Identity(trie_parent)
next_code = Identity(trie_chosen_code)
next_nodes = Identity(trie_node)
"""

_NEXT_DELTA = """
beyond = Sub(chosen, trie_slots)
at_delta = Max(beyond, zero)
delta_owner = GatherElements<axis=1>(owner, at_delta)
parent = Where(from_trie, trie_parent, delta_owner)
delta_chosen = GatherElements<axis=1>(code_safe, at_delta)
next_code = Where(from_trie, trie_chosen_code, delta_chosen)
next_nodes = Where(from_trie, trie_node, no_node)
alive = Greater(taken, minus_infinity)
parent_delta = GatherElements<axis=1>(delta, parent)
parent_delta3 = Unsqueeze(parent_delta, minus_one)
code3 = Unsqueeze(next_code, minus_one)
candidate_parent = Unsqueeze(level_parent, one_list)
candidate_code = Unsqueeze(level_code, one_list)
same_parent = Equal(parent_delta3, candidate_parent)
same_code = Equal(code3, candidate_code)
same_both = And(same_parent, same_code)
real_parent = GreaterOrEqual(parent_delta3, zero)
is_this = And(same_both, real_parent)
this64 = Cast<to=7>(is_this)
this_at = ArgMax<axis=2, keepdims=0>(this64)
this_any = ReduceMax<keepdims=0>(this64, two_list)
this_found = Cast<to=9>(this_any)
this_alive = And(this_found, alive)
next_delta = Where(this_alive, this_at, minus_one)
"""

_CONSTANTS = {
    "zero": np.int64(0),
    "one": np.int64(1),
    "minus_one": np.array([-1], np.int64),
    "zero32": np.int32(0),
    "one32": np.int32(1),
    "one_list": np.array([1], np.int64),
    "two_list": np.array([2], np.int64),
    "flat": np.array([0, -1], np.int64),
    "minus_infinity": np.float32(-np.inf),
    "far": np.int64(1 << 40),
    "word_size": np.int64(WORD),
    "two_to_32": np.int64(1 << 32),
    "thirty_seven": np.int64(37),
    # By place in a word: the bits at it and after it.
    "at_or_after": np.array([(0xFFFFFFFF << bit) & 0xFFFFFFFF for bit in range(WORD)], np.int64),
    # Powers of two below 2^32 all differ modulo 37.
    "place_of": np.array([next((b for b in range(WORD) if (1 << b) % 37 == r), 0) for r in range(37)], np.int64),
}

TRIE = {
    "trie_code": (TensorProto.INT32, ["nodes + 1"]),
    "first_child": (TensorProto.INT32, ["nodes + 1"]),
    "first_leaf": (TensorProto.INT32, ["nodes + 1"]),
    "item_at": (TensorProto.INT32, ["items"]),
    "branching": (TensorProto.INT64, ["levels"]),
}


DELTA = ("delta_parent", "delta_code", "delta_node")

_BEST_FIRST = """
sorted_scores, by_score = TopK<axis=1, largest=1, sorted=1>(taken, kept)
by_score3 = Unsqueeze(by_score, minus_one)
sorted_codes = GatherND<batch_dims=1>(all_codes, by_score3)
valid = Greater(taken, minus_infinity)
is_node = And(valid, from_trie)
node64 = Cast<to=7>(next_nodes)
node_or_none = Where(is_node, node64, minus_one)
sorted_node = GatherElements<axis=1>(node_or_none, by_score)
lowest_of = GatherElements<axis=1>(every_key, chosen)
item_or_none = Where(valid, lowest_of, minus_one)
sorted_item = GatherElements<axis=1>(item_or_none, by_score)
"""
_DELTA_OUT = "sorted_delta = GatherElements<axis=1>(next_delta, by_score)"


class _Graph:
    """Nodes and constants as they are gathered, with the names of each part kept apart."""

    def __init__(self):
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.stored: dict[tuple, str] = {}

    def constant(self, value: onnx.TensorProto) -> str:
        """The name under which a constant of the same type, shape and bytes is kept."""
        array = numpy_helper.to_array(value)
        key = (value.data_type, array.shape, array.tobytes())
        if key not in self.stored:
            kept = onnx.TensorProto()
            kept.CopyFrom(value)
            kept.name = value.name if value.name not in self.constants else f"{value.name}_{len(self.constants)}"
            self.stored[key] = kept.name
            self.constants[kept.name] = kept
        return self.stored[key]

    def model(self, part: str, model: onnx.ModelProto, given: dict[str, str]) -> dict[str, str]:
        """Adds a model's nodes; names of its outputs in this graph."""
        names = {value.name: self.constant(value) for value in model.graph.initializer} | given
        self.nodes += [self.node(part, node, names) for node in model.graph.node]
        return {port.name: names[port.name] for port in model.graph.output}

    @staticmethod
    def node(part: str, node: onnx.NodeProto, names: dict[str, str]) -> onnx.NodeProto:
        added = onnx.NodeProto()
        added.CopyFrom(node)
        added.name = ""
        for place, name in enumerate(node.input):
            added.input[place] = names.get(name, name) if name else ""
        for place, name in enumerate(node.output):
            names[name] = f"{part}/{name}" if name else ""
            added.output[place] = names[name]
        return added

    def text(self, part: str, lines: str, names: dict[str, str]) -> None:
        """Adds nodes written in ONNX's text form; names that they give are put into `names`."""
        body = "\n".join(line for line in lines.splitlines() if line.strip())
        for node in parser.parse_graph(f"g () => () {{\n{body}\n}}").node:
            self.nodes.append(self.node(part, node, names))


def fuse(prefill: onnx.ModelProto, steps: Sequence[onnx.ModelProto], live: bool) -> onnx.ModelProto:
    """One graph of a history to its beams; with `live`, over a trie with a filter and a delta.

    Inputs and outputs: docs/bundles.md, TIGER, "Fused".
    """
    levels = len(steps) + 1
    size = prefill.graph.output[0].type.tensor_type.shape.dim[-1].dim_value
    graph = _Graph()
    names = {name: graph.constant(numpy_helper.from_array(np.asarray(v), name)) for name, v in _CONSTANTS.items()}
    names["code_count"] = graph.constant(numpy_helper.from_array(np.int64(size), "code_count"))
    state = graph.model("prefill", prefill, {})
    graph.text("start", "log_probs = Unsqueeze(first_log_probs, one_list)", names := names | {"first_log_probs": state.pop("log_probs")})
    graph.text(
        "start",
        """
        batch_shape = Shape<start=0, end=1>(history)
        scores_shape = Concat<axis=0>(batch_shape, one_list)
        scores = ConstantOfShape(scores_shape)
        nodes64 = ConstantOfShape<value = int64[1] {0}>(scores_shape)
        nodes = Cast<to=6>(nodes64)
        delta = Identity(nodes64)
        leaf_shape = Shape(item_at)
        leaf_count64 = Squeeze(leaf_shape)
        leaf_count = Cast<to=6>(leaf_count64)
        node_shape = Shape(first_child)
        node_count64 = Squeeze(node_shape)
        node_count = Cast<to=6>(node_count64)
        before_last = Sub(node_count, one32)
        no_node = Sub(before_last, one32)
        """,
        names,
    )
    cache = codes = new = None
    for level in range(levels):
        part, last = f"level{level}", level == levels - 1
        if level:
            given = dict(state) | {"code": names["next_code"]}
            if new is not None:
                names |= {"new": new, **({"cache": cache} if cache else {})}
                graph.text(part, "at = Unsqueeze(step_parent, minus_one)\nnewest = GatherND<batch_dims=1>(new, at)", names)
                if cache:
                    graph.text(part, "older = GatherND<batch_dims=1>(cache, at)\ngrown = Concat<axis=2>(older, newest)", names)
                cache = given["beam_cache"] = names["grown" if cache else "newest"]
            found = graph.model(f"step{level}", steps[level - 1], given)
            names["log_probs"], new = found["log_probs"], found.get("beam_new")
            names["scores"], names["nodes"] = names["taken"], names["next_nodes"]
            if live:
                names["delta"] = names["next_delta"]
            graph.text(part, "scores_shape = Shape(scores)", names)
        names["level"] = graph.constant(numpy_helper.from_array(np.int64(level), f"level_{level}"))
        graph.text(part, "nodes_after = Add(nodes, one32)", names)
        names["branching_by_level"] = "branching"
        graph.text(part, "branching = Gather<axis=0>(branching_by_level, level)", names)
        graph.text(part, _EXPAND, names)
        graph.text(part, _FILTER if live else _NO_FILTER, names)
        graph.text(part, _CANDIDATES + _SLOTS, names)
        if live or not last:
            graph.text(part, _KEYS_BY_PREFIX, names)
        graph.text(part, _DELTA if live else _NO_DELTA, names)
        graph.text(part, _HOW_MANY, names)
        if last and not live:
            graph.text(part, "every_key = Identity(item)", names)
        elif live:
            graph.text(part, _DELTA_ITEM if last else _DELTA_KEY, names)
        graph.text(part, _TAKE_BY_KEY if last or live else _TAKE_BY_INDEX, names)
        graph.text(part, _NEXT + (_NEXT_DELTA if live else _NEXT_PLAIN), names)
        names["step_parent"] = names["parent"]
        graph.text(part, "code_column = Unsqueeze(next_code, minus_one)", names)
        if codes:
            names["codes_before"] = codes
            graph.text(part, "up = Unsqueeze(parent, minus_one)\nolder_codes = GatherND<batch_dims=1>(codes_before, up)\ncodes = Concat<axis=2>(older_codes, code_column)", names)
        codes = names["codes" if codes else "code_column"]
    names["all_codes"] = codes
    graph.text("beams", _BEST_FIRST + (_DELTA_OUT if live else ""), names)
    return _model(graph, names, prefill, levels, live)


def _model(graph, names, prefill, levels, live) -> onnx.ModelProto:
    ports = {"history": (TensorProto.INT64, ["batch", "events", levels]), "beams": (TensorProto.INT64, ["batch", "width"])}
    results = {
        "scores": ("sorted_scores", TensorProto.FLOAT, ["batch", "found"]),
        "codes": ("sorted_codes", TensorProto.INT64, ["batch", "found", levels]),
        "node": ("sorted_node", TensorProto.INT64, ["batch", "found"]),
        "item": ("sorted_item", TensorProto.INT64, ["batch", "found"]),
    }
    if live:
        ports |= {"filter": (TensorProto.INT64, ["batch", "words"])}
        ports |= {name: (TensorProto.INT64, ["batch", levels, "added"]) for name in DELTA}
        ports |= {"delta_item": (TensorProto.INT64, ["batch", "added"])}
        results |= {"delta": ("sorted_delta", TensorProto.INT64, ["batch", "found"])}
    ports |= TRIE
    ends = [helper.make_node("Identity", [names[source]], [name]) for name, (source, _, _) in results.items()]
    made = helper.make_graph(
        _needed(graph.nodes + ends, results),
        "fused",
        [helper.make_tensor_value_info(name, kind, dims) for name, (kind, dims) in ports.items()],
        [helper.make_tensor_value_info(name, kind, dims) for name, (_, kind, dims) in results.items()],
        list(graph.constants.values()),
    )
    model = helper.make_model(made, opset_imports=prefill.opset_import, ir_version=prefill.ir_version)
    onnx.checker.check_model(model)
    return model


def _needed(nodes: Sequence[onnx.NodeProto], results) -> list[onnx.NodeProto]:
    """The nodes that a result depends on. ONNX Runtime would run the others too."""
    wanted, kept = set(results), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


def trie(codes: np.ndarray) -> dict[str, np.ndarray]:
    """The trie inputs of items with these codes [items, levels]; items of equal codes in the order given."""
    order = np.lexsort(codes.T[::-1])
    by_leaf = codes[order]
    new = np.ones(len(codes), dtype=bool)
    rows_code, rows_leaf, widths, branching = [[0]], [[0]], [], []
    parents = np.zeros(1, dtype=np.int64)
    new[1:] = False
    for level in range(codes.shape[1]):
        above = np.cumsum(new) - 1
        new = new | np.concatenate(([True], by_leaf[1:, level] != by_leaf[:-1, level]))
        leaves = np.flatnonzero(new)
        family = np.bincount(above[leaves], minlength=above[-1] + 1)
        widths.append(family)
        branching.append(family.max())
        rows_code.append(by_leaf[leaves, level])
        rows_leaf.append(leaves)
    widths.append(np.zeros(len(leaves), dtype=np.int64))
    first_child = 1 + np.concatenate(([0], np.cumsum(np.concatenate(widths))))
    return {
        "trie_code": np.concatenate((*rows_code, [0])).astype(np.int32),
        "first_child": first_child.astype(np.int32),
        "first_leaf": np.concatenate((*rows_leaf, [0])).astype(np.int32),
        "item_at": order.astype(np.int32),
        "branching": np.array(branching, dtype=np.int64),
    }


def filter_words(legal: np.ndarray) -> np.ndarray:
    """A bitmap over leaves [items] as the graph takes it, [items // 32 + 1]."""
    count = len(legal) // WORD + 1
    bits = np.zeros(count * WORD, dtype=np.int64)
    bits[: len(legal)] = legal
    words = (bits.reshape(count, WORD) << np.arange(WORD)).sum(1)
    set_at = np.append(np.flatnonzero(legal), len(legal))
    following = set_at[np.searchsorted(set_at[:-1], (np.arange(count) + 1) * WORD)]
    return following << 32 | words


def delta(codes: np.ndarray, items: np.ndarray, snapshot: dict[str, np.ndarray], room: int) -> dict[str, np.ndarray]:
    """The delta inputs of added items with these codes [n, levels], padded to `room` rows; without batch."""
    levels = codes.shape[1]
    found = {name: np.full((levels, room), -1, dtype=np.int64) for name in DELTA}
    found["delta_item"] = np.full(room, -1, dtype=np.int64)
    above = {(): (0, 0)}  # by prefix: its row in the level above, and its node
    for level in range(levels):
        here = {}
        for row, prefix in enumerate(sorted({tuple(path[: level + 1]) for path in codes.tolist()})):
            parent, node = above[prefix[:-1]]
            twin = -1
            if node >= 0:
                start, end = snapshot["first_child"][node], snapshot["first_child"][node + 1]
                at = start + np.searchsorted(snapshot["trie_code"][start:end], prefix[-1])
                twin = int(at) if at < end and snapshot["trie_code"][at] == prefix[-1] else -1
            here[prefix] = (row, twin)
            for name, value in zip(DELTA, (parent, prefix[-1], twin)):
                found[name][level, row] = value
        above = here
    for path, item in zip(codes.tolist(), items.tolist()):
        row = above[tuple(path)][0]
        known = found["delta_item"][row]
        found["delta_item"][row] = item if known < 0 else min(known, item)
    return found


def with_trie(template: onnx.ModelProto, values: dict[str, np.ndarray]) -> onnx.ModelProto:
    """A snapshot's own model: the template with these trie inputs as constants."""
    model = onnx.ModelProto()
    model.CopyFrom(template)
    kept = [port for port in model.graph.input if port.name not in TRIE]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    model.graph.initializer.extend(numpy_helper.from_array(values[name], name) for name in TRIE)
    return model

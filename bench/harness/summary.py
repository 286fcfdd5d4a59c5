# SPDX-License-Identifier: MIT
"""From the repetitions' raw figures to medians and spreads."""
import statistics

# Of one repetition only: points in time.
MOMENTS = ("first_ns", "last_ns", "sealed_ns")


def spread(values):
    """Median, lowest and highest of the repetitions."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values),
            "n": len(values)}


def is_number(value):
    """A figure, not a flag."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def spread_tree(repetitions):
    """The same tree with the spread of each figure at its place. A figure that some repetitions
    lack is summed up over the others."""
    out = {}
    for key in dict.fromkeys(key for tree in repetitions for key in tree):
        values = [tree[key] for tree in repetitions if key in tree]
        if all(isinstance(value, dict) for value in values):
            out[key] = spread_tree(values)
        elif all(is_number(value) for value in values) and key not in MOMENTS:
            out[key] = spread(values)
    return out


def by_distance(raw):
    """The per-core and the shared ring where the cores shared a cache, and where they did not."""
    out = {}
    for name, near in (("near", True), ("far", False)):
        some = [figures for figures in raw if figures["near"] == near]
        if some:
            out[name] = {"repetitions": len(some),
                         "line_ns": spread([ns for figures in some for ns in figures["line_ns"]]),
                         "core": spread([figures["core"]["ratio"] for figures in some]),
                         "shared": spread([figures["shared"]["ratio"] for figures in some])}
    return out


def summarize(mode, size, facts, raw, skipped, done):
    """All that is written to latest.json."""
    summary = {name: spread_tree(repetitions) for name, repetitions in raw.items() if repetitions}
    if raw.get("call"):
        summary["call_by_distance"] = by_distance(raw["call"])
        for key in ("tsc_ghz", "rseq", "floor_page", "ring_page_kib"):
            facts[key] = raw["call"][0][key]
    if raw.get("pace"):
        facts["tsc_step_ns"] = raw["pace"][0]["step_ns"]
    return {"mode": mode, "size": size._asdict(), "done": done, "machine": facts, "summary": summary,
            "skipped": skipped, "repetitions": raw}


def figure(summary, *path):
    """The spread at a place of the tree, None if it was not measured."""
    for key in path:
        summary = summary.get(key) if isinstance(summary, dict) else None
    return summary

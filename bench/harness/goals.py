# SPDX-License-Identifier: MIT
"""The goals, each a figure of the run and a limit: met or not, by the median."""
import collections

from .summary import figure

# at: where the figure is in the summary, or a function of the summary; low: True if the figure is to
# be at most the limit, False if at least.
Goal = collections.namedtuple("Goal", "text at limit low unit digits", defaults=("", 2))

MIB_KIB = 1024


def beside_rings_mib(summary):
    """The most of all that was measured: flat out, and with many threads and rings."""
    found = [figure(summary, "disk", key, "beside_rings_kib", "max")
             for key in summary.get("disk", {})]
    found += [figure(summary, "scale", key, "beside_rings_kib", "max")
              for key in summary.get("scale", {})]
    found = [value for value in found if value is not None]
    return max(found) / MIB_KIB if found else None


def mixed_ratio(summary):
    """The best of LTTng's traces through zstd -3, by our files."""
    ours = figure(summary, "mixed", "bytes_per_record", "median")
    theirs = [figure(works, "mixed", "zstd3_bytes_per_record", "median")
              for name, works in summary.get("peers", {}).items() if name.startswith("LTTng")]
    theirs = [value for value in theirs if value is not None]
    return min(theirs) / ours if ours and theirs else None


def over_best_peer(percentile):
    """Our percentile of a call by that of the best peer."""
    def ratio(summary):
        ours = figure(summary, "pace", "core", percentile, "median")
        theirs = [figure(works, "pace", percentile, "median")
                  for works in summary.get("peers", {}).values()]
        theirs = [value for value in theirs if value]
        return ours / min(theirs) if ours is not None and theirs else None
    return ratio


GOALS = (
    Goal("log call, per-core ring, by the floor", ("call", "core", "ratio"), 1.15, True, "F", 3),
    Goal("log call, shared ring, by the floor", ("call", "shared", "ratio"), 2, True, "F", 3),
    Goal("caller's timestamp, by the bare stores", ("call", "timed", "ratio"), 1.5, True, "x"),
    Goal("level off", ("call", "off_ns"), 1, True, "ns"),
    Goal("p99 of a call every 2 us, by the floor's", ("pace", "core", "p99_ratio"), 1.2, True,
         "F"),
    Goal("p99.9", ("pace", "core", "p99_9"), 100, True, "ns", 0),
    Goal("p99.99, by the floor's", ("pace", "core", "p99_99_ratio"), 3, True, "F"),
    Goal("p99 by the best peer's", over_best_peer("p99"), 1, True, "x"),
    Goal("p99.9 by the best peer's", over_best_peer("p99_9"), 1, True, "x"),
    Goal("p99.99 by the best peer's", over_best_peer("p99_99"), 1, True, "x"),
    Goal("one producer to disk, records/s", ("disk", "1", "records_per_s"), 40e6, False, "", 0),
    Goal("two producers by one", ("disk", "two_ratio"), 1, False, "x"),
    Goal("collector CPU per million records", ("disk", "1", "collector_cpu_s_per_m"), 0.025, True,
         "s", 4),
    Goal("idle collector, of a core", ("idle", "sleep", "cpu_percent"), 1, True, "%"),
    Goal("memory beside the rings", beside_rings_mib, 64, True, "MiB", 1),
    Goal("bytes per order, one every 2 us", ("paced", "bytes_per_record"), 2.0, True),
    Goal("bytes per order, back to back", ("disk", "1", "bytes_per_record"), 1.7, True),
    Goal("the feed's lines, by zstd -3 of the text", ("feed", "ratio"), 1.05, True, "x", 3),
    Goal("mixed stream: LTTng + zstd -3 by ours", mixed_ratio, 2.5, False, "x"),
    Goal("decoding, million records/s", ("read", "decode_mrec_s"), 20, False, "", 1),
    Goal("to text, million lines/s", ("read", "text_mlines_s"), 8, False, "", 2),
    Goal("to JSON, million lines/s", ("read", "json_mlines_s"), 4, False, "", 2),
    Goal("merging 64 rings by one after the other", ("read", "merge_ratio"), 1.5, True, "x"),
    Goal("call with most threads attached by that with one", ("scale", "growth"), 1.1, True, "x",
         3),
    Goal("an idle ring, a round of the collector", ("idle", "spin_ring_ns"), 100, True, "ns", 1),
)


def value_of(goal, summary):
    """Its figure: a number, or None if it was not measured."""
    if callable(goal.at):
        return goal.at(summary)
    return figure(summary, *goal.at, "median")


def rows(summary):
    """For each goal: text, limit, measured, verdict."""
    out = []
    for goal in GOALS:
        value = value_of(goal, summary)
        unit = f" {goal.unit}" if goal.unit else ""
        sign = "<=" if goal.low else ">="
        limit = f"{goal.limit:,.0f}" if goal.limit >= 1e6 else f"{goal.limit:g}"
        if value is None:
            shown, verdict = "", "not measured"
        else:
            met = value <= goal.limit if goal.low else value >= goal.limit
            shown, verdict = f"{value:,.{goal.digits}f}{unit}", "met" if met else "**not met**"
        out.append([goal.text, f"{sign} {limit}{unit}", shown, verdict])
    return out

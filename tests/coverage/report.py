#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Branch coverage of the parts that promises hang on: ring, drain, file reader.

Reads what `gcovr --json` found and prints a line for each file, then every source line with a branch
that was never taken, by the reason why. Exit status 1 when less than --least percent of the branches were taken, or
when gcovr found nothing of a file.
"""
import argparse
import json
import os
import re
import sys

GROUPS = {
    "ring": ["shm/ring_reader.c", "shm/ring_slots.c", "shm/ring_start.c", "shm/ring_damage.c", "shm/tables.c"],
    "drain": [
        "collector/drain.c", "collector/journal.c", "collector/journal_move.c", "collector/outbox.c",
        "collector/outbox_file.c",
    ],
    "file reader": [
        "logfile/" + name
        for name in (
            "read/reader.c", "read/source.c", "read/scan.c", "read/search.c", "read/list.c", "read/dictionary.c",
            "block/decoder.c", "frames.c", "index.c", "block/decode.c", "block/alike_decode.c", "column/decode.c",
            "column/unpack.c", "read/content.c", "read/frame.c", "read/ledger.c", "block/string_decode.c",
            "block/payload_decode.c", "column/unpack_kernel.c", "column/unpack_avx2.c", "site.c", "sites.c",
            "block/shape.c",
        )
    ],
}


# Why the tests that are counted here do not get to a branch, and which others do: the first one that
# fits the file and the line's text.
REASONS = (
    ("", r"\b(r|n|back|fd)\b *(<|>=|==|!=|>) *(0|-E|-FILE_ERR)|\? r : |r \|\|",
     "a failure of memory, file or disk that is handed on (fault_collector, power_loss, *_trouble)"),
    ("", r"if \(!\w+(->\w+)*\)|MAP_FAILED|ENOMEM|ENAMETOOLONG|file_path\(|guard\(|fstat\(",
     "no memory, or a path that is too long"),
    ("shm/", "", "a ring or table that others change between two looks (fuzzers ring and segment,"
     " hostile_producer)"),
    ("logfile/", "", "contradictions behind sound checksums, which only forgers make (fuzzers"
     " file and block)"),
    ("collector/outbox", "", "a header damaged in one more way, and machines short of memory (vm)"),
    ("collector/", "", "rings, sites and outboxes that are cut, scribbled over or too small while they"
     " are drained (cut_collector, hostile_producer, fuzzer drain)"),
)


def reason_of(name, text):
    return next(why for prefix, pattern, why in REASONS
                if name.startswith(prefix) and re.search(pattern, text))


def untaken(lines, source):
    """The lines with a branch that was not taken: number, text, how many of how many."""
    for line in lines:
        branches = [b for b in line["branches"] if not b.get("throw")]
        missed = sum(b["count"] == 0 for b in branches)
        text = source[line["line_number"] - 1].strip()
        if missed and not text.startswith("assert("):
            yield line["line_number"], text, missed, len(branches)


def merged(lines):
    """One entry for each source line; the same line of an inline function may stand several times."""
    by_number = {}
    for line in lines:
        seen = by_number.setdefault(line["line_number"], line)
        if seen is not line and len(seen["branches"]) == len(line["branches"]):
            for a, b in zip(seen["branches"], line["branches"]):
                a["count"] += b["count"]
    return [by_number[n] for n in sorted(by_number)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("json", help="what gcovr --json wrote")
    parser.add_argument("--source", required=True, help="the source directory")
    parser.add_argument("--least", type=float, required=True, help="percent that must be covered")
    options = parser.parse_args()
    with open(options.json, encoding="utf-8") as f:
        found = {entry["file"]: merged(entry["lines"]) for entry in json.load(f)["files"]}
    absent = [name for names in GROUPS.values() for name in names if not found.get(name)]
    taken_all = total_all = 0
    left = {}

    for group, names in GROUPS.items():
        print(f"{group}:")
        for name in names:
            with open(os.path.join(options.source, name), encoding="utf-8") as f:
                source = f.read().splitlines()
            lines = found.get(name, [])
            branches = [
                b
                for line in lines
                for b in line["branches"]
                if not b.get("throw")
                and not source[line["line_number"] - 1].strip().startswith("assert(")
            ]
            taken = sum(b["count"] > 0 for b in branches)
            percent = 100 * taken / len(branches) if branches else 100
            print(f"    {name:<40} {taken:>4} of {len(branches):>4} branches {percent:6.1f} %")
            taken_all += taken
            total_all += len(branches)
            for number, text, missed, of in untaken(lines, source):
                left.setdefault(reason_of(name, text), []).append(
                    (missed, f"    {name}:{number}: {missed} of {of}: {text}"))

    for why, details in left.items():
        print(f"{sum(missed for missed, _ in details)} never taken: {why}:")
        print("\n".join(line for _, line in details))
    for name in absent:
        print(f"nothing was found of {name}")
    percent = 100 * taken_all / total_all if total_all else 0
    print(f"{taken_all} of {total_all} branches, {percent:.1f} %")
    if percent < options.least:
        print(f"less than {options.least} %")
    return 1 if absent or percent < options.least else 0


if __name__ == "__main__":
    sys.exit(main())

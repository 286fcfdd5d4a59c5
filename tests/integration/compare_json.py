#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compare `shmlog-dump --format json` of one producer with the oracle that it wrote itself.

usage: compare_json.py ORACLE DUMP CSV SEGMENT [EARLIER]

Every line of the dump must be strict JSON with all keys of the brief in their order, no key twice,
and, in the order of the oracle, its level, category and message (or the beginning of it), and its
fields by value and type. The rows of `shmlog-dump --format csv` must say the same.
EARLIER is another dump: the same records have the same times in it.
"""
import csv
import json
import socket
import sys

KEYS = ("time_ns level site category file line function pid tid process thread cpu ring seq message "
        "fields host segment").split()


def unique(pairs):
    """An object's members; tools that infer a schema take keys without regard to case."""
    keys = [key.lower() for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError(f"a key is there twice: {keys}")
    return dict(pairs)


def no_constant(name):
    raise ValueError(f"{name} is not JSON")


def load(line):
    return json.loads(line, object_pairs_hook=unique, parse_constant=no_constant)


def same_cell(value, cell):
    if isinstance(value, dict):
        return load(cell) == value
    if value is None:
        return cell == ""
    return "\\x" in str(value) or str(value) == cell


def csv_differences(path, dump):
    with open(path, newline="", encoding="utf-8", errors="replace") as f:
        rows = list(csv.reader(f))
    if rows[0] != KEYS:
        yield f"CSV header is {rows[0]}"
    if len(rows) - 1 != len(dump):
        yield f"CSV has {len(rows) - 1} rows"
    for number, (row, got) in enumerate(zip(rows[1:], dump), 1):
        for key, cell in zip(rows[0], row):
            if not same_cell(got[key], cell):
                yield f"CSV row {number}: {key} is {cell!r}, not {got[key]!r}"


def changed_times(path, dump):
    with open(path, encoding="utf-8") as f:
        earlier = [load(line) for line in f]
    for old, new in zip(earlier, dump):
        if any(old[key] != new[key] for key in ("ring", "seq", "time_ns")):
            yield f"was {old['time_ns']}, is {new['time_ns']}: record {new['seq']} of ring {new['ring']}"


def differences(want, got, before):
    if list(got)[:len(KEYS)] != KEYS:
        yield f"keys are {list(got)}"
    if got.get("host") != socket.gethostname()[:63] or got.get("segment") != sys.argv[4]:
        yield f"host is {got.get('host')!r}, segment {got.get('segment')!r}"
    for key in ("level", "message"):
        if key in want and got.get(key) != want[key]:
            yield f"{key} is {got.get(key)!r}, not {want[key]!r}"
    if (got.get("category") or "") != want["category"]:
        yield f"category is {got.get('category')!r}, not {want['category']!r}"
    if "starts" in want and not str(got.get("message", "")).startswith(want["starts"]):
        yield f"message is {got.get('message')!r}, does not start with {want['starts']!r}"
    for name, value in want.get("fields", {}).items():
        have = (got.get("fields") or {}).get(name)
        if have != value or isinstance(have, bool) != isinstance(value, bool):
            yield f"field {name} is {have!r}, not {value!r}"
    if "fields" in want and list(got.get("fields") or {}) != list(want["fields"]):
        yield f"fields are {list(got.get('fields') or {})}, not {list(want['fields'])}"
    if want.get("same_time") and before and got.get("time_ns") != before.get("time_ns"):
        yield f"time {got.get('time_ns')} is not that of the record before, {before.get('time_ns')}"
    if got.get("process") != "e2e":
        yield f"process is {got.get('process')!r}"


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        oracle = [json.loads(line) for line in f]
    with open(sys.argv[2], encoding="utf-8") as f:
        dump = [load(line) for line in f]
    bad = 0
    before = None
    for number, (want, got) in enumerate(zip(oracle, dump), 1):
        for difference in differences(want, got, before):
            bad += 1
            if bad <= 20:
                print(f"record {number}: {difference}\n    {json.dumps(got)[:400]}")
        before = got
    for difference in csv_differences(sys.argv[3], dump):
        bad += 1
        print(difference)
    for change in changed_times(sys.argv[5], dump) if len(sys.argv) > 5 else ():
        bad += 1
        print(change)
    if len(oracle) != len(dump):
        print(f"{len(dump)} records in the dump, not {len(oracle)}")
        bad += 1
    print(f"{len(oracle)} records, {bad} differences")
    return 1 if bad or not oracle else 0


if __name__ == "__main__":
    sys.exit(main())

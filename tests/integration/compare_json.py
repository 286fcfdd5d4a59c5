#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compare `shmlog-dump --format json` of one producer with the oracle that it wrote itself.

usage: compare_json.py ORACLE DUMP

Every line of the dump must be JSON with all keys of the brief, in the order of the oracle, with
its level, category and message (or the beginning of it), and its fields by value and type.
"""
import json
import sys

KEYS = ("time_ns level site category file line function pid tid process thread cpu ring seq message "
        "fields").split()


def differences(want, got, before):
    for key in KEYS:
        if key not in got:
            yield f"no key {key}"
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
        dump = [json.loads(line) for line in f]
    bad = 0
    before = None
    for number, (want, got) in enumerate(zip(oracle, dump), 1):
        for difference in differences(want, got, before):
            bad += 1
            if bad <= 20:
                print(f"record {number}: {difference}\n    {json.dumps(got)[:400]}")
        before = got
    if len(oracle) != len(dump):
        print(f"{len(dump)} records in the dump, not {len(oracle)}")
        bad += 1
    print(f"{len(oracle)} records, {bad} differences")
    return 1 if bad or not oracle else 0


if __name__ == "__main__":
    sys.exit(main())

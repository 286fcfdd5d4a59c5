#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print the records of the files of one segment, merged, as JSON, one a line.

usage: dump.py FILE...

As `shmlog-dump --format json`, but for `fields`, which is a list of values.
"""
import bisect
import collections
import heapq
import json
import sys

import content
import conventions
import message
import reader

Line = collections.namedtuple("Line", "file ring record site producer values message")


MINUTE = 60_000_000_000


def stream(ring, blocks, gaps):
    """The records of a ring, each once, with the time of the last loss before it."""
    next_seq, lost, lost_time = 0, False, 0
    for file, piece in sorted(blocks, key=lambda block: block[1].detail.first_seq):
        if piece.detail.first_seq + piece.detail.records <= next_seq:
            continue
        try:
            records = file.records(piece)
        except conventions.Damaged:
            lost = True
            continue
        for record in records:
            if record.seq < next_seq:
                continue
            if (lost or (next_seq and record.seq > next_seq) or
                    bisect.bisect_left(gaps, next_seq) < bisect.bisect_right(gaps, record.seq)):
                lost_time = record.time
            lost = False
            next_seq = record.seq + 1
            yield ring, file, record, lost_time


def merged(files):
    """All records of the files of one segment in the order of section 9."""
    rings, gaps = collections.defaultdict(list), collections.defaultdict(list)
    for file in files:
        for piece in file.pieces:
            if piece.what == "block":
                rings[piece.detail.ring].append((file, piece))
            elif piece.what == "gap":
                gaps[piece.detail.ring].append(piece.detail.seq)
    return heapq.merge(*(stream(ring, blocks, sorted(gaps[ring])) for ring, blocks in rings.items()),
                       key=lambda item: (item[2].time, item[0]))


def brought(site, record):
    """Site and record that a record of flag bit 3 stands for; site and record as they are if it does
    not follow the rules."""
    try:
        first, second = site.values(record.payload)
        if first.type != content.BYTES or second.type != content.BYTES or \
                first.value is None or second.value is None:
            return site, record
        inner = content.Site(first.value)
    except (conventions.Damaged, ValueError):
        return site, record
    if inner.flags & 8 or inner.level != site.level:
        return site, record
    return inner, record._replace(payload=record.payload[:12] + second.value)


def line_of(ring, file, record):
    site, values = file.sites.get(record.site), ()
    if site is not None and site.flags & 8:
        site, record = brought(site, record)
    if site is None:
        shown = b"(record of unknown site %d, %d bytes)" % (record.site, len(record.payload))
    else:
        try:
            values = site.values(record.payload)
            shown = message.message(site, values)
        except conventions.Damaged:
            shown = b"(damaged arguments) " + site.format
    return Line(file, ring, record, site, file.producers.get(record.producer), values, shown)


def lines(files):
    """Messages, long texts put together."""
    parts, last, clocks = {}, {}, {}
    for ring, file, record, lost_time in merged(files):
        line = line_of(ring, file, record)
        key = (record.producer, 0 if record.producer else ring)
        more = line.site is not None and line.site.flags & 1
        if parts or more:
            if id(file) not in clocks:
                clocks[id(file)] = file.clock()
            now = clocks[id(file)].wall(record.time)
            for old in sorted((old for old in parts if now - last[old][1] >= MINUTE),
                              key=lambda old: last[old][1]):
                yield parts.pop(old)
            if key in parts and lost_time > last[key][0]:
                yield parts.pop(key)
            last[key] = (record.time, now)
        if key in parts:
            parts[key] = parts[key]._replace(message=parts[key].message + line.message)
        elif more:
            parts[key] = line._replace(values=())
        if not more:
            yield parts.pop(key, line)
    yield from parts.values()


LEVELS = ("trace", "debug", "info", "warn", "error", "critical")


def json_text(data):
    return data.decode("utf-8", "backslashreplace") if data else None


def json_value(value):
    if value.value is None:
        return None
    if value.type == content.BOOL:
        return bool(value.value)
    if value.type in (content.STRING, content.TEXT):
        return value.value.decode("utf-8", "backslashreplace")
    if value.type == content.CHAR:
        return bytes([value.value & 0xFF]).decode("utf-8", "backslashreplace")
    if value.type == content.BYTES:
        return value.value.hex()
    if value.type == content.POINTER:
        return f"0x{value.value:x}"
    if value.type in (content.F32, content.F64):
        shown = message.shortest(value.value, value.type == content.F32)
        return shown if shown[-1].isalpha() else float(shown)
    return value.value


def as_json(line, clock):
    """As `shmlog-dump --format json` shows it; the fields as a list, without names."""
    site, producer = line.site, line.producer
    return {
        "time_ns": clock.wall(line.record.time),
        "level": LEVELS[site.level] if site else None,
        "site": json_text(site.format) if site else None,
        "category": json_text(site.category) if site else None,
        "file": json_text(site.file) if site else None,
        "line": site.line if site else None,
        "function": json_text(site.function) if site else None,
        "pid": producer.pid if producer else None,
        "tid": producer.tid if producer else None,
        "process": json_text(producer.process) if producer else None,
        "thread": json_text(producer.thread) if producer else None,
        "cpu": line.file.core(line.ring),
        "ring": line.ring,
        "seq": line.record.seq,
        "message": line.message.decode("utf-8", "backslashreplace"),
        "fields": [json_value(value) for value in line.values],
    }


def dump(paths):
    """The lines of the files of one segment as dictionaries."""
    files = []
    for path in paths:
        with open(path, "rb") as f:
            files.append(reader.File(f.read()))
    files.sort(key=lambda file: file.identity.number if file.identity else 0)
    clocks = {}
    for line in lines(files):
        if id(line.file) not in clocks:
            clocks[id(line.file)] = line.file.clock()
        yield as_json(line, clocks[id(line.file)])


def main():
    if len(sys.argv) < 2:
        print("usage: dump.py FILE...", file=sys.stderr)
        return 2
    for line in dump(sys.argv[1:]):
        print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())

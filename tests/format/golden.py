# SPDX-License-Identifier: MIT
"""What is in a file as tests/golden/*.txt shows it; see tests/unit/test_file_golden.c."""
import struct

import conventions
import reader


def bits_of(value):
    """A number as 64 bits; floats as doubles."""
    if isinstance(value, float):
        return struct.unpack("<Q", struct.pack("<d", value))[0]
    return value & conventions.MASK


def value_text(value):
    if value.value is None:
        return f" {value.type}:null"
    if isinstance(value.value, bytes):
        return f" {value.type}:{len(value.value)}{'+' if value.cut else ''}:{value.value.hex()}"
    return f" {value.type}:{bits_of(value.value):016x}"


def record_text(file, record):
    line = (f"  {record.seq} time {record.time} site {record.site} producer {record.producer} "
            f"slots {record.slots}")
    try:
        conventions.need(record.site in file.sites, "an unknown site")
        return line + "".join(map(value_text, file.sites[record.site].values(record.payload)))
    except conventions.Damaged:
        return line + " opaque:" + record.payload.hex()


def block_lines(file, piece):
    block = piece.detail
    records, verdict = [], "sound"
    try:
        records = file.records(piece)
    except conventions.Cut:
        verdict = "ends in the middle of a piece"
    except conventions.Damaged:
        verdict = "damaged"
    yield (f"block {piece.at}+{piece.size} ring {block.ring} seq {block.first_seq} "
           f"pos {block.first_pos} records {block.records} slots {block.slots} "
           f"time {block.time_min}..{block.time_max} levels {block.levels:02x} "
           f"sites {block.sites:x} {verdict}")
    for record in records:
        yield record_text(file, record)


def ledger_lines(name, ledger):
    yield name if ledger is not None else f"{name} none"
    for entry in ledger or ():
        yield (f"  ring {entry.ring} cpu {entry.core} next {entry.next_seq} at {entry.next_pos} "
               f"produced {entry.produced} written {entry.written} lost {entry.lost[0]}")


def piece_lines(file, piece):
    if piece.what == "block":
        yield from block_lines(file, piece)
    elif piece.what == "gap":
        gap = piece.detail
        yield f"gap ring {gap.ring} cause {gap.cause} count {gap.count} before {gap.seq}"
    elif piece.what in ("damaged", "cut"):
        how = "damaged" if piece.what == "damaged" else "ends in the middle of a piece"
        yield f"damage {piece.at}+{piece.size} {how}"


def dictionary_lines(file):
    for number, site in sorted(file.sites.items()):
        yield (f"site {number} level {site.level} {site.file.decode('latin-1')}:{site.line} "
               f"{site.function.decode('latin-1')} [{site.category.decode('latin-1')}] "
               f'"{site.format.decode("latin-1")}"')
    for ticks, ns, error in sorted(file.pairs.values()):
        yield f"clock {ticks} is {ns} +-{error}"
    producer = file.producers.get(65537)
    if producer:
        yield f"producer 65537 pid {producer.pid} {producer.process.decode('latin-1')}"


def lines(data):
    try:
        file = reader.File(data)
    except conventions.Cut:
        yield "ends in the middle of a piece"
        return
    except conventions.Damaged:
        yield "damaged"
        return
    except conventions.Refused as refused:
        yield str(refused)
        return
    of = file.identity
    name = [text.decode("latin-1") for text in (of.segment, of.host, of.segment_path)] if of else [""] * 3
    yield f"file {of.number if of else 0} of {name[0]} on {name[1]}, {name[2]}, {of.hz if of else 0} Hz"
    yield from ledger_lines("start", file.start)
    for piece in file.pieces:
        yield from piece_lines(file, piece)
    yield from dictionary_lines(file)
    yield from ledger_lines("end", file.end)


def without_reasons(text):
    """The text of a golden, but for why a piece is damaged: readers may say that in other words."""
    return [line.rsplit(": ", 1)[0] if line.startswith("damage ") else line
            for line in text.split("\n")[:-1]]

# SPDX-License-Identifier: MIT
"""RANGES of docs/format.md: what a frame says, and whether the records of its block agree."""
import collections
import math
import struct

from conventions import Bytes, Damaged, need, xxh64

RANGES = 10
SIGNED, UNSIGNED, REAL, STRINGS = range(4)

Ranges = collections.namedtuple("Ranges", "first_seq ring sites ranges")
Range = collections.namedtuple("Range", "site argument kind low high")


def real(upper):
    return struct.unpack("<f", struct.pack("<I", upper << 16))[0]


def ranges_of(frame):
    first_seq, ring, size = struct.unpack_from("<QII", frame, 32)
    need(len(frame) == 56 + (size + 7) // 8 * 8, "size of ranges")
    c = Bytes(frame[48:48 + size])
    sites = [c.varint() for _ in range(c.varint())]
    ranges = []
    for _ in range(c.varint()):
        site, what = c.varint(), c.varint()
        need(site < len(sites), "site of a range")
        kind = what % 4
        if kind == REAL:
            low, high = real(c.u16()), real(c.u16())
        elif kind == STRINGS:
            low = high = int.from_bytes(c.take(8), "little")
        else:
            low = c.svarint() if kind == SIGNED else c.varint()
            low = low - (1 << 64) if kind == SIGNED and low >> 63 else low
            high = low + c.varint()
        ranges.append(Range(sites[site], what // 4, kind, low, high))
    return Ranges(first_seq, ring, sites, ranges)


def agrees(one, value):
    if one.kind == STRINGS:
        return one.low >> xxh64(value.value or b"") % 64 & 1
    return not (isinstance(value.value, float) and math.isnan(value.value)) and one.low <= value.value <= one.high


def problems(file):
    """Yield what records do not agree with, and last how many values did."""
    before, agreed = None, 0
    for piece in file.pieces:
        if piece.what == "other" and piece.detail.kind == RANGES:
            said = ranges_of(piece.detail.bytes)
            if not before or (before.detail.ring, before.detail.first_seq) != (said.ring, said.first_seq):
                yield f"ranges at {piece.at} are not behind their block"
                continue
            for record in file.records(before):
                if record.site not in said.sites:
                    yield f"site {record.site} is missing in the ranges at {piece.at}"
                try:
                    values = file.sites[record.site].values(record.payload) if record.site in file.sites else ()
                except Damaged:
                    continue
                for one in said.ranges:
                    if one.site != record.site or not values:
                        continue
                    if not agrees(one, values[one.argument]):
                        yield f"ranges at {piece.at}: {one} and {values[one.argument]}"
                    agreed += 1
        before = piece if piece.what == "block" else None
    yield agreed

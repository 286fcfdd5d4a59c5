# SPDX-License-Identifier: MIT
"""The balance of a segment's files, all sealed and sound: section 11 of docs/format.md."""
import reader

TAKES_NUMBERS = (4, 5)


class Account:
    """Of a ring, or of the segment itself: what is next, and what is counted so far."""

    def __init__(self, entry):
        self.next_seq, self.next_pos = entry.next_seq, entry.next_pos
        self.written, self.lost, self.produced = entry.written, list(entry.lost), entry.produced

    def block(self, block, records):
        if (block.first_seq, block.first_pos) != (self.next_seq, self.next_pos):
            yield f"block of {block.first_seq} at {block.first_pos}, not {self.next_seq} at {self.next_pos}"
        self.next_seq, self.next_pos = block.first_seq + len(records), block.first_pos + block.slots
        self.written += len(records)

    def gap(self, gap):
        self.lost[gap.cause] += gap.count
        if gap.ring == reader.NO_RING:
            return
        if gap.seq - (gap.count if gap.cause in TAKES_NUMBERS else 0) != self.next_seq:
            yield f"gap before {gap.seq}, not {self.next_seq}"
        if gap.cause not in TAKES_NUMBERS and gap.pos != self.next_pos:
            yield f"gap at {gap.pos}, not {self.next_pos}"
        self.next_seq, self.next_pos = gap.seq, gap.pos

    def agree(self, entry):
        mine, theirs = [self.written, self.lost], [entry.written, list(entry.lost)]
        if entry.ring != reader.NO_RING:
            mine += [self.next_seq, self.next_pos]
            theirs += [entry.next_seq, entry.next_pos]
        if mine != theirs:
            yield f"counted {mine}, the ledger has {theirs}"
        if entry.produced < self.produced:
            yield f"produced {entry.produced}, was {self.produced}"
        self.produced = entry.produced

    def in_ring(self):
        return self.produced - self.written - sum(self.lost)


def problems(files, accounts):
    """`files` by number. `accounts`: empty; afterwards the account of each ring."""
    for number, file in enumerate(files, files[0].identity.number):
        if file.identity.number != number:
            yield f"file {file.identity.number} instead of {number}"
        for entry in file.start:
            account = accounts.setdefault(entry.ring, Account(entry))
            yield from account.agree(entry)
        for piece in file.pieces:
            if piece.what == "block":
                yield from accounts[piece.detail.ring].block(piece.detail, file.records(piece))
            elif piece.what == "gap":
                yield from accounts[piece.detail.ring].gap(piece.detail)
            elif piece.what != "other":
                yield f"{piece.what} at {piece.at}"
        if [entry.ring for entry in file.start] != [entry.ring for entry in file.end]:
            yield "other rings at the end"
        for entry in file.end:
            yield from accounts[entry.ring].agree(entry)


def sums(accounts):
    """As the last line of `shmlog-dump --verify`."""
    of = accounts.values()
    return (f"produced={sum(a.produced for a in of)} written={sum(a.written for a in of)} "
            f"dropped={sum(sum(a.lost) for a in of)} in_ring={sum(a.in_ring() for a in of)}")

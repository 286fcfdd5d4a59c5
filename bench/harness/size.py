# SPDX-License-Identifier: MIT
"""How much of everything is measured."""
import collections

Size = collections.namedtuple("Size", (
    "repetitions",      # at most
    "at_least",         # repetitions, even if the budget is over
    "budget_s",         # no further repetition begins that would go beyond
    "bursts",           # of 8,192 log calls
    "samples",          # paced, of each kind
    "records",          # flat out, to disk
    "paced_records",    # to disk
    "mixed_records",    # to disk
    "producers",        # at once
    "scale",            # (threads, processes) attached
    "turns",            # of those
    "idle_s",           # of an idle collector
    "read_records",     # to decode
    "steps",            # records under callgrind
    "slow",             # repetitions of what varies little: feed, scale, idle, read
    "peer_bursts", "peer_records",
    "peer_works",       # what peers do
))

SIZES = {
    "smoke": Size(1, 1, 60, bursts=5, samples=2000, records=100_000, paced_records=20_000,
                  mixed_records=20_000, producers=(1, 2), scale=((1, 1), (8, 4)), turns=16,
                  idle_s=0.1, read_records=524_288, steps=16_384, slow=1, peer_bursts=3,
                  peer_records=2000, peer_works=("burst", "pace", "disk", "mixed")),
    "quick": Size(5, 5, 100, bursts=300, samples=100_000, records=8_000_000,
                  paced_records=250_000, mixed_records=1_000_000, producers=(1, 2),
                  scale=((1, 1), (1024, 256)), turns=1024, idle_s=0.5,
                  read_records=2_097_152, steps=65_536, slow=2, peer_bursts=50,
                  peer_records=500_000, peer_works=("burst", "pace", "disk", "mixed")),
    "full": Size(9, 5, 600, bursts=2000, samples=500_000, records=20_000_000,
                 paced_records=1_000_000, mixed_records=2_000_000, producers=(1, 2, 4),
                 scale=((1, 1), (4, 1), (16, 4), (64, 16), (256, 64), (512, 128), (1024, 256)),
                 turns=2048, idle_s=2, read_records=4_194_304, steps=262_144, slow=5,
                 peer_bursts=200, peer_records=2_000_000,
                 peer_works=("burst", "pace", "disk", "paced", "mixed")),
}

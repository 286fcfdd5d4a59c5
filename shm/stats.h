/* SPDX-License-Identifier: MIT
 *
 * The collector's counters, in control.stats[]: one list for the collector, the tools and the
 * Prometheus text.
 */
#ifndef SHM_STATS_H
#define SHM_STATS_H

/* X(index, name, help) */
#define SHM_STATS(X)                                                    \
    X(0, rounds, "rounds over the rings")                               \
    X(1, records, "records put into blocks")                            \
    X(2, blocks, "blocks made")                                         \
    X(3, slot_bytes, "bytes of slots read from rings")                  \
    X(4, file_bytes, "bytes handed to files")                           \
    X(5, files, "files begun")                                          \
    X(6, dropped, "records lost, all causes")                           \
    X(7, gaps, "gap records written")                                   \
    X(8, outbox_bytes, "bytes waiting in the outbox")                   \
    X(9, outbox_waits, "times the outbox was full")                     \
    X(10, write_errors, "failed writes")                                \
    X(11, write_retries, "writes tried again")                          \
    X(12, files_removed, "files removed by retention")                  \
    X(13, file_number, "number of the active file")                     \
    X(14, syncs, "fdatasync calls")                                     \
    X(15, clock_set, "times the wall clock was set")                    \
    X(16, clock_back, "times the ticks went back")                      \
    X(17, acknowledged, "records written; with --durable: on the disk") \
    X(18, files_doubtful, "finished files of which a sync failed")

enum shm_stat {
#define X(index, name, help) SHM_STAT_##name = index,
    SHM_STATS(X)
#undef X
};

#endif

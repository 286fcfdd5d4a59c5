/* SPDX-License-Identifier: MIT
 *
 * The frame of a peer: another logger that does the same work. A peer fills in a struct peer and
 * calls peer_main(), which understands what bench/run asks for (see "Peers" in bench/README.md),
 * times it, and prints the JSON.
 */
#ifndef BENCH_PEERS_PEER_H
#define BENCH_PEERS_PEER_H

#include "bench/burst.h"
#include "bench/pace.h"
#include "bench/produce.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is asked for; from the environment. */
struct peer_job {
    bool lossless;         /* disk, paced and mixed: a full buffer makes the caller wait */
    const char *directory; /* empty, for the files */
    unsigned core, backend_core;
    unsigned bursts;
    size_t samples;
    uint64_t period_ns, records;
};

struct peer {
    void (*open)(const struct peer_job *job);
    bench_burst_fn *burst;  /* calls back to back */
    void (*settle)(void *); /* wait until the backend has caught up */
    void (*turn)(struct bench_pace *pace, struct bench_pace_work *work, size_t count);
    void (*produce)(const struct bench_stream *stream);
    uint64_t (*close)(void); /* everything is on its way to the files; messages that were lost */
};

int peer_main(int argc, char **argv, const struct peer *peer);

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: MIT
 *
 * What a segment is at the moment: geometry, rings, producers, sites, collector.
 */
#ifndef TOOLS_INFO_H
#define TOOLS_INFO_H

#include "shm/health.h"
#include "reader/text.h"

/* `show`: SHOW_* of tools/options.h. Appends to `out`. */
int info_text(const struct shm_segment *segment, unsigned show, struct text *out);
int info_json(const struct shm_segment *segment, unsigned show, struct text *out);

/* The same object as one JSON line for --health: state, reason, backlog by ring, losses. */
struct health;
int info_json_health(const struct shm_segment *segment, const struct health *health,
                     struct text *out);

/* ---- What both of them print ---- */

struct info_ring {
    uint32_t index;
    int error; /* the ring cannot be read */
    struct shmlog_ring_entry entry;
    uint64_t head, tail, fill, slots, newest;
    struct shm_backlog behind;
    struct shm_losses lost;
};
void info_ring(const struct shm_segment *segment, uint32_t index, struct info_ring *ret_ring);

/* Records of each site that are in the rings now. */
struct info_counts {
    uint64_t *site;   /* by id */
    uint64_t inlined; /* records that brought their site along */
    uint64_t unknown;
};
int info_count_sites(const struct shm_segment *segment, struct info_counts *ret_counts);
void info_counts_done(struct info_counts *counts);

/* A counter of the collector. The one of lost records says how many there are, not how many of them
 * the collector has come to putting into files. */
uint64_t info_stat(const struct shm_segment *segment, const struct shm_losses *lost,
                   unsigned index);

const char *info_ring_kind(uint32_t kind); /* `cpu`, `shared` */
const char *info_on_full(uint32_t on_full);
const char *info_alive(const struct shmlog_producer *producer);
/* Why it logs into shared rings; NULL if it does not. */
const char *info_why(const struct shmlog_producer *producer);

#endif

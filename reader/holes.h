/* SPDX-License-Identifier: MIT
 *
 * Where records of rings were lost, by what files say of it.
 */
#ifndef READER_HOLES_H
#define READER_HOLES_H

#include <stddef.h>
#include <stdint.h>

/* Records of a ring were lost before number `seq`. */
struct hole {
    uint32_t ring;
    uint64_t seq;
};

struct holes {
    struct hole *hole;
    size_t count, room;
};

int holes_note(struct holes *holes, uint32_t ring, uint64_t seq); /* 0, -ENOMEM */
/* By ring and number, when all are noted. */
void holes_sort(struct holes *holes);
/* The first of a ring's, which are next to each other. */
const struct hole *holes_of_ring(const struct holes *holes, uint32_t ring,
                                 const struct hole **ret_end);
void holes_done(struct holes *holes);

#endif

/* SPDX-License-Identifier: MIT
 *
 * A segment in memory files of this process's own, and scripts that scribble over it as a hostile
 * producer would: any word of the control file and of the rings, and things made so well that the
 * first checks let them pass (records, sites with the right hash, producers).
 *
 * There is one for each policy, made when it is first asked for and removed at exit.
 */
#ifndef TESTS_FUZZ_HOSTILE_H
#define TESTS_FUZZ_HOSTILE_H

#include "shm/segment.h"
#include "tests/fuzz/fuzz.h"

#define HOSTILE_RINGS 2u /* one of a core, one shared */

struct hostile {
    struct shm_segment *segment;                             /* as its collector has it */
    uint64_t put_pos[HOSTILE_RINGS], put_seq[HOSTILE_RINGS]; /* of records made well */
    void *pristine[1 + HOSTILE_RINGS];                       /* copies: control, rings */
};

/* The segment with this policy, as it was when it was made. */
struct hostile *hostile_get(uint32_t on_full);
/* Take one step of a script. */
void hostile_step(struct hostile *hostile, struct fuzz_in *in);
/* Give one of the files another size. No step may follow before hostile_get(). */
void hostile_resize(struct hostile *hostile, struct fuzz_in *in);

#endif

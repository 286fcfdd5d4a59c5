/* SPDX-License-Identifier: MIT
 *
 * What is done to a producer that stands at an instruction of a log call, and what must come of it.
 */
#ifndef TESTS_DEATH_FATES_H
#define TESTS_DEATH_FATES_H

/* The stage's fate, for a producer that ran into this place, or STAGE_WATCHED: that has just
 * written a word of its slots. It is gone afterwards. */
void fates_meet(long at);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Which instructions a scene is to hit, which ones have to be reached by the scenes together, and
 * why the others are not.
 */
#ifndef TESTS_DEATH_CHOICE_H
#define TESTS_DEATH_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

/* Not to be hit in the stage's scene: in the short run, because of the scenes before. */
bool choice_skips(size_t place);

/* Functions that read and write nothing but what is their thread's own: there, one scene is as good
 * as another. */
bool choice_is_private(const char *symbol);

/* Print how much was reached and, of a whole run, what was not and why. How many instructions were
 * not that have to be; 0 if it was not whole. */
size_t choice_report(bool whole);

#endif

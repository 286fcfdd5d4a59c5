/* SPDX-License-Identifier: MIT
 *
 * Names of arguments, worked out from the text of a call.
 *
 * The name of an argument is the last identifier of the expression that stands in no brackets: the
 * member, variable or function that is used last. Casts, literals and operators add nothing to it;
 * brackets around all of it are opened. Where that leaves no name or several, as in a + b, it is
 * argN, N being the argument's number from 1. SHMLOG_NAMED() and the names of an event's fields are
 * taken as they are. A name that an argument before it has gets _2, _3, ... behind it.
 */
#ifndef SHM_ARGUMENT_NAMES_H
#define SHM_ARGUMENT_NAMES_H

#include <stddef.h>
#include <stdint.h>

/* Give a site with SHMLOG_SITE_FLAG_TEXT its names, and its expressions where they say more, in
 * place of the text and the flag. Any other site, and one that is damaged, is copied as it is.
 * `raw` may hold anything; it is at most SHMLOG_SITE_MAX bytes, for which `ret_site` has room. */
void shm_argument_names(const uint8_t *raw, size_t size, uint8_t *ret_site, size_t *ret_size);

#endif

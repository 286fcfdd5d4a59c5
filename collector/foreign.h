/* SPDX-License-Identifier: MIT
 *
 * Producers of other pid namespaces, as of containers: which of them are dead for certain.
 *
 * Their numbers mean nothing here, and a namespace has no way in once its processes are gone. But
 * the initial pid namespace sees the processes of all others. There, all of /proc is gone through,
 * a piece in each step; a producer that was in the table before that began, and whose process was
 * not found, is dead. A process is known by its namespace and its number in that, and from an
 * earlier one of the same numbers by when it started. Whatever cannot be read counts as what it
 * might be: then nobody is dead by mistake, only taken for alive too long. Threads of a process
 * that lives count as alive: their listing leaves out some while others end.
 *
 * In any other namespace, and where /proc hides processes, nobody is found dead.
 */
#ifndef COLLECTOR_FOREIGN_H
#define COLLECTOR_FOREIGN_H

#include "producer/shmlog/check.h"

#include <stdbool.h>

struct foreign;

/* Returns 0; -ENOMEM. */
int foreign_open(struct foreign **ret_foreign);
void foreign_close(struct foreign *foreign);

/* Go on with the search, or begin another one: up to 128 processes. `step` is a number that grows
 * with each call. */
void foreign_work(struct foreign *foreign, uint32_t step);

/* Is this producer, of another namespace, dead by the last search that was finished? `since`: the
 * step in which its entry was seen first, as it is now. */
bool foreign_is_dead(const struct foreign *foreign, const struct shmlog_producer *producer,
                     uint32_t since);

#endif

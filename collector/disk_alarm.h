/* SPDX-License-Identifier: MIT
 *
 * The alarm about a disk that hangs: nothing has come back from it for a second, though something
 * is under way, or whoever writes to it waits for it in a system call and makes no round.
 *
 * It is the drain's, since housekeeping may be what hangs. It goes by a count that housekeeping
 * makes grow, and by nothing that could wait.
 */
#ifndef COLLECTOR_DISK_ALARM_H
#define COLLECTOR_DISK_ALARM_H

#include "collector/alarm.h"

#define DISK_ALARM_NS UINT64_C(1000000000)

struct disk_alarm {
    const char *directory; /* that is written to */

    /* zero at first */
    struct alarm_episode hanging;
    uint64_t answers, since_ns; /* the count, and when it was found so */
    uint64_t looked_ns;
    bool hangs;
    unsigned times; /* since it began; the one that lasts is not in what follows */
    uint64_t all_ns, longest_ns;
};

/* A look, twenty times a second; `answers` grows while the disk answers, or has nothing to answer.
 * ALARM_NO_NEWS, or a line, and its level is SHMLOG_WARN, or SHMLOG_INFO when it is over. */
enum alarm_news disk_alarm_work(struct disk_alarm *alarm, uint64_t answers, uint64_t now_ns,
                                char *ret_line, size_t size);

#endif

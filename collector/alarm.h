/* SPDX-License-Identifier: MIT
 *
 * The alarm: tells those who do not ask that records are being lost, and what leads to that: rings
 * that fill, and tables that are nearly full; and that the wall clock was set. A line when it
 * begins, one every ten seconds while it goes on (for a table, which may stay so for days: none),
 * and one when it is over, with the total. disk_alarm.h does the same for a disk that hangs.
 */
#ifndef COLLECTOR_ALARM_H
#define COLLECTOR_ALARM_H

#include "shm/losses.h"

#include <stdbool.h>

#define ALARM_AGAIN_NS UINT64_C(10000000000) /* between two lines about the same */

/* Something that begins, goes on and ends. It has ended when it was not seen for ALARM_AGAIN_NS. */
struct alarm_episode {
    bool on;
    uint64_t seen_ns, said_ns;
};

/* Take in one look at an episode. `seen`: it is so now; `again`: report it again while it goes on.
 */
enum alarm_news { ALARM_NO_NEWS, ALARM_NEWS, ALARM_OVER };
enum alarm_news alarm_step(struct alarm_episode *episode, bool seen, bool again, uint64_t now_ns);

/* Takes a line, and its level: SHMLOG_WARN, or SHMLOG_INFO when something is over. */
typedef void alarm_say(unsigned level, const char *line);

struct alarm {
    const struct shm_segment *segment;
    alarm_say *say;
    uint64_t lost; /* as it was at the last look; at first, as it was known before */

    /* zero at first */
    struct alarm_episode losing, filling, producers, sites, clock;
    struct {
        unsigned times;
        int64_t by_ns;
    } steps, steps_unsaid; /* of the clock, since that began */
};

/* A look; call it about twice a second. `losses`: of the whole segment, as they are now. Cost: some
 * loads for each ring and table entry. */
void alarm_work(struct alarm *alarm, const struct shm_losses *losses, uint64_t now_ns);

/* The last look: says what was not said yet, and what is over by now, which other looks say only
 * ten seconds later. */
void alarm_end(struct alarm *alarm, const struct shm_losses *losses, uint64_t now_ns);

/* The wall clock was set by so much; the next look says so. */
void alarm_clock_set(struct alarm *alarm, int64_t by_ns);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The alarm about a disk that hangs: see disk_alarm.h.
 */
#include "collector/disk_alarm.h"

#include <stdio.h>

/* Who did not look for so long was stopped, as the other side may have been. */
#define AWAY_NS UINT64_C(500000000)

static void note(struct disk_alarm *a, bool hangs, uint64_t now_ns)
{
    const uint64_t lasted = now_ns - a->since_ns;

    if (hangs == a->hangs)
        return;
    a->hangs = hangs;
    if (hangs) {
        a->times++;
        return;
    }
    a->all_ns += lasted;
    a->longest_ns = lasted > a->longest_ns ? lasted : a->longest_ns;
}

enum alarm_news disk_alarm_work(struct disk_alarm *a, uint64_t answers, uint64_t now_ns,
                                char *ret_line, size_t size)
{
    const bool away = !a->looked_ns || now_ns - a->looked_ns > AWAY_NS;
    enum alarm_news news;

    a->looked_ns = now_ns;
    if (away || answers != a->answers) {
        note(a, false, now_ns);
        a->answers = answers;
        a->since_ns = now_ns;
    }
    if (now_ns - a->since_ns >= DISK_ALARM_NS)
        note(a, true, now_ns);
    news = alarm_step(&a->hanging, a->hangs, true, now_ns);
    if (news == ALARM_NEWS) {
        snprintf(ret_line, size,
                 "%.512s: the disk has not answered for %.1f s; records wait in memory: in the "
                 "outbox, and when that is full in their rings",
                 a->directory, (double)(now_ns - a->since_ns) / 1e9);
    } else if (news == ALARM_OVER) {
        snprintf(ret_line, size,
                 "%.512s: the disk answers again; it hung %u %s, %.1f s in all, %.1f s at most",
                 a->directory, a->times, a->times == 1 ? "time" : "times", (double)a->all_ns / 1e9,
                 (double)a->longest_ns / 1e9);
        a->times = 0;
        a->all_ns = a->longest_ns = 0;
    }
    return news;
}

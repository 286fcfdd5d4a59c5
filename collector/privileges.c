/* SPDX-License-Identifier: MIT
 *
 * What the collector asks of the kernel for itself: see privileges.h.
 */
#include "collector/privileges.h"

#include "shm/rungs.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

int privileges_pin(const struct options *options, char *ret_message, size_t message_size)
{
    cpu_set_t cpus;

    if (options->pin < 0)
        return 0;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)options->pin, &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0 && errno == EINVAL) {
        snprintf(ret_message, message_size,
                 "--pin %d: no such core, or not among those that this process may use",
                 (int)options->pin);
        return -EINVAL;
    }
    return 0;
}

static bool is_pinned(int core)
{
    cpu_set_t cpus;

    return core >= 0 && sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) == 1 &&
           CPU_ISSET((size_t)core, &cpus);
}

void privileges_take(const struct options *options, struct privileges *ret_privileges,
                     const struct shm_segment *segment)
{
    const struct sched_param param = {.sched_priority = (int)options->realtime};
    struct privileges got = {.core = is_pinned((int)options->pin) ? (int)options->pin : -1};

    prctl(PR_SET_TIMERSLACK, 1000UL); /* short sleeps are meant */
    got.realtime = options->realtime && sched_setscheduler(0, SCHED_FIFO, &param) == 0;
    got.locked = options->mlock && mlockall(MCL_CURRENT) == 0;
    shm_rung_set(segment, SHMLOG_RUNG_NO_PIN, options->pin >= 0 && got.core < 0);
    shm_rung_set(segment, SHMLOG_RUNG_NO_REALTIME, options->realtime && !got.realtime);
    shm_rung_set(segment, SHMLOG_RUNG_NO_MLOCK, options->mlock && !got.locked);
    *ret_privileges = got;
}

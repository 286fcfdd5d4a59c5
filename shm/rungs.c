/* SPDX-License-Identifier: MIT
 *
 * The table of rungs; see rungs.h. One line each, so that it fits a screen at start.
 */
#include "shm/rungs.h"

#include "shm/pages.h"

#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

const struct shm_rung shm_rungs[] = {
    {SHMLOG_RUNG_NO_1G, "no 1 GiB pages",
     "boot with 'hugepagesz=1G hugepages=N', then 'mkdir -p /dev/hugepages1G && mount -t hugetlbfs "
     "-o pagesize=1G none /dev/hugepages1G'"},
    {SHMLOG_RUNG_NO_2M, "no 2 MiB pages",
     "'sysctl vm.nr_hugepages=N' and, unless mounted, 'mkdir -p /dev/hugepages && mount -t "
     "hugetlbfs -o pagesize=2M none /dev/hugepages'; a container's cgroup must allow them, too "
     "(hugetlb.2MB.max)"},
    {SHMLOG_RUNG_NO_THP, "no transparent huge pages: rings lie on small pages",
     "provide 2 MiB pages, or 'mount -o remount,huge=within_size /dev/shm'"},
    {SHMLOG_RUNG_NO_NUMA, "rings could not be bound to the nodes of their cores",
     "allow mbind and get_mempolicy (containers: CAP_SYS_NICE or a seccomp profile with them)"},
    {SHMLOG_RUNG_WRONG_NODE, "rings lie on other nodes than their cores",
     "free memory on those nodes, or reserve huge pages there: "
     "/sys/devices/system/node/nodeN/hugepages"},
    {SHMLOG_RUNG_NO_URING, "no io_uring: plain writes",
     "'sysctl kernel.io_uring_disabled=0'; containers: a seccomp profile that allows io_uring"},
    {SHMLOG_RUNG_NO_FIXED_BUFFERS, "io_uring without registered buffers",
     "raise the locked-memory limit: 'ulimit -l unlimited', or LimitMEMLOCK=infinity"},
    {SHMLOG_RUNG_NO_REALTIME, "normal instead of real-time priority",
     "give the collector CAP_SYS_NICE, or LimitRTPRIO=99"},
    {SHMLOG_RUNG_NO_MLOCK, "the collector's memory is not locked",
     "give it CAP_IPC_LOCK, or LimitMEMLOCK=infinity"},
    {SHMLOG_RUNG_NO_PIN, "the collector is not pinned to its core",
     "choose a core that its cpuset allows"},
    {SHMLOG_RUNG_NO_TSC, "no reliable TSC: CLOCK_MONOTONIC, with a dearer log call",
     "see 'dmesg | grep -i tsc'; a virtual machine needs an invariant TSC from its host"},
    {SHMLOG_RUNG_NO_RSEQ, "no restartable sequences: shared rings only",
     "glibc 2.35 or newer, and glibc.pthread.rseq not 0"},
    {0, NULL, NULL},
};

#define NO_ACCESS "see 'mount -t hugetlbfs': give it a group of that user, with mode g+rwx"

/* Of huge pages, by SHMLOG_PAGES_*. */
#define PAGES(size, pagesize, mount, reserve, limit)                                               \
    {                                                                                              \
        [SHMLOG_PAGES_NO_MOUNT] = {"no " size " pages: no hugetlbfs of that size is mounted",      \
                                   "'mkdir -p " mount                                              \
                                   " && mount -t hugetlbfs -o pagesize=" pagesize " none " mount   \
                                   "'"},                                                           \
        [SHMLOG_PAGES_NO_ACCESS] = {"no " size " pages: the hugetlbfs that is mounted may not be " \
                                    "written to by the collector's user",                          \
                                    NO_ACCESS},                                                    \
        [SHMLOG_PAGES_NONE_FREE] = {"no " size " pages: none is free", reserve},                   \
        [SHMLOG_PAGES_TOO_FEW] = {"no " size " pages: fewer are free than a ring needs", reserve}, \
        [SHMLOG_PAGES_OTHER_NODE] = {"no " size " pages: those that are free are on other nodes "  \
                                     "than the rings' cores",                                      \
                                     "reserve them there: /sys/devices/system/node/nodeN/"         \
                                     "hugepages"},                                                 \
        [SHMLOG_PAGES_LIMIT] = {"no " size " pages: enough are free, but not for the collector",   \
                                "raise the limit of its cgroup (" limit "), or the 'size=' "       \
                                "option of the mount"},                                            \
        [SHMLOG_PAGES_FAILED] = {"no " size " pages: the kernel refused them",                     \
                                 "see 'mount -t hugetlbfs' and 'grep Huge /proc/meminfo'"},        \
    }

static const struct {
    const char *what, *fix;
} pages[2][SHMLOG_PAGES_REASONS] = {
    PAGES("2 MiB", "2M", "/dev/hugepages",
          "'sysctl vm.nr_hugepages=N', with N larger than it is now", "hugetlb.2MB.max"),
    PAGES("1 GiB", "1G", "/dev/hugepages1G", "boot with 'hugepagesz=1G hugepages=N'",
          "hugetlb.1GB.max"),
};

/* The reasons that rings have, as bits. */
static unsigned reasons_of(const struct shm_segment *segment, unsigned shift)
{
    unsigned reasons = 0;

    for (uint32_t i = 0; i < segment->geometry.rings; i++)
        reasons |= 1u << (segment->rings[i].entry.why_small >> shift & 15);
    return reasons & ((1u << SHMLOG_PAGES_REASONS) - 2);
}

/* The first hugetlbfs that this process may not write to, or, as for a tool of root's, the first.
 */
static bool find_closed_mount(uint64_t page_kib, char *ret_mount, size_t size)
{
    for (unsigned nth = 0; shm_hugetlbfs_mount(page_kib, nth, ret_mount, size) == 0; nth++)
        if (access(ret_mount, W_OK | X_OK) < 0)
            return true;
    return shm_hugetlbfs_mount(page_kib, 0, ret_mount, size) == 0;
}

static const char *fix_of(struct shm_rungs_walk *walk, bool giant, unsigned reason)
{
    char mount[200]; /* longer ones are not named */

    if (reason != SHMLOG_PAGES_NO_ACCESS ||
        !find_closed_mount(giant ? 1048576 : 2048, mount, sizeof(mount)))
        return pages[giant][reason].fix;
    snprintf(walk->text, sizeof(walk->text),
             "'chgrp GROUP %s && chmod g+rwx %s' with a group of that user", mount, mount);
    return walk->text;
}

void shm_rung_set(const struct shm_segment *segment, uint64_t rung, bool missing)
{
    uint64_t *const rungs = &segment->control->rungs;

    if (missing)
        __atomic_fetch_or(rungs, rung, __ATOMIC_RELAXED);
    else
        __atomic_fetch_and(rungs, ~rung, __ATOMIC_RELAXED);
}

bool shm_rungs_next(const struct shm_segment *segment, struct shm_rungs_walk *walk)
{
    const uint64_t taken = shmlog_load_relaxed_(&segment->control->rungs);

    for (; shm_rungs[walk->rung].bit; walk->rung++, walk->reason = 0) {
        const struct shm_rung *const rung = &shm_rungs[walk->rung];
        const bool giant = rung->bit == SHMLOG_RUNG_NO_1G;
        const unsigned reasons =
            giant || rung->bit == SHMLOG_RUNG_NO_2M ? reasons_of(segment, giant ? 4 : 0) : 0;

        if (!(taken & rung->bit))
            continue;
        if (!reasons && !walk->reason) { /* none, or a segment of before there were reasons */
            walk->reason = SHMLOG_PAGES_REASONS;
            walk->what = rung->what;
            walk->fix = rung->fix;
            return true;
        }
        while (++walk->reason < SHMLOG_PAGES_REASONS)
            if (reasons >> walk->reason & 1) {
                walk->what = pages[giant][walk->reason].what;
                walk->fix = fix_of(walk, giant, walk->reason);
                return true;
            }
    }
    return false;
}

/* SPDX-License-Identifier: MIT
 *
 * The table of rungs; see rungs.h. One line each, so that it fits a screen at start.
 */
#include "shm/rungs.h"

#define SHMLOG_LAYOUT_ONLY
#include "producer/shmlog.h"

#include <stddef.h>

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
    {SHMLOG_RUNG_NO_RSEQ, "no restartable sequences: owned rings only",
     "glibc 2.35 or newer, and glibc.pthread.rseq not 0"},
    {0, NULL, NULL},
};

/* SPDX-License-Identifier: MIT
 *
 * NUMA nodes through libnuma; see node.h.
 */
#include "shm/node.h"
#include "shm/place.h"

#include <errno.h>
#include <fcntl.h>
#include <numa.h>
#include <numaif.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PAGES_AT_ONCE 512

/* libnuma prints warnings unless a program has its own of these; a library is silent. */
void numa_error(char *where)
{
    (void)where;
}

void numa_warn(int number, char *format, ...)
{
    (void)number;
    (void)format;
}

static bool available(void)
{
    return numa_available() >= 0;
}

int shm_node_count(void)
{
    char online[64];
    ssize_t n;
    int fd;

    if (available())
        return numa_num_configured_nodes() > 1 ? numa_num_configured_nodes() : 1;
    /* Forbidden here, but the machine may have nodes all the same: "0" or "0-1". */
    fd = open("/sys/devices/system/node/online", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 1;
    n = read(fd, online, sizeof(online));
    close(fd);
    if (n > 0 && (memchr(online, '-', (size_t)n) || memchr(online, ',', (size_t)n)))
        return 2;
    return 1;
}

/* By the kernel's link rather than libnuma's map, which leaves out cores that are offline. */
int shm_node_of_cpu(unsigned cpu)
{
    char path[64];

    if (!available())
        return -1;
    for (int node = 0; node <= numa_max_node(); node++) {
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/node%d", cpu, node);
        if (access(path, F_OK) == 0)
            return node;
    }
    return -1;
}

int shm_node_bind(void *memory, size_t size, int node, bool strict)
{
    struct bitmask *mask;
    int r = 0;

    if (!available())
        return -ENOSYS;
    if (node < 0 || !numa_bitmask_isbitset(numa_all_nodes_ptr, (unsigned)node))
        return -EINVAL;
    mask = numa_allocate_nodemask();
    if (!mask)
        return -ENOMEM;
    numa_bitmask_setbit(mask, (unsigned)node);
    if (mbind(memory, size, strict ? MPOL_BIND : MPOL_PREFERRED, mask->maskp, mask->size + 1, 0))
        r = -errno;
    numa_bitmask_free(mask);
    return r;
}

#define POLICY_BITS (sizeof(((struct shm_node_policy *)0)->nodes) * 8)
#define LONG_BITS (sizeof(unsigned long) * 8)

int shm_node_bind_thread(int node, struct shm_node_policy *ret_before)
{
    struct shm_node_policy before, wanted;

    memset(&before, 0, sizeof(before));
    memset(&wanted, 0, sizeof(wanted));
    if (!available())
        return -ENOSYS;
    if (node < 0 || (size_t)node >= POLICY_BITS)
        return -EINVAL;
    wanted.nodes[(size_t)node / LONG_BITS] = 1UL << ((size_t)node % LONG_BITS);
    /* the kernel takes one bit less than it is told */
    if (get_mempolicy(&before.mode, before.nodes, POLICY_BITS + 1, NULL, 0) < 0 ||
        set_mempolicy(MPOL_BIND, wanted.nodes, POLICY_BITS + 1) < 0)
        return -errno;
    *ret_before = before;
    return 0;
}

void shm_node_restore_thread(const struct shm_node_policy *before)
{
    if (before->mode == MPOL_DEFAULT)
        set_mempolicy(MPOL_DEFAULT, NULL, 0);
    else
        set_mempolicy(before->mode, before->nodes, POLICY_BITS + 1);
}

int shm_node_of_memory(void *memory, size_t size, size_t page_size, int wanted, bool *ret_other)
{
    void *pages[PAGES_AT_ONCE];
    int status[PAGES_AT_ONCE];
    size_t count = size / page_size;
    int first = -1;

    *ret_other = false;
    if (!available())
        return -1;
    for (size_t done = 0; done < count;) {
        size_t n = count - done < PAGES_AT_ONCE ? count - done : PAGES_AT_ONCE;

        for (size_t i = 0; i < n; i++)
            pages[i] = (char *)memory + (done + i) * page_size;
        if (move_pages(0, n, pages, NULL, status, 0) < 0)
            return first;
        for (size_t i = 0; i < n; i++) {
            if (status[i] < 0)
                continue;
            if (first < 0)
                first = status[i];
            if (wanted >= 0 && status[i] != wanted)
                *ret_other = true;
        }
        done += n;
    }
    return first;
}

/* SPDX-License-Identifier: MIT
 *
 * NUMA nodes: how many, binding memory to one, and where memory lies. Over libnuma; a machine or a
 * container without it is no error, only unknown.
 */
#ifndef SHM_NODE_H
#define SHM_NODE_H

#include <stdbool.h>
#include <stddef.h>

/* Nodes of the machine, at least 1. */
int shm_node_count(void);

/* Set the policy of a mapping before it is populated. `strict`: from this node or not at all, which
 * is for huge pages, where a shortage is an error; small pages prefer the node, since a strict
 * shortage would call the kernel's out-of-memory killer. */
int shm_node_bind(void *memory, size_t size, int node, bool strict);

/* Node of the first page of populated memory, -1 unknown. `ret_other` tells whether any page lies
 * on another node than `wanted` (never if unknown). */
int shm_node_of_memory(void *memory, size_t size, size_t page_size, int wanted, bool *ret_other);

/* The memory policy of this thread, for allocations that go by no mapping's: hugetlbfs keeps none
 * with the file, so that its fallocate() ignores mbind(). Bind takes from the node alone, and keeps
 * in `ret_before` what restore needs. */
struct shm_node_policy {
    int mode;
    unsigned long nodes[16]; /* 1,024 nodes, as many as the kernel can be built for */
};
int shm_node_bind_thread(int node, struct shm_node_policy *ret_before);
void shm_node_restore_thread(const struct shm_node_policy *before);

#endif

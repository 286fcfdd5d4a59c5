/* SPDX-License-Identifier: MIT
 *
 * The SIGBUS handler of those who read segments: see guard.h. Producers have one of their own, in
 * shmlog.h.
 *
 * The table of mappings is a list of blocks that are never given back, so that the handler can walk
 * it at any time; an entry is free while its `begin` is 0. Nothing in the handler but loads, mmap()
 * and one store.
 */
#include "shm/guard.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCK_ENTRIES 256u

struct entry {
    uintptr_t begin; /* stored last, with release; 0: free */
    size_t size, page;
    int protection;
    uint32_t *lost;
};

struct block {
    struct block *next;
    struct entry entry[BLOCK_ENTRIES];
};

static struct block first;
static struct sigaction before;
static bool installed;

/* Zero pages from the page of `at` to the end. On hugetlbfs, pages cannot be replaced one small
 * page at a time. */
static bool replace(const struct entry *entry, uintptr_t begin, uintptr_t at)
{
    const uintptr_t from = at & ~(uintptr_t)(entry->page - 1);

    if (mmap((void *)from, begin + entry->size - from, entry->protection,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        return false;
    __atomic_store_n(entry->lost, 1, __ATOMIC_RELEASE);
    return true;
}

static bool is_ours(uintptr_t at)
{
    for (const struct block *block = &first; block;
         block = __atomic_load_n(&block->next, __ATOMIC_ACQUIRE)) {
        for (unsigned i = 0; i < BLOCK_ENTRIES; i++) {
            const struct entry *const entry = &block->entry[i];
            /* pairs with the release in shm_guard_add() */
            const uintptr_t begin = __atomic_load_n(&entry->begin, __ATOMIC_ACQUIRE);

            if (begin && at - begin < entry->size)
                return replace(entry, begin, at);
        }
    }
    return false;
}

static void on_bus(int signal, siginfo_t *info, void *context)
{
    const int saved = errno;
    const bool raised = info->si_code > 0; /* by an access, not by kill() */

    if (raised && is_ours((uintptr_t)info->si_addr)) {
        errno = saved;
        return;
    }
    if (before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(signal, info, context);
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
        before.sa_handler(signal);
    } else if (raised || before.sa_handler == SIG_DFL) { /* a raised one cannot be ignored */
        struct sigaction by_default = {.sa_handler = SIG_DFL};

        sigaction(signal, &by_default, NULL);
        if (!raised) /* else the access will do so again */
            raise(signal);
    }
    errno = saved;
}

static void install(void)
{
    struct sigaction action = {.sa_sigaction = on_bus,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};

    sigaction(SIGBUS, NULL, &before);
    action.sa_mask = before.sa_mask; /* for it may be called from ours */
    sigaction(SIGBUS, &action, NULL);
    installed = true;
}

static struct entry *free_entry(void)
{
    struct block *block = &first;

    for (;;) {
        for (unsigned i = 0; i < BLOCK_ENTRIES; i++)
            if (!block->entry[i].begin)
                return &block->entry[i];
        if (!block->next) {
            struct block *const fresh = calloc(1, sizeof(*fresh));

            if (!fresh)
                return NULL;
            __atomic_store_n(&block->next, fresh, __ATOMIC_RELEASE);
        }
        block = block->next;
    }
}

int shm_guard_add(void *memory, size_t size, size_t page, int protection, uint32_t *lost)
{
    struct entry *const entry = free_entry();

    if (!entry)
        return -ENOMEM;
    entry->size = size;
    entry->page = page;
    entry->protection = protection;
    entry->lost = lost;
    __atomic_store_n(&entry->begin, (uintptr_t)memory, __ATOMIC_RELEASE);
    if (!installed)
        install();
    return 0;
}

void shm_guard_remove(const void *memory)
{
    for (struct block *block = &first; block; block = block->next) {
        for (unsigned i = 0; i < BLOCK_ENTRIES; i++) {
            if (memory && block->entry[i].begin == (uintptr_t)memory)
                __atomic_store_n(&block->entry[i].begin, 0, __ATOMIC_RELEASE);
        }
    }
}

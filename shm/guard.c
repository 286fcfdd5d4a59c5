/* SPDX-License-Identifier: MIT
 *
 * The SIGBUS handler of those who read segments: see guard.h. Producers have one of their own, in
 * shmlog.h.
 *
 * The table of mappings is a list of blocks that are never given back, so that the handler can walk
 * it at any time; an entry is free while its `begin` is 0, and being filled in while it is 1.
 * Nothing in the handler but loads, mmap() and one store.
 */
#include "shm/guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCK_ENTRIES 256u
#define FREE 0u
#define TAKEN 1u

struct entry {
    uintptr_t begin; /* FREE, TAKEN, or stored last, with release */
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
static pthread_once_t once = PTHREAD_ONCE_INIT;

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

            if (begin > TAKEN && at - begin < entry->size)
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
}

/* The block after this one, made if there is none. */
static struct block *next_of(struct block *block)
{
    struct block *next = __atomic_load_n(&block->next, __ATOMIC_ACQUIRE);
    struct block *fresh;

    if (next)
        return next;
    fresh = calloc(1, sizeof(*fresh));
    if (fresh && !__atomic_compare_exchange_n(&block->next, &next, fresh, 0, __ATOMIC_ACQ_REL,
                                              __ATOMIC_ACQUIRE)) {
        free(fresh); /* another thread was first */
        return next;
    }
    return fresh;
}

static struct entry *take_entry(void)
{
    for (struct block *block = &first; block; block = next_of(block)) {
        for (unsigned i = 0; i < BLOCK_ENTRIES; i++) {
            uintptr_t none = FREE;

            /* a look first: with 2,048 rings this passes two million entries that are taken */
            if (__atomic_load_n(&block->entry[i].begin, __ATOMIC_RELAXED) == FREE &&
                __atomic_compare_exchange_n(&block->entry[i].begin, &none, TAKEN, 0,
                                            __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
                return &block->entry[i];
        }
    }
    return NULL;
}

int shm_guard_add(void *memory, size_t size, size_t page, int protection, uint32_t *lost)
{
    struct entry *const entry = take_entry();

    if (!entry)
        return -ENOMEM;
    entry->size = size;
    entry->page = page;
    entry->protection = protection;
    entry->lost = lost;
    __atomic_store_n(&entry->begin, (uintptr_t)memory, __ATOMIC_RELEASE);
    pthread_once(&once, install);
    return 0;
}

void shm_guard_remove(const void *memory)
{
    for (struct block *block = &first; block;
         block = __atomic_load_n(&block->next, __ATOMIC_ACQUIRE)) {
        for (unsigned i = 0; i < BLOCK_ENTRIES; i++) {
            uintptr_t *const begin = &block->entry[i].begin;

            if (memory && __atomic_load_n(begin, __ATOMIC_RELAXED) == (uintptr_t)memory)
                __atomic_store_n(begin, FREE, __ATOMIC_RELEASE);
        }
    }
}

/* SPDX-License-Identifier: MIT
 *
 * The producer that is to die; see calls.h. The functions call_*() are what the tester takes apart,
 * with what they call of the header.
 */
#include "tests/death/calls.h"

#include "producer/shmlog.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>

SHMLOG_RECORD(small_record, struct raw_small, SHMLOG_INFO, "", "small",
              SHMLOG_FIELD(struct raw_small, number), SHMLOG_FIELD(struct raw_small, check));
SHMLOG_RECORD(large_record, struct raw_large, SHMLOG_INFO, "", "large",
              SHMLOG_FIELD(struct raw_large, number), SHMLOG_FIELD(struct raw_large, check),
              SHMLOG_FIELD(struct raw_large, text));

static struct shmlog *the_log, *handler_log;
static const struct life *the_life;

void text_of(uint64_t number, uint32_t size, char *ret_text)
{
    for (uint32_t i = 0; i < size; i++)
        ret_text[i] = (char)('a' + (number + i) % 26);
    ret_text[size] = 0;
}

/* ---- The calls under test ---- */

__attribute__((noinline)) static void call_one(struct shmlog *log, uint64_t number, uint64_t check)
{
    shmlog_info(log, "one %lu %lx", number, check);
}

__attribute__((noinline)) static void call_one_at(struct shmlog *log, uint64_t number,
                                                  uint64_t check, uint64_t ticks)
{
    shmlog_info_at(log, ticks, "one at %lu %lx", number, check);
}

__attribute__((noinline)) static void call_long(struct shmlog *log, uint64_t number, uint64_t check,
                                                const char *text)
{
    shmlog_info(log, "long %lu %lx %s", number, check, text);
}

__attribute__((noinline)) static void call_long_at(struct shmlog *log, uint64_t number,
                                                   uint64_t check, const char *text, uint64_t ticks)
{
    shmlog_info_at(log, ticks, "long at %lu %lx %s", number, check, text);
}

__attribute__((noinline)) static void call_raw(struct shmlog *log, const struct raw_small *record)
{
    shmlog_record(log, &small_record, record);
}

__attribute__((noinline)) static void call_raw_long(struct shmlog *log,
                                                    const struct raw_large *record)
{
    shmlog_record(log, &large_record, record);
}

/* Their own instructions are those of the calls above, so that only what they call is taken apart.
 */
__attribute__((noinline)) static void severe(struct shmlog *log, uint64_t number, uint64_t check)
{
    shmlog_warn(log, "severe %lu %lx", number, check);
}

__attribute__((noinline)) static void severe_at(struct shmlog *log, uint64_t number, uint64_t check,
                                                uint64_t ticks)
{
    shmlog_error_at(log, ticks, "severe at %lu %lx", number, check);
}

__attribute__((noinline)) static void severe_long(struct shmlog *log, uint64_t number,
                                                  uint64_t check, const char *text)
{
    shmlog_critical(log, "severe long %lu %lx %s", number, check, text);
}

__attribute__((noinline)) static void severe_long_at(struct shmlog *log, uint64_t number,
                                                     uint64_t check, const char *text,
                                                     uint64_t ticks)
{
    shmlog_warn_at(log, ticks, "severe long at %lu %lx %s", number, check, text);
}

/* ---- The others: own sites, own code ---- */

static void log_filler(uint64_t number)
{
    the_life->page->before = number;
    shmlog_info(the_log, "filler %lu %lx", number, CHECK_OF(number, KIND_ONE));
    the_life->page->after = number;
}

static void on_signal(int signal)
{
    struct page *const page = the_life->page;
    const uint64_t number = page->nested_before + 1;

    (void)signal;
    page->nested_before = number;
    shmlog_info(handler_log, "nested %lu %lx", number, CHECK_OF(number, KIND_NESTED));
    page->nested_after = number;
}

static void *run_thread(void *arg)
{
    struct page *const page = the_life->page;

    (void)arg;
    shmlog_register_thread(the_log);
    __atomic_store_n(&page->thread_ready, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&page->thread_go, __ATOMIC_ACQUIRE))
        syscall(SYS_futex, &page->thread_go, FUTEX_WAIT, 0, NULL, NULL, 0);
    for (unsigned i = 0; i < OTHERS; i++) {
        const uint64_t number = page->thread_before + 1;

        page->thread_before = number;
        shmlog_info(the_log, "thread %lu %lx", number, CHECK_OF(number, KIND_THREAD));
        __atomic_store_n(&page->thread_after, number, __ATOMIC_RELEASE);
    }
    for (;;)
        pause();
    return NULL;
}

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((unsigned)cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

int live_other(const char *segment, struct page *page, int cpu, unsigned records)
{
    struct shmlog *log;
    int r;

    pin(cpu);
    r = shmlog_open(&log, segment, NULL);
    if (r < 0) {
        fprintf(stderr, "another process: %s\n", shmlog_strerror(r));
        return 1;
    }
    for (unsigned i = 0; i < records; i++) {
        const uint64_t number = page->other_before + 1;

        page->other_before = number;
        shmlog_info(log, "other %lu %lx", number, CHECK_OF(number, KIND_OTHER));
        page->other_after = number;
    }
    shmlog_close(log);
    return 0;
}

/* ---- A life ---- */

__attribute__((noinline)) void mark(struct page *page)
{
    __atomic_store_n(&page->mark, page->mark + 1, __ATOMIC_RELEASE);
    __asm__ volatile("int3" ::: "memory");
}

static void call(const struct life *l, struct shmlog *log, uint64_t number)
{
    struct page *const page = l->page;
    struct raw_large large = {.number = number, .check = CHECK_OF(number, KIND_RAW_LONG)};
    const struct raw_small small = {.number = number, .check = CHECK_OF(number, KIND_RAW)};
    char text[LONG_TEXT + 1];

    text_of(number, RAW_TEXT, large.text);
    text_of(number, LONG_TEXT, text);
    page->before = number;
    switch (l->call) {
    case CALL_ONE:
        call_one(log, number, CHECK_OF(number, KIND_ONE));
        break;
    case CALL_ONE_AT:
        call_one_at(log, number, CHECK_OF(number, KIND_ONE), shmlog_now(the_log));
        break;
    case CALL_LONG:
        call_long(log, number, CHECK_OF(number, KIND_LONG), text);
        break;
    case CALL_LONG_AT:
        call_long_at(log, number, CHECK_OF(number, KIND_LONG), text, shmlog_now(the_log));
        break;
    case CALL_RAW:
        call_raw(log, &small);
        break;
    case CALL_RAW_LONG:
        call_raw_long(log, &large);
        break;
    case CALL_OPEN:
        if (shmlog_open(&the_log, l->segment, NULL) < 0)
            _exit(3);
        call_one(the_log, number, CHECK_OF(number, KIND_ONE));
        break;
    case CALL_REGISTER:
        shmlog_register_thread(NULL);
        shmlog_register_thread(log);
        call_one(log, number, CHECK_OF(number, KIND_ONE));
        break;
    case CALL_OWN:
        if (shmlog_own_ring(the_log) < 0)
            _exit(4);
        call_one(log, number, CHECK_OF(number, KIND_ONE));
        break;
    case CALL_SEVERE:
        severe(log, number, CHECK_OF(number, KIND_ONE));
        break;
    case CALL_SEVERE_AT:
        severe_at(log, number, CHECK_OF(number, KIND_ONE), shmlog_now(the_log));
        break;
    case CALL_SEVERE_LONG:
        severe_long(log, number, CHECK_OF(number, KIND_LONG), text);
        break;
    case CALL_SEVERE_LONG_AT:
        severe_long_at(log, number, CHECK_OF(number, KIND_LONG), text, shmlog_now(the_log));
    }
    page->after = number;
}

static struct shmlog_ring *my_ring(const struct life *l)
{
    struct shmlog_ring *const own = shmlog_owned_ring_(shmlog_thread_state_(the_log));

    return own == &the_log->local.none ? the_log->local.shared
           : own                       ? own
                                       : the_log->local.ring_of_cpu[l->cpu];
}

static void get_ready(const struct life *l)
{
    struct shmlog *first;
    pthread_t thread;

    if ((l->second && shmlog_open(&first, l->segment, NULL) < 0) ||
        shmlog_open(&the_log, l->segment, NULL) < 0 || (l->own && shmlog_own_ring(the_log) < 0))
        _exit(2);
    handler_log = the_log;
    if (l->elsewhere && shmlog_open(&handler_log, l->segment, NULL) < 0)
        _exit(2);
    log_filler(l->page->before + 1);
    if (!l->cold)
        call(l, the_log, l->page->before + 1); /* registers the site */
    if (l->thread) {
        if (pthread_create(&thread, NULL, run_thread, NULL) != 0)
            _exit(5);
        while (!__atomic_load_n(&l->page->thread_ready, __ATOMIC_ACQUIRE))
            sched_yield();
    }
}

int live(void *arg)
{
    const struct life *const l = arg;
    struct page *const page = l->page;
    struct sigaction action = {.sa_handler = on_signal};
    struct shmlog_thread_ *thread;

    the_life = l;
    pin(l->cpu);
    sigaction(SIGUSR1, &action, NULL);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    if (l->call != CALL_OPEN)
        get_ready(l);
    mark(page);
    if (l->call != CALL_OPEN) {
        struct shmlog_ring *const ring = my_ring(l);

        while ((ring->head & the_log->local.slot_mask) != l->position)
            log_filler(page->before + 1);
        page->ring = (uint64_t)(uintptr_t)ring;
        mark(page);
        for (uint32_t i = 0; i < l->fill; i++)
            log_filler(page->before + 1);
        thread = shmlog_thread_state_(the_log);
        if (l->gave_up)
            call(l, the_log, page->before + 1);
        if (l->gone && (shmlog_own_ring(the_log) < 0 ||
                        shmlog_lose_ring_(the_log, the_log->local.geometry.cpu_rings) < 0))
            _exit(6);
        if (l->no_ring)
            the_log->local.ring_of_cpu[l->cpu] = the_log->local.severe_of_cpu[l->cpu] =
                thread->ring = &the_log->local.none;
        if (l->no_cpu)
            the_log->local.cpus = (uint32_t)l->cpu, thread->ring = &the_log->local.none;
        if (l->busy && ring == the_log->local.shared)
            ring->holder = shmlog_as_holder_(the_log);
        else if (l->busy)
            ring->busy = 1;
        if (l->held) /* by process 1, as far as anybody can tell */
            ring->holder = SHMLOG_HOLDER(1, the_log->local.pid_ns, 0);
        if (l->elsewhere) {
            shmlog_find_state_(handler_log)->thread.key = SHMLOG_KEY_NONE_;
            pthread_setspecific(handler_log->local.thread_key, NULL);
        }
        if (l->fresh_thread) {
            thread->key = SHMLOG_KEY_NONE_;
            the_log->key = 0;
        }
    } else {
        mark(page);
    }
    mark(page);
    call(l, l->no_log ? NULL : the_log, page->before + 1);
    page->owned = shmlog_thread_state_(the_log)->owned != &the_log->local.none;
    mark(page);
    return 0;
}

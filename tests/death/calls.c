/* SPDX-License-Identifier: MIT
 *
 * The producer that is to die; see calls.h. The functions victim_*() are what the tester takes
 * apart, with what they call of the header.
 */
#include "tests/death/calls.h"

#include "tests/kit/shared_rings.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

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

__attribute__((noinline)) static void victim_one(struct shmlog *log, uint64_t number,
                                                 uint64_t check)
{
    shmlog_info(log, "one %lu %lx", number, check);
}

__attribute__((noinline)) static void victim_one_at(struct shmlog *log, uint64_t number,
                                                    uint64_t check, uint64_t ticks)
{
    shmlog_info_at(log, ticks, "one at %lu %lx", number, check);
}

__attribute__((noinline)) static void victim_short(struct shmlog *log, uint64_t number,
                                                   uint64_t check, const char *text)
{
    shmlog_info(log, "short %lu %lx %s", number, check, text);
}

__attribute__((noinline)) static void victim_wide(struct shmlog *log, uint64_t number,
                                                  uint64_t check)
{
    shmlog_info(log, "wide %lu %lx %lu %lu %lu %lu %lu %lu", number, check, number, number, number,
                number, number, number);
}

__attribute__((noinline)) static void victim_six(struct shmlog *log, uint64_t number,
                                                 uint64_t check)
{
    shmlog_info(log, "six %lu %lx %lu %lu %lu %lu", number, check, number, number, number, number);
}

__attribute__((noinline)) static void victim_long(struct shmlog *log, uint64_t number,
                                                  uint64_t check, const char *text)
{
    shmlog_info(log, "long %lu %lx %s", number, check, text);
}

__attribute__((noinline)) static void victim_long_at(struct shmlog *log, uint64_t number,
                                                     uint64_t check, const char *text,
                                                     uint64_t ticks)
{
    shmlog_info_at(log, ticks, "long at %lu %lx %s", number, check, text);
}

__attribute__((noinline)) static void victim_raw(struct shmlog *log, const struct raw_small *record)
{
    shmlog_record(log, &small_record, record);
}

__attribute__((noinline)) static void victim_raw_long(struct shmlog *log,
                                                      const struct raw_large *record)
{
    shmlog_record(log, &large_record, record);
}

__attribute__((noinline)) static void victim_batch(struct shmlog *log,
                                                   const struct raw_small *records)
{
    shmlog_record_n(log, &small_record, records, NULL, BATCH);
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
    struct raw_small batch[BATCH];
    char text[LONG_TEXT + 1], short_text[SHORT_TEXT + 1];

    text_of(number, RAW_TEXT, large.text);
    text_of(number, SHORT_TEXT, short_text);
    text_of(number, LONG_TEXT, text);
    for (unsigned i = 0; i < BATCH; i++)
        batch[i] =
            (struct raw_small){number, CHECK_OF(number, i < BATCH - 1 ? KIND_PART : KIND_BATCH)};
    page->before = number;
    switch (l->call) {
    case CALL_ONE:
        victim_one(log, number, CHECK_OF(number, KIND_ONE));
        break;
    case CALL_ONE_AT:
        victim_one_at(log, number, CHECK_OF(number, KIND_ONE), shmlog_now(the_log));
        break;
    case CALL_SHORT:
        victim_short(log, number, CHECK_OF(number, KIND_SHORT), short_text);
        break;
    case CALL_WIDE:
        victim_wide(log, number, CHECK_OF(number, KIND_WIDE));
        break;
    case CALL_SIX:
        victim_six(log, number, CHECK_OF(number, KIND_SIX));
        break;
    case CALL_LONG:
        victim_long(log, number, CHECK_OF(number, KIND_LONG), text);
        break;
    case CALL_LONG_AT:
        victim_long_at(log, number, CHECK_OF(number, KIND_LONG), text, shmlog_now(the_log));
        break;
    case CALL_RAW:
        victim_raw(log, &small);
        break;
    case CALL_RAW_LONG:
        victim_raw_long(log, &large);
        break;
    case CALL_BATCH:
        victim_batch(log, batch);
        break;
    case CALL_OPEN:
        if (shmlog_open(&the_log, l->segment, NULL) < 0)
            _exit(3);
        victim_one(the_log, number, CHECK_OF(number, KIND_ONE));
        break;
    case CALL_REGISTER:
        shmlog_register_thread(NULL);
        shmlog_register_thread(log);
        victim_one(log, number, CHECK_OF(number, KIND_ONE));
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
    return the_log->local.cpus ? the_log->local.ring_of_cpu[l->cpu]
                               : the_log->local.ring[the_log->local.shared_begin];
}

static void get_ready(const struct life *l)
{
    struct shmlog *first;
    pthread_t thread;

    if ((l->second && shmlog_open(&first, l->segment, NULL) < 0) ||
        shmlog_open(&the_log, l->segment, NULL) < 0 || (l->share && kit_share(the_log) < 0))
        _exit(2);
    if (!the_log->local.cpus)
        shmlog_thread_(the_log)->hand = 0; /* the first of the shared rings, as kit_share() does */
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
        thread = shmlog_thread_(the_log);
        if (l->gave_up)
            call(l, the_log, page->before + 1);
        if (l->no_ring)
            the_log->local.ring_of_cpu[l->cpu] = the_log->local.severe_of_cpu[l->cpu] =
                thread->ring = &the_log->local.none;
        if (l->no_cpu)
            the_log->local.cpus = (uint32_t)l->cpu, thread->ring = &the_log->local.none;
        if (l->doubted) /* whoever held it had been waited for in vain */
            ring->held_too_long = 1;
        if (l->busy)
            ring->holder = thread->holder;
        if (l->held) /* by process 1, as far as anybody can tell */
            ring->holder = SHMLOG_HOLDER(1, the_log->local.pid_ns, 0);
        if (l->elsewhere)
            shmlog_state_(handler_log)->key = 1; /* as one that is not registered */
        if (l->fresh_thread) {
            thread->key = 1;
            the_log->key = 0;
        }
    } else {
        mark(page);
    }
    mark(page);
    call(l, l->no_log ? NULL : the_log, page->before + 1);
    mark(page);
    return 0;
}

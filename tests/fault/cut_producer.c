/* SPDX-License-Identifier: MIT
 *
 * The segment's files are cut short under a program that logs, with SHMLOG_OPEN_GUARD: it goes on,
 * each of its records is in another ring or counted as lost, and a SIGBUS that is not ours does
 * what it did before.
 *
 * Each case runs in a process of its own and cuts with truncate(), as anybody could who may write
 * to the file.
 */
#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"

#include "tests/kit/shared_rings.h"
#include "tests/producer/segment_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define RECORDS 500u
#define SEGMENT "cut"

static struct segment_kit segment;

static bool rseq_here(void)
{
#if SHMLOG_RSEQ_
    return &__rseq_size && __rseq_size > 0;
#else
    return false;
#endif
}

static void cut(const char *file, off_t size)
{
    if (truncate(kit_text("%s/" SEGMENT "/%s", kit_shm_dir(), file), size) != 0)
        KIT_FAIL("truncate %s: %s", file, strerror(errno));
}

static void cut_rings(uint32_t first, uint32_t end, off_t size)
{
    for (uint32_t i = first; i < end; i++)
        cut(kit_text("ring-%03u", i), size);
}

/* One call site and one that is long, so that both ways to commit are used. */
static void log_some(struct shmlog *log, unsigned records)
{
    char text[300];

    memset(text, 'x', sizeof(text));
    for (unsigned i = 0; i < records; i++) {
        if (i % 2)
            shmlog_info(log, "long %u %.*s", i, (int)sizeof(text), text);
        else
            shmlog_info(log, "short %u", i);
    }
}

static struct shmlog *attach(void)
{
    const struct shmlog_options options = {.flags = SHMLOG_OPEN_GUARD};
    struct shmlog *log;

    KIT_OK(shmlog_open(&log, SEGMENT, &options));
    return log;
}

struct cut_case {
    const char *name;
    uint32_t spare_rings;
    uint32_t on_full;
    off_t size;      /* that ring files are cut to */
    bool shared;     /* the thread uses shared rings */
    bool cut_shared; /* those are cut, else those of cores */
    bool cut_first;  /* of the shared rings only the first, which the thread is in */
    bool filled;     /* the ring is full when it is cut */
};

/* `lost`: records that found no ring; the others are in a ring that is sound. */
static int log_and_cut(void *arg)
{
    const struct cut_case *c = arg;
    const struct shmlog_control *geometry = &segment.segment->geometry;
    struct shmlog *log = attach();
    uint64_t before;

    if (c->shared)
        kit_share(log);
    log_some(log, c->filled ? 4 * (uint32_t)geometry->ring_slots : 10);
    before = shmlog_thread_lost(log);
    if (c->cut_shared)
        cut_rings(geometry->cpu_rings, c->cut_first ? geometry->cpu_rings + 1 : geometry->rings,
                  c->size);
    else
        cut_rings(0, geometry->cpu_rings, c->size);
    log_some(log, RECORDS);
    before = shmlog_thread_lost(log) - before;
    shmlog_close(log);
    /* 255 at most goes through a status: lost all, none, or something else */
    return before == RECORDS ? 10 : before == 0 ? 11 : before < 5 ? 12 : 13;
}

/* Slots committed to the rings of one kind. */
static uint64_t committed(bool spare)
{
    const uint32_t cpus = segment.segment->geometry.cpu_rings;
    uint64_t sum = 0;

    for (uint32_t i = spare ? cpus : 0; i < (spare ? segment.segment->geometry.rings : cpus); i++)
        sum += shmlog_load_relaxed_(&segment.segment->rings[i].header->head);
    return sum;
}

static void run_case(const struct cut_case *c, int want, bool counted)
{
    const struct segment_kit_params params = {.spare_rings = c->spare_rings,
                                              .on_full = c->on_full,
                                              .ring_bytes = 1 << 18};
    struct kit_process process;
    uint64_t lost;
    int status;

    segment_kit_open(&segment, SEGMENT, &params);
    kit_spawn_function(&process, "cut", log_and_cut, (void *)(uintptr_t)c);
    status = kit_wait_exit(&process, KIT_PATIENCE);
    if (want ? status != want : status < 10 || status > 13)
        KIT_FAIL("%s: status %d, not %d: %s", c->name, status, want,
                 kit_read_file(process.err, NULL));
    lost = shmlog_load_relaxed_(&segment.segment->control->lost[SHMLOG_LOST_NO_RING]);
    if (counted)
        KIT_EQ(lost, RECORDS);
    else if (want)
        KIT_COMPARE(lost, <, 5);
    else
        KIT_COMPARE(lost, <=, RECORDS);
    if (want == 11 && !c->cut_shared)
        KIT_COMPARE(committed(true), >, RECORDS);
    printf("%s: as it should be\n", c->name);
    segment_kit_close(&segment);
}

static void test_rings(void)
{
    static const struct {
        struct cut_case c;
        int want;
        bool counted;
    } cases[] = {
        /* no spare ring: every record is counted, in the segment */
        {{.name = "to nothing"}, 10, true},
        {{.name = "to the header", .size = 4096}, 10, true},
        {{.name = "overwrite", .on_full = SHMLOG_ON_FULL_OVERWRITE}, 10, true},
        {{.name = "wait", .on_full = SHMLOG_ON_FULL_WAIT}, 10, true},
        {{.name = "full", .filled = true}, 10, true},
        {{.name = "lapped, to half",
          .size = 4096 + (1 << 17),
          .filled = true,
          .on_full = SHMLOG_ON_FULL_OVERWRITE},
         0,
         false},
        /* its header says that it is full, and nothing else is touched */
        {{.name = "full, to half", .size = 4096 + (1 << 17), .filled = true}, 10, false},
        /* the thread goes to a shared ring */
        {{.name = "shared rings left", .spare_rings = 2}, 11, false},
    };
    static const struct cut_case only = {.name = "the only shared ring",
                                         .spare_rings = 1,
                                         .shared = true,
                                         .cut_shared = true};
    static const struct cut_case another = {.name = "another shared ring left",
                                            .spare_rings = 2,
                                            .shared = true,
                                            .cut_shared = true,
                                            .cut_first = true};

    for (unsigned i = 0; rseq_here() && i < sizeof(cases) / sizeof(cases[0]); i++)
        run_case(&cases[i].c, cases[i].want, cases[i].counted);
    run_case(&only, 10, true);
    run_case(&another, 11, false);
}

/* A writer that waits for room in a ring, for ever, and then the ring is gone. */
static int wait_for_room(void *arg)
{
    struct shmlog *log = attach();

    (void)arg;
    kit_share(log);
    for (unsigned i = 0; i < 1024 + RECORDS; i++)
        shmlog_info(log, "short %u", i);
    KIT_EQ(shmlog_thread_lost(log), RECORDS);
    shmlog_close(log);
    return 0;
}

static bool spare_is_full(void *arg)
{
    const struct shmlog_ring *ring = arg;

    return shmlog_load_acquire_(&ring->head) == 1024;
}

static void test_waiting(void)
{
    const struct segment_kit_params params = {.spare_rings = 1, .on_full = SHMLOG_ON_FULL_WAIT};
    struct kit_process process;
    uint32_t spare;

    segment_kit_open(&segment, SEGMENT, &params);
    spare = segment.segment->geometry.cpu_rings;
    kit_spawn_function(&process, "waits", wait_for_room, NULL);
    KIT_CHECK(kit_wait(spare_is_full, segment.segment->rings[spare].header, KIT_PATIENCE));
    cut_rings(0, segment.segment->geometry.rings, 0);
    if (kit_wait_exit(&process, KIT_PATIENCE) != 0)
        KIT_FAIL("status %d: %s", process.status, kit_read_file(process.err, NULL));
    segment_kit_close(&segment);
}

/* ---- the control file ---- */

static int lose_control(void *arg)
{
    struct shmlog *log = attach();

    (void)arg;
    log_some(log, 10);
    KIT_EQ(shmlog_lost(log), 0);
    cut("control", 0);
    log_some(log, RECORDS);
    KIT_EQ(shmlog_lost(log), RECORDS);
    KIT_EQ(shmlog_thread_lost(log), RECORDS);
    KIT_OK(shmlog_set_level(log, SHMLOG_OFF));
    log_some(log, RECORDS);
    KIT_EQ(shmlog_lost(log), RECORDS);
    shmlog_close(log);
    return 0;
}

static void test_control(void)
{
    const struct segment_kit_params params = {.spare_rings = 2};
    struct kit_process process;

    segment_kit_open(&segment, SEGMENT, &params);
    kit_spawn_function(&process, "control", lose_control, NULL);
    if (kit_wait_exit(&process, KIT_PATIENCE) != 0)
        KIT_FAIL("status %d: %s", process.status, kit_read_file(process.err, NULL));
    shm_segment_close(segment.segment);
    free(segment.reader);
    free(segment.buffer);
}

/* ---- threads ---- */

#define THREADS 8u
static struct shmlog *shared_log;
static uint64_t started, go_on;

static void *log_on(void *arg)
{
    uint64_t *lost = arg;

    log_some(shared_log, 10);
    __atomic_add_fetch(&started, 1, __ATOMIC_ACQ_REL);
    while (!__atomic_load_n(&go_on, __ATOMIC_ACQUIRE))
        log_some(shared_log, 2);
    *lost = shmlog_thread_lost(shared_log);
    log_some(shared_log, RECORDS);
    *lost = shmlog_thread_lost(shared_log) - *lost;
    return NULL;
}

/* All threads run into it at once; one has SIGBUS blocked, as workers often have all signals. */
static int cut_under_threads(void *arg)
{
    pthread_t thread[THREADS];
    uint64_t lost[THREADS];
    sigset_t all, none;

    (void)arg;
    shared_log = attach();
    sigfillset(&all);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_sigmask(SIG_SETMASK, &all, &none);
        KIT_EQ(pthread_create(&thread[i], NULL, log_on, &lost[i]), 0);
        pthread_sigmask(SIG_SETMASK, &none, NULL);
    }
    while (__atomic_load_n(&started, __ATOMIC_ACQUIRE) < THREADS)
        sched_yield();
    cut_rings(0, segment.segment->geometry.rings, 0);
    __atomic_store_n(&go_on, 1, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < THREADS; i++) {
        KIT_EQ(pthread_join(thread[i], NULL), 0);
        KIT_EQ(lost[i], RECORDS);
    }
    shmlog_close(shared_log);
    return 0;
}

static void test_threads(void)
{
    const struct segment_kit_params params = {.spare_rings = 2,
                                              .on_full = SHMLOG_ON_FULL_OVERWRITE};
    struct kit_process process;

    segment_kit_open(&segment, SEGMENT, &params);
    kit_spawn_function(&process, "threads", cut_under_threads, NULL);
    if (kit_wait_exit(&process, 60) != 0)
        KIT_FAIL("status %d: %s", process.status, kit_read_file(process.err, NULL));
    segment_kit_close(&segment);
}

/* ---- others' SIGBUS ---- */

static sigjmp_buf back;
static volatile sig_atomic_t caught;

static void on_bus(int number, siginfo_t *info, void *context)
{
    (void)context;
    caught++;
    KIT_EQ(number, SIGBUS);
    if (info->si_code > 0)
        siglongjmp(back, 1);
}

/* A mapping of our own whose file is cut short. */
static volatile char *cut_mapping(void)
{
    const char *path = kit_path("foreign");
    void *memory;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    KIT_COMPARE(fd, >=, 0);
    KIT_EQ(ftruncate(fd, 8192), 0);
    memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    KIT_CHECK(memory != MAP_FAILED);
    KIT_EQ(ftruncate(fd, 0), 0);
    close(fd);
    return memory;
}

static int passed_on(void *arg)
{
    struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO}, there;
    volatile char *memory = cut_mapping();
    struct shmlog *log;

    (void)arg;
    KIT_EQ(sigaction(SIGBUS, &action, NULL), 0);
    log = attach();
    KIT_EQ(sigaction(SIGBUS, NULL, &there), 0);
    KIT_CHECK(there.sa_sigaction != on_bus);
    if (!sigsetjmp(back, 1))
        (void)*memory;
    KIT_EQ(caught, 1);
    raise(SIGBUS);
    KIT_EQ(caught, 2);
    log_some(log, 10);
    shmlog_close(log);
    /* the handler stays, and passes on what comes */
    if (!sigsetjmp(back, 1))
        (void)*memory;
    KIT_EQ(caught, 3);
    return 0;
}

static int by_default(void *arg)
{
    volatile char *memory = cut_mapping();

    signal(SIGBUS, SIG_DFL);
    attach();
    if (arg)
        raise(SIGBUS);
    else
        (void)*memory;
    return 0;
}

static int left_alone(void *arg)
{
    struct sigaction there;
    struct shmlog *log;

    (void)arg;
    signal(SIGBUS, SIG_DFL);
    KIT_OK(shmlog_open(&log, SEGMENT, NULL));
    KIT_EQ(sigaction(SIGBUS, NULL, &there), 0);
    KIT_CHECK(there.sa_handler == SIG_DFL);
    log_some(log, 10);
    cut_rings(0, segment.segment->geometry.rings, 0);
    log_some(log, 10);
    return 0;
}

static void ends(const char *name, int (*function)(void *), void *arg, int want)
{
    struct kit_process process;

    kit_spawn_function(&process, name, function, arg);
    if (kit_wait_exit(&process, KIT_PATIENCE) != want)
        KIT_FAIL("%s: status %d, not %d: %s", name, process.status, want,
                 kit_read_file(process.err, NULL));
}

static void test_others(void)
{
    const struct segment_kit_params params = {.spare_rings = 1};
    static int raised;

    segment_kit_open(&segment, SEGMENT, &params);
    ends("passed_on", passed_on, NULL, 0);
    if (!kit_sanitized()) { /* they report the signal themselves */
        ends("by_default", by_default, NULL, 128 + SIGBUS);
        ends("raised", by_default, &raised, 128 + SIGBUS);
        /* the control: without the flag, a cut kills */
        ends("left_alone", left_alone, NULL, 128 + SIGBUS);
    }
    segment_kit_close(&segment);
}

int main(void)
{
    kit_begin("cut_producer");
    test_rings();
    test_waiting();
    test_control();
    test_threads();
    test_others();
    return 0;
}

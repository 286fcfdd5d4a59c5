/* SPDX-License-Identifier: MIT
 *
 * A log that attaches by itself. See later_kit.h.
 */
#include "tests/producer/later_kit.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/time.h>

#define DEADLINE 60

const struct shmlog_options later_options = {.flags = SHMLOG_OPEN_LATER};

struct point {
    uint64_t id;
    double px;
};
SHMLOG_RECORD(point_record, struct point, SHMLOG_INFO, SHMLOG_TRADE, "point",
              SHMLOG_FIELD(struct point, id), SHMLOG_FIELD(struct point, px));
struct page {
    uint64_t id;
    char text[200];
};
SHMLOG_RECORD(page_record, struct page, SHMLOG_INFO, SHMLOG_TRADE, "page",
              SHMLOG_FIELD(struct page, id), SHMLOG_FIELD(struct page, text));

void later_log(struct shmlog *log, unsigned records)
{
    struct page page = {.text = "long"};

    for (unsigned i = 0; i < records; i++) {
        const struct point point = {.id = i, .px = i * 0.5};

        page.id = i;
        shmlog_info(log, "short %u", i);
        shmlog_info_at(log, shmlog_now(log), "string %s of %u", "text", i);
        shmlog_event(log, SHMLOG_WARN, SHMLOG_ORDER, "event", "id", i);
        shmlog_record(log, &point_record, &point);
        shmlog_record(log, &page_record, &page);
    }
}

struct shmlog *later_open(void)
{
    struct shmlog *log;

    KIT_OK(shmlog_open(&log, LATER_SEGMENT, &later_options));
    KIT_CHECK(log != NULL);
    return log;
}

static bool is_attached(void *log)
{
    return shmlog_status(log) == 0;
}

static bool is_waiting(void *log)
{
    return shmlog_status(log) != 0;
}

void later_await_segment(struct shmlog *log)
{
    if (!kit_wait(is_attached, log, DEADLINE))
        KIT_FAIL("not attached: %s", shmlog_strerror(shmlog_status(log)));
}

void later_await_loss(struct shmlog *log)
{
    if (!kit_wait(is_waiting, log, DEADLINE))
        KIT_FAIL("still attached");
}

static const char *removed_path(void)
{
    return kit_text("%s/removed", kit_shm_dir());
}

void later_remove(const struct segment_kit *kit)
{
    KIT_EQ(rename(kit->segment->path, removed_path()), 0);
}

void later_close_removed(struct segment_kit *kit)
{
    shm_segment_close(kit->segment);
    KIT_OK(shm_segment_destroy(removed_path()));
    free(kit->reader);
    free(kit->buffer);
}

void later_params(uint64_t *state, uint32_t on_full, struct segment_kit_params *ret_params)
{
    *ret_params = (struct segment_kit_params){
        .ring_bytes = UINT64_C(65536) << kit_random_below(state, 4),
        .spare_rings = 1 + (uint32_t)kit_random_below(state, 11),
        .only_cpu = kit_random_below(state, 4) ? 0 : 1 + kit_cpu(0),
        .on_full = on_full,
        .wait_ns = 1000000,
    };
}

static bool has_records(void *arg)
{
    const struct segment_kit *const kit = arg;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < kit->segment->geometry.rings; i++)
        sum += shmlog_load_relaxed_(&kit->segment->rings[i].header->head);
    return sum > LATER_MANY;
}

void later_await_records(struct segment_kit *kit)
{
    if (!kit_wait(has_records, kit, DEADLINE))
        KIT_FAIL("nobody logs");
}

/* ---- All the time ---- */

#define THREADS 4u

static struct shmlog *busy_log;
static uint64_t produced;
static uint32_t stop;
static unsigned number[THREADS];
static pthread_t thread[THREADS];

static void on_alarm(int signal)
{
    const int saved = errno;

    (void)signal;
    shmlog_warn(busy_log, "alarm");
    shmlog_event(busy_log, SHMLOG_INFO, "", "alarm", "name", "text");
    __atomic_fetch_add(&produced, 2, __ATOMIC_RELAXED);
    errno = saved;
}

static void *log_on(void *arg)
{
    const unsigned index = *(const unsigned *)arg;

    if (index == 0)
        (void)shmlog_own_ring(busy_log);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        later_log(busy_log, 1);
        __atomic_fetch_add(&produced, LATER_KINDS, __ATOMIC_RELAXED);
        if (index == 0 && shmlog_status(busy_log) == 0)
            (void)shmlog_own_ring(busy_log);
    }
    return NULL;
}

void later_busy_begin(struct shmlog *log)
{
    const struct itimerval every = {{0, 500}, {0, 500}};
    const struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};

    busy_log = log;
    produced = 0;
    stop = 0;
    sigaction(SIGALRM, &action, NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        number[i] = i;
        KIT_EQ(pthread_create(&thread[i], NULL, log_on, &number[i]), 0);
    }
    KIT_EQ(setitimer(ITIMER_REAL, &every, NULL), 0);
}

uint64_t later_busy_end(void)
{
    const struct itimerval never = {{0, 0}, {0, 0}};

    KIT_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < THREADS; i++)
        KIT_EQ(pthread_join(thread[i], NULL), 0);
    return __atomic_load_n(&produced, __ATOMIC_RELAXED);
}

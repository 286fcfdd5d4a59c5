/* SPDX-License-Identifier: MIT
 *
 * How a segment does, by what a collector left in the control file: each state, what is known of
 * the collector's process, and how far behind the rings are.
 */
#include "tests/unit/segment_kit.h"

#include "shm/clock.h"
#include "shm/health.h"
#include "shm/tables.h"
#include "tools/health.h"

#include <sys/syscall.h>
#include <time.h>

#define SECOND UINT64_C(1000000000)

static struct shm_segment *s;
static struct text out;
static uint64_t now_ns; /* while a test runs, time stands still: ages are exact */

/* In place of libc's. */
int clock_gettime(clockid_t id, struct timespec *ret_time)
{
    if (id == CLOCK_MONOTONIC && now_ns) {
        ret_time->tv_sec = (time_t)(now_ns / SECOND);
        ret_time->tv_nsec = (long)(now_ns % SECOND);
        return 0;
    }
    return (int)syscall(SYS_clock_gettime, id, ret_time);
}

/* Its records have that time, too. */
static struct shm_segment *create(const struct shm_params *params)
{
    struct shm_segment *const segment = kit_create(params);

    segment->geometry.clock = SHMLOG_CLOCK_MONOTONIC;
    segment->geometry.clock_hz = SECOND;
    return segment;
}

static void open_health(void)
{
    struct shm_params params = kit_params();

    kit_open();
    now_ns = 1000000 * SECOND;
    s = create(&params);
    out = (struct text){0};
}

static void close_health(void)
{
    text_done(&out);
    shm_segment_close(s);
    kit_close();
}

TestSuite(health, .init = open_health, .fini = close_health, .timeout = 120);

/* A moment so long ago. */
static uint64_t ago(uint64_t ns)
{
    return now_ns - ns;
}

/* As if this process were its collector, at work. */
static void sign_in(void)
{
    s->control->collector_pid = (uint32_t)getpid();
    s->control->collector_start = shm_thread_start((uint32_t)getpid(), (uint32_t)getpid());
    s->control->collector_pid_ns = shm_pid_ns();
    s->control->collector_written = s->control->collector_beat = ago(0);
}

/* State, word, and exit status; the line in `out`. */
static void check(enum shm_health_state state, const char *word, int status)
{
    struct health health;

    health_look(s, &health);
    cr_assert_eq(health.segment.state, state, "%u instead of %u", health.segment.state, state);
    cr_assert_str_eq(shm_health_word(health.segment.state), word);
    cr_assert_eq(health_status(&health), status);
    text_clear(&out);
    health_put_line(&health, "test", &out);
    cr_assert_eq(out.data[out.size - 1], '\n');
    out.data[out.size - 1] = '\0';
    cr_assert_null(strchr(out.data, '\n'), "one line");
    cr_assert_eq(strncmp(out.data, "test: ", 6), 0);
    cr_assert_eq(strncmp(out.data + 6, word, strlen(word)), 0, "%s", out.data);
}

static void says(const char *text)
{
    cr_assert_not_null(strstr(out.data, text), "%s in %s", text, out.data);
}

Test(health, states)
{
    check(SHM_HEALTH_NONE, "gone", 2);
    sign_in();
    s->control->collector_flags = SHMLOG_COLLECTOR_STARTING;
    check(SHM_HEALTH_STARTING, "starting", 1);
    s->control->collector_flags = 0;
    check(SHM_HEALTH_WORKING, "working", 0);
    s->control->collector_flags = SHMLOG_COLLECTOR_FAILING;
    check(SHM_HEALTH_FAILING, "stalled", 1);
    s->control->collector_flags = 0;
    s->control->collector_written = ago(7 * SECOND);
    check(SHM_HEALTH_FAILING, "stalled", 1);
    says("written nothing for 7.000 s");
    s->control->collector_written = ago(SECOND); /* a slow disk is no dead one */
    check(SHM_HEALTH_WORKING, "working", 0);
    s->control->collector_beat = ago(3 * SECOND);
    check(SHM_HEALTH_STALLED, "stalled", 1);
    says("no round for 3.000 s");
    s->control->collector_beat = UINT64_MAX; /* ahead: it has just been */
    check(SHM_HEALTH_WORKING, "working", 0);
    s->control->collector_beat = ago(90 * SECOND);
    s->control->collector_pid = 0;
    check(SHM_HEALTH_ENDED, "gone", 2);
    says("ended 90 s ago");
    cr_assert_null(strstr(out.data, "overwrite"), "%s", out.data);
    s->geometry.on_full = SHMLOG_ON_FULL_OVERWRITE;
    check(SHM_HEALTH_ENDED, "gone", 2);
    says("go on keeping the newest records (overwrite)");
}

/* A collector that does not say when it last wrote is an older one. */
Test(health, an_older_collector)
{
    sign_in();
    s->control->collector_written = 0;
    s->control->collector_pid_ns = 0;
    check(SHM_HEALTH_WORKING, "working", 0);
}

Test(health, losing)
{
    sign_in();
    s->control->collector_lost = ago(11 * SECOND);
    check(SHM_HEALTH_WORKING, "working", 0);
    s->control->collector_lost = ago(9 * SECOND);
    check(SHM_HEALTH_LOSING, "losing", 1);
    s->control->collector_lost = 0;
    s->rings[1].header->lost[SHMLOG_LOST_FULL] = 3;
    s->control->lost[SHMLOG_LOST_NO_SITE] = 2;
    check(SHM_HEALTH_LOSING, "losing", 1); /* before the collector has come to looking */
    says("lost 3 full, 2 no-site");
    s->control->collector_losses = 5;
    check(SHM_HEALTH_WORKING, "working", 0); /* what was lost before is not lost now */
    says("lost 3 full, 2 no-site");
}

static pid_t a_dead_pid(void)
{
    const pid_t pid = fork();

    cr_assert_geq(pid, 0);
    if (pid == 0)
        _exit(0);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    return pid;
}

Test(health, whose_process)
{
    sign_in();
    s->control->collector_pid = (uint32_t)a_dead_pid();
    check(SHM_HEALTH_DIED, "gone", 2);
    sign_in();
    s->control->collector_start++; /* the pid is another's by now */
    check(SHM_HEALTH_DIED, "gone", 2);
    sign_in();
    s->control->collector_start = 0; /* it could not see its own: the pid must do */
    check(SHM_HEALTH_WORKING, "working", 0);
    /* of another namespace: only the beat tells */
    s->control->collector_pid = (uint32_t)a_dead_pid();
    s->control->collector_pid_ns = shm_pid_ns() + 1;
    check(SHM_HEALTH_WORKING, "working", 0);
    s->control->collector_beat = ago(3 * SECOND);
    check(SHM_HEALTH_SILENT, "stalled", 1);
    /* a segment that was taken over by a collector elsewhere */
    s->geometry.creator_pid_ns = shm_pid_ns();
    check(SHM_HEALTH_SILENT, "stalled", 1);
    s->control->collector_pid = UINT32_MAX;
    s->control->collector_pid_ns = shm_pid_ns();
    check(SHM_HEALTH_DIED, "gone", 2);
}

/* `count` records of one slot, the first so many seconds ago, the others now. */
static void put_records(uint32_t ring, uint64_t count, uint64_t seconds)
{
    struct shmlog_ring *const header = s->rings[ring].header;

    for (uint64_t i = 0; i < count; i++) {
        struct shmlog_slot *const slot = &s->rings[ring].slots[header->head & s->slot_mask];
        const uint64_t ticks =
            shm_clock_now(s->geometry.clock) - (i ? 0 : seconds * s->geometry.clock_hz);

        slot->seq = (uint32_t)header->head + 1;
        slot->site = 1 | 1 << SHMLOG_SITE_SLOTS_SHIFT;
        memcpy(slot->payload + SHMLOG_PAYLOAD_TIME, &ticks, sizeof(ticks));
        header->head++;
    }
}

static void backlog(uint32_t ring, uint64_t records, uint64_t seconds)
{
    struct shm_backlog behind;

    shm_backlog_of_ring(s, ring, &behind);
    cr_assert_eq(behind.records, records, "ring %u: %llu", ring,
                 (unsigned long long)behind.records);
    cr_assert_eq(behind.slots, records);
    cr_assert_eq(behind.oldest_ns / SECOND, seconds);
}

Test(health, behind)
{
    sign_in();
    backlog(0, 0, 0);
    put_records(0, 700, 3);
    put_records(1, 1, 50);
    put_records(2, 5, 0);
    backlog(0, 700, 3);
    backlog(1, 1, 50);
    check(SHM_HEALTH_WORKING, "working", 0);
    says("behind 706 records, the oldest 50 s (ring 1)");
    s->rings[1].header->tail_seq = 2;
    s->rings[1].header->tail = 1;
    backlog(1, 0, 0);
    check(SHM_HEALTH_WORKING, "working", 0);
    says("behind 705 records, the oldest 3.000 s");
    /* a caller's own timestamp, ahead */
    s->rings[0].header->tail_seq = 700;
    s->rings[0].header->tail = 699;
    memset(s->rings[0].slots[699].payload + SHMLOG_PAYLOAD_TIME, 0xff, 8);
    backlog(0, 1, 0);
    /* damaged slots, wild positions: some answer */
    memset(s->rings[0].slots, 0xee, s->geometry.ring_slots * sizeof(struct shmlog_slot));
    check(SHM_HEALTH_WORKING, "working", 0);
    s->rings[0].header->head = UINT64_MAX / 2;
    check(SHM_HEALTH_WORKING, "working", 0);
    s->rings[0].header = NULL;
    backlog(0, 0, 0);
}

/* Under overwrite, what was overwritten is not behind any more; what was read is not either. */
Test(health, behind_overwrite)
{
    const uint64_t slots = s->geometry.ring_slots;
    struct shm_backlog behind;

    s->geometry.on_full = SHMLOG_ON_FULL_OVERWRITE;
    put_records(0, 3 * slots, 9);
    shm_backlog_of_ring(s, 0, &behind);
    cr_assert_leq(behind.records, slots);
    cr_assert_geq(behind.records, slots - SHMLOG_RECORD_SLOTS);
    s->rings[0].header->tail_seq = 3 * slots - 9;
    s->rings[0].header->tail = 3 * slots - 10;
    backlog(0, 10, 0);
}

Test(health, many_rings)
{
    static uint32_t cpus[SHMLOG_CPUS_MAX];
    const uint32_t counts[] = {1, 2, 11, 101, 1025};

    for (uint32_t i = 0; i < SHMLOG_CPUS_MAX; i++)
        cpus[i] = i;
    for (size_t n = 0; n < sizeof(counts) / sizeof(counts[0]); n++) {
        struct shm_params params = kit_params();
        struct shm_segment *few = s;
        char want[64];

        shm_segment_close(few);
        cr_assert_eq(shm_segment_destroy(kit_path), 0);
        params.cpus = cpus;
        params.cpu_count = counts[n] > 1000 ? 1000 : counts[n];
        params.spare_rings = counts[n] - params.cpu_count;
        s = create(&params);
        sign_in();
        for (uint32_t i = 0; i < counts[n]; i++) {
            put_records(i, 10, i == counts[n] - 1 ? 8 : 2);
            s->rings[i].header->lost[SHMLOG_LOST_FULL] = 2;
        }
        check(SHM_HEALTH_LOSING, "losing", 1);
        snprintf(want, sizeof(want), "behind %u records, the oldest 8.000 s", 10 * counts[n]);
        says(want);
        snprintf(want, sizeof(want), "(ring %u); lost %u full", counts[n] - 1, 2 * counts[n]);
        says(want);
    }
}

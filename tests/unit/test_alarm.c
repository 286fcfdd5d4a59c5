/* SPDX-License-Identifier: MIT
 *
 * What the collector tells those who do not ask, of losses, tables, clocks and disks: when it
 * begins, every ten seconds while it goes on, and when it is over.
 */
#include "tests/unit/segment_kit.h"

#include "collector/disk_alarm.h"

#define S UINT64_C(1000000000)

static char said[512];
static unsigned lines, level;
static struct shm_segment *segment;
static struct alarm alarm_;
static uint64_t now;
static struct disk_alarm disk;

static void take_line(unsigned of_level, const char *line)
{
    level = of_level;
    snprintf(said, sizeof(said), "%s", line);
    lines++;
}

static void begin(uint32_t on_full, uint64_t lost_before)
{
    struct shm_params params = kit_params();

    kit_open();
    params.on_full = on_full;
    params.wait_ns = UINT64_MAX;
    segment = kit_create(&params);
    alarm_ = (struct alarm){.segment = segment, .say = take_line, .lost = lost_before};
    now = 100 * S;
    lines = 0;
}

static void end(void)
{
    shm_segment_close(segment);
    kit_close();
}

/* A look after so long. The lines said. */
static unsigned look(double seconds)
{
    const unsigned before = lines;
    struct shm_losses losses;

    now += (uint64_t)(seconds * 1e9);
    shm_losses_of_segment(segment, &losses);
    alarm_work(&alarm_, &losses, now);
    return lines - before;
}

TestSuite(alarm, .timeout = 120);

Test(alarm, losses)
{
    uint64_t *lost;

    begin(SHMLOG_ON_FULL_DROP, 0);
    lost = segment->rings[1].header->lost;
    cr_assert_eq(look(0.5), 0);
    segment->rings[0].header->lost[SHMLOG_LOST_NESTED] = 2;
    lost[SHMLOG_LOST_FULL] = 10;
    cr_assert_eq(look(0.5), 1);
    cr_assert_str_eq(said, "records are being lost: 12 in all (10 full, 2 nested), most of them in "
                           "ring 1");
    cr_assert_eq(level, SHMLOG_WARN);
    for (unsigned i = 0; i < 19; i++) { /* it goes on */
        lost[SHMLOG_LOST_FULL]++;
        cr_assert_eq(look(0.5), 0);
    }
    lost[SHMLOG_LOST_FULL]++;
    cr_assert_eq(look(0.5), 1);
    cr_assert(strstr(said, "are being lost: 32 in all"), "%s", said);
    for (unsigned i = 0; i < 19; i++)
        cr_assert_eq(look(0.5), 0);
    cr_assert_eq(look(0.5), 1);
    cr_assert_str_eq(said, "no more records are being lost: 32 in all (30 full, 2 nested), most of "
                           "them in ring 1");
    cr_assert_eq(level, SHMLOG_INFO);
    cr_assert_eq(look(100), 0);
    segment->control->lost[SHMLOG_LOST_NO_RING] = 1; /* of no ring */
    cr_assert_eq(look(0.5), 1);
    cr_assert(strstr(said, "33 in all (30 full, 2 nested, 1 no-ring)"), "%s", said);
    end();
}

/* What was lost while there was no collector, nobody has been told. */
Test(alarm, losses_before)
{
    begin(SHMLOG_ON_FULL_DROP, 7);
    segment->rings[2].header->lost[SHMLOG_LOST_FULL] = 7;
    cr_assert_eq(look(0.5), 0, "said by the collector before");
    end();
    begin(SHMLOG_ON_FULL_DROP, 7);
    segment->rings[2].header->lost[SHMLOG_LOST_FULL] = 8;
    cr_assert_eq(look(0.5), 1);
    end();
}

static void fill(uint32_t ring, uint64_t slots)
{
    shmlog_store_release_(&segment->rings[ring].header->tail, 1000);
    shmlog_store_release_(&segment->rings[ring].header->head, 1000 + slots);
}

Test(alarm, rings)
{
    begin(SHMLOG_ON_FULL_WAIT, 0);
    fill(0, 100);
    fill(1, 819); /* of 1024: 79 % */
    cr_assert_eq(look(0.5), 0);
    fill(1, 1024);
    cr_assert_eq(look(0.5), 1);
    cr_assert(strstr(said, "ring 1 is full to 100 %"), "%s", said);
    cr_assert_eq(look(0.5), 0);
    fill(1, 0);
    cr_assert_eq(look(9), 0);
    cr_assert_eq(look(1), 1);
    cr_assert_str_eq(said, "no ring is nearly full any more");
    fill(1, 1u << 20); /* no writer's work */
    cr_assert_eq(look(0.5), 0);
    end();
    begin(SHMLOG_ON_FULL_OVERWRITE, 0);
    fill(1, 1024); /* as it should be */
    cr_assert_eq(look(0.5), 0);
    end();
}

Test(alarm, tables)
{
    struct shmlog_producer *producers;
    uint64_t *sites;

    begin(SHMLOG_ON_FULL_DROP, 0);
    producers = shm_producers(segment);
    sites = shm_site_words(segment);
    segment->control->producers_used = 64;
    for (unsigned i = 0; i < 51; i++) /* of 64: 79 % */
        producers[i].claim = 1;
    for (unsigned i = 1; i <= 203; i++) /* of 255: 79 % */
        sites[i] = 1;
    cr_assert_eq(look(0.5), 0);
    producers[51].claim = 1;
    cr_assert_eq(look(0.5), 1);
    cr_assert(strstr(said, "table of producers is nearly full: 52 of 64"), "%s", said);
    cr_assert_eq(look(60), 0, "it stays so; once is enough");
    sites[204] = 1;
    cr_assert_eq(look(0.5), 1);
    cr_assert(strstr(said, "table of call sites is nearly full: 204 of 255"), "%s", said);
    producers[51].claim = 0;
    cr_assert_eq(look(9), 0);
    cr_assert_eq(look(2), 1);
    cr_assert(strstr(said, "table of producers has room again"), "%s", said);
    end();
}

Test(alarm, clock)
{
    begin(SHMLOG_ON_FULL_DROP, 0);
    cr_assert_eq(look(0.5), 0);
    alarm_clock_set(&alarm_, 3600 * (int64_t)S);
    cr_assert_eq(look(0.5), 1);
    cr_assert_str_eq(said,
                     "the wall clock was set by +3600.000 s: times follow it, order does not");
    for (unsigned i = 0; i < 19; i++) {
        alarm_clock_set(&alarm_, -(int64_t)S);
        cr_assert_eq(look(0.5), 0);
    }
    alarm_clock_set(&alarm_, -(int64_t)S);
    cr_assert_eq(look(0.5), 1);
    cr_assert(strstr(said, "set by -20.000 s in 20 steps"), "%s", said);
    cr_assert_eq(level, SHMLOG_WARN);
    cr_assert_eq(look(9.5), 0);
    cr_assert_eq(look(0.5), 1);
    cr_assert_str_eq(said, "the wall clock runs evenly again; it was set 21 times, by +3580.000 s "
                           "in all");
    cr_assert_eq(level, SHMLOG_INFO);
    cr_assert_eq(look(100), 0);
    end();
}

/* The last look says at once what is over, and leaves open what is not. */
Test(alarm, end)
{
    struct shm_losses losses;

    begin(SHMLOG_ON_FULL_DROP, 0);
    segment->rings[1].header->lost[SHMLOG_LOST_FULL] = 3; /* nobody has looked since */
    shm_losses_of_segment(segment, &losses);
    alarm_end(&alarm_, &losses, now);
    cr_assert_eq(lines, 2);
    cr_assert_str_eq(said, "no more records are being lost: 3 in all (3 full), most of them in "
                           "ring 1");
    end();

    begin(SHMLOG_ON_FULL_DROP, 0);
    segment->control->producers_used = 64;
    for (unsigned i = 0; i < 64; i++)
        shm_producers(segment)[i].claim = 1;
    fill(1, 1024);
    segment->rings[1].header->lost[SHMLOG_LOST_FULL] = 1;
    cr_assert_eq(look(0.5), 3);
    fill(1, 0);
    segment->rings[1].header->lost[SHMLOG_LOST_FULL] = 2;
    shm_losses_of_segment(segment, &losses);
    lines = 0;
    alarm_end(&alarm_, &losses, now);
    cr_assert_eq(lines, 2, "losses and the ring; the table is still full");
    cr_assert_str_eq(said, "no ring is nearly full any more");
    alarm_end(&alarm_, &losses, now);
    cr_assert_eq(lines, 2, "nothing is left to say");
    end();

    begin(SHMLOG_ON_FULL_DROP, 0);
    alarm_clock_set(&alarm_, 2 * (int64_t)S);
    shm_losses_of_segment(segment, &losses);
    alarm_end(&alarm_, &losses, now);
    cr_assert_eq(lines, 2);
    cr_assert_str_eq(said, "the wall clock runs evenly again; it was set 1 time, by +2.000 s in "
                           "all");
    end();
}

/* ---- A disk that hangs ---- */

/* So long, looked at as the drain does. The lines said. */
static unsigned disk_looks(double seconds, uint64_t answers)
{
    const uint64_t until = now + (uint64_t)(seconds * 1e9);
    unsigned count = 0;

    while (now < until) {
        now += S / 20;
        count += disk_alarm_work(&disk, answers, now, said, sizeof(said)) != ALARM_NO_NEWS;
    }
    return count;
}

Test(alarm, disk)
{
    uint64_t answers = 7;

    disk = (struct disk_alarm){.directory = "/logs"};
    now = 50 * S;
    cr_assert_eq(disk_looks(0.95, answers), 0);
    answers++;
    cr_assert_eq(disk_looks(0.95, answers), 0, "slow is not hung");
    cr_assert_eq(disk_looks(0.2, answers), 1);
    cr_assert(strstr(said, "/logs: the disk has not answered for 1.0 s; records wait"), "%s", said);
    cr_assert_eq(disk_looks(9.5, answers), 0);
    cr_assert_eq(disk_looks(0.5, answers), 1);
    cr_assert(strstr(said, "not answered for 11.0 s"), "%s", said);
    answers++;
    cr_assert_eq(disk_looks(0.5, answers), 0);
    answers++;
    cr_assert_eq(disk_looks(2, answers), 0, "once more, in the same ten seconds");
    for (unsigned i = 0; i < 10; i++) {
        answers++;
        cr_assert_eq(disk_looks(0.9, answers), 0);
    }
    answers++;
    disk_looks(0.9, answers);
    answers++;
    disk_looks(0.9, answers);
    cr_assert(strstr(said, "/logs: the disk answers again; it hung 2 times, 13."), "%s", said);
    cr_assert(strstr(said, " s at most"), "%s", said);
}

/* Who was stopped itself cannot tell. */
Test(alarm, disk_after_a_stop)
{
    uint64_t answers = 7;

    disk = (struct disk_alarm){.directory = "/logs"};
    now = 50 * S;
    cr_assert_eq(disk_looks(0.5, answers), 0);
    now += 100 * S;
    cr_assert_eq(disk_looks(0.9, answers), 0);
    cr_assert_eq(disk_looks(0.2, answers), 1);
}

/* SPDX-License-Identifier: MIT
 *
 * The producers of the kill tests, and the reckoning with what they noted. See oracle.h.
 */
#include "tests/integration/oracle.h"

#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"

#include "tests/kit/shared_rings.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX 1000u

/* The text of record `number` of a producer: usually none, now and then up to 1,000 bytes. */
static size_t text_of(unsigned producer, uint64_t number, char *ret_text)
{
    const size_t size = number % 7 ? 0 : (size_t)(number * 37 % TEXT_MAX);

    for (size_t i = 0; i < size; i++)
        ret_text[i] = (char)('a' + (number + producer + i) % 26);
    ret_text[size] = 0;
    return size;
}

void oracle_open(struct oracle *oracle)
{
    const size_t size = ORACLE_PRODUCERS * sizeof(struct oracle_page);
    int fd = open(kit_path("oracle"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    memset(oracle, 0, sizeof(*oracle));
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0)
        KIT_FAIL("oracle: %s", strerror(errno));
    oracle->page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (oracle->page == MAP_FAILED)
        KIT_FAIL("oracle: %s", strerror(errno));
    close(fd);
}

void oracle_close(struct oracle *oracle)
{
    for (unsigned i = 0; i < ORACLE_PRODUCERS; i++)
        free(oracle->maybe[i]);
    munmap(oracle->page, ORACLE_PRODUCERS * sizeof(struct oracle_page));
}

static void log_one(struct shmlog *log, unsigned producer, struct oracle_page *page,
                    uint64_t number)
{
    char text[TEXT_MAX + 1];
    const size_t size = text_of(producer, number, text);

    shmlog_store_release_(&page->before, number);
    if (size)
        shmlog_info(log, "p%u n%" PRIu64 " t%zu %s", producer, number, size, text);
    else
        shmlog_info(log, "p%u n%" PRIu64, producer, number);
    shmlog_store_release_(&page->after, number);
}

/* What the signal handler needs: a process lives one life. */
static const struct oracle_life *timer_life;
static struct shmlog *timer_log;

static void on_timer(int signal)
{
    struct oracle_page *page = timer_life->page + 1;
    const int error = errno;

    (void)signal;
    log_one(timer_log, timer_life->producer + 1, page, page->before + 1);
    errno = error;
}

static void set_timer(const struct oracle_life *life, struct shmlog *log, unsigned us)
{
    const struct timeval each = {.tv_usec = (suseconds_t)us};
    const struct itimerval timer = {each, each};
    struct sigaction action = {.sa_handler = on_timer, .sa_flags = SA_RESTART};

    timer_life = life;
    timer_log = log;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* No handler runs any more when this is over. */
static void stop_timer(void)
{
    const struct itimerval none = {{0, 0}, {0, 0}};

    setitimer(ITIMER_REAL, &none, NULL);
    signal(SIGALRM, SIG_IGN);
}

int oracle_live(void *arg)
{
    const struct oracle_life *life = arg;
    struct oracle_page *page = life->page;
    const struct shmlog_options options = {.wait_ms = 1000 * KIT_PATIENCE,
                                           .process_name = "oracle"};
    const struct timespec pause = {.tv_nsec = life->slow_ns};
    uint64_t number = page->before;
    struct shmlog *log;
    int error = shmlog_open(&log, life->segment, &options);

    if (error < 0) {
        fprintf(stderr, "producer: %s\n", shmlog_strerror(error));
        return 1;
    }
    if (life->shared_rings)
        kit_share_from(log, life->producer);
    if (life->timer_us)
        set_timer(life, log, life->timer_us);
    while (!shmlog_load_acquire_(&page->stop)) {
        if (number >= shmlog_load_relaxed_(&page->burst) && number % life->slow_burst == 0)
            nanosleep(&pause, NULL);
        log_one(log, life->producer, page, ++number);
    }
    if (life->timer_us)
        stop_timer();
    shmlog_close(log);
    return 0;
}

void oracle_killed(struct oracle *oracle, unsigned producer)
{
    struct oracle_page *page = &oracle->page[producer];
    const size_t count = oracle->maybes[producer];

    if (page->before == page->after)
        return;
    KIT_EQ(page->before, page->after + 1);
    if (count % 64 == 0) {
        oracle->maybe[producer] =
            realloc(oracle->maybe[producer], (count + 64) * sizeof(*oracle->maybe[producer]));
        KIT_CHECK(oracle->maybe[producer] != NULL);
    }
    oracle->maybe[producer][count] = page->before;
    oracle->maybes[producer] = count + 1;
    page->after = page->before; /* what the next life goes on from */
}

static bool is_maybe(const struct oracle *oracle, unsigned producer, uint64_t number)
{
    size_t low = 0, high = oracle->maybes[producer];

    while (low < high) { /* they were noted in ascending order */
        const size_t middle = (low + high) / 2;

        if (oracle->maybe[producer][middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < oracle->maybes[producer] && oracle->maybe[producer][low] == number;
}

/* Count the numbers from..to - 1, which are not in the dump. */
static void count_missing(const struct oracle *oracle, unsigned producer, uint64_t from,
                          uint64_t to, struct oracle_count *count)
{
    for (uint64_t number = from; number < to; number++) {
        if (is_maybe(oracle, producer, number))
            continue;
        count->missing_of[producer]++;
        if (count->missing++ < 10)
            fprintf(stderr, "missing: producer %u record %" PRIu64 "\n", producer, number);
    }
}

void oracle_line(const char *line, unsigned long line_number, unsigned *ret_producer,
                 uint64_t *ret_number)
{
    char text[TEXT_MAX + 1], want[TEXT_MAX + 64];
    size_t size;
    int end = 0;

    if (sscanf(line, "p%u n%" SCNu64 "%n", ret_producer, ret_number, &end) != 2 || !end ||
        *ret_producer >= ORACLE_PRODUCERS)
        KIT_FAIL("line %lu makes no sense: '%s'", line_number, line);
    size = text_of(*ret_producer, *ret_number, text);
    if (size)
        snprintf(want, sizeof(want), "p%u n%" PRIu64 " t%zu %s", *ret_producer, *ret_number, size,
                 text);
    else
        snprintf(want, sizeof(want), "p%u n%" PRIu64, *ret_producer, *ret_number);
    if (strcmp(line, want) != 0)
        KIT_FAIL("line %lu is\n    '%s', not\n    '%s'", line_number, line, want);
}

void oracle_check(const struct oracle *oracle, const char *dump_path,
                  struct oracle_count *ret_count)
{
    uint64_t last[ORACLE_PRODUCERS] = {0};
    struct oracle_count count = {0};
    unsigned long line_number = 0;
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    FILE *f = fopen(dump_path, "re");

    if (!f)
        KIT_FAIL("%s: %s", dump_path, strerror(errno));
    while ((size = getline(&line, &room, f)) > 0) {
        unsigned producer = 0;
        uint64_t number = 0;

        if (line[size - 1] == '\n')
            line[size - 1] = 0;
        oracle_line(line, ++line_number, &producer, &number);
        if (number <= last[producer] || number > oracle->page[producer].before)
            KIT_FAIL("line %lu: producer %u record %" PRIu64 " after %" PRIu64
                     ": twice, out of order, or never logged (it got to %" PRIu64 ")",
                     line_number, producer, number, last[producer], oracle->page[producer].before);
        count_missing(oracle, producer, last[producer] + 1, number, &count);
        last[producer] = number;
        count.seen++;
    }
    free(line);
    fclose(f);
    for (unsigned i = 0; i < ORACLE_PRODUCERS; i++) {
        count_missing(oracle, i, last[i] + 1, oracle->page[i].after + 1, &count);
        count.maybe += oracle->maybes[i];
        count.committed += oracle->page[i].after - oracle->maybes[i];
    }
    *ret_count = count;
}

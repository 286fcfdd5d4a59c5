/* SPDX-License-Identifier: MIT
 *
 * What producers committed, kept outside the system under test.
 *
 * Each producer has a page of a file of its own, mapped shared, in which it notes the number of a
 * record before and after the call that logs it; a page survives SIGKILL like the segment does, but
 * nothing of shmlog touches it. A record whose call returned must come out exactly once; the one
 * that was being logged when its producer died may or may not. Numbers go on from one life of a
 * producer to the next. The text of a record follows from producer and number, so that a reader can
 * tell a whole record from a damaged one.
 */
#ifndef TESTS_INTEGRATION_ORACLE_H
#define TESTS_INTEGRATION_ORACLE_H

#include "tests/kit/kit.h"

#define ORACLE_PRODUCERS 8u

struct oracle_page {
    uint64_t before; /* the record about to be logged, or the last one */
    uint64_t after;  /* the last record whose call returned */
    uint64_t stop;   /* set by the test: end now */
    uint64_t burst;  /* set by the test: up to this number as fast as it can go, then slowly */
    uint8_t reserved[4096 - 4 * 8];
};

struct oracle {
    struct oracle_page *page; /* ORACLE_PRODUCERS of them */
    /* numbers that may be missing, for each producer: in the middle of a call at a SIGKILL */
    uint64_t *maybe[ORACLE_PRODUCERS];
    size_t maybes[ORACLE_PRODUCERS];
};

void oracle_open(struct oracle *oracle);
void oracle_close(struct oracle *oracle);

/* A producer's life: attach to `segment`, log until told to stop. Returns an exit status. */
struct oracle_life {
    struct oracle_page *page;
    const char *segment;
    unsigned producer;
    bool shared_rings; /* cannot use those of cores */
    unsigned slow_ns;  /* between bursts of `slow_burst` records, once past page->burst */
    unsigned slow_burst;
    /* Not 0: a timer's signal handler logs, too, each so many us, as the producer next to this
     * one: it has a page of its own. */
    unsigned timer_us;
};
int oracle_live(void *life);

/* Note that producer was killed: call after it is reaped. */
void oracle_killed(struct oracle *oracle, unsigned producer);

/* Which record a line of a dump is. Fails the test if it is none, or damaged. */
void oracle_line(const char *line, unsigned long line_number, unsigned *ret_producer,
                 uint64_t *ret_number);

struct oracle_count {
    uint64_t seen;      /* records in the dump */
    uint64_t committed; /* calls that returned */
    uint64_t maybe;     /* calls that were interrupted by death */
    uint64_t missing;   /* calls that returned whose record is not there */
    uint64_t missing_of[ORACLE_PRODUCERS];
};
/* Compare a dump ('--fields message --format text', in a file or a FIFO) with the pages. Fails the
 * test at a record that is damaged, twice there, out of order, or was never logged. */
void oracle_check(const struct oracle *oracle, const char *dump_path,
                  struct oracle_count *ret_count);

#endif

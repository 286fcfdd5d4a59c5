/* SPDX-License-Identifier: MIT
 *
 * What a producer does that is to die: the calls under test, and its way up to them.
 *
 * It notes in a page of its own, shared with the tester, the number of the record that it is about
 * to log and that of the last one whose call returned; nothing of shmlog touches that page. The
 * second word of a record follows from its number and kind, so that a torn one is told from a whole
 * one.
 */
#ifndef TESTS_DEATH_CALLS_H
#define TESTS_DEATH_CALLS_H

#include <stdbool.h>
#include <stdint.h>

/* Kinds of records: whose they are, and how they look. */
enum kind {
    KIND_ONE,      /* of the producer: one slot */
    KIND_SHORT,    /* with a string in one slot */
    KIND_WIDE,     /* numbers over two slots */
    KIND_SIX,      /* numbers that just fit into one slot */
    KIND_LONG,     /* with a string over several slots */
    KIND_RAW,      /* a struct */
    KIND_RAW_LONG, /* a struct of several slots */
    KIND_PART,     /* a struct of a batch, but for its last: all of a batch have one number */
    KIND_BATCH,    /* its last */
    KIND_NESTED,   /* by its signal handler */
    KIND_THREAD,   /* by another thread of its process */
    KIND_OTHER,    /* by another process */
    KINDS
};
#define SHORT_TEXT 8u
#define LONG_TEXT 190u /* bytes of a long record's string */
#define RAW_TEXT 151u
#define WIDE_NUMBERS 6u /* behind number and check */
#define SIX_NUMBERS 4u
#define BATCH 5u     /* structs */
#define OTHERS 1000u /* records of each who logs while the producer stands still */
#define CHECK_OF(number, kind) ((number)*UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)(kind))

/* A text of `size` bytes that follows from the number. */
void text_of(uint64_t number, uint32_t size, char *ret_text);

struct raw_small {
    uint64_t number, check;
};
struct raw_large {
    uint64_t number, check;
    char text[RAW_TEXT + 1];
};

enum call {
    CALL_ONE,
    CALL_ONE_AT,
    CALL_SHORT,
    CALL_WIDE,
    CALL_SIX,
    CALL_LONG,
    CALL_LONG_AT,
    CALL_RAW,
    CALL_RAW_LONG,
    CALL_BATCH,
    CALL_OPEN,     /* shmlog_open(), then CALL_ONE */
    CALL_REGISTER, /* shmlog_register_thread(), also where there is nothing to do; CALL_ONE */
    CALL_SEVERE,   /* as CALL_ONE and so on, at warn */
    CALL_SEVERE_AT,
    CALL_SEVERE_LONG,
    CALL_SEVERE_LONG_AT,
};

struct page {
    uint64_t before, after; /* the producer's records, as above */
    uint64_t nested_before, nested_after;
    uint64_t thread_before, thread_after, other_before, other_after;
    uint64_t mark;      /* how far it has got: marks passed */
    uint32_t thread_go; /* set, and woken, by the tester: log OTHERS records */
    uint32_t thread_ready;
    uint64_t ring; /* before the call: where it has the ring that it writes to */
};

struct life {
    struct page *page;
    const char *segment;
    enum call call;
    bool second;       /* it was attached before: logs by the thread's second state */
    bool share;        /* writes into shared rings */
    bool cold;         /* nothing is registered but the thread; the call is the site's first */
    bool fresh_thread; /* the thread is not registered: as in a forked child */
    bool no_ring;      /* the core has no ring */
    bool no_cpu;       /* the core's number is beyond the table */
    bool no_log;       /* the segment was not there: a NULL log */
    bool busy;         /* it holds the ring: as if in a handler */
    bool doubted;      /* the ring was held for too long before */
    bool gave_up;      /* a wait ran out before */
    bool held;         /* somebody else holds the shared ring, and does not let go */
    bool elsewhere;    /* the handler logs by another attachment, and registers the thread there */
    bool thread;       /* another thread stands by */
    int cpu;
    uint32_t position; /* of the call's record, masked */
    uint32_t fill;     /* slots filled after the first mark */
};

/* In a process of its own, traced by its parent. It stops with a trap: at mark 1 with everything
 * committed before it to be drained, at mark 2 before the call, at mark 3 after it. */
int live(void *life);
void mark(struct page *page);

/* Another process: attaches and logs `records` records. An exit status. */
int live_other(const char *segment, struct page *page, int cpu, unsigned records);

#endif

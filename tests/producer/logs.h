/* SPDX-License-Identifier: MIT
 *
 * What a shared object of logs.c offers, by one symbol, `logs_calls`.
 */
#ifndef TESTS_PRODUCER_LOGS_H
#define TESTS_PRODUCER_LOGS_H

struct shmlog;

enum logs_kind {
    LOGS_SLOT,   /* a record of one slot */
    LOGS_STRING, /* of several */
    LOGS_RAW,
    LOGS_KINDS
};

struct logs_calls {
    /* shmlog_open() and shmlog_close(), by the shared object. */
    int (*open)(struct shmlog **ret_log, const char *segment);
    void (*close)(struct shmlog *log);
    /* From now on the thread's calls go into shared rings; NULL: the program sees to that. */
    int (*share)(struct shmlog *log);
    /* `which`: 0 or 1, for two segments. */
    void (*log)(struct shmlog *log, unsigned which, enum logs_kind kind, unsigned number);
    /* Logs `number` to `log`; a signal handler logs it to `other` after the `step`th instruction.
     * 0: the call was over before. */
    int (*interrupt)(struct shmlog *log, struct shmlog *other, unsigned which, enum logs_kind kind,
                     unsigned number, unsigned step);
};

#endif

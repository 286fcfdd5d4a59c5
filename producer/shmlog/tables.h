/* SPDX-License-Identifier: MIT
 *
 * The layout of a segment, continued: the entries of the tables in its control file.
 */
#ifndef SHMLOG_TABLES_H
#define SHMLOG_TABLES_H

#include "producer/shmlog/layout.h"

/* A thread of a process that logs. claim is 0 in a free entry, else tid << 32 | SHMLOG_PRODUCER_*;
 * it is claimed with a compare-and-swap and freed by the collector alone: when the slots of all
 * records of a dead thread were overwritten, or earlier if the table gets short, but not before the
 * records were read. Who registers when none is free takes one that is DEAD or LEFT: the living
 * need a name more than the dead. id = use << 16 | (index + 1), a new one at each use of the entry.
 * While the entry is being filled in, its claim alone says whose it is: bits 8-31 are then the low
 * ones of pid_ns, so that an entry whose owner died over it can be told and freed. */
struct shmlog_producer {
    uint64_t claim;
    uint32_t id;
    uint32_t pid; /* as the process itself sees it, in its pid namespace */
    uint32_t tid;
    uint32_t ring;       /* 1 + index of the ring that it owns, 0 none: older programs */
    uint64_t start_time; /* of the thread: field 22 of /proc/PID/task/TID/stat; 0 unknown */
    uint64_t attachment; /* random, one for each shmlog_open() in each process */
    uint64_t pid_ns;     /* inode of its pid namespace, 0 unknown */
    char process[32];    /* NUL-terminated unless full */
    char thread[16];
    uint32_t why;           /* SHMLOG_WHY_*: it logs into spare rings; 0: into those of its cores */
    uint32_t rings_missing; /* rings that its process could not map: SHMLOG_OPEN_PARTIAL */
    uint8_t reserved0[24];
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_producer) == 128, "producer entry");
#define SHMLOG_WHY_ASKED 1u         /* older programs: it asked for a ring of its own */
#define SHMLOG_WHY_NO_RSEQ 2u       /* the system has no restartable sequences */
#define SHMLOG_WHY_NO_TSC 3u        /* sequences cannot read the segment's clock */
#define SHMLOG_WHY_ABORTS 4u        /* sequences were aborted again and again, as by a debugger */
#define SHMLOG_WHY_NO_CORE 5u       /* there is no ring for the core that it ran on */
#define SHMLOG_PRODUCER_FILLING 1u  /* claimed, not yet filled in */
#define SHMLOG_PRODUCER_LIVE 2u     /* logs, or may */
#define SHMLOG_PRODUCER_DETACHED 3u /* shmlog_close() was called */
#define SHMLOG_PRODUCER_DEAD 4u     /* the collector found it dead, and has read its records */
#define SHMLOG_PRODUCER_LEFT 5u     /* DETACHED, and the collector has read its records */
#define SHMLOG_PRODUCER_STATE 0xffu /* the bits of a claim that are one of these */
#define SHMLOG_PRODUCER_FILLING_CLAIM(tid, pid_ns) \
    ((uint64_t)(tid) << 32 | ((pid_ns)&0xffffffu) << 8 | SHMLOG_PRODUCER_FILLING)
#define SHMLOG_PRODUCERS_MAX 65535u

/* A site word: 0 free, else hash << 32 | (offset in the arena / 8). The index of the word in the
 * table is the site id, 1 .. sites_max - 1. The bytes at that offset are a site, complete before
 * the word is stored: */
struct shmlog_site {
    uint16_t size;     /* bytes in all, <= SHMLOG_SITE_MAX */
    uint8_t kind;      /* SHMLOG_SITE_* */
    uint8_t level;     /* SHMLOG_TRACE .. SHMLOG_CRITICAL */
    uint16_t flags;    /* SHMLOG_SITE_FLAG_* */
    uint8_t args;      /* number of arguments */
    uint8_t reserved0; /* 0 */
    uint32_t line;
    uint32_t record_size; /* RAW: bytes of the user's struct; else 0 */
    /* struct shmlog_site_arg[args];
     * then NUL-terminated strings: format (events, raw: the name), file, function, category,
     * and what SHMLOG_SITE_FLAG_TEXT says, or one name for each argument */
};
struct shmlog_site_arg {
    uint8_t type; /* SHMLOG_TYPE_* */
    uint8_t flags;
    uint16_t offset; /* RAW: in the struct; else payload offset of the value in the fixed area */
    uint16_t size;   /* bytes in the fixed area or in the struct */
    uint16_t reserved0;
};
#define SHMLOG_SITE_MAX 2048u
/* An attachment adds at most a quarter of the table, and of the arena; of small ones more. What one
 * program registers without end leaves the others theirs. */
#define SHMLOG_SITES_SHARE(sites_max) ((sites_max) / 4 > 64u ? (sites_max) / 4 : 64u)
#define SHMLOG_ARENA_SHARE(size) ((size) / 4 > 16384u ? (size) / 4 : UINT64_C(16384))
#define SHMLOG_SITE_PRINTF 1u    /* a printf-style call */
#define SHMLOG_SITE_EVENT 2u     /* a name, and named fields */
#define SHMLOG_SITE_RAW 3u       /* a struct of the user's own */
#define SHMLOG_SITE_FLAG_MORE 1u /* the text goes on in a later record of the producer */
#define SHMLOG_SITE_FLAG_LINE 2u /* a piece of a line, or a whole one: see shmlog-cat(1) */
/* A second string for each argument follows the names: what the source says, empty if that is the
 * name. */
#define SHMLOG_SITE_FLAG_EXPRESSIONS 4u
#define SHMLOG_SITE_FLAG_INLINE 8u /* its records hold a site each: shm/inline_site.h */
/* In the place of names, one string: the arguments as the source has them (events: names, which are
 * literals, and values in turn), as the preprocessor writes them. Readers make the names of it. */
#define SHMLOG_SITE_FLAG_TEXT 16u
#define SHMLOG_ARGS_MAX 16u
#define SHMLOG_RAW_FIELDS_MAX 32u

/* FNV-1a over the bytes of a site, folded to 32 bits; never 0.
 * (Fowler, Noll, Vo; draft-eastlake-fnv, 64-bit offset basis and prime.) */
SHMLOG_STATIC_INLINE_ uint32_t shmlog_site_hash_(const void *data, size_t size)
{
    const uint8_t *p = (const uint8_t *)data;
    uint64_t h = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < size; i++)
        h = (h ^ p[i]) * UINT64_C(1099511628211);
    h ^= h >> 32;
    return (uint32_t)h ? (uint32_t)h : 1u;
}

#endif /* SHMLOG_TABLES_H */

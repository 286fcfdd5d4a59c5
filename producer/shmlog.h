/* SPDX-License-Identifier: MIT
 *
 * shmlog.h - log into shared memory: one header, libc alone.
 *
 *     part 1   the layout of a segment, written once, for every program that maps one
 *     part 2   attaching to a segment, and the log calls
 *
 * A program that logs includes this header and needs nothing else. Readers of segments define
 * SHMLOG_LAYOUT_ONLY and get part 1.
 *
 * A segment is a directory of files that processes of one host map: `control` (geometry, level,
 * sites, producers, clock) and one `ring-NNN` per ring. Rings hold 64-byte slots. A record is one
 * log call: 1 to 64 slots in a row. A writer fills the slots and commits with a single store, that
 * of the new head; there is no state between "not there" and "there", so a writer that dies leaves
 * nothing behind that anybody would have to repair.
 */
#ifndef SHMLOG_LAYOUT_H
#define SHMLOG_LAYOUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* C and C++ share this text, so casts are C's; users may ask for warnings about that. */
#pragma GCC diagnostic push
#if defined(__cplusplus) && __cplusplus < 201703L
#error "shmlog.h needs C++17 or newer"
#endif
#ifdef __cplusplus
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Weffc++" /* operator, and members that are set later */
#pragma GCC diagnostic ignored "-Wsign-promo"
#pragma GCC diagnostic ignored "-Wzero-as-null-pointer-constant"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wuseless-cast"
#endif
#endif

/* ---- Part 1: the layout ---------------------------------------------------------------------
 *
 * Little-endian, fixed-width, naturally aligned; no pointers, enums, bools or bitfields.
 * Reserved bytes are zero. A reader refuses a segment with an unknown bit in `incompatible` or
 * another `version`; unknown bits in `compatible` are ignored. No build option changes any of it.
 */

#ifdef __cplusplus
#define SHMLOG_STATIC_ASSERT_(expr, text) static_assert(expr, text)
/* Not static in C++: an exported function of a module must not use what is its file's alone. */
#define SHMLOG_STATIC_INLINE_ inline __attribute__((visibility("hidden")))
#define SHMLOG_NULL_ nullptr
#define SHMLOG_STRUCT_ /* in macros: a struct named as such would be the module's own */
#else
#define SHMLOG_STATIC_ASSERT_(expr, text) _Static_assert(expr, text)
#define SHMLOG_STATIC_INLINE_ static inline
#define SHMLOG_NULL_ NULL
#define SHMLOG_STRUCT_ struct
#endif

#define SHMLOG_VERSION_STRING "0.1.0"

/* Version of everything in part 1. */
#define SHMLOG_LAYOUT_VERSION 1u

#define SHMLOG_CONTROL_MAGIC UINT64_C(0x314c54434d4c4853) /* "SHLMCTL1" */
#define SHMLOG_RING_MAGIC UINT64_C(0x314e49524d4c4853)    /* "SHLMRIN1" */

/* Severity of a record, and the segment's threshold. OFF is a threshold only. */
#define SHMLOG_TRACE 0u
#define SHMLOG_DEBUG 1u
#define SHMLOG_INFO 2u
#define SHMLOG_WARN 3u
#define SHMLOG_ERROR 4u
#define SHMLOG_CRITICAL 5u
#define SHMLOG_OFF 6u
/* Records of this level and above are severe: rings keep a reserve for them. */
#define SHMLOG_SEVERE SHMLOG_WARN

/* What a writer does when its ring is full. */
#define SHMLOG_ON_FULL_DROP 1u      /* drop the new record and count it */
#define SHMLOG_ON_FULL_OVERWRITE 2u /* overwrite the oldest: a flight recorder */
#define SHMLOG_ON_FULL_WAIT 3u      /* wait for the reader, up to control.wait_ns, then drop */

/* Why a record is missing. The first four are counted by writers, in ring.lost[]; the next two
 * are found by whoever reads. The rest never got to a ring and are counted in control.lost[]. */
#define SHMLOG_LOST_FULL 0u   /* drop policy: no room */
#define SHMLOG_LOST_WAITED 1u /* wait policy: no room in time */
#define SHMLOG_LOST_NESTED 2u /* a signal handler found its thread in the same owned ring */
/* 3: reserved */
#define SHMLOG_LOST_BY_WRITERS 4u  /* causes below this one */
#define SHMLOG_LOST_OVERWRITTEN 4u /* overwritten before it was read */
#define SHMLOG_LOST_DAMAGED 5u     /* its slots did not make sense */
#define SHMLOG_LOST_NO_RING 6u     /* no rseq, no owned ring free, the shared one held too long */
#define SHMLOG_LOST_NO_SITE 7u     /* the site table was full, the record too long for its site */
#define SHMLOG_LOST_CAUSES 8u

/* ---- Slot and record ----
 *
 *   byte  0        4        8                16        20                                   64
 *         +--------+--------+----------------+---------+------------------------------------+
 *   first | seq    | site   | time           | producer| arguments ...                      |
 *         +--------+--------+----------------+---------+------------------------------------+
 *   next  | seq    | site   | arguments go on ...                                           |
 *         +--------+--------+---------------------------------------------------------------+
 *
 *   seq       low 32 bits of the record's number in its ring, the same in all its slots;
 *             the first record of a ring is number 1
 *   site      bits 0-19 site id, bits 20-26 number of slots in the record (1..64), 0 in the slots
 *             after the first; bits 27-31 zero
 *   time      ticks of the segment's clock
 *   producer  id of an entry of the producer table, 0 unknown
 *
 * The payload of a record is the bytes 8..63 of its slots, put together. Arguments begin at
 * payload offset 12: first the fixed area, each value aligned to its size (payload offsets and
 * slot offsets agree on alignment up to 8), then, for each STRING or BYTES argument in order, its
 * bytes, without terminator or padding. A STRING or BYTES argument stands in the fixed area as a
 * 32-bit length word. Raw records hold the user's struct at payload offset 16 instead.
 */
struct shmlog_slot {
    uint32_t seq;
    uint32_t site;
    uint8_t payload[56];
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_slot) == 64, "a slot is one cache line");

#define SHMLOG_SLOT_SIZE 64u
#define SHMLOG_SLOT_PAYLOAD 56u
#define SHMLOG_RECORD_SLOTS 64u                                           /* at most, per record */
#define SHMLOG_RECORD_PAYLOAD (SHMLOG_SLOT_PAYLOAD * SHMLOG_RECORD_SLOTS) /* 3,584 bytes */
#define SHMLOG_PAYLOAD_TIME 0u
#define SHMLOG_PAYLOAD_PRODUCER 8u
#define SHMLOG_PAYLOAD_ARGS 12u
#define SHMLOG_PAYLOAD_RAW 16u

#define SHMLOG_SITE_ID_MASK 0xfffffu
/* This number and the 15 after it are no site's in the table. The first six, SHMLOG_SITE_INLINE +
 * level, are of records whose site could not be put there: see shmlog_inline_site_(). */
#define SHMLOG_SITE_INLINE 0xffff0u
#define SHMLOG_SITE_SLOTS_SHIFT 20
#define SHMLOG_SITE_SLOTS_MASK 0x7fu

/* Length word of a STRING or BYTES argument. */
#define SHMLOG_LENGTH_CUT 0x80000000u  /* cut to fit; the other bits are the length kept */
#define SHMLOG_LENGTH_NULL 0xffffffffu /* the pointer was NULL; no bytes follow */

/* Argument types, as in struct shmlog_site_arg. Sizes in bytes in the fixed area. */
#define SHMLOG_TYPE_BOOL 1u     /* 1 */
#define SHMLOG_TYPE_CHAR 2u     /* 1 */
#define SHMLOG_TYPE_I8 3u       /* 1 */
#define SHMLOG_TYPE_U8 4u       /* 1 */
#define SHMLOG_TYPE_I16 5u      /* 2 */
#define SHMLOG_TYPE_U16 6u      /* 2 */
#define SHMLOG_TYPE_I32 7u      /* 4 */
#define SHMLOG_TYPE_U32 8u      /* 4 */
#define SHMLOG_TYPE_I64 9u      /* 8 */
#define SHMLOG_TYPE_U64 10u     /* 8 */
#define SHMLOG_TYPE_F32 11u     /* 4, IEEE 754 */
#define SHMLOG_TYPE_F64 12u     /* 8, IEEE 754 */
#define SHMLOG_TYPE_POINTER 13u /* 8 */
#define SHMLOG_TYPE_STRING 14u  /* 4: a length word; the bytes follow after the fixed area */
#define SHMLOG_TYPE_BYTES 15u   /* 4: as STRING, not text */
#define SHMLOG_TYPE_TEXT 16u    /* raw records: a char array, ends at its first NUL or its size */
#define SHMLOG_TYPES 17u

/* Records of a ring that its reader found lost, so far. */
struct shmlog_found {
    uint64_t seq;         /* all records before this number are in these counts, or were read */
    uint64_t overwritten; /* records, so far */
    uint64_t damaged;
};

/* ---- Ring file ----
 *
 *   0      struct shmlog_ring, 4096 bytes
 *   4096   control.ring_slots slots
 *
 * Positions are in slots, 64-bit, free-running; masked on use. Each line below is written by one
 * side only, and lines lie 128 bytes apart, since processors fetch them in pairs.
 */
struct shmlog_ring {
    /* 0: identity, written at creation; magic last */
    uint64_t magic;
    uint32_t version;
    uint32_t header_size;
    uint32_t index; /* number of the ring in the segment */
    uint32_t kind;  /* SHMLOG_RING_* */
    uint32_t cpu;   /* CPU rings: the core */
    uint32_t reserved0;
    uint64_t slots;
    uint64_t file_size;
    uint8_t segment_uuid[16];
    uint8_t reserved1[64];
    /* 128: the writers' line, the only shared line that a log call touches beside its slots */
    uint64_t head; /* slots before it are committed; stored with release */
    /* The head may go up to here: a tail once read + slots, less control.reserve_slots; overwrite:
     * UINT64_MAX. What a log call compares; a severe record that finds it reached goes on to
     * limit_severe, which has the reserve in it. */
    uint64_t limit;
    uint32_t busy; /* owned rings: the owner is between two instructions of a log call */
    uint32_t reserved8;
    uint64_t limit_severe;
    uint8_t reserved2[96];
    /* 256: doorbell: a head some thousand records ago, a hint for the reader */
    uint64_t doorbell;
    uint8_t reserved3[120];
    /* 384: the reader's line */
    uint64_t tail;     /* slots before it are free; stored with release */
    uint64_t tail_seq; /* number of the first record not yet read; stored before tail */
    /* What the reader found lost, in two copies: that with the larger seq counts, the other one is
     * written next, its seq last. Both before tail_seq moves past what they count. */
    struct shmlog_found found[2];
    uint8_t reserved4[64];
    /* 512: the writers' slow path */
    uint64_t lost[SHMLOG_LOST_CAUSES]; /* records, by cause; atomic adds */
    uint64_t gave_up_tail; /* wait policy: a wait ran out at this tail; ~0 none. No second wait
                              before it moves */
    uint32_t owner;        /* owned rings: producer id that claimed it, 0 free */
    uint32_t reserved9;
    /* The shared ring: the thread that is in a call on it, SHMLOG_HOLDER, 0 none; and the holder
     * that a wait ran out for: no second wait for it. Whoever holds the ring next clears that. */
    uint64_t holder;
    uint64_t held_too_long;
    uint8_t reserved5[32];
    /* 640: where the segment's directory is, written at creation before the magic. A file on a
     * hugetlbfs does not lie in that directory: by this, one that was left behind is known. */
    uint64_t segment_device; /* st_dev of the directory; 0: nothing of this is known */
    char segment_path[1024]; /* absolute, NUL-terminated */
    uint8_t reserved6[120];
    /* 1792: the wait policy's sleepers. A writer stores 1 into waiting, looks for room once more,
     * and sleeps on wakes (a futex). The reader, when it has stored the tail, takes the 1 back,
     * adds to wakes, and wakes some; where more may sleep, it puts the 1 there again. */
    uint32_t waiting;
    uint32_t wakes;
    uint8_t reserved7[2296];
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_ring) == 4096, "ring header is one small page");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_ring, head) == 128, "hot line moved");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_ring, limit_severe) == 152, "hot line moved");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_ring, doorbell) == 256, "hot line moved");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_ring, tail) == 384, "hot line moved");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_ring, lost) == 512, "hot line moved");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_ring, waiting) == 1792, "sleepers' line moved");

#define SHMLOG_RING_HEADER 4096u
#define SHMLOG_RING_CPU 1u   /* one per core, written under rseq by any thread on that core */
#define SHMLOG_RING_OWNED 2u /* spare, claimed by one thread */
/* The owner that the shared ring has for good, so that nobody claims it: no producer's id. */
#define SHMLOG_OWNER_SHARED 0xffff0000u
/* Who holds it: enough to tell whether the thread is still there. Start time 0: unknown. */
#define SHMLOG_HOLDER(tid, pid_ns, start_time)                                \
    (((uint64_t)(tid)&0x3fffffu) << 42 | ((uint64_t)(pid_ns)&0xffffu) << 26 | \
     ((uint64_t)(start_time)&0x3ffffffu))
#define SHMLOG_HOLDER_TID(holder) ((holder) >> 42)

#define SHMLOG_RING_SLOTS_MIN UINT64_C(1024)
#define SHMLOG_RING_SLOTS_MAX (UINT64_C(1) << 30)
#define SHMLOG_RINGS_MAX 2048u
#define SHMLOG_CPUS_MAX 1024u

/* The writer stores the doorbell when its head crosses a multiple of slots >> this. */
#define SHMLOG_DOORBELL_SHIFT 2

/* ---- Control file ----
 *
 *   struct shmlog_control | ring table | clock pairs | producers | site words | site arena
 */
struct shmlog_control {
    /* 0: identity and geometry, written at creation; magic last */
    uint64_t magic;
    uint32_t version;
    uint32_t header_size; /* 4096 */
    uint32_t slot_size;   /* 64 */
    uint32_t ring_header; /* 4096 */
    uint64_t file_size;
    uint64_t compatible; /* SHMLOG_COMPATIBLE_* */
    uint64_t incompatible;
    uint8_t uuid[16];
    uint64_t created_ns; /* CLOCK_REALTIME */
    uint32_t on_full;    /* SHMLOG_ON_FULL_* */
    uint32_t clock;      /* SHMLOG_CLOCK_* */
    uint64_t clock_hz;   /* nominal; the clock pairs tell better */
    uint64_t wait_ns;
    uint64_t ring_slots; /* the same for all rings; a power of two */
    uint32_t cpu_rings;  /* rings 0 .. cpu_rings-1; see SHMLOG_COMPATIBLE_SEVERE_RINGS */
    uint32_t rings;      /* in all; the others are owned rings */
    uint32_t sites_max;  /* power of two */
    uint32_t producers_max;
    uint32_t clock_pairs; /* power of two */
    uint32_t reserved0;
    uint64_t rings_offset;
    uint64_t clock_offset;
    uint64_t producers_offset;
    uint64_t sites_offset;
    uint64_t arena_offset;
    uint64_t arena_size;
    uint64_t creator_pid_ns; /* inode of the pid namespace of the creator */
    uint32_t reserve_slots;  /* of each ring, that only severe records get; at most a half */
    uint32_t reserved6;
    char name[64]; /* NUL-terminated, for people */
    /* 256: read by all, written seldom */
    uint32_t level; /* records below it are not logged */
    uint32_t state; /* SHMLOG_SEGMENT_* */
    uint8_t reserved1[120];
    /* 384: registration of sites and producers */
    uint64_t arena_used;
    uint32_t producers_used; /* entries from here on were never used */
    uint8_t reserved2[116];
    /* 512: records that never got to a ring, by SHMLOG_LOST_*; atomic adds */
    uint64_t lost[SHMLOG_LOST_CAUSES];
    uint8_t reserved3[64];
    /* 640: the collector; written by it alone */
    uint32_t collector_pid; /* 0: none */
    uint32_t collector_flags;
    uint64_t collector_start; /* of the process, in clock ticks since boot */
    uint64_t collector_beat;  /* CLOCK_MONOTONIC ns of its last round */
    uint64_t clock_count;     /* pairs ever written; the newest is (clock_count - 1) */
    uint64_t rungs;           /* SHMLOG_RUNG_* bits: what it had to do without */
    /* CLOCK_MONOTONIC ns, like the beat; 0: never, or a collector that does not say */
    uint64_t collector_written; /* when it last had nothing to write, or something was written */
    uint64_t collector_lost;    /* when it last saw the count of lost records grow */
    uint64_t collector_losses;  /* that count, of the whole segment, as it last saw it */
    uint64_t collector_pid_ns;  /* inode of its pid namespace, 0 unknown */
    uint8_t reserved4[56];
    uint64_t stats[64]; /* the collector's counters, see shm/stats.h */
    /* of rings whose files were cut short, which it has left out; by SHMLOG_LOST_* */
    uint64_t collector_lost_rings[SHMLOG_LOST_CAUSES];
    uint8_t reserved5[2752];
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_control) == 4096, "control header is one small page");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_control, name) == 192, "name moved");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_control, level) == 256, "level moved");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_control, arena_used) == 384, "line moved");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_control, lost) == 512, "line moved");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_control, collector_pid) == 640, "line moved");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_control, stats) == 768, "line moved");

#define SHMLOG_CONTROL_HEADER 4096u
/* Every core has two rings, the second half of cpu_rings being, in the same order of cores, for
 * severe records alone. So nothing less severe overwrites them. */
#define SHMLOG_COMPATIBLE_SEVERE_RINGS (UINT64_C(1) << 0)
/* The last ring is shared: threads that have none, and find none to claim, write into it in turn.
 */
#define SHMLOG_COMPATIBLE_SHARED_RING (UINT64_C(1) << 1)
#define SHMLOG_COLLECTOR_STARTING 1u /* collector_flags: not yet at work */
#define SHMLOG_COLLECTOR_FAILING 2u  /* writes fail, and are tried again */
#define SHMLOG_CLOCK_TSC 1u          /* ticks are rdtsc */
#define SHMLOG_CLOCK_MONOTONIC 2u    /* ticks are nanoseconds of CLOCK_MONOTONIC */
#define SHMLOG_SEGMENT_LIVE 1u
#define SHMLOG_SEGMENT_CLOSED 2u /* being removed: do not attach */

/* One entry of the ring table: what was wanted and what was got at creation. */
struct shmlog_ring_entry {
    uint32_t kind;
    uint32_t cpu;
    uint32_t page_kib;        /* page size got, in KiB */
    uint32_t page_kib_wanted; /* page size asked for, in KiB */
    int32_t node;             /* NUMA node got, -1 unknown */
    int32_t node_wanted;      /* -1 none */
    uint32_t flags;           /* SHMLOG_RING_ENTRY_* */
    uint32_t why_small;       /* why pages are no larger: SHMLOG_PAGES_*, of 2 MiB pages in bits
                                 0-3, of 1 GiB pages in bits 4-7; 0 not tried, or unknown */
    uint64_t file_size;
    uint8_t reserved1[24];
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_ring_entry) == 64, "ring entry");
#define SHMLOG_RING_ENTRY_THP 1u   /* page_kib is that of a transparent huge page */
#define SHMLOG_PAGES_NO_MOUNT 1u   /* no hugetlbfs of the size is mounted */
#define SHMLOG_PAGES_NO_ACCESS 2u  /* none where the creator may make files */
#define SHMLOG_PAGES_NONE_FREE 3u  /* no page of the size is free */
#define SHMLOG_PAGES_TOO_FEW 4u    /* some are free, but fewer than the ring needs */
#define SHMLOG_PAGES_OTHER_NODE 5u /* enough are free, but not on the ring's node */
#define SHMLOG_PAGES_LIMIT 6u      /* enough are free, but a mount or cgroup gives no more */
#define SHMLOG_PAGES_FAILED 7u     /* something else */
#define SHMLOG_PAGES_REASONS 8u

/* The clock at one moment: ticks <-> CLOCK_REALTIME, with half the width of the bracket in which
 * the two were read. Guarded by seq: odd while being written. */
struct shmlog_clock_pair {
    uint64_t seq;
    uint64_t ticks;
    uint64_t realtime_ns;
    uint64_t error_ns;
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_clock_pair) == 32, "clock pair");

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
    uint32_t ring;       /* 1 + index of the owned ring that it claimed, 0 none */
    uint64_t start_time; /* of the thread: field 22 of /proc/PID/task/TID/stat; 0 unknown */
    uint64_t attachment; /* random, one for each shmlog_open() in each process */
    uint64_t pid_ns;     /* inode of its pid namespace, 0 unknown */
    char process[32];    /* NUL-terminated unless full */
    char thread[16];
    uint32_t why; /* SHMLOG_WHY_*: it wanted an owned ring; none was free if `ring` is 0 */
    uint32_t rings_missing; /* rings that its process could not map: SHMLOG_OPEN_PARTIAL */
    uint8_t reserved0[24];
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_producer) == 128, "producer entry");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_producer, why) == 96, "why moved");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_producer, rings_missing) == 100, "member moved");
#define SHMLOG_WHY_ASKED 1u   /* shmlog_own_ring() */
#define SHMLOG_WHY_NO_RSEQ 2u /* restartable sequences are not to be had */
#define SHMLOG_WHY_NO_TSC 3u  /* sequences cannot read the segment's clock */
#define SHMLOG_WHY_ABORTS \
    4u /* sequences were aborted again and again: a debugger, a broken kernel */
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
     * and one name for each argument; with SHMLOG_SITE_FLAG_EXPRESSIONS one more for each */
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_site) == 16, "site head");
struct shmlog_site_arg {
    uint8_t type; /* SHMLOG_TYPE_* */
    uint8_t flags;
    uint16_t offset; /* RAW: in the struct; else payload offset of the value in the fixed area */
    uint16_t size;   /* bytes in the fixed area or in the struct */
    uint16_t reserved0;
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_site_arg) == 8, "site argument");
#define SHMLOG_SITE_MAX 2048u
/* An attachment adds at most a quarter of the table, and of the arena; of small ones more. What one
 * program registers without end leaves the others theirs. */
#define SHMLOG_SITES_SHARE(sites_max) ((sites_max) / 4 > 64u ? (sites_max) / 4 : 64u)
#define SHMLOG_ARENA_SHARE(size) ((size) / 4 > 16384u ? (size) / 4 : UINT64_C(16384))
#define SHMLOG_SITE_PRINTF 1u    /* a printf-style call */
#define SHMLOG_SITE_EVENT 2u     /* a name, and named fields */
#define SHMLOG_SITE_RAW 3u       /* a struct of the user's own */
#define SHMLOG_SITE_FLAG_MORE 1u /* the text goes on in a later record of the producer */
#define SHMLOG_SITE_FLAG_LINE 2u /* a piece of a line, or a whole one: made by shmlog_line() */
/* A second string for each argument follows the names: what the source says, empty if that is the
 * name. */
#define SHMLOG_SITE_FLAG_EXPRESSIONS 4u
#define SHMLOG_SITE_FLAG_INLINE 8u /* its records hold a site each, see shmlog_inline_site_() */
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

/* The site SHMLOG_SITE_INLINE + level, 0 .. SHMLOG_CRITICAL. It is in no table, and the same
 * everywhere. Its records are of sites that could not be registered. They have two BYTES arguments:
 * such a site, as it would lie in the arena, and the payload that the record would have, from
 * SHMLOG_PAYLOAD_ARGS on. Readers show that record. */
#define SHMLOG_INLINE_STRINGS_ "unregistered\0\0\0shmlog\0site\0arguments"
#define SHMLOG_INLINE_SIZE_                                            \
    (sizeof(struct shmlog_site) + 2 * sizeof(struct shmlog_site_arg) + \
     sizeof(SHMLOG_INLINE_STRINGS_))
#define SHMLOG_INLINE_LENGTHS 8u /* bytes of the two length words */
SHMLOG_STATIC_INLINE_ uint32_t shmlog_inline_site_(uint32_t id, uint8_t *ret_site)
{
    uint8_t *at = ret_site;
    struct shmlog_site head;

    memset(&head, 0, sizeof(head));
    head.size = (uint16_t)SHMLOG_INLINE_SIZE_;
    head.kind = SHMLOG_SITE_EVENT;
    head.level = (uint8_t)(id - SHMLOG_SITE_INLINE);
    head.flags = SHMLOG_SITE_FLAG_INLINE;
    head.args = 2;
    memcpy(at, &head, sizeof(head));
    at += sizeof(head);
    for (uint32_t i = 0; i < 2; i++) {
        struct shmlog_site_arg arg;

        memset(&arg, 0, sizeof(arg));
        arg.type = SHMLOG_TYPE_BYTES;
        arg.offset = (uint16_t)(SHMLOG_PAYLOAD_ARGS + 4 * i);
        arg.size = 4;
        memcpy(at, &arg, sizeof(arg));
        at += sizeof(arg);
    }
    memcpy(at, SHMLOG_INLINE_STRINGS_, sizeof(SHMLOG_INLINE_STRINGS_));
    return (uint32_t)SHMLOG_INLINE_SIZE_;
}

/* Rungs of degradation, bits of control.rungs. The texts are in shm/rungs.h. */
#define SHMLOG_RUNG_NO_1G (UINT64_C(1) << 0)
#define SHMLOG_RUNG_NO_2M (UINT64_C(1) << 1)
#define SHMLOG_RUNG_NO_THP (UINT64_C(1) << 2)
#define SHMLOG_RUNG_NO_NUMA (UINT64_C(1) << 3)
#define SHMLOG_RUNG_WRONG_NODE (UINT64_C(1) << 4)
#define SHMLOG_RUNG_NO_URING (UINT64_C(1) << 5)
#define SHMLOG_RUNG_NO_FIXED_BUFFERS (UINT64_C(1) << 6)
#define SHMLOG_RUNG_NO_REALTIME (UINT64_C(1) << 7)
#define SHMLOG_RUNG_NO_MLOCK (UINT64_C(1) << 8)
#define SHMLOG_RUNG_NO_PIN (UINT64_C(1) << 9)
#define SHMLOG_RUNG_NO_TSC (UINT64_C(1) << 10)
#define SHMLOG_RUNG_NO_RSEQ (UINT64_C(1) << 11)

/* ---- Access ----
 * Plain integers in the layout; these few wrappers give them the order they need, alike in C and
 * C++. Every acquire says in its place which release it pairs with. */
SHMLOG_STATIC_INLINE_ uint64_t shmlog_load_acquire_(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}
SHMLOG_STATIC_INLINE_ uint64_t shmlog_load_relaxed_(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}
SHMLOG_STATIC_INLINE_ void shmlog_store_release_(uint64_t *p, uint64_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELEASE);
}
SHMLOG_STATIC_INLINE_ void shmlog_store_relaxed_(uint64_t *p, uint64_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELAXED);
}
SHMLOG_STATIC_INLINE_ uint32_t shmlog_load32_acquire_(const uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}
SHMLOG_STATIC_INLINE_ uint32_t shmlog_load32_relaxed_(const uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}
SHMLOG_STATIC_INLINE_ void shmlog_store32_release_(uint32_t *p, uint32_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELEASE);
}

/* ---- Is it one that can be worked with? ---- */

/* Errors of shmlog_open() beside errno's, returned negative; shmlog_strerror() has the texts. */
#define SHMLOG_ERR_FOREIGN 4001
#define SHMLOG_ERR_OLDER 4002
#define SHMLOG_ERR_NEWER 4003
#define SHMLOG_ERR_GEOMETRY 4004
#define SHMLOG_ERR_UNFINISHED 4005
#define SHMLOG_ERR_CLOSED 4007
#define SHMLOG_ERR_NO_RINGS 4008
#define SHMLOG_ERR_RINGS 4010

SHMLOG_STATIC_INLINE_ int shmlog_power_of_two_(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* A table of `count` items of `width` bytes at `offset`: not before *end, within the file; moves
 * *end behind it. No product overflows: counts are 32-bit or bounded, widths small. */
SHMLOG_STATIC_INLINE_ int shmlog_table_fits_(uint64_t offset, uint64_t count, uint64_t width,
                                             uint64_t file_size, uint64_t *end)
{
    if (offset % 64 != 0 || offset < *end || offset > file_size ||
        count * width > file_size - offset)
        return 0;
    *end = offset + count * width;
    return 1;
}

#define SHMLOG_CLOCK_PAIRS_MAX 65536u
#define SHMLOG_ARENA_MAX (UINT64_C(8) << 32) /* what the 32 bits of a site word can point to */
#define SHMLOG_CONTROL_MAX (UINT64_C(1) << 36)

/* Is ring `index` the shared one? */
SHMLOG_STATIC_INLINE_ int shmlog_ring_is_shared_(const struct shmlog_control *c, uint32_t index)
{
    return c->compatible & SHMLOG_COMPATIBLE_SHARED_RING && index == c->rings - 1;
}

/* Is ring `index` for severe records alone? */
SHMLOG_STATIC_INLINE_ int shmlog_ring_is_severe_(const struct shmlog_control *c, uint32_t index)
{
    return c->compatible & SHMLOG_COMPATIBLE_SEVERE_RINGS && index < c->cpu_rings &&
           index >= c->cpu_rings / 2;
}

/* Check a copy of a control file's header against the size of the file, for all who map one: 0 or a
 * -SHMLOG_ERR_*. After 0 all tables lie within the file, in order, and every count is in bounds. */
SHMLOG_STATIC_INLINE_ int shmlog_check_control_(const struct shmlog_control *c, uint64_t file_size)
{
    uint64_t end = SHMLOG_CONTROL_HEADER;

    if (!c->magic)
        return -SHMLOG_ERR_UNFINISHED;
    if (c->magic != SHMLOG_CONTROL_MAGIC)
        return -SHMLOG_ERR_FOREIGN;
    if (c->version < SHMLOG_LAYOUT_VERSION)
        return -SHMLOG_ERR_OLDER;
    if (c->version > SHMLOG_LAYOUT_VERSION || c->incompatible)
        return -SHMLOG_ERR_NEWER;
    if (c->header_size != SHMLOG_CONTROL_HEADER || c->slot_size != SHMLOG_SLOT_SIZE ||
        c->ring_header != SHMLOG_RING_HEADER || c->file_size != file_size ||
        file_size > SHMLOG_CONTROL_MAX || c->on_full < SHMLOG_ON_FULL_DROP ||
        c->on_full > SHMLOG_ON_FULL_WAIT || c->clock < SHMLOG_CLOCK_TSC ||
        c->clock > SHMLOG_CLOCK_MONOTONIC || !shmlog_power_of_two_(c->ring_slots) ||
        c->ring_slots < SHMLOG_RING_SLOTS_MIN || c->ring_slots > SHMLOG_RING_SLOTS_MAX ||
        c->reserve_slots > c->ring_slots / 2 || !c->rings || c->rings > SHMLOG_RINGS_MAX ||
        c->cpu_rings > c->rings ||
        (c->compatible & SHMLOG_COMPATIBLE_SEVERE_RINGS
             ? c->cpu_rings % 2 != 0 || c->cpu_rings > 2 * SHMLOG_CPUS_MAX
             : c->cpu_rings > SHMLOG_CPUS_MAX) ||
        (c->compatible & SHMLOG_COMPATIBLE_SHARED_RING && c->cpu_rings == c->rings) ||
        !shmlog_power_of_two_(c->sites_max) || c->sites_max < 2 ||
        c->sites_max > SHMLOG_SITE_ID_MASK + 1 || !c->producers_max ||
        c->producers_max > SHMLOG_PRODUCERS_MAX || !shmlog_power_of_two_(c->clock_pairs) ||
        c->clock_pairs > SHMLOG_CLOCK_PAIRS_MAX || c->arena_size > SHMLOG_ARENA_MAX ||
        !shmlog_table_fits_(c->rings_offset, c->rings, sizeof(struct shmlog_ring_entry), file_size,
                            &end) ||
        !shmlog_table_fits_(c->clock_offset, c->clock_pairs, sizeof(struct shmlog_clock_pair),
                            file_size, &end) ||
        !shmlog_table_fits_(c->producers_offset, c->producers_max, sizeof(struct shmlog_producer),
                            file_size, &end) ||
        !shmlog_table_fits_(c->sites_offset, c->sites_max, sizeof(uint64_t), file_size, &end) ||
        !shmlog_table_fits_(c->arena_offset, c->arena_size, 1, file_size, &end))
        return -SHMLOG_ERR_GEOMETRY;
    return 0;
}

#pragma GCC diagnostic pop

#endif /* SHMLOG_LAYOUT_H */

/* ---- Part 2: logging ------------------------------------------------------------------------
 *
 *     struct shmlog *log;
 *     int r = shmlog_open(&log, "trading", NULL);
 *     if (r < 0)
 *         fprintf(stderr, "no log: %s\n", shmlog_strerror(r));    // goes on; log is NULL
 *     shmlog_info(log, "order %lu px %.2f qty %u side %c", id, px, qty, side);
 *     shmlog_close(log);
 *
 * A log call stores the arguments, as they are, into a ring in shared memory: on x86-64 into that
 * of the core it runs on, inside a restartable sequence (rseq), or else into a ring that its thread
 * owns. It takes no lock, allocates nothing, and enters the kernel only when a thread logs for the
 * first time, and under the wait policy while a ring is full (see shmlog-collector(1), --on-full).
 * Threads for which there is no ring left share one, and wait for each other, see shmlog(3).
 * It works from any thread, from signal handlers, and in a forked child. A NULL log is a segment
 * that is not there: calls are counted (shmlog_lost(NULL)) and otherwise do nothing. With
 * SHMLOG_OPEN_LATER, shmlog_open() hands out a log that attaches by itself when the segment
 * appears.
 *
 * A call evaluates its arguments only if its level is on, each once.
 *
 * Mind:
 *   - Stack: a call with strings or of more than one slot takes up to 5 KiB; so does the first call
 *     of a thread and of a call site, and one whose site found the table of sites full. So much
 *     an alternate signal stack has to have.
 *   - A child of vfork() must not log: it runs on its parent's thread-local state while the kernel
 *     guards no sequences of its own. A handler that forks in the middle of a log call must not
 *     return in the child: the child would finish its parent's call.
 *   - A handler that leaves a log call by siglongjmp() leaves its thread's owned ring busy: the
 *     thread's further records are counted as lost (per-core rings do not mind).
 *   - Each program or shared object takes 48 bytes of static thread-local storage. glibc has room
 *     for some 30 that are loaded with dlopen(), and does not get it back from one that is unloaded
 *     after others were loaded. A plugin that is loaded again and again is compiled with
 *     SHMLOG_PLUGIN defined in all its files: it takes none, and a call some 4 ns more.
 *   - An attachment takes a key of pthread_key_create(). If the program had 32 before, glibc
 *     allocates memory when a thread registers with the attachment: a thread whose first call is
 *     made by a signal handler then has to call shmlog_register_thread() before that.
 *   - A forked child learns that it is one from the kernel (MADV_WIPEONFORK), or, where that
 *     refuses, from fork() of the C library. Then a child that is made by other means (clone(),
 *     _Fork()) must not log, nor a signal handler in the child before fork() has returned.
 *   - A log may be handed to code that was built with this version of the header, not others. Of
 *     itself, code of several versions, and for several processors, does not mix.
 *   - With glibc before 2.34, link with -pthread.
 *   - A call site that goes back and forth between segments is looked up anew each time.
 *   - The segment's files are mapped, and whoever may write to them may cut them short; touching
 *     what is gone raises SIGBUS. shmlog_open() therefore handles that signal: for its own
 *     addresses it takes the ring (or, for the control file, the segment) out of use, and records
 *     are counted as lost instead; all others go to the handler that was there before. The handler
 *     is put in place by the first shmlog_open() of a program or shared object and taken back by
 *     its last shmlog_close(), unless another one was put over it by then: an object that is
 *     unloaded has to close before, and not to be under somebody else's handler. Left under one,
 *     it is not put over that one again: there it guards only if that one passes SIGBUSes on.
 *     SIGBUS is unblocked in threads that log. A handler of another signal that logs must not
 *     block SIGBUS. See SHMLOG_OPEN_NO_SIGBUS.
 */
#if !defined(SHMLOG_LAYOUT_ONLY) && !defined(SHMLOG_H)
#define SHMLOG_H

SHMLOG_STATIC_ASSERT_(sizeof(void *) == 8 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
                      "shmlog needs 64-bit pointers and little-endian numbers");

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#pragma GCC diagnostic push /* as in part 1 */
#ifdef __cplusplus
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Weffc++" /* operator, and members that are set later */
#pragma GCC diagnostic ignored "-Wsign-promo"
#pragma GCC diagnostic ignored "-Wzero-as-null-pointer-constant"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wuseless-cast"
#endif
#else
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#endif

#ifdef __cplusplus
#define SHMLOG_BEGIN_C_ extern "C" {
#define SHMLOG_END_C_ }
#else
#define SHMLOG_BEGIN_C_
#define SHMLOG_END_C_
#endif

#define SHMLOG_INLINE_ SHMLOG_STATIC_INLINE_ __attribute__((always_inline, unused))
#define SHMLOG_LIKELY_(x) __builtin_expect(!!(x), 1)
#define SHMLOG_UNLIKELY_(x) __builtin_expect(!!(x), 0)
/* Cold code: one copy for each program or shared object, however many files include this. */
#define SHMLOG_COLD_ __attribute__((weak, visibility("hidden"), noinline, nothrow, cold))
#define SHMLOG_OUTLINE_ __attribute__((weak, visibility("hidden"), noinline, nothrow))
/* State: one copy for the process wherever the linker lets it be; where it does not (a plugin
 * loaded with RTLD_LOCAL), each copy works by itself. */
#define SHMLOG_SHARED_ __attribute__((weak, visibility("default")))

/* ---- Symbols ----
 *
 * What is weak merges by its name: in one program or shared object all of it, in a process what is
 * visible. So the symbol has what must be the same for that. All of it: the version of the structs
 * of part 2, which is to be raised when they change. Code, too: the instructions that the compiler
 * may use, for else a file that is compiled with -mavx512f could be the one whose code serves all
 * others, on a processor without them. */
#define SHMLOG_PROCESS_VERSION_ _v4
/* x_ if the macro is defined, as 1; else nothing. */
#define SHMLOG_IF_(macro_, x_) SHMLOG_IF_X_(macro_, x_)
#define SHMLOG_IF_X_(value_, x_) SHMLOG_IF_XX_(SHMLOG_COMMA_##value_, x_)
#define SHMLOG_IF_XX_(comma_, x_) SHMLOG_SECOND_(comma_ x_, , 0)
#define SHMLOG_COMMA_1 0,
#define SHMLOG_SECOND_(first_, second_, ...) second_
#define SHMLOG_JOIN_(a, b, c, d, e, f, g, h) SHMLOG_JOIN_X_(a, b, c, d, e, f, g, h)
#define SHMLOG_JOIN_X_(a, b, c, d, e, f, g, h) a##b##c##d##e##f##g##h
#define SHMLOG_TEXT_(...) SHMLOG_TEXT_X_(__VA_ARGS__)
#define SHMLOG_TEXT_X_(...) #__VA_ARGS__
/* clang-format off */
#define SHMLOG_CODE_1_                                                                          \
    SHMLOG_JOIN_(SHMLOG_IF_(__SSE3__, a), SHMLOG_IF_(__SSSE3__, b), SHMLOG_IF_(__SSE4_1__, c),  \
                 SHMLOG_IF_(__SSE4_2__, d), SHMLOG_IF_(__POPCNT__, e), SHMLOG_IF_(__AVX__, f),  \
                 SHMLOG_IF_(__AVX2__, g), SHMLOG_IF_(__FMA__, h))
#define SHMLOG_CODE_2_                                                                          \
    SHMLOG_JOIN_(SHMLOG_IF_(__BMI__, i), SHMLOG_IF_(__BMI2__, j), SHMLOG_IF_(__LZCNT__, k),     \
                 SHMLOG_IF_(__MOVBE__, l), SHMLOG_IF_(__AVX512F__, m),                          \
                 SHMLOG_IF_(__AVX512VL__, n), SHMLOG_IF_(__XOP__, o), SHMLOG_IF_(__TBM__, p))
#define SHMLOG_CODE_3_                                                                          \
    SHMLOG_JOIN_(SHMLOG_IF_(__APX_F__, q), SHMLOG_IF_(__ARM_FEATURE_ATOMICS, r),                \
                 SHMLOG_IF_(__ARM_FEATURE_RCPC, s), SHMLOG_IF_(__ARM_FEATURE_SVE, t),           \
                 SHMLOG_IF_(__ARM_FEATURE_SVE2, u), , , )
#ifdef SHMLOG_PLUGIN
#define SHMLOG_CODE_4_ _plugin
#else
#define SHMLOG_CODE_4_
#endif
#define SHMLOG_NAME_(function_)                                                                 \
    _Pragma(SHMLOG_TEXT_(redefine_extname function_ SHMLOG_JOIN_(                               \
        function_, SHMLOG_PROCESS_VERSION_, SHMLOG_CODE_4_, _, SHMLOG_CODE_1_, SHMLOG_CODE_2_,  \
        SHMLOG_CODE_3_, )))
#define SHMLOG_DATA_NAME_(data_)                                                                \
    _Pragma(SHMLOG_TEXT_(redefine_extname data_                                                 \
                         SHMLOG_JOIN_(data_, SHMLOG_PROCESS_VERSION_, , , , , , )))
SHMLOG_NAME_(shmlog_close) SHMLOG_NAME_(shmlog_lost) SHMLOG_NAME_(shmlog_open)
SHMLOG_NAME_(shmlog_own_ring) SHMLOG_NAME_(shmlog_register_thread) SHMLOG_NAME_(shmlog_set_level)
SHMLOG_NAME_(shmlog_status) SHMLOG_NAME_(shmlog_strerror) SHMLOG_NAME_(shmlog_thread_lost)
SHMLOG_NAME_(shmlog_absolute_) SHMLOG_NAME_(shmlog_as_holder_) SHMLOG_NAME_(shmlog_add_name_) SHMLOG_NAME_(shmlog_add_names_)
SHMLOG_NAME_(shmlog_attach_) SHMLOG_NAME_(shmlog_attach_later_) SHMLOG_NAME_(shmlog_blob_add_)
SHMLOG_NAME_(shmlog_blob_put_) SHMLOG_NAME_(shmlog_block_signals_)
SHMLOG_NAME_(shmlog_build_site_) SHMLOG_NAME_(shmlog_check_ring_) SHMLOG_NAME_(shmlog_claim_ring_)
SHMLOG_NAME_(shmlog_commit_shared_) SHMLOG_NAME_(shmlog_commit_slots_) SHMLOG_NAME_(shmlog_commit_words_)
SHMLOG_NAME_(shmlog_copy_state_) SHMLOG_NAME_(shmlog_count_full_) SHMLOG_NAME_(shmlog_count_lost_)
SHMLOG_NAME_(shmlog_detach_) SHMLOG_NAME_(shmlog_end_thread_) SHMLOG_NAME_(shmlog_find_producer_)
SHMLOG_NAME_(shmlog_find_segment_) SHMLOG_NAME_(shmlog_find_thread_)
SHMLOG_NAME_(shmlog_folder_trusted_) SHMLOG_NAME_(shmlog_follow_round_)
SHMLOG_NAME_(shmlog_follow_thread_) SHMLOG_NAME_(shmlog_given_name_) SHMLOG_NAME_(shmlog_guard_)
SHMLOG_NAME_(shmlog_hand_over_) SHMLOG_NAME_(shmlog_hold_) SHMLOG_NAME_(shmlog_hold_bus_) SHMLOG_NAME_(shmlog_holder_is_gone_) SHMLOG_NAME_(shmlog_init_local_)
SHMLOG_NAME_(shmlog_is_one_of_) SHMLOG_NAME_(shmlog_keep_attached_) SHMLOG_NAME_(shmlog_kept_producer_) SHMLOG_NAME_(shmlog_key_)
SHMLOG_NAME_(shmlog_leave_ring_) SHMLOG_NAME_(shmlog_leave_segment_)
SHMLOG_NAME_(shmlog_lock_bus_) SHMLOG_NAME_(shmlog_lose_) SHMLOG_NAME_(shmlog_lose_control_)
SHMLOG_NAME_(shmlog_lose_ring_) SHMLOG_NAME_(shmlog_lose_rings_) SHMLOG_NAME_(shmlog_lose_segment_) SHMLOG_NAME_(shmlog_lost_in_dead_)
SHMLOG_NAME_(shmlog_make_empty_) SHMLOG_NAME_(shmlog_make_room_) SHMLOG_NAME_(shmlog_map_control_)
SHMLOG_NAME_(shmlog_map_private_) SHMLOG_NAME_(shmlog_map_ring_) SHMLOG_NAME_(shmlog_map_rings_)
SHMLOG_NAME_(shmlog_may_copy_) SHMLOG_NAME_(shmlog_monotonic_ns_) SHMLOG_NAME_(shmlog_name_of_)
SHMLOG_NAME_(shmlog_nap_) SHMLOG_NAME_(shmlog_new_producer_) SHMLOG_NAME_(shmlog_new_state_)
SHMLOG_NAME_(shmlog_no_site_) SHMLOG_NAME_(shmlog_on_bus_) SHMLOG_NAME_(shmlog_on_fork_)
SHMLOG_NAME_(shmlog_open_file_) SHMLOG_NAME_(shmlog_open_ring_) SHMLOG_NAME_(shmlog_open_threads_)
SHMLOG_NAME_(shmlog_parse_format_) SHMLOG_NAME_(shmlog_pass_bus_on_)
SHMLOG_NAME_(shmlog_path_add_) SHMLOG_NAME_(shmlog_path_add_number_)
SHMLOG_NAME_(shmlog_publish_site_) SHMLOG_NAME_(shmlog_put_elsewhere_)
SHMLOG_NAME_(shmlog_put_inline_) SHMLOG_NAME_(shmlog_put_raw_inline_)
SHMLOG_NAME_(shmlog_put_long_) SHMLOG_NAME_(shmlog_put_raw_elsewhere_)
SHMLOG_NAME_(shmlog_put_raw_long_) SHMLOG_NAME_(shmlog_quoted_end_) SHMLOG_NAME_(shmlog_random_)
SHMLOG_NAME_(shmlog_read_control_) SHMLOG_NAME_(shmlog_read_file_) SHMLOG_NAME_(shmlog_register_)
SHMLOG_NAME_(shmlog_register_site_) SHMLOG_NAME_(shmlog_release_bus_)
SHMLOG_NAME_(shmlog_replace_) SHMLOG_NAME_(shmlog_sign_off_) SHMLOG_NAME_(shmlog_skip_angles_)
SHMLOG_NAME_(shmlog_skip_brackets_) SHMLOG_NAME_(shmlog_sleep_) SHMLOG_NAME_(shmlog_split_)
SHMLOG_NAME_(shmlog_start_thread_) SHMLOG_NAME_(shmlog_start_time_)
SHMLOG_NAME_(shmlog_step_aside_) SHMLOG_NAME_(shmlog_sys_) SHMLOG_NAME_(shmlog_take_entry_)
SHMLOG_NAME_(shmlog_take_share_)
SHMLOG_NAME_(shmlog_token_) SHMLOG_NAME_(shmlog_unattached_call_)
SHMLOG_NAME_(shmlog_unblock_signals_) SHMLOG_NAME_(shmlog_unfollow_) SHMLOG_NAME_(shmlog_unguard_) SHMLOG_NAME_(shmlog_unlock_bus_)
SHMLOG_NAME_(shmlog_unmap_) SHMLOG_NAME_(shmlog_version_text_) SHMLOG_NAME_(shmlog_wait_room_)
SHMLOG_NAME_(shmlog_was_replaced_) SHMLOG_NAME_(shmlog_wipe_on_fork_)
SHMLOG_DATA_NAME_(shmlog_bus_) SHMLOG_DATA_NAME_(shmlog_entries_) SHMLOG_DATA_NAME_(shmlog_forks_)
SHMLOG_DATA_NAME_(shmlog_open_logs_) SHMLOG_DATA_NAME_(shmlog_unattached_)
#ifdef SHMLOG_PLUGIN
SHMLOG_DATA_NAME_(shmlog_refused_version_)
#else
SHMLOG_DATA_NAME_(shmlog_copy_)
#endif
struct shmlog;
/* clang-format on */

#if defined(__x86_64__) && defined(__gnu_linux__)
#define SHMLOG_RSEQ_ 1
#else
#define SHMLOG_RSEQ_ 0
#endif
/* Threads are in libc itself, and need no other library? */
#define SHMLOG_THREADS_ 1
#if defined(__GLIBC__)
#if !__GLIBC_PREREQ(2, 34)
#undef SHMLOG_THREADS_
#define SHMLOG_THREADS_ 0
#endif
#define SHMLOG_TLS_MODEL_ __attribute__((tls_model("initial-exec")))
#else
#define SHMLOG_TLS_MODEL_
#endif

/* Trading categories. A category is a string literal; any other works as well. */
#define SHMLOG_TRADE "trade"
#define SHMLOG_ORDER "order"
#define SHMLOG_MARKET_DATA "market_data"
#define SHMLOG_RISK "risk"
#define SHMLOG_PORTFOLIO "portfolio"

#define SHMLOG_OPEN_NO_SIGBUS 1u /* leave the handling of SIGBUS alone; see above */
#define SHMLOG_OPEN_PARTIAL 2u   /* attach even if some rings cannot be mapped */
#define SHMLOG_OPEN_LATER 4u /* attach when the segment appears, and again when it was replaced */

struct shmlog_options {
    int wait_ms;              /* how long to wait for the segment; 0 not at all, -1 forever */
    uint32_t flags;           /* SHMLOG_OPEN_* */
    const char *process_name; /* up to 31 bytes are kept; NULL: as in /proc/self/comm */
};

/* What a log call needs to know of its thread: valid while `key`, but for its lowest bit, is the
 * attachment's. That bit says which way log calls go, so that one comparison tells both.
 *
 * The state of a thread is in the attachment's private memory, where every program and shared
 * object of the process finds it. Beside that, each of these has a copy of one state in its
 * thread-local storage, for the attachment that its thread used first: the address of that copy is
 * a constant.
 *
 * A signal handler of the thread may come in at any instruction, and log, claim a ring, or register
 * the thread with any attachment. So a copy never becomes another attachment's while its own is
 * open; and of what belongs to one attachment a handler changes
 *     key      from `core` to `owned`, after `owned`; and back, before it, when the ring is gone
 *     owned    from one ring of the attachment that may be written to to another (&none is one)
 *     where    and `ring`, in one store
 * so that whoever has compared `key`, and after that loads each of the others once, can use it. */
#define SHMLOG_ATTACHMENTS_ 4u /* that a program, or shared object, can have open */
#define SHMLOG_WAY_CORE_ 0u
#define SHMLOG_WAY_OWNED_ 1u
#define SHMLOG_KEY_NONE_ 2u /* of a thread that is not registered */
struct shmlog_thread_ {
    uint64_t key;
    struct shmlog_ring *owned; /* &none: no ring of its own */
    /* The core that it was seen on last, together with the attachment's key (xor), and the core's
     * ring in that attachment. A sequence compares the former instead of looking up its ring, so
     * that the ring's address waits for one load rather than three. */
    uint64_t where;
    struct shmlog_ring *ring;
    uint32_t producer; /* 0: the table was full */
    uint32_t ours;     /* a copy: the attachment was opened by the object that has the copy */
    uint32_t refused_version; /* a copy: see shmlog_version_text_(); here there is room */
} __attribute__((aligned(16)));
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_thread_, where) % 16 == 0 &&
                          offsetof(struct shmlog_thread_, ring) ==
                              offsetof(struct shmlog_thread_, where) + 8,
                      "both in one store");
struct shmlog_state_ {
    struct shmlog_thread_ thread;
    uint64_t lost; /* records of this thread that were not committed */
} __attribute__((aligned(64)));

/* A process's attachment to a segment: private pages, then the control file's mapping, so that the
 * level is one load at a constant offset. Its members are not for users. */
#define SHMLOG_PAGE_ 65536u /* the largest page size of any machine this runs on */
struct shmlog_local_ {
    uint64_t site_key;             /* 32 bits that name the segment, odd: see shmlog_site_word_() */
    struct shmlog_state_ *threads; /* of this process, by the index of their producer entries */
    uint64_t rseq_offset;          /* of the thread's struct rseq, from the thread pointer */
    uint64_t ring_mask;            /* bytes of a ring's slots - 1 */
    uint32_t clock;
    uint32_t cpus;         /* entries of ring_of_cpu; 0: rseq is not to be used */
    uint64_t slot_mask;    /* slots in a ring - 1 */
    uint64_t quarter_mask; /* slots between two rings of the doorbell - 1 */
    uint64_t wait_ns;
    uint64_t reserve;
    uint32_t severe_rings; /* sequences write severe records into rings of their own */
    uint32_t on_full;
    uint32_t owner; /* uid of the segment's files */
    uint64_t control_size;
    uint64_t control_dev, control_ino; /* of the control file that is mapped */
    uint64_t pid_ns;
    uint32_t not_wiped;       /* in a forked child, by the kernel: `key` */
    uint32_t entry;           /* in shmlog_open_logs_[] of the object that opened it */
    pthread_key_t thread_key; /* what each thread is here: see shmlog_find_state_() */
    uint32_t has_thread_key;
    uint32_t producer_probe; /* where the next one that wants an entry, or a ring, looks */
    uint32_t ring_probe;
    uint32_t rings_missing; /* rings that could not be mapped */
    uint32_t sites; /* that this attachment added to the table, and their bytes: its share */
    uint64_t sites_size;
    struct shmlog_ring *shared; /* for threads without a ring; where there is none: &none */
    struct shmlog_follow_
        *follow;         /* SHMLOG_OPEN_LATER, in the log that was handed out: its state */
    struct shmlog *next; /* in follow->dead */
    struct shmlog_control geometry; /* a bounded copy */
    char process[32];
    struct shmlog_ring *ring_of_cpu[SHMLOG_CPUS_MAX]; /* where a core has no ring: &none */
    /* for severe records: the same, or the ring of their own */
    struct shmlog_ring *severe_of_cpu[SHMLOG_CPUS_MAX];
    struct shmlog_ring *ring[SHMLOG_RINGS_MAX];
    uint64_t ring_map[SHMLOG_RINGS_MAX]; /* bytes mapped of each */
    /* Private memory was put in the place of it: set under shmlog_bus_.lock, never cleared. */
    uint8_t ring_gone[SHMLOG_RINGS_MAX], control_gone;
    struct shmlog_ring none; /* a ring that is always full */
    /* a thread's that found the producer table full: the same for all, nobody writes to it */
    struct shmlog_thread_ nameless;
};
struct shmlog {
    /* A page that the kernel zeroes in a forked child (MADV_WIPEONFORK): the child's threads no
     * longer find the key that their thread-local state holds, and register anew. */
    uint64_t key; /* random and even, at least 4; 0 in a fresh child */
    uint8_t reserved0[SHMLOG_PAGE_ - 8];
    struct shmlog_local_ local;
    uint8_t reserved1[SHMLOG_PAGE_ - sizeof(struct shmlog_local_)];
    struct shmlog_control control; /* shared; the tables follow */
};
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog, local) == SHMLOG_PAGE_, "private page");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog, control) == 2 * SHMLOG_PAGE_, "control page");

/* A call site: what is constant, and the site's word in the segment that it was registered in last
 * (0: in none). */
struct shmlog_callsite_ {
    uint64_t word; /* see shmlog_site_word_() */
    const char *format, *file, *category;
    const char *text; /* messages: format and arguments as written */
    uint32_t line, record_size;
    uint16_t flags;
    uint8_t kind, level, field_count;
    const struct shmlog_field_ *fields; /* raw records */
    /* What the format makes of a char *, SHMLOG_HOW_*: stored at registration, before the word. The
     * site of an inline function may serve several shared objects; so nothing that it keeps may
     * point into the one that registered it, which may be unloaded. */
    uint16_t how[SHMLOG_ARGS_MAX];
};
struct shmlog_field_ {
    const char *name;
    uint16_t offset, size;
    uint8_t type;
};
#define SHMLOG_HOW_STRING_ 0u    /* the string up to its NUL */
#define SHMLOG_HOW_POINTER_ 1u   /* %p: its address */
#define SHMLOG_HOW_PRECISION_ 2u /* %.*s: at most as many bytes as the argument before says */
#define SHMLOG_HOW_LIMIT_ 3u     /* %.Ns: at most (how - 3) bytes */

/* Counted text or bytes, as a value in shmlog_event(). */
struct shmlog_text_value {
    const char *data;
    size_t size;
};
struct shmlog_bytes_value {
    const void *data;
    size_t size;
};
SHMLOG_INLINE_ struct shmlog_text_value shmlog_text(const char *data, size_t size)
{
    struct shmlog_text_value t;
    t.data = data;
    t.size = size;
    return t;
}
SHMLOG_INLINE_ struct shmlog_bytes_value shmlog_bytes(const void *data, size_t size)
{
    struct shmlog_bytes_value b;
    b.data = data;
    b.size = size;
    return b;
}

SHMLOG_BEGIN_C_

/* ---- Attaching ---- */

/* Attach to the segment `segment`: a name, looked up in the runtime folder ($SHMLOG_DIR, else
 * /dev/shm/shmlog-UID, then /dev/shm/shmlog), or a path that ends in a name. Maps the segment's
 * rings and registers the calling thread. `options` may be NULL.
 *
 * Returns 0, and *ret_log is to be given to shmlog_close(); or a negative error with *ret_log NULL,
 * which the log calls take: -ENOENT no such segment; -EACCES (also: the runtime folder belongs to
 * somebody else, or others may write to it); -ENOMEM, -EMFILE (also: a program, and each shared
 * object, can be attached to four segments at once; or no pthread key is left), -ENFILE, -EAGAIN: a
 * limit of the process or the system, for the control file or any of the rings; -EINVAL a name or
 * flags that there are not; or a -SHMLOG_ERR_*: SHMLOG_ERR_RINGS if files of some rings are
 * missing, of another size or another owner, SHMLOG_ERR_NO_RINGS if none can be mapped. With
 * SHMLOG_OPEN_PARTIAL, rings that cannot be mapped are an error only if none can; a thread on a
 * core without its ring takes a spare one, or its records are counted as lost; the producer table
 * says how many are missing.
 *
 * With SHMLOG_OPEN_LATER, a segment that is not there after wait_ms (-ENOENT,
 * SHMLOG_ERR_UNFINISHED, SHMLOG_ERR_CLOSED) is no error: *ret_log attaches by itself within some 20
 * ms of its appearance, and again after the segment was replaced by another. Until then its calls
 * are counted, see shmlog_lost(), and shmlog_status() says why it waits. A thread of the library's,
 * "shmlog-attach", looks for the segment; shmlog_close() ends it. It is not in a forked child,
 * whose copy of the log stays as it is: attached or waiting. -EAGAIN: there can be no further
 * thread; -ENOSYS: a libc without threads of its own (glibc before 2.34).
 *
 * Thread-safe; not for signal handlers. Cost: some system calls and the page tables of all rings,
 * 50 us for each ring and 0.25 us for each of its pages on a virtual machine. */
SHMLOG_COLD_ int shmlog_open(struct shmlog **ret_log, const char *segment,
                             const struct shmlog_options *options);

/* Detach and unmap; with SHMLOG_OPEN_LATER also end its thread, without waiting for the segment. No
 * thread may be in, or later make, a call with `log`. NULL is fine. To be called by the program or
 * shared object that opened it; not by signal handlers. */
SHMLOG_COLD_ void shmlog_close(struct shmlog *log);

/* A text for an error of shmlog_open(), positive or negative; other errno's as strerror() has them.
 * Good until the thread's next call. Any thread, no signal handlers. */
SHMLOG_COLD_ const char *shmlog_strerror(int error);

/* Returns 0 if `log` is attached, else a negative error: with SHMLOG_OPEN_LATER, why it is not, as
 * of shmlog_open() and for shmlog_strerror(); -EINVAL for NULL. Any thread; async-signal-safe. */
SHMLOG_COLD_ int shmlog_status(struct shmlog *log);

/* Register the calling thread now rather than in its first log call: some 10 system calls, among
 * them reads of /proc. Again: nothing happens, unless the producer table was full; a thread that
 * found it so logs without a name, or without sequences not at all, and gets one by itself, soon
 * after an entry came free. NULL is fine. Async-signal-safe, but see above, on keys. */
SHMLOG_COLD_ void shmlog_register_thread(struct shmlog *log);

/* Give the calling thread a ring of its own among the segment's spare ones, until it exits: for a
 * pinned thread that wants the last nanosecond. A signal handler's record is then lost, and
 * counted, if it comes in the middle of a log call of its thread. 0, also if the thread has one;
 * -EAGAIN: none is free, nothing changes; -EINVAL without a segment. Async-signal-safe.
 * SHMLOG_OPEN_LATER: until the segment is replaced; then to be asked for again. */
SHMLOG_COLD_ int shmlog_own_ring(struct shmlog *log);

/* Set the level of the whole segment, for all processes: SHMLOG_TRACE .. SHMLOG_OFF. 0, or -EINVAL
 * for others and without a segment. Async-signal-safe; calls that run meanwhile may go by the old
 * level. SHMLOG_OPEN_LATER: what others set is noticed within some 20 ms. */
SHMLOG_COLD_ int shmlog_set_level(struct shmlog *log, uint32_t level);

/* Records lost so far: of all processes, by all writers of the segment, not those that were
 * overwritten; NULL: calls that this process made without a segment, in this program or shared
 * object. A sum over all rings. Async-signal-safe.
 *
 * SHMLOG_OPEN_LATER: calls made while there was no segment count as well. The next segment gets
 * them added to what it counts as SHMLOG_LOST_NO_RING, so that its readers know of them, too; if
 * there is none until shmlog_close(), they are added to those of NULL. */
SHMLOG_COLD_ uint64_t shmlog_lost(struct shmlog *log);

/* Calls of this thread that were lost since it registered, in this program or shared object. A
 * call whose level is off is not lost. NULL: 0, whatever was called. Async-signal-safe, two loads.
 * SHMLOG_OPEN_LATER: also those without a segment, with any log; the others begin at 0 in each
 * segment. */
SHMLOG_COLD_ uint64_t shmlog_thread_lost(struct shmlog *log);

/* ---- State of the process ---- */

extern SHMLOG_SHARED_ uint64_t shmlog_unattached_;
SHMLOG_SHARED_ uint64_t shmlog_unattached_ = 0; /* calls with a NULL log */
/* Of each program or shared object its own, as is the code that works on it. */
#define SHMLOG_HIDDEN_ __attribute__((weak, visibility("hidden")))
#ifdef SHMLOG_PLUGIN
extern SHMLOG_HIDDEN_ uint32_t shmlog_refused_version_;
SHMLOG_HIDDEN_ uint32_t shmlog_refused_version_ = 0; /* of the last segment that was refused */
#else
/* The copy of a thread's state, 48 bytes of a shared object's static thread-local storage. */
extern SHMLOG_HIDDEN_ SHMLOG_TLS_MODEL_ __thread struct shmlog_thread_ shmlog_copy_;
SHMLOG_HIDDEN_ SHMLOG_TLS_MODEL_ __thread struct shmlog_thread_ shmlog_copy_ = {
    SHMLOG_KEY_NONE_, NULL, 0, NULL, 0, 0, 0};
#define shmlog_refused_version_ shmlog_copy_.refused_version
#endif
extern SHMLOG_HIDDEN_ uint32_t shmlog_forks_;
SHMLOG_HIDDEN_ uint32_t shmlog_forks_ = 0; /* fork() calls shmlog_on_fork_() */
/* The attachments that are open, and their keys. */
struct shmlog_open_log_ {
    struct shmlog *log;
    uint64_t key;
};
extern SHMLOG_HIDDEN_ uint32_t shmlog_entries_;
SHMLOG_HIDDEN_ uint32_t shmlog_entries_ = 0; /* those taken of the next, as bits */
extern SHMLOG_HIDDEN_ struct shmlog_open_log_ shmlog_open_logs_[SHMLOG_ATTACHMENTS_];
SHMLOG_HIDDEN_ struct shmlog_open_log_ shmlog_open_logs_[SHMLOG_ATTACHMENTS_] = {{NULL, 0},
                                                                                 {NULL, 0},
                                                                                 {NULL, 0},
                                                                                 {NULL, 0}};
/* struct sigaction, as the C libraries of Linux have it and -std=c11 hides it. */
struct shmlog_sigaction_ {
    void (*handler)(int signal, void *info, void *context);
    uint64_t mask[16];
    int flags;
    void (*restorer)(void);
};
struct shmlog_bus_state_ {
    struct shmlog *log[SHMLOG_ATTACHMENTS_]; /* attachments that are guarded */
    uint32_t guarded;                        /* how many */
    uint32_t lock;                           /* pid of the process that has it; 0: none */
    uint32_t running;                        /* handlers that are looking at log[] */
    uint32_t under; /* was left under somebody else's handler, which may pass SIGBUSes on to it */
    struct shmlog_sigaction_ before;   /* what to do with other SIGBUSes */
    void (*ours)(int, void *, void *); /* installed: there may be several, by their instructions */
};
extern SHMLOG_HIDDEN_ struct shmlog_bus_state_ shmlog_bus_;
SHMLOG_HIDDEN_ struct shmlog_bus_state_ shmlog_bus_ = {{NULL, NULL, NULL, NULL}, 0,   0, 0, 0,
                                                       {NULL, {0}, 0, NULL},     NULL};

#if SHMLOG_RSEQ_
/* glibc >= 2.35 registers an area for each thread and says where; weak, so that others link. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));
#endif

/* What calls say of their record, as bits of `flags`; constants in every call. */
#define SHMLOG_TIMED_ 1  /* it has a time of the caller's own */
#define SHMLOG_SEVERE_ 2 /* SHMLOG_SEVERE or above */
#define SHMLOG_FLAGS_OF_(timed_, level_) \
    (((timed_) ? SHMLOG_TIMED_ : 0) | ((level_) >= SHMLOG_SEVERE ? SHMLOG_SEVERE_ : 0))

/* Cold paths of the log calls. */
SHMLOG_COLD_ void shmlog_unattached_call_(void);
struct shmlog_value_;
SHMLOG_COLD_ uint64_t shmlog_register_site_(struct shmlog *log, struct shmlog_callsite_ *site,
                                            const uint8_t *types, const char *const *names,
                                            const char *function, uint64_t key);
/* A call whose site is not known to be the attachment's: it is registered, or the log is one that
 * stands for another attachment, SHMLOG_OPEN_LATER. */
struct shmlog_staged_;
SHMLOG_OUTLINE_ void shmlog_put_elsewhere_(struct shmlog *log, struct shmlog_callsite_ *site,
                                           const uint8_t *types, const char *const *names,
                                           const char *function, struct shmlog_staged_ *stage,
                                           const struct shmlog_value_ *values, int flags,
                                           uint64_t time);
SHMLOG_OUTLINE_ void shmlog_put_raw_elsewhere_(struct shmlog *log, struct shmlog_callsite_ *site,
                                               const void *data, size_t size, int flags,
                                               uint64_t time);
SHMLOG_COLD_ int shmlog_make_room_(struct shmlog *log, struct shmlog_ring *ring, uint32_t slots,
                                   int severe);
/* Append to a path, the number with at least `width` digits; 0 or -ENAMETOOLONG. */
SHMLOG_COLD_ int shmlog_path_add_(char *path, size_t size, const char *text);
SHMLOG_COLD_ int shmlog_path_add_number_(char *path, size_t size, uint64_t number, int width);
SHMLOG_COLD_ struct shmlog_ring *shmlog_claim_ring_(struct shmlog *log, uint32_t why,
                                                    uint32_t probes);
SHMLOG_COLD_ void shmlog_count_lost_(struct shmlog *log);
SHMLOG_OUTLINE_ uint64_t shmlog_monotonic_ns_(void);
SHMLOG_OUTLINE_ struct shmlog_thread_ *shmlog_find_thread_(struct shmlog *log);

/* Anything but the straight way: a full ring, an aborted sequence, many slots. 1 done, 0
 * lost and counted. */
SHMLOG_OUTLINE_ int shmlog_commit_slots_(struct shmlog *log, struct shmlog_thread_ *thread,
                                         const struct shmlog_slot *image, uint32_t slots,
                                         int flags);
SHMLOG_OUTLINE_ void shmlog_commit_words_(struct shmlog *log, uint64_t site, uint64_t w2,
                                          uint64_t w3, uint64_t w4, uint64_t w5, uint64_t w6,
                                          uint64_t w7, int flags, uint64_t time);
/* Longer than a slot, or with strings. */
SHMLOG_OUTLINE_ void shmlog_put_long_(struct shmlog *log, struct shmlog_thread_ *thread,
                                      const struct shmlog_callsite_ *site, const uint8_t *types,
                                      uint32_t id, const struct shmlog_value_ *values, int flags,
                                      uint64_t time);
SHMLOG_OUTLINE_ void shmlog_put_raw_long_(struct shmlog *log, struct shmlog_thread_ *thread,
                                          const struct shmlog_callsite_ *site, uint32_t id,
                                          const void *data, int flags, uint64_t time);

SHMLOG_END_C_

/* Ticks of the segment's clock, for the _at calls. log may be NULL: 0. */
SHMLOG_INLINE_ uint64_t shmlog_tsc_(void)
{
#if defined(__x86_64__)
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
#else
    return 0;
#endif
}
SHMLOG_INLINE_ uint64_t shmlog_now(const struct shmlog *log)
{
    if (!log)
        return 0;
    return SHMLOG_LIKELY_(shmlog_load32_relaxed_(&log->local.clock) == SHMLOG_CLOCK_TSC)
               ? shmlog_tsc_()
               : shmlog_monotonic_ns_();
}

/* Is the level on? One load. A NULL log counts the call. */
SHMLOG_INLINE_ int shmlog_enabled(struct shmlog *log, uint32_t level)
{
    if (SHMLOG_UNLIKELY_(!log)) {
        shmlog_unattached_call_();
        return 0;
    }
    return level >= shmlog_load32_relaxed_(&log->control.level);
}

/* ---- Committing ---- */

/* A record of one slot: its words after number, site and time. Members, not an array, so that
 * compilers keep them apart and in registers. */
struct shmlog_words_ {
    uint64_t w2, w3, w4, w5, w6, w7;
};

/* With the caller's timestamps, a line is fetched for writing so many bytes ahead of each slot: the
 * reader has had it since the writer's last round. Beside reading the TSC there is time to get it
 * back. Behind the last slot it is a hint for nothing. */
#define SHMLOG_AHEAD_ "1024"
#define SHMLOG_PREFETCH_(att_slot_, slot_)                    \
    SHMLOG_ASM_("prefetchw " SHMLOG_AHEAD_ "(" att_slot_ ")", \
                "prefetchw [" slot_ " + " SHMLOG_AHEAD_ "]")

/* An instruction in both of the dialects that -masm chooses from; operands are printed in the
 * chosen one. */
#define SHMLOG_ASM_(att_, intel_) "{" att_ "|" intel_ "}\n\t"

#if SHMLOG_RSEQ_
#ifdef SHMLOG_TEST_NO_RSEQ_CS /* the tests' control: unprotected, it must lose records */
#define SHMLOG_RSEQ_ARM_(att_descriptor_, att_rseq_, descriptor_, rseq_) ""
#else
#define SHMLOG_RSEQ_ARM_(att_descriptor_, att_rseq_, descriptor_, rseq_) \
    SHMLOG_ASM_("movq " att_descriptor_ ", %%fs:8(" att_rseq_ ")",       \
                "mov qword ptr fs:[" rseq_ " + 8], " descriptor_)
#endif

/* A sequence's descriptor, at label 3: from 1 to 2, the commit; aborted to 4. cpu_id is at byte 4
 * of struct rseq, rseq_cs at byte 8 (linux/rseq.h).
 *
 * Each has a section of its own: one that all descriptors of a file share would keep alive, through
 * its relocations, every function that logs, when the linker discards the unused ones
 * (--gc-sections). "?" ties the section to the group of the function, if it has one, so that both
 * are discarded together with a duplicate. Linkers put it with other constants that are relocated
 * (.data.rel.ro), where nobody can write to it. */
#define SHMLOG_RSEQ_DESCRIPTOR_                             \
    ".pushsection .data.rel.ro.shmlog_rseq.%=, \"aw?\"\n\t" \
    ".balign 32\n"                                          \
    "3:\n\t"                                                \
    ".long 0, 0\n\t"                                        \
    ".quad 1f, 2f - 1f, 4f\n\t"                             \
    ".popsection\n\t"
/* What the kernel wants to see before an abort's target. */
#define SHMLOG_RSEQ_SIGNATURE_   \
    ".byte 0x0f, 0xb9, 0x3d\n\t" \
    ".long 0x53053053\n"
/* The thread's state as operands, so that its address folds into them. Unoptimized code has no
 * register to spare for the address of each. */
#ifdef __OPTIMIZE__
#define SHMLOG_LOAD_RING_ SHMLOG_ASM_("movq %[ring], %%rcx", "mov rcx, %[ring]")
#define SHMLOG_COMPARE_WHERE_ SHMLOG_ASM_("cmpq %[where], %%rax", "cmp rax, %[where]")
#define SHMLOG_THREAD_INPUTS_ [ring] "m"(thread->ring), [where] "m"(thread->where)
#else
#define SHMLOG_LOAD_RING_ \
    SHMLOG_ASM_("movq %c[ring](%[thread]), %%rcx", "mov rcx, qword ptr [%[thread] + %c[ring]]")
#define SHMLOG_COMPARE_WHERE_ \
    SHMLOG_ASM_("cmpq %c[where](%[thread]), %%rax", "cmp rax, qword ptr [%[thread] + %c[where]]")
#define SHMLOG_THREAD_INPUTS_                                                \
    [thread] "r"(thread), [ring] "i"(offsetof(struct shmlog_thread_, ring)), \
        [where] "i"(offsetof(struct shmlog_thread_, where))
#endif
/* Behind the other code of the function's own section, so that it is discarded with that. */
#define SHMLOG_OUT_OF_LINE_ ".subsection 1\n\t"
#define SHMLOG_IN_LINE_ ".subsection 0\n\t"
#define SHMLOG_LOCAL_(member_) \
    "i"(offsetof(struct shmlog, local) + offsetof(struct shmlog_local_, member_))

/* One slot, into the ring of this core: room, time, slot address, number (that of the slot before,
 * plus 1), stores, head; then the doorbell, if the head is at a quarter of the ring. Every way out
 * clears the descriptor (on an abort, the kernel has), since the code may be unloaded, and the
 * kernel would read a descriptor that is gone.
 *
 * `end` is the slot offset behind the last argument: mostly the last two words are 0. The words are
 * wherever the compiler has them; it must find registers for 8 inputs beside those named here, also
 * at -O0 and with a frame pointer. Where reading the TSC waits for all that came before, and what
 * comes after waits for it, loads that wait for each other cost most: two before it, one after. 1
 * done; 0 not so straight, nothing happened. */
SHMLOG_INLINE_ int shmlog_rseq_one_(struct shmlog *log, const struct shmlog_thread_ *thread,
                                    uint64_t site, const struct shmlog_words_ *w, uint32_t end,
                                    int flags, uint64_t time)
{
/* clang-format off */
#define SHMLOG_RSEQ_ONE_(read_time_, store_time_, seq_, seq32_, ahead_, last_)                     \
    SHMLOG_RSEQ_DESCRIPTOR_                                                                        \
    SHMLOG_ASM_("movq %c[rseq](%[log]), %%r10", "mov r10, qword ptr [%[log] + %c[rseq]]")          \
    SHMLOG_ASM_("leaq 3b(%%rip), %%rax", "lea rax, [rip + 3b]")                                    \
    SHMLOG_RSEQ_ARM_("%%rax", "%%r10", "rax", "r10")                                               \
    "1:\n\t"                                                                                       \
    SHMLOG_LOAD_RING_                                                                              \
    SHMLOG_ASM_("movl %%fs:4(%%r10), %%eax", "mov eax, dword ptr fs:[r10 + 4]")                    \
    SHMLOG_ASM_("xorq (%[log]), %%rax", "xor rax, qword ptr [%[log]]")                             \
    SHMLOG_COMPARE_WHERE_                                                                          \
    "jne 5f\n\t"                                                                                   \
    SHMLOG_ASM_("movq 128(%%rcx), %%r11", "mov r11, qword ptr [rcx + 128]")                        \
    SHMLOG_ASM_("cmpq 136(%%rcx), %%r11", "cmp r11, qword ptr [rcx + 136]")                        \
    "jae 5f\n\t"                                                                                   \
    SHMLOG_ASM_("leaq -1(%%r11), %%" seq_, "lea " seq_ ", [r11 - 1]")                              \
    SHMLOG_ASM_("andq %c[mask](%[log]), %%" seq_, "and " seq_ ", qword ptr [%[log] + %c[mask]]")   \
    SHMLOG_ASM_("shlq $6, %%" seq_, "shl " seq_ ", 6")                                             \
    read_time_                                                                                     \
    SHMLOG_ASM_("movq %c[mask](%[log]), %%rdx", "mov rdx, qword ptr [%[log] + %c[mask]]")          \
    SHMLOG_ASM_("andq %%r11, %%rdx", "and rdx, r11")                                               \
    SHMLOG_ASM_("shlq $6, %%rdx", "shl rdx, 6")                                                    \
    SHMLOG_ASM_("movl 4096(%%rcx,%%" seq_ "), %%" seq32_,                                          \
                "mov " seq32_ ", dword ptr [rcx + " seq_ " + 4096]")                               \
    SHMLOG_ASM_("leaq 4096(%%rcx,%%rdx), %%rdx", "lea rdx, [rcx + rdx + 4096]")                    \
    ahead_                                                                                         \
    SHMLOG_ASM_("incl %%" seq32_, "inc " seq32_)                                                   \
    SHMLOG_ASM_("orq %[site], %%" seq_, "or " seq_ ", %[site]")                                    \
    SHMLOG_ASM_("movq %%" seq_ ", (%%rdx)", "mov qword ptr [rdx], " seq_)                          \
    store_time_                                                                                    \
    SHMLOG_ASM_("movq %[w2], 16(%%rdx)", "mov qword ptr [rdx + 16], %[w2]")                        \
    SHMLOG_ASM_("movq %[w3], 24(%%rdx)", "mov qword ptr [rdx + 24], %[w3]")                        \
    SHMLOG_ASM_("movq %[w4], 32(%%rdx)", "mov qword ptr [rdx + 32], %[w4]")                        \
    SHMLOG_ASM_("movq %[w5], 40(%%rdx)", "mov qword ptr [rdx + 40], %[w5]")                        \
    last_                                                                                          \
    SHMLOG_ASM_("incq %%r11", "inc r11")                                                           \
    SHMLOG_ASM_("movq %%r11, 128(%%rcx)", "mov qword ptr [rcx + 128], r11")                        \
    "2:\n\t"                                                                                       \
    SHMLOG_ASM_("movq $0, %%fs:8(%%r10)", "mov qword ptr fs:[r10 + 8], 0")                         \
    SHMLOG_ASM_("testq %%r11, %c[quarter](%[log])", "test qword ptr [%[log] + %c[quarter]], r11")  \
    "je 8f\n"                                                                                      \
    "9:\n\t"                                                                                       \
    SHMLOG_OUT_OF_LINE_ SHMLOG_RSEQ_SIGNATURE_                                                     \
    "4:\n\t"                                                                                       \
    "jmp %l[other]\n"                                                                              \
    "5:\n\t"                                                                                       \
    SHMLOG_ASM_("movq $0, %%fs:8(%%r10)", "mov qword ptr fs:[r10 + 8], 0")                         \
    "jmp %l[other]\n"                                                                              \
    "8:\n\t"                                                                                       \
    SHMLOG_ASM_("movq %%r11, 256(%%rcx)", "mov qword ptr [rcx + 256], r11")                        \
    "jmp 9b\n\t"                                                                                   \
    SHMLOG_IN_LINE_
/* clang-format on */
#define SHMLOG_RDTSC_                                         \
    "rdtsc\n\t" SHMLOG_ASM_("shlq $32, %%rdx", "shl rdx, 32") \
        SHMLOG_ASM_("orq %%rdx, %%rax", "or rax, rdx")
#define SHMLOG_RSEQ_ONE_NOW_(last_)                                                             \
    SHMLOG_RSEQ_ONE_(SHMLOG_RDTSC_,                                                             \
                     SHMLOG_ASM_("movq %%rax, 8(%%rdx)", "mov qword ptr [rdx + 8], rax"), "r9", \
                     "r9d", "", last_)
#define SHMLOG_RSEQ_ONE_AT_(last_)                                                              \
    SHMLOG_RSEQ_ONE_("",                                                                        \
                     SHMLOG_ASM_("movq %[time], 8(%%rdx)", "mov qword ptr [rdx + 8], %[time]"), \
                     "rax", "eax", SHMLOG_PREFETCH_("%%rdx", "rdx"), last_)
#define SHMLOG_RSEQ_SHORT_                                           \
    SHMLOG_ASM_("movq $0, 48(%%rdx)", "mov qword ptr [rdx + 48], 0") \
    SHMLOG_ASM_("movq $0, 56(%%rdx)", "mov qword ptr [rdx + 56], 0")
#define SHMLOG_RSEQ_LONG_                                                 \
    SHMLOG_ASM_("movq %[w6], %%rax", "mov rax, %[w6]")                    \
    SHMLOG_ASM_("movq %%rax, 48(%%rdx)", "mov qword ptr [rdx + 48], rax") \
    SHMLOG_ASM_("movq %[w7], %%rax", "mov rax, %[w7]")                    \
    SHMLOG_ASM_("movq %%rax, 56(%%rdx)", "mov qword ptr [rdx + 56], rax")
#define SHMLOG_RSEQ_INPUTS_                                                                 \
    [log] "r"(log), [site] "r"(site), [w2] "re"(w->w2), [w3] "re"(w->w3), [w4] "re"(w->w4), \
        [w5] "re"(w->w5), SHMLOG_THREAD_INPUTS_, [rseq] SHMLOG_LOCAL_(rseq_offset),         \
        [mask] SHMLOG_LOCAL_(slot_mask), [quarter] SHMLOG_LOCAL_(quarter_mask)
#define SHMLOG_RSEQ_LAST_INPUTS_ [w6] "rme"(w->w6), [w7] "rme"(w->w7)
#define SHMLOG_RSEQ_CLOBBERS_ "memory", "cc", "rax", "rcx", "rdx", "r10", "r11"

    if (flags & SHMLOG_TIMED_ && end <= 48)
        __asm__ goto(SHMLOG_RSEQ_ONE_AT_(SHMLOG_RSEQ_SHORT_)
                     :
                     : SHMLOG_RSEQ_INPUTS_, [time] "r"(time)
                     : SHMLOG_RSEQ_CLOBBERS_
                     : other);
    else if (flags & SHMLOG_TIMED_)
        __asm__ goto(SHMLOG_RSEQ_ONE_AT_(SHMLOG_RSEQ_LONG_)
                     :
                     : SHMLOG_RSEQ_INPUTS_, SHMLOG_RSEQ_LAST_INPUTS_, [time] "r"(time)
                     : SHMLOG_RSEQ_CLOBBERS_
                     : other);
    else if (end <= 48)
        __asm__ goto(SHMLOG_RSEQ_ONE_NOW_(SHMLOG_RSEQ_SHORT_)
                     :
                     : SHMLOG_RSEQ_INPUTS_
                     : SHMLOG_RSEQ_CLOBBERS_, "r9"
                     : other);
    else
        __asm__ goto(SHMLOG_RSEQ_ONE_NOW_(SHMLOG_RSEQ_LONG_)
                     :
                     : SHMLOG_RSEQ_INPUTS_, SHMLOG_RSEQ_LAST_INPUTS_
                     : SHMLOG_RSEQ_CLOBBERS_, "r9"
                     : other);
    return 1;
other:
    return 0;
}

/* What the sequence of several slots came to. */
#define SHMLOG_SEQ_DONE_ 0u
#define SHMLOG_SEQ_FULL_ 1u
#define SHMLOG_SEQ_ABORTED_ 2u
#define SHMLOG_SEQ_NO_CPU_ 3u

/* Several slots: `image` has them whole but for the number, and for the time unless that is the
 * caller's. `severe`: into the ring for severe records, and up to their limit. */
SHMLOG_INLINE_ uint32_t shmlog_rseq_many_(struct shmlog *log, const struct shmlog_slot *image,
                                          uint64_t slots, int flags, int severe,
                                          struct shmlog_ring **ret_ring, uint64_t *ret_head)
{
    uint64_t ring, head, t, status, at, seq, src = (uint64_t)(uintptr_t)image, time = 0;

    memcpy(&time, image[0].payload, sizeof(time));
/* clang-format off */
#define SHMLOG_RSEQ_MANY_(time_)                                                                   \
    SHMLOG_RSEQ_DESCRIPTOR_                                                                        \
    SHMLOG_ASM_("xorl %k[status], %k[status]", "xor %k[status], %k[status]")                       \
    SHMLOG_ASM_("leaq 3b(%%rip), %[t]", "lea %[t], [rip + 3b]")                                    \
    SHMLOG_RSEQ_ARM_("%[t]", "%[rseq]", "%[t]", "%[rseq]")                                         \
    "1:\n\t"                                                                                       \
    SHMLOG_ASM_("movl %%fs:4(%[rseq]), %k[ring]", "mov %k[ring], dword ptr fs:[%[rseq] + 4]")      \
    SHMLOG_ASM_("cmpl %c[cpus](%[log]), %k[ring]", "cmp %k[ring], dword ptr [%[log] + %c[cpus]]")  \
    "jae 7f\n\t"                                                                                   \
    SHMLOG_ASM_("movq %c[table](%[log],%[ring],8), %[ring]", "mov %[ring], qword ptr [%[log] + %[ring] * 8 + %c[table]]") \
    SHMLOG_ASM_("movq 128(%[ring]), %[head]", "mov %[head], qword ptr [%[ring] + 128]")            \
    SHMLOG_ASM_("leaq (%[head],%[slots]), %[at]", "lea %[at], [%[head] + %[slots]]")               \
    SHMLOG_ASM_("cmpq %c[limit](%[ring]), %[at]", "cmp %[at], qword ptr [%[ring] + %c[limit]]")    \
    "ja 5f\n\t"                                                                                    \
    time_                                                                                          \
    SHMLOG_ASM_("leaq -1(%[head]), %[t]", "lea %[t], [%[head] - 1]")                               \
    SHMLOG_ASM_("andq %c[mask](%[log]), %[t]", "and %[t], qword ptr [%[log] + %c[mask]]")          \
    SHMLOG_ASM_("shlq $6, %[t]", "shl %[t], 6")                                                    \
    SHMLOG_ASM_("movl 4096(%[ring],%[t]), %k[seq]", "mov %k[seq], dword ptr [%[ring] + %[t] + 4096]") \
    SHMLOG_ASM_("incl %k[seq]", "inc %k[seq]")                                                     \
    SHMLOG_ASM_("movq %[head], %[at]", "mov %[at], %[head]")                                       \
    "8:\n\t"                                                                                       \
    SHMLOG_ASM_("movq %[at], %[t]", "mov %[t], %[at]")                                             \
    SHMLOG_ASM_("andq %c[mask](%[log]), %[t]", "and %[t], qword ptr [%[log] + %c[mask]]")          \
    SHMLOG_ASM_("shlq $6, %[t]", "shl %[t], 6")                                                    \
    SHMLOG_ASM_("leaq 4096(%[ring],%[t]), %[t]", "lea %[t], [%[ring] + %[t] + 4096]")              \
    SHMLOG_ASM_("movl %k[seq], (%[t])", "mov dword ptr [%[t]], %k[seq]")                           \
    SHMLOG_ASM_("movl 4(%[src]), %%edx", "mov edx, dword ptr [%[src] + 4]")                        \
    SHMLOG_ASM_("movl %%edx, 4(%[t])", "mov dword ptr [%[t] + 4], edx")                            \
    SHMLOG_ASM_("movq 8(%[src]), %%rdx", "mov rdx, qword ptr [%[src] + 8]")                        \
    SHMLOG_ASM_("movq %%rdx, 8(%[t])", "mov qword ptr [%[t] + 8], rdx")                            \
    SHMLOG_ASM_("movq 16(%[src]), %%rdx", "mov rdx, qword ptr [%[src] + 16]")                      \
    SHMLOG_ASM_("movq %%rdx, 16(%[t])", "mov qword ptr [%[t] + 16], rdx")                          \
    SHMLOG_ASM_("movq 24(%[src]), %%rdx", "mov rdx, qword ptr [%[src] + 24]")                      \
    SHMLOG_ASM_("movq %%rdx, 24(%[t])", "mov qword ptr [%[t] + 24], rdx")                          \
    SHMLOG_ASM_("movq 32(%[src]), %%rdx", "mov rdx, qword ptr [%[src] + 32]")                      \
    SHMLOG_ASM_("movq %%rdx, 32(%[t])", "mov qword ptr [%[t] + 32], rdx")                          \
    SHMLOG_ASM_("movq 40(%[src]), %%rdx", "mov rdx, qword ptr [%[src] + 40]")                      \
    SHMLOG_ASM_("movq %%rdx, 40(%[t])", "mov qword ptr [%[t] + 40], rdx")                          \
    SHMLOG_ASM_("movq 48(%[src]), %%rdx", "mov rdx, qword ptr [%[src] + 48]")                      \
    SHMLOG_ASM_("movq %%rdx, 48(%[t])", "mov qword ptr [%[t] + 48], rdx")                          \
    SHMLOG_ASM_("movq 56(%[src]), %%rdx", "mov rdx, qword ptr [%[src] + 56]")                      \
    SHMLOG_ASM_("movq %%rdx, 56(%[t])", "mov qword ptr [%[t] + 56], rdx")                          \
    SHMLOG_ASM_("addq $64, %[src]", "add %[src], 64")                                              \
    SHMLOG_ASM_("incq %[at]", "inc %[at]")                                                         \
    SHMLOG_ASM_("leaq (%[head],%[slots]), %[t]", "lea %[t], [%[head] + %[slots]]")                 \
    SHMLOG_ASM_("cmpq %[t], %[at]", "cmp %[at], %[t]")                                             \
    "jne 8b\n\t"                                                                                   \
    SHMLOG_ASM_("movq %[head], %[t]", "mov %[t], %[head]")                                         \
    SHMLOG_ASM_("andq %c[mask](%[log]), %[t]", "and %[t], qword ptr [%[log] + %c[mask]]")          \
    SHMLOG_ASM_("shlq $6, %[t]", "shl %[t], 6")                                                    \
    SHMLOG_ASM_("movq %%rax, 4104(%[ring],%[t])", "mov qword ptr [%[ring] + %[t] + 4104], rax")    \
    SHMLOG_ASM_("movq %[at], 128(%[ring])", "mov qword ptr [%[ring] + 128], %[at]")                \
    "2:\n\t"                                                                                       \
    SHMLOG_ASM_("movq $0, %%fs:8(%[rseq])", "mov qword ptr fs:[%[rseq] + 8], 0")                   \
    SHMLOG_OUT_OF_LINE_                                                                            \
    SHMLOG_RSEQ_SIGNATURE_                                                                         \
    "4:\n\t"                                                                                       \
    SHMLOG_ASM_("movl $2, %k[status]", "mov %k[status], 2")                                        \
    "jmp 6f\n\t"                                                                                   \
    "5:\n\t"                                                                                       \
    SHMLOG_ASM_("movl $1, %k[status]", "mov %k[status], 1")                                        \
    SHMLOG_ASM_("movq $0, %%fs:8(%[rseq])", "mov qword ptr fs:[%[rseq] + 8], 0")                   \
    "jmp 6f\n\t"                                                                                   \
    "7:\n\t"                                                                                       \
    SHMLOG_ASM_("movl $3, %k[status]", "mov %k[status], 3")                                        \
    SHMLOG_ASM_("movq $0, %%fs:8(%[rseq])", "mov qword ptr fs:[%[rseq] + 8], 0")                   \
    "jmp 6f\n\t"                                                                                   \
    SHMLOG_IN_LINE_                                                                                \
    "6:\n\t"
/* clang-format on */
#define SHMLOG_RSEQ_MANY_DO_(time_, table_, limit_)                                               \
    __asm__ volatile(                                                                             \
        SHMLOG_RSEQ_MANY_(time_)                                                                  \
        : [ring] "=&r"(ring), [head] "=&r"(head), [t] "=&r"(t), [at] "=&r"(at), [seq] "=&r"(seq), \
          [status] "=&r"(status), [src] "+&r"(src), "+&a"(time)                                   \
        : [log] "r"(log), [rseq] "r"(log->local.rseq_offset), [slots] "r"(slots),                 \
          [table] SHMLOG_LOCAL_(table_), [mask] SHMLOG_LOCAL_(slot_mask),                         \
          [cpus] SHMLOG_LOCAL_(cpus), [limit] "i"(offsetof(struct shmlog_ring, limit_))           \
        : "memory", "cc", "rdx")

    if (flags & SHMLOG_TIMED_ && severe)
        SHMLOG_RSEQ_MANY_DO_("", severe_of_cpu, limit_severe);
    else if (flags & SHMLOG_TIMED_)
        SHMLOG_RSEQ_MANY_DO_("", ring_of_cpu, limit);
    else if (severe)
        SHMLOG_RSEQ_MANY_DO_(SHMLOG_RDTSC_, severe_of_cpu, limit_severe);
    else
        SHMLOG_RSEQ_MANY_DO_(SHMLOG_RDTSC_, ring_of_cpu, limit);
    *ret_ring = (struct shmlog_ring *)(uintptr_t)ring;
    *ret_head = head;
    return (uint32_t)status;
}
#endif /* SHMLOG_RSEQ_ */

SHMLOG_INLINE_ struct shmlog_slot *shmlog_slots_(struct shmlog_ring *ring)
{
    return (struct shmlog_slot *)(void *)((uint8_t *)ring + SHMLOG_RING_HEADER);
}

/* Ring the doorbell when the head has crossed a quarter of the ring: a plain store after the
 * commit, a hint for the reader. */
SHMLOG_INLINE_ void shmlog_doorbell_(struct shmlog *log, struct shmlog_ring *ring, uint64_t head,
                                     uint32_t slots)
{
    if (SHMLOG_UNLIKELY_((head & log->local.quarter_mask) + slots > log->local.quarter_mask))
        shmlog_store_release_(&ring->doorbell, head + slots); /* pairs with the drain's acquire */
}

/* A record's slots must not be seen before the head of the record before: a reader that the
 * overwrite policy lets be overtaken judges by the head which slots it may believe. x86 stores in
 * order. */
SHMLOG_INLINE_ void shmlog_order_slots_(const struct shmlog *log)
{
#if defined(__x86_64__)
    (void)log;
#else
    if (log->local.on_full == SHMLOG_ON_FULL_OVERWRITE)
        __atomic_thread_fence(__ATOMIC_RELEASE);
#endif
}

/* Fill the slots from `head` on, where there is room, and commit them; by the only writer. */
SHMLOG_INLINE_ void shmlog_fill_(struct shmlog *log, struct shmlog_ring *ring, uint64_t head,
                                 const struct shmlog_slot *image, uint32_t slots, int flags)
{
    struct shmlog_slot *const slot = shmlog_slots_(ring);
    const uint32_t seq = slot[(head - 1) & log->local.slot_mask].seq + 1;
    uint64_t time;

    if (flags & SHMLOG_TIMED_)
        memcpy(&time, image[0].payload, sizeof(time));
    else
        time = shmlog_now(log);
    shmlog_order_slots_(log);
    for (uint32_t i = 0; i < slots; i++) {
        struct shmlog_slot *const to = &slot[(head + i) & log->local.slot_mask];

        __builtin_memcpy(to->payload, image[i].payload, sizeof(to->payload));
        to->site = image[i].site;
        to->seq = seq;
    }
    memcpy(slot[head & log->local.slot_mask].payload, &time, sizeof(time));
    shmlog_store_release_(&ring->head, head + slots); /* pairs with the readers' acquire of head */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Commit to the ring that this thread owns. A signal handler of the same thread that comes in
 * between finds `busy` and drops its record; so the writer is alone. 1 done, 0 full or nested
 * (counted). */
SHMLOG_INLINE_ int shmlog_owned_(struct shmlog *log, struct shmlog_ring *ring,
                                 const struct shmlog_slot *image, uint32_t slots, int flags)
{
    const uint64_t *limit = &ring->limit;
    uint64_t head;

    if (SHMLOG_UNLIKELY_(__atomic_load_n(&ring->busy, __ATOMIC_RELAXED))) {
        __atomic_fetch_add(&ring->lost[SHMLOG_LOST_NESTED], 1, __ATOMIC_RELEASE);
        return 0;
    }
    __atomic_store_n(&ring->busy, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    head = ring->head;
    while (SHMLOG_UNLIKELY_(head + slots > shmlog_load_relaxed_(limit))) {
        if (!shmlog_make_room_(log, ring, slots, flags & SHMLOG_SEVERE_)) {
            __atomic_store_n(&ring->busy, 0, __ATOMIC_RELAXED);
            return 0;
        }
        if (flags & SHMLOG_SEVERE_)
            limit = &ring->limit_severe;
    }
    shmlog_fill_(log, ring, head, image, slots, flags);
    __atomic_store_n(&ring->busy, 0, __ATOMIC_RELAXED);
    shmlog_doorbell_(log, ring, head, slots);
    return 1;
}

/* Which way its log calls go, SHMLOG_WAY_*; anything else: it is another attachment's. */
SHMLOG_INLINE_ uint64_t shmlog_way_(const struct shmlog *log, const struct shmlog_thread_ *thread)
{
    return thread->key ^ log->key;
}

/* The copy of this thread's state, if it is of this attachment; else NULL. */
SHMLOG_INLINE_ struct shmlog_thread_ *shmlog_copy_of_(const struct shmlog *log)
{
#ifdef SHMLOG_PLUGIN
    (void)log;
    return NULL;
#else
    return SHMLOG_LIKELY_(shmlog_way_(log, &shmlog_copy_) <= SHMLOG_WAY_OWNED_) ? &shmlog_copy_
                                                                                : NULL;
#endif
}

/* This thread's state for the attachment, or the copy of it; registered. */
SHMLOG_INLINE_ struct shmlog_thread_ *shmlog_thread_state_(struct shmlog *log)
{
    struct shmlog_thread_ *const copy = shmlog_copy_of_(log);

    return SHMLOG_LIKELY_(copy != NULL) ? copy : shmlog_find_thread_(log);
}

/* The ring that a thread owns; NULL: it goes by its core's. `key` before `owned`: see struct
 * shmlog_thread_. */
SHMLOG_INLINE_ struct shmlog_ring *shmlog_owned_ring_(const struct shmlog_thread_ *thread)
{
    if (!(__atomic_load_n(&thread->key, __ATOMIC_RELAXED) & SHMLOG_WAY_OWNED_))
        return NULL;
    __atomic_signal_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(&thread->owned, __ATOMIC_RELAXED);
}

#define SHMLOG_ABORTS_MAX_ 100u /* in a row: then somebody is single-stepping; own a ring */

/* One slot into an owned ring: shmlog_owned_() without its loops. 1 done, 0 not so straight.
 *
 * Its own thread is all that writes head, limit and busy, so plain loads do, which compilers fold
 * into comparisons. */
SHMLOG_INLINE_ int shmlog_owned_one_(struct shmlog *log, struct shmlog_ring *ring, uint64_t site,
                                     const struct shmlog_words_ *w, int flags, uint64_t time)
{
    uint8_t *const slots = (uint8_t *)ring + SHMLOG_RING_HEADER;
    const uint64_t mask = log->local.ring_mask;
    uint64_t head, at;
    uint64_t *slot;
    uint32_t seq;

    if (SHMLOG_UNLIKELY_(ring->busy))
        return 0;
    __atomic_store_n(&ring->busy, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    head = ring->head;
    if (SHMLOG_UNLIKELY_(head >= ring->limit)) {
        __atomic_store_n(&ring->busy, 0, __ATOMIC_RELAXED);
        return 0;
    }
    if (!(flags & SHMLOG_TIMED_))
        time = shmlog_now(log);
    at = head * SHMLOG_SLOT_SIZE;
    memcpy(&seq, slots + ((at - SHMLOG_SLOT_SIZE) & mask), sizeof(seq));
    slot = (uint64_t *)(void *)(slots + (at & mask));
#if defined(__x86_64__)
    if (flags & SHMLOG_TIMED_)
        __asm__ volatile(SHMLOG_PREFETCH_("%0", "%0") : : "r"(slot));
#endif
    shmlog_order_slots_(log);
    /* eight single stores, which compilers must not gather into wide ones: that costs more */
    shmlog_store_relaxed_(&slot[0], site | (seq + 1));
    shmlog_store_relaxed_(&slot[1], time);
    shmlog_store_relaxed_(&slot[2], w->w2);
    shmlog_store_relaxed_(&slot[3], w->w3);
    shmlog_store_relaxed_(&slot[4], w->w4);
    shmlog_store_relaxed_(&slot[5], w->w5);
    shmlog_store_relaxed_(&slot[6], w->w6);
    shmlog_store_relaxed_(&slot[7], w->w7);
    shmlog_store_release_(&ring->head, head + 1); /* pairs with the readers' acquire of head */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&ring->busy, 0, __ATOMIC_RELAXED);
    shmlog_doorbell_(log, ring, head, 1);
    return 1;
}

/* One slot the straight way that the thread goes, if `thread` is its state for the attachment. 1
 * done; 0 not so straight, nothing happened. Loads after `key` what goes with it: see struct
 * shmlog_thread_. */
SHMLOG_INLINE_ int shmlog_try_one_(struct shmlog *log, const struct shmlog_thread_ *thread,
                                   struct shmlog_words_ *w, uint64_t site, uint32_t end, int flags,
                                   uint64_t time)
{
    const uint64_t way = shmlog_way_(log, thread);

    w->w2 |= thread->producer;
#if SHMLOG_RSEQ_
    if (SHMLOG_LIKELY_(way == SHMLOG_WAY_CORE_))
        return shmlog_rseq_one_(log, thread, site, w, end, flags, time);
#endif
    (void)end;
    if (SHMLOG_UNLIKELY_(way != SHMLOG_WAY_OWNED_))
        return 0;
    __atomic_signal_fence(__ATOMIC_ACQUIRE);
    return shmlog_owned_one_(log, thread->owned, site, w, flags, time);
}

/* Does the record go to a ring that is not on the straight way, that of its core for severe ones?
 * Nothing is computed for others: it is a constant. */
SHMLOG_INLINE_ int shmlog_goes_elsewhere_(const struct shmlog *log, int flags)
{
    return flags & SHMLOG_SEVERE_ && SHMLOG_UNLIKELY_(log->local.severe_rings);
}

/* Commit one slot: `w`, to which the producer is added; `site`: id and 1 slot in the upper half, 0
 * in the lower; `end`: slot offset behind the last argument.
 *
 * Inline only for the attachment of which there is a copy of the state: its address is a constant,
 * and where reading the TSC waits for all that came before, each load on the way to the slot
 * costs. */
SHMLOG_INLINE_ void shmlog_commit_one_(struct shmlog *log, struct shmlog_words_ *w, uint64_t site,
                                       uint32_t end, int flags, uint64_t time)
{
    const uint64_t w2 = w->w2;

#ifdef SHMLOG_PLUGIN
    (void)end;
#else
    if (shmlog_goes_elsewhere_(log, flags) ||
        !shmlog_try_one_(log, &shmlog_copy_, w, site, end, flags, time))
#endif
    shmlog_commit_words_(log, site, w2, w->w3, w->w4, w->w5, w->w6, w->w7, flags, time);
}

/* ---- Arguments ---- */

/* A value on its way: the bits of a fixed one, or address and length (~0: to the NUL). */
struct shmlog_value_ {
    uint64_t bits;
    size_t length;
};
#define SHMLOG_VALUE_(bits_, length_) \
    struct shmlog_value_ v;           \
    v.bits = (bits_);                 \
    v.length = (length_);             \
    return v
#define SHMLOG_VALUE_OF_(name_, type_, bits_)          \
    SHMLOG_INLINE_ struct shmlog_value_ name_(type_ x) \
    {                                                  \
        SHMLOG_VALUE_(bits_, 0);                       \
    }
SHMLOG_INLINE_ uint64_t shmlog_bits_f32_(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof(u));
    return u;
}
SHMLOG_INLINE_ uint64_t shmlog_bits_f64_(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof(u));
    return u;
}

/* X(type, name, code, bits) for every type that a call takes beside pointers and strings */
#define SHMLOG_PLAIN_TYPES_(X)                                                           \
    X(SHMLOG_BOOL_T_, bool, SHMLOG_TYPE_BOOL, (uint64_t)x)                               \
    X(char, char, SHMLOG_TYPE_CHAR, (uint8_t)x)                                          \
    X(signed char, schar, SHMLOG_TYPE_I8, (uint8_t)x)                                    \
    X(unsigned char, uchar, SHMLOG_TYPE_U8, x)                                           \
    X(short, short, SHMLOG_TYPE_I16, (uint16_t)x)                                        \
    X(unsigned short, ushort, SHMLOG_TYPE_U16, x)                                        \
    X(int, int, SHMLOG_TYPE_I32, (uint32_t)x)                                            \
    X(unsigned int, uint, SHMLOG_TYPE_U32, x)                                            \
    X(long, long, SHMLOG_LONG_CODE_(SHMLOG_TYPE_I32, SHMLOG_TYPE_I64), (unsigned long)x) \
    X(unsigned long, ulong, SHMLOG_LONG_CODE_(SHMLOG_TYPE_U32, SHMLOG_TYPE_U64), x)      \
    X(long long, llong, SHMLOG_TYPE_I64, (uint64_t)x)                                    \
    X(unsigned long long, ullong, SHMLOG_TYPE_U64, x)                                    \
    X(float, float, SHMLOG_TYPE_F32, shmlog_bits_f32_(x))                                \
    X(double, double, SHMLOG_TYPE_F64, shmlog_bits_f64_(x))                              \
    X(long double, ldouble, SHMLOG_TYPE_F64, shmlog_bits_f64_((double)x))
#define SHMLOG_LONG_CODE_(four, eight) (sizeof(long) == 8 ? (eight) : (four))

#define SHMLOG_WIDTH_(code_)                                               \
    ((code_) <= SHMLOG_TYPE_U8    ? 1u                                     \
     : (code_) <= SHMLOG_TYPE_U16 ? 2u                                     \
     : (code_) <= SHMLOG_TYPE_U32 || (code_) == SHMLOG_TYPE_F32 ||         \
             (code_) == SHMLOG_TYPE_STRING || (code_) == SHMLOG_TYPE_BYTES \
         ? 4u                                                              \
         : 8u)

/* A record of printf-style or event arguments being put together. All of it folds away where the
 * types are constants, which they are in every call. */
struct shmlog_staged_ {
    struct shmlog_words_ words; /* the slot, while everything fits into one */
    uint32_t offset;            /* slot offset of what comes next */
    int longer;                 /* has strings, or is more than one slot */
};
#define SHMLOG_STAGED_EMPTY_                           \
    {                                                  \
        {0, 0, 0, 0, 0, 0}, 8 + SHMLOG_PAYLOAD_ARGS, 0 \
    }
SHMLOG_INLINE_ uint32_t shmlog_width_(uint8_t type)
{
    return SHMLOG_WIDTH_(type);
}
#ifdef __OPTIMIZE__
SHMLOG_INLINE_
#else
SHMLOG_STATIC_INLINE_ __attribute__((unused))
#endif
void shmlog_stage_(struct shmlog_staged_ *stage, uint8_t type, struct shmlog_value_ value)
{
    const uint32_t width = shmlog_width_(type);
    const uint32_t at = (stage->offset + width - 1) & ~(width - 1);
    const uint64_t bits = value.bits << (at % 8 * 8);

    stage->offset = at + width;
    if (type == SHMLOG_TYPE_STRING || type == SHMLOG_TYPE_BYTES || at + width > 64) {
        stage->longer = 1;
        return;
    }
    /* one of them, known when compiling; a switch would make a table of jumps in a section that
     * all functions of a file share, where the compiler does not optimize */
    if (at / 8 == 2)
        stage->words.w2 |= bits;
    else if (at / 8 == 3)
        stage->words.w3 |= bits;
    else if (at / 8 == 4)
        stage->words.w4 |= bits;
    else if (at / 8 == 5)
        stage->words.w5 |= bits;
    else if (at / 8 == 6)
        stage->words.w6 |= bits;
    else
        stage->words.w7 |= bits;
}

/* The site's word, if the site was registered in this segment last: id and 1 slot in the upper
 * half, as in the first word of a slot, 0 in the lower.
 *
 * The call site keeps the word with the segment's key in the lower half, so that one step checks
 * and clears it. The key is odd; the even number below it says that there was no room. A log that
 * was handed out with SHMLOG_OPEN_LATER and is not attached itself has a key that no segment has:
 * so it costs the others nothing. */
#define SHMLOG_SITE_KEY_LATER_ 1u
#if defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define SHMLOG_LOAD_KEY_(p) (*(p)) /* gcc folds no atomic load into another instruction */
#else
#define SHMLOG_LOAD_KEY_(p) shmlog_load_relaxed_(p)
#endif
SHMLOG_INLINE_ int shmlog_site_word_(const struct shmlog *log, const struct shmlog_callsite_ *site,
                                     uint64_t *ret_word)
{
    /* pairs with the release in shmlog_register_site_(), for how[] */
    const uint64_t word = shmlog_load_acquire_(&site->word);

    *ret_word = word ^ SHMLOG_LOAD_KEY_(&log->local.site_key);
    return SHMLOG_LIKELY_((uint32_t)*ret_word == 0) != 0;
}
SHMLOG_INLINE_ uint32_t shmlog_word_id_(uint64_t word)
{
    return (uint32_t)(word >> 32) & SHMLOG_SITE_ID_MASK;
}

SHMLOG_INLINE_ void shmlog_put_word_(struct shmlog *log, const struct shmlog_callsite_ *site,
                                     const uint8_t *types, struct shmlog_staged_ *stage,
                                     const struct shmlog_value_ *values, uint64_t word, int flags,
                                     uint64_t time)
{
    if (stage->longer)
        shmlog_put_long_(log, shmlog_thread_state_(log), site, types, shmlog_word_id_(word), values,
                         flags, time);
    else
        shmlog_commit_one_(log, &stage->words, word, stage->offset, flags, time);
}

/* Commit what is staged, registering the site at its first use. */
SHMLOG_INLINE_ void shmlog_put_(struct shmlog *log, struct shmlog_callsite_ *site,
                                struct shmlog_staged_ *stage, const struct shmlog_value_ *values,
                                const uint8_t *types, const char *const *names,
                                const char *function, int flags, uint64_t time)
{
    uint64_t word;

    if (shmlog_site_word_(log, site, &word)) {
        shmlog_put_word_(log, site, types, stage, values, word, flags, time);
    } else {
        struct shmlog_staged_ copy = *stage; /* the other one stays in registers */

        shmlog_put_elsewhere_(log, site, types, names, function, &copy,
                              stage->longer ? values : SHMLOG_NULL_, flags, time);
    }
}

/* ---- Values of a call ----
 *
 * Each argument is evaluated once, in one place: in C into a local of its own, in C++ as an operand
 * of a comma operator. So a mistake in it is reported once, a lambda is in no unevaluated operand,
 * and in C++ commas of an argument, as in g<int, int>(1), need no parentheses. */

#define SHMLOG_NOT_LOGGED_ \
    "shmlog: an argument is not a number, a pointer or a string that can be logged"
#define SHMLOG_AT_MOST_ "shmlog: at most 16 arguments"
#define SHMLOG_IN_PAIRS_ "shmlog_event: every field needs a name and a value"
#define SHMLOG_POSITIONAL_ "shmlog: no positional arguments (%1$d) in a format"
#define SHMLOG_ERRNO_ "shmlog: no %m in a format; log errno with %d"

#ifdef __cplusplus
#define SHMLOG_BOOL_T_ bool
/* The code of a type is the size of what an overload, never defined or called, returns. The
 * overloads also serve classes that convert to one of these types. */
#define SHMLOG_X_(type_, name_, code_, bits_)        \
    SHMLOG_VALUE_OF_(shmlog_value_of_, type_, bits_) \
    char(&shmlog_code_of_(type_))[code_];
SHMLOG_PLAIN_TYPES_(SHMLOG_X_)
#undef SHMLOG_X_
SHMLOG_VALUE_OF_(shmlog_value_of_, const volatile void *, (uint64_t)(uintptr_t)x)
SHMLOG_INLINE_ struct shmlog_value_ shmlog_value_of_(const char *x)
{
    SHMLOG_VALUE_((uint64_t)(uintptr_t)x, ~(size_t)0);
}
SHMLOG_INLINE_ struct shmlog_value_ shmlog_value_of_(struct shmlog_text_value x)
{
    SHMLOG_VALUE_((uint64_t)(uintptr_t)x.data, x.size);
}
SHMLOG_INLINE_ struct shmlog_value_ shmlog_value_of_(struct shmlog_bytes_value x)
{
    SHMLOG_VALUE_((uint64_t)(uintptr_t)x.data, x.size);
}
char (&shmlog_code_of_(const char *))[SHMLOG_TYPE_STRING];
char (&shmlog_code_of_(const volatile void *))[SHMLOG_TYPE_POINTER];
char (&shmlog_code_of_(struct shmlog_text_value))[SHMLOG_TYPE_STRING];
char (&shmlog_code_of_(struct shmlog_bytes_value))[SHMLOG_TYPE_BYTES];

template <bool Condition, class T> struct shmlog_if_ {
};
template <class T> struct shmlog_if_<true, T> {
    typedef T type;
};
template <class T> struct shmlog_bare_ {
    typedef T type;
};
template <class T> struct shmlog_bare_<T &> : shmlog_bare_<T> {
};
template <class T> struct shmlog_bare_<T &&> : shmlog_bare_<T> {
};
template <class T> struct shmlog_bare_<const T> : shmlog_bare_<T> {
};
template <class T> struct shmlog_bare_<volatile T> : shmlog_bare_<T> {
};
template <class T> struct shmlog_bare_<const volatile T> : shmlog_bare_<T> {
};
template <class T> T &&shmlog_make_(); /* in unevaluated operands */
template <class T> struct shmlog_is_class_ {
    typedef typename shmlog_bare_<T>::type bare;
    static constexpr bool value = __is_class(bare) || __is_union(bare);
};

/* Do the overloads take the type? */
template <class T, class = void> struct shmlog_overloaded_ {
    static constexpr uint8_t code = 0;
};
template <class T>
struct shmlog_overloaded_<T, decltype(static_cast<void>(shmlog_code_of_(shmlog_make_<T>())))> {
    static constexpr uint8_t code = sizeof(shmlog_code_of_(shmlog_make_<T>()));
};

/* How an argument of a type, as passed by value, is logged: its SHMLOG_TYPE_*, 0 not at all. */
template <class T, bool Scoped = __is_enum(T) && !shmlog_overloaded_<T>::code> struct shmlog_type_ {
    static constexpr uint8_t code = shmlog_overloaded_<T>::code;
    template <class U> SHMLOG_INLINE_ static struct shmlog_value_ value(U &&x)
    {
        if constexpr (code != 0) {
            return shmlog_value_of_(static_cast<U &&>(x));
        } else {
            SHMLOG_VALUE_(0, 0);
        }
    }
};
/* A scoped enumeration: its number. */
template <class T> struct shmlog_type_<T, true> : shmlog_type_<__underlying_type(T)> {
    SHMLOG_INLINE_ static struct shmlog_value_ value(T x)
    {
        return shmlog_value_of_(static_cast<__underlying_type(T)>(x));
    }
};
/* Pointers convert to bool, which the overloads would take for functions and members. */
template <class T> struct shmlog_type_<T *, false> {
    static constexpr uint8_t code = SHMLOG_TYPE_POINTER;
    SHMLOG_INLINE_ static struct shmlog_value_ value(T *x)
    {
        SHMLOG_VALUE_((uint64_t) reinterpret_cast<uintptr_t>(x), 0);
    }
};
template <> struct shmlog_type_<const char *, false> {
    static constexpr uint8_t code = SHMLOG_TYPE_STRING;
    SHMLOG_INLINE_ static struct shmlog_value_ value(const char *x)
    {
        return shmlog_value_of_(x);
    }
};
template <> struct shmlog_type_<char *, false> : shmlog_type_<const char *, false> {
};
template <> struct shmlog_type_<decltype(nullptr), false> {
    static constexpr uint8_t code = SHMLOG_TYPE_POINTER;
    SHMLOG_INLINE_ static struct shmlog_value_ value(decltype(nullptr))
    {
        SHMLOG_VALUE_(0, 0);
    }
};
template <class T, class C> struct shmlog_type_<T C::*, false> {
    static constexpr uint8_t code = 0;
    SHMLOG_INLINE_ static struct shmlog_value_ value(T C::*)
    {
        SHMLOG_VALUE_(0, 0);
    }
};

template <class... T> struct __attribute__((visibility("hidden"))) shmlog_types_ {
    static constexpr uint8_t codes[] = {sizeof...(T), shmlog_type_<T>::code...};
};

/* Where the operands of a call leave what they are. */
struct shmlog_sending_ {
    struct shmlog_staged_ *stage;
    struct shmlog_value_ *v;

    template <size_t I, class T, class U> SHMLOG_INLINE_ void add(U &&x) const
    {
        static_assert(shmlog_type_<T>::code != 0, SHMLOG_NOT_LOGGED_);
        static_assert(I != SHMLOG_ARGS_MAX + 1, SHMLOG_AT_MOST_);
        if constexpr (I <= SHMLOG_ARGS_MAX) {
            v[I] = shmlog_type_<T>::value(static_cast<U &&>(x));
            shmlog_stage_(stage, shmlog_type_<T>::code, v[I]);
        }
    }
};
/* The values so far. What is no class is passed by value, so that constants without a definition
 * and bit-fields will do; an object of a class need not be copied. */
template <class... T> struct shmlog_values_ {
    struct shmlog_sending_ to;

    template <class U, typename shmlog_if_<!shmlog_is_class_<U>::value, int>::type = 0>
    SHMLOG_INLINE_ shmlog_values_<T..., U> operator,(U x) const
    {
        to.add<sizeof...(T) + 1, U>(x);
        return {to};
    }
    template <class U, typename shmlog_if_<shmlog_is_class_<U>::value, int>::type = 0>
    SHMLOG_INLINE_ shmlog_values_<T..., typename shmlog_bare_<U>::type> operator,(U &&x) const
    {
        to.add<sizeof...(T) + 1, typename shmlog_bare_<U>::type>(static_cast<U &&>(x));
        return {to};
    }
};
struct shmlog_message_ {
    struct shmlog_sending_ to;

    template <size_t N> SHMLOG_INLINE_ shmlog_values_<> operator,(const char (&)[N]) const
    {
        return {to};
    }
};
/* An event's fields so far; its names are gathered when its site is registered. */
template <class Before, class... T> struct shmlog_named_;
template <class Before, class... T> struct shmlog_fields_ {
    struct shmlog_sending_ to;
    const Before *before;

    template <size_t N>
    SHMLOG_INLINE_ shmlog_named_<shmlog_fields_, T...> operator,(const char (&name)[N]) const
    {
        return {to, this, name};
    }
    template <class U> SHMLOG_INLINE_ shmlog_named_<shmlog_fields_, T...> operator,(const U &) const
    {
        static_assert(sizeof(U) == 0, "shmlog_event: the name of a field is a string literal");
        return {to, this, ""};
    }
    SHMLOG_INLINE_ void names(const char **ret_names) const
    {
        before->names(ret_names);
    }
};
template <class Before, class... T> struct shmlog_named_ {
    struct shmlog_sending_ to;
    const Before *before;
    const char *name;

    template <class U, typename shmlog_if_<!shmlog_is_class_<U>::value, int>::type = 0>
    SHMLOG_INLINE_ shmlog_fields_<shmlog_named_, T..., U> operator,(U x) const
    {
        to.add<sizeof...(T) + 1, U>(x);
        return {to, this};
    }
    template <class U, typename shmlog_if_<shmlog_is_class_<U>::value, int>::type = 0>
    SHMLOG_INLINE_ shmlog_fields_<shmlog_named_, T..., typename shmlog_bare_<U>::type>
    operator,(U &&x) const
    {
        to.add<sizeof...(T) + 1, typename shmlog_bare_<U>::type>(static_cast<U &&>(x));
        return {to, this};
    }
    SHMLOG_INLINE_ void names(const char **ret_names) const
    {
        before->names(ret_names);
        if constexpr (sizeof...(T) < SHMLOG_ARGS_MAX)
            ret_names[sizeof...(T) + 1] = name;
    }
};
struct shmlog_event_ {
    struct shmlog_sending_ to;

    template <size_t N>
    SHMLOG_INLINE_ shmlog_fields_<shmlog_event_> operator,(const char (&)[N]) const
    {
        return {to, this};
    }
    SHMLOG_INLINE_ void names(const char **) const
    {
    }
};

template <class... T>
SHMLOG_INLINE_ void shmlog_send_(struct shmlog *log, struct shmlog_callsite_ *site,
                                 const char *function, const shmlog_values_<T...> &values,
                                 int flags, uint64_t time)
{
    shmlog_put_(log, site, values.to.stage, values.to.v, shmlog_types_<T...>::codes, nullptr,
                function, flags, time);
}
template <class Before, class... T>
SHMLOG_INLINE_ void shmlog_send_(struct shmlog *log, struct shmlog_callsite_ *site,
                                 const char *function, const shmlog_fields_<Before, T...> &fields,
                                 int flags, uint64_t time)
{
    uint64_t word;

    if (shmlog_site_word_(log, site, &word)) {
        shmlog_put_word_(log, site, shmlog_types_<T...>::codes, fields.to.stage, fields.to.v, word,
                         flags, time);
    } else {
        struct shmlog_staged_ copy = *fields.to.stage;
        const char *names[SHMLOG_ARGS_MAX + 1] = {};

        fields.names(names);
        shmlog_put_elsewhere_(log, site, shmlog_types_<T...>::codes, names, function, &copy,
                              copy.longer ? fields.to.v : nullptr, flags, time);
    }
}
template <class Before, class... T>
SHMLOG_INLINE_ void shmlog_send_(struct shmlog *, struct shmlog_callsite_ *, const char *,
                                 const shmlog_named_<Before, T...> &, int, uint64_t)
{
    static_assert(sizeof(Before) == 0, SHMLOG_IN_PAIRS_);
}

/* Let the compiler check a message's format against the types of its values; `check` is not
 * called. */
template <class F, class... T>
SHMLOG_INLINE_ const shmlog_values_<T...> &shmlog_checked_(const F &check,
                                                           const shmlog_values_<T...> &values)
{
    if (0)
        check(static_cast<T *>(nullptr)...);
    return values;
}

/* What is wrong with a format beyond what the compiler looks at? '$': positional arguments, 'm':
 * %m, 0: nothing. */
constexpr char shmlog_format_fault_(const char *f)
{
    while (*f) {
        if (*f++ != '%')
            continue;
        while ((*f >= ' ' && *f <= '9' && *f != '%' && *f != '$') || *f == 'I')
            f++;
        if (*f == '$' || *f == 'm')
            return *f;
        if (*f == '%')
            f++;
    }
    return 0;
}

/* A field's type: as above, but a char array is text, and a char * only an address. */
#define SHMLOG_X_(type_, name_, code_, bits_) char(&shmlog_field_code_(const type_ &))[code_];
SHMLOG_PLAIN_TYPES_(SHMLOG_X_)
#undef SHMLOG_X_
template <size_t N> char (&shmlog_field_code_(const char (&)[N]))[SHMLOG_TYPE_TEXT];
template <class T> char (&shmlog_field_code_(T *const &))[SHMLOG_TYPE_POINTER];
template <class T, size_t N> char (&shmlog_field_code_(const T (&)[N]))[1] = delete;
#define SHMLOG_MEMBER_(type_, member_) (shmlog_make_<const type_ &>().member_)
#define SHMLOG_FIELD_CODE_(type_, member_) \
    (sizeof(shmlog_field_code_(SHMLOG_MEMBER_(type_, member_))))
#else
#define SHMLOG_BOOL_T_ _Bool
#define SHMLOG_X_(type_, name_, code_, bits_) \
    SHMLOG_VALUE_OF_(shmlog_value_of_##name_##_, type_, bits_)
SHMLOG_PLAIN_TYPES_(SHMLOG_X_)
#undef SHMLOG_X_
SHMLOG_INLINE_ struct shmlog_value_ shmlog_value_of_string_(const char *x)
{
    SHMLOG_VALUE_((uint64_t)(uintptr_t)x, ~(size_t)0);
}
SHMLOG_INLINE_ struct shmlog_value_ shmlog_value_of_pointer_(const volatile void *x)
{
    SHMLOG_VALUE_((uint64_t)(uintptr_t)x, 0);
}
SHMLOG_INLINE_ struct shmlog_value_ shmlog_value_of_text_(struct shmlog_text_value x)
{
    SHMLOG_VALUE_((uint64_t)(uintptr_t)x.data, x.size);
}
SHMLOG_INLINE_ struct shmlog_value_ shmlog_value_of_bytes_(struct shmlog_bytes_value x)
{
    SHMLOG_VALUE_((uint64_t)(uintptr_t)x.data, x.size);
}
SHMLOG_INLINE_ struct shmlog_value_ shmlog_value_of_none_() /* takes anything: an error anyway */
{
    SHMLOG_VALUE_(0, 0);
}
/* What has no type of those above, by its class for gcc and clang: 5 is that of pointers, 1 that of
 * integers: gcc's bit-fields, which have types of their own. They are logged as what they promote
 * to; those wider than int do not. */
#define SHMLOG_CLASS_(x) __builtin_classify_type(_Generic((x), float : 0, default : (x)))
#define SHMLOG_IS_INTEGER_(x) (SHMLOG_CLASS_(x) == 1 && sizeof(x) <= 8)
#define SHMLOG_PROMOTED_(x) __typeof__(__builtin_choose_expr(SHMLOG_IS_INTEGER_(x), (x), 0) + 0)
#define SHMLOG_OTHER_CODE_(x)                                                     \
    (SHMLOG_CLASS_(x) == 5    ? SHMLOG_TYPE_POINTER                               \
     : !SHMLOG_IS_INTEGER_(x) ? 0                                                 \
     : (SHMLOG_PROMOTED_(x)) - 1 > 0                                              \
         ? (sizeof(SHMLOG_PROMOTED_(x)) <= 4 ? SHMLOG_TYPE_U32 : SHMLOG_TYPE_U64) \
         : (sizeof(SHMLOG_PROMOTED_(x)) <= 4 ? SHMLOG_TYPE_I32 : SHMLOG_TYPE_I64))
/* The formatter does not know _Generic. */
/* clang-format off */
#define SHMLOG_X_(type_, name_, code_, bits_) type_ : (code_),
#define SHMLOG_CODE_OF_(x)                                                                         \
    _Generic((x),                                                                                  \
        SHMLOG_PLAIN_TYPES_(SHMLOG_X_) char *: SHMLOG_TYPE_STRING,                                 \
        const char *: SHMLOG_TYPE_STRING,                                                          \
        struct shmlog_text_value: SHMLOG_TYPE_STRING,                                              \
        struct shmlog_bytes_value: SHMLOG_TYPE_BYTES,                                              \
        default: SHMLOG_OTHER_CODE_(x))
#define SHMLOG_XV_(type_, name_, code_, bits_) type_ : shmlog_value_of_##name_##_,
#define SHMLOG_VALUE_OF_ARG_(x)                                                                    \
    _Generic((x),                                                                                  \
        SHMLOG_PLAIN_TYPES_(SHMLOG_XV_) char *: shmlog_value_of_string_,                           \
        const char *: shmlog_value_of_string_,                                                     \
        struct shmlog_text_value: shmlog_value_of_text_,                                           \
        struct shmlog_bytes_value: shmlog_value_of_bytes_,                                         \
        default: __builtin_choose_expr(SHMLOG_IS_INTEGER_(x), shmlog_value_of_llong_,              \
                     __builtin_choose_expr(SHMLOG_CLASS_(x) == 5,                        \
                         shmlog_value_of_pointer_, shmlog_value_of_none_)))(x)
/* A field's type: as above, but a char array is text, and a char * only an address. */
#define SHMLOG_MEMBER_(type_, member_) (((const type_ *)0)->member_)
#define SHMLOG_FIELD_CODE_(type_, member_)                                                         \
    _Generic(((type_ *)0)->member_, SHMLOG_PLAIN_TYPES_(SHMLOG_X_) default                         \
             : _Generic(&((type_ *)0)->member_, char(*)[sizeof(((type_ *)0)->member_)]             \
                        : SHMLOG_TYPE_TEXT, const char(*)[sizeof(((type_ *)0)->member_)]           \
                        : SHMLOG_TYPE_TEXT, default                                                \
                        : (SHMLOG_IS_POINTER_(((type_ *)0)->member_)                               \
                               ? SHMLOG_TYPE_POINTER                                               \
                               : 0)))
/* 5 is gcc's class of pointers, which arrays decay to; but then their type is another. */
#define SHMLOG_IS_POINTER_(x)                                                                      \
    (__builtin_classify_type(x) == 5 &&                                                            \
     __builtin_types_compatible_p(__typeof__(x), __typeof__(((void)0, (x)))))
/* clang-format on */
#endif
/* Is this the type of a field, and of the size that readers expect? Not so: long double, enums of a
 * size of their own, arrays of anything but char, structs. */
#define SHMLOG_FIELD_OK_(type_, member_)                       \
    (SHMLOG_FIELD_CODE_(type_, member_) == SHMLOG_TYPE_TEXT || \
     (SHMLOG_FIELD_CODE_(type_, member_) != 0 &&               \
      sizeof(SHMLOG_MEMBER_(type_, member_)) ==                \
          SHMLOG_WIDTH_(SHMLOG_FIELD_CODE_(type_, member_))))

/* ---- The calls ----
 *
 * From here on compilers treat this as a system's header, so that a mistake in a call is reported
 * where it was made, without a line for each macro on the way. */
#pragma GCC system_header

#define SHMLOG_CAT_(a, b) SHMLOG_CAT_X_(a, b)
#define SHMLOG_CAT_X_(a, b) a##b
#define SHMLOG_FIRST_(...) SHMLOG_FIRST_X_(__VA_ARGS__, 0)
#define SHMLOG_FIRST_X_(first, ...) first

/* Lets the compiler check a format against its arguments; never called. */
#if defined(__clang__) && !defined(__cplusplus)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wgcc-compat"
#define SHMLOG_IF_POSITIONAL_(f)                                                                 \
    __attribute__((diagnose_if(__builtin_strchr(f, '%') && __builtin_strchr(f, '%')[1] == '1' && \
                                   __builtin_strchr(f, '%')[2] == '$',                           \
                               SHMLOG_POSITIONAL_, "error"),                                     \
                   diagnose_if(__builtin_strchr(f, '%') && __builtin_strchr(f, '%')[1] == 'm',   \
                               SHMLOG_ERRNO_, "error")))
#else
#define SHMLOG_IF_POSITIONAL_(f)
#endif
__attribute__((format(printf, 1, 2), unused)) SHMLOG_STATIC_INLINE_ void
shmlog_check_format_(const char *format, ...) SHMLOG_IF_POSITIONAL_(format);
#if defined(__clang__) && !defined(__cplusplus)
#pragma clang diagnostic pop
#endif
SHMLOG_STATIC_INLINE_ void shmlog_check_format_(const char *format, ...)
{
    (void)format;
}

#define SHMLOG_CHECK_LEVEL_(level_)                    \
    SHMLOG_STATIC_ASSERT_((level_) <= SHMLOG_CRITICAL, \
                          "the level is a constant, SHMLOG_TRACE .. SHMLOG_CRITICAL")
/* What every call site has: an aggregate initialiser in the order of struct shmlog_callsite_. */
#define SHMLOG_CALLSITE_(kind_, level_, category_, flags_, size_, format_, text_, count_, fields_) \
    {                                                                                              \
        0, "" format_, __FILE__, "" category_, text_, __LINE__, (size_), (flags_), (kind_),        \
            (level_), (count_), fields_,                                                           \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/* A call is BEGIN, the values as written, END. */
#define SHMLOG_BEGIN_(log_, kind_, level_, category_, flags_, text_, format_)            \
    do {                                                                                 \
        SHMLOG_STRUCT_ shmlog *const shmlog_l_ = (log_);                                 \
        if (shmlog_enabled(shmlog_l_, (level_))) {                                       \
            SHMLOG_CHECK_LEVEL_(level_);                                                 \
            static SHMLOG_STRUCT_ shmlog_callsite_ shmlog_site_ =                        \
                SHMLOG_CALLSITE_(kind_, level_, category_, flags_, 0, format_, text_, 0, \
                                 SHMLOG_NULL_);                                          \
            const uint32_t shmlog_level_ = (level_);                                     \
        SHMLOG_SENDING_
#define SHMLOG_END_(timed_, time_)                       \
    , SHMLOG_FLAGS_OF_(timed_, shmlog_level_), (time_)); \
    }                                                    \
    }                                                    \
    while (0)
#define SHMLOG_BEGIN_MESSAGE_(log_, level_, category_, text_, ...)       \
    SHMLOG_BEGIN_(log_, SHMLOG_SITE_PRINTF, level_, category_, 0, text_, \
                  SHMLOG_FIRST_(__VA_ARGS__))                            \
    SHMLOG_CHECK_FORMAT_(SHMLOG_FIRST_(__VA_ARGS__))

#ifdef __cplusplus
#define SHMLOG_SENDING_                                             \
    SHMLOG_STRUCT_ shmlog_staged_ shmlog_s_ = SHMLOG_STAGED_EMPTY_; \
    SHMLOG_STRUCT_ shmlog_value_ shmlog_v_[SHMLOG_ARGS_MAX + 1];
#define SHMLOG_CHECK_FORMAT_(format_)                                           \
    static_assert(shmlog_format_fault_("" format_) != '$', SHMLOG_POSITIONAL_); \
    static_assert(shmlog_format_fault_("" format_) != 'm', SHMLOG_ERRNO_);
#define SHMLOG_VALUES_(...) SHMLOG_SEND_MESSAGE_
#define SHMLOG_SEND_MESSAGE_(...)                                                 \
    shmlog_send_(shmlog_l_, &shmlog_site_, __func__,                            \
                 shmlog_checked_(                                               \
                     [](auto *...shmlog_x_) {                                   \
                         shmlog_check_format_(SHMLOG_FIRST_(__VA_ARGS__), *shmlog_x_...); \
                     },                                                         \
                     (shmlog_message_{{&shmlog_s_, shmlog_v_}}, __VA_ARGS__))
#define SHMLOG_PAIRS_(...) SHMLOG_SEND_EVENT_
#define SHMLOG_SEND_EVENT_(...) \
    shmlog_send_(shmlog_l_, &shmlog_site_, __func__, (shmlog_event_{{&shmlog_s_, shmlog_v_}}, __VA_ARGS__)
#define SHMLOG_LINE_(data_, size_)                   \
    shmlog_send_(shmlog_l_, &shmlog_site_, __func__, \
                 (shmlog_message_{{&shmlog_s_, shmlog_v_}}, "%s", shmlog_text((data_), (size_)))
#else
#define SHMLOG_SENDING_ SHMLOG_STRUCT_ shmlog_staged_ shmlog_s_ = SHMLOG_STAGED_EMPTY_;
#ifdef __clang__
#define SHMLOG_CHECK_FORMAT_(format_)
#else
#define SHMLOG_CHECK_FORMAT_(format_)                                      \
    __extension__ _Static_assert(!__builtin_strstr("" format_, "%1$") ||   \
                                     __builtin_strstr("" format_, "%%1$"), \
                                 SHMLOG_POSITIONAL_);                      \
    __extension__ _Static_assert(!__builtin_strstr("" format_, "%m") ||    \
                                     __builtin_strstr("" format_, "%%m"),  \
                                 SHMLOG_ERRNO_);
#endif
/* A value in a local of its own, of the type that arrays and functions decay to. */
#define SHMLOG_HOLD_(i) __extension__ __auto_type shmlog_a##i##_ = ((void)0, (
#define SHMLOG_HELD_ ));
#ifndef __clang__
/* Where a value is wrong gcc does not declare its local; these keep it from more errors. */
enum shmlog_wrong_ {
    shmlog_a1_ = 1,
    shmlog_a2_,
    shmlog_a3_,
    shmlog_a4_,
    shmlog_a5_,
    shmlog_a6_,
    shmlog_a7_,
    shmlog_a8_,
    shmlog_a9_,
    shmlog_a10_,
    shmlog_a11_,
    shmlog_a12_,
    shmlog_a13_,
    shmlog_a14_,
    shmlog_a15_,
    shmlog_a16_
};
#endif
#define SHMLOG_PASS_X_(i) , shmlog_a##i##_
#define SHMLOG_CODE_X_(i) , SHMLOG_CODE_OF_(shmlog_a##i##_)
#define SHMLOG_LOGGED_X_(i) &&SHMLOG_CODE_OF_(shmlog_a##i##_)
#define SHMLOG_STAGE_X_(i)                               \
    shmlog_v_[i] = SHMLOG_VALUE_OF_ARG_(shmlog_a##i##_); \
    shmlog_stage_(&shmlog_s_, shmlog_types_[i], shmlog_v_[i]);
#define SHMLOG_NAMES_ static const char *const shmlog_names_[]
/* Values that are in locals: their types, and what is stored of them. */
#define SHMLOG_STAGE_(n, check_)                                                       \
    static const uint8_t shmlog_types_[] = {n SHMLOG_UPTO_##n##_(SHMLOG_CODE_X_)};     \
    SHMLOG_STATIC_ASSERT_(1 SHMLOG_UPTO_##n##_(SHMLOG_LOGGED_X_), SHMLOG_NOT_LOGGED_); \
    SHMLOG_STRUCT_ shmlog_value_ shmlog_v_[n + 1];                                     \
    check_                                                                            \
    SHMLOG_UPTO_##n##_(SHMLOG_STAGE_X_)                                               \
    shmlog_put_(shmlog_l_, &shmlog_site_, &shmlog_s_, shmlog_v_, shmlog_types_,
#define SHMLOG_MESSAGE_(n, f)                                                            \
    SHMLOG_STAGE_(n, if (0) shmlog_check_format_(f SHMLOG_UPTO_##n##_(SHMLOG_PASS_X_));) \
    SHMLOG_NULL_, __func__
#define SHMLOG_FIELDS_(n) SHMLOG_STAGE_(n, ) shmlog_names_, __func__
#define SHMLOG_LINE_(data_, size_) \
    SHMLOG_HOLD_(1)                \
    shmlog_text((data_), (size_)) SHMLOG_HELD_ SHMLOG_STAGE_(1, ) SHMLOG_NULL_, __func__
/* Tables: a line each. What is written in a call appears in one of them alone, and at once: each
 * macro on the way costs three lines in a compiler's message about it. */
/* clang-format off */
/* The format and the values of a message. */
#define SHMLOG_VALUES_0_(f) SHMLOG_MESSAGE_(0, f)
#define SHMLOG_VALUES_1_(f, x1) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_MESSAGE_(1, f)
#define SHMLOG_VALUES_2_(f, x1, x2) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_MESSAGE_(2, f)
#define SHMLOG_VALUES_3_(f, x1, x2, x3) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_MESSAGE_(3, f)
#define SHMLOG_VALUES_4_(f, x1, x2, x3, x4) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_MESSAGE_(4, f)
#define SHMLOG_VALUES_5_(f, x1, x2, x3, x4, x5) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_MESSAGE_(5, f)
#define SHMLOG_VALUES_6_(f, x1, x2, x3, x4, x5, x6) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_MESSAGE_(6, f)
#define SHMLOG_VALUES_7_(f, x1, x2, x3, x4, x5, x6, x7) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_MESSAGE_(7, f)
#define SHMLOG_VALUES_8_(f, x1, x2, x3, x4, x5, x6, x7, x8) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_MESSAGE_(8, f)
#define SHMLOG_VALUES_9_(f, x1, x2, x3, x4, x5, x6, x7, x8, x9) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_MESSAGE_(9, f)
#define SHMLOG_VALUES_10_(f, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_MESSAGE_(10, f)
#define SHMLOG_VALUES_11_(f, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_MESSAGE_(11, f)
#define SHMLOG_VALUES_12_(f, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ SHMLOG_MESSAGE_(12, f)
#define SHMLOG_VALUES_13_(f, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ SHMLOG_MESSAGE_(13, f)
#define SHMLOG_VALUES_14_(f, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ SHMLOG_HOLD_(14) x14 SHMLOG_HELD_ SHMLOG_MESSAGE_(14, f)
#define SHMLOG_VALUES_15_(f, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ SHMLOG_HOLD_(14) x14 SHMLOG_HELD_ SHMLOG_HOLD_(15) x15 SHMLOG_HELD_ SHMLOG_MESSAGE_(15, f)
#define SHMLOG_VALUES_16_(f, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15, x16) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ SHMLOG_HOLD_(14) x14 SHMLOG_HELD_ SHMLOG_HOLD_(15) x15 SHMLOG_HELD_ SHMLOG_HOLD_(16) x16 SHMLOG_HELD_ SHMLOG_MESSAGE_(16, f)
#define SHMLOG_VALUES_MANY_(...) SHMLOG_STATIC_ASSERT_(0, SHMLOG_AT_MOST_); SHMLOG_VALUES_0_("")
/* The name, then names and values, of an event. */
#define SHMLOG_PAIRS_0_(f) SHMLOG_NAMES_ = {""}; SHMLOG_FIELDS_(0)
#define SHMLOG_PAIRS_1_(f, n1, x1) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_NAMES_ = {"", "" n1}; SHMLOG_FIELDS_(1)
#define SHMLOG_PAIRS_2_(f, n1, x1, n2, x2) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_NAMES_ = {"", "" n1, "" n2}; SHMLOG_FIELDS_(2)
#define SHMLOG_PAIRS_3_(f, n1, x1, n2, x2, n3, x3) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_NAMES_ = {"", "" n1, "" n2, "" n3}; SHMLOG_FIELDS_(3)
#define SHMLOG_PAIRS_4_(f, n1, x1, n2, x2, n3, x3, n4, x4) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_NAMES_ = {"", "" n1, "" n2, "" n3, "" n4}; SHMLOG_FIELDS_(4)
#define SHMLOG_PAIRS_5_(f, n1, x1, n2, x2, n3, x3, n4, x4, n5, x5) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_NAMES_ = {"", "" n1, "" n2, "" n3, "" n4, "" n5}; SHMLOG_FIELDS_(5)
#define SHMLOG_PAIRS_6_(f, n1, x1, n2, x2, n3, x3, n4, x4, n5, x5, n6, x6) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_NAMES_ = {"", "" n1, "" n2, "" n3, "" n4, "" n5, "" n6}; SHMLOG_FIELDS_(6)
#define SHMLOG_PAIRS_7_(f, n1, x1, n2, x2, n3, x3, n4, x4, n5, x5, n6, x6, n7, x7) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_NAMES_ = {"", "" n1, "" n2, "" n3, "" n4, "" n5, "" n6, "" n7}; SHMLOG_FIELDS_(7)
#define SHMLOG_PAIRS_8_(f, n1, x1, n2, x2, n3, x3, n4, x4, n5, x5, n6, x6, n7, x7, n8, x8) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_NAMES_ = {"", "" n1, "" n2, "" n3, "" n4, "" n5, "" n6, "" n7, "" n8}; SHMLOG_FIELDS_(8)
#define SHMLOG_PAIRS_9_(f, n1, x1, n2, x2, n3, x3, n4, x4, n5, x5, n6, x6, n7, x7, n8, x8, n9, x9) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_NAMES_ = {"", "" n1, "" n2, "" n3, "" n4, "" n5, "" n6, "" n7, "" n8, "" n9}; SHMLOG_FIELDS_(9)
#define SHMLOG_PAIRS_10_(f, n1, x1, n2, x2, n3, x3, n4, x4, n5, x5, n6, x6, n7, x7, n8, x8, n9, x9, n10, x10) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_NAMES_ = {"", "" n1, "" n2, "" n3, "" n4, "" n5, "" n6, "" n7, "" n8, "" n9, "" n10}; SHMLOG_FIELDS_(10)
#define SHMLOG_PAIRS_11_(f, n1, x1, n2, x2, n3, x3, n4, x4, n5, x5, n6, x6, n7, x7, n8, x8, n9, x9, n10, x10, n11, x11) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_NAMES_ = {"", "" n1, "" n2, "" n3, "" n4, "" n5, "" n6, "" n7, "" n8, "" n9, "" n10, "" n11}; SHMLOG_FIELDS_(11)
#define SHMLOG_PAIRS_12_(f, n1, x1, n2, x2, n3, x3, n4, x4, n5, x5, n6, x6, n7, x7, n8, x8, n9, x9, n10, x10, n11, x11, n12, x12) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ SHMLOG_NAMES_ = {"", "" n1, "" n2, "" n3, "" n4, "" n5, "" n6, "" n7, "" n8, "" n9, "" n10, "" n11, "" n12}; SHMLOG_FIELDS_(12)
#define SHMLOG_PAIRS_13_(f, n1, x1, n2, x2, n3, x3, n4, x4, n5, x5, n6, x6, n7, x7, n8, x8, n9, x9, n10, x10, n11, x11, n12, x12, n13, x13) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ SHMLOG_NAMES_ = {"", "" n1, "" n2, "" n3, "" n4, "" n5, "" n6, "" n7, "" n8, "" n9, "" n10, "" n11, "" n12, "" n13}; SHMLOG_FIELDS_(13)
#define SHMLOG_PAIRS_14_(f, n1, x1, n2, x2, n3, x3, n4, x4, n5, x5, n6, x6, n7, x7, n8, x8, n9, x9, n10, x10, n11, x11, n12, x12, n13, x13, n14, x14) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ SHMLOG_HOLD_(14) x14 SHMLOG_HELD_ SHMLOG_NAMES_ = {"", "" n1, "" n2, "" n3, "" n4, "" n5, "" n6, "" n7, "" n8, "" n9, "" n10, "" n11, "" n12, "" n13, "" n14}; SHMLOG_FIELDS_(14)
#define SHMLOG_PAIRS_15_(f, n1, x1, n2, x2, n3, x3, n4, x4, n5, x5, n6, x6, n7, x7, n8, x8, n9, x9, n10, x10, n11, x11, n12, x12, n13, x13, n14, x14, n15, x15) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ SHMLOG_HOLD_(14) x14 SHMLOG_HELD_ SHMLOG_HOLD_(15) x15 SHMLOG_HELD_ SHMLOG_NAMES_ = {"", "" n1, "" n2, "" n3, "" n4, "" n5, "" n6, "" n7, "" n8, "" n9, "" n10, "" n11, "" n12, "" n13, "" n14, "" n15}; SHMLOG_FIELDS_(15)
#define SHMLOG_PAIRS_16_(f, n1, x1, n2, x2, n3, x3, n4, x4, n5, x5, n6, x6, n7, x7, n8, x8, n9, x9, n10, x10, n11, x11, n12, x12, n13, x13, n14, x14, n15, x15, n16, x16) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ SHMLOG_HOLD_(14) x14 SHMLOG_HELD_ SHMLOG_HOLD_(15) x15 SHMLOG_HELD_ SHMLOG_HOLD_(16) x16 SHMLOG_HELD_ SHMLOG_NAMES_ = {"", "" n1, "" n2, "" n3, "" n4, "" n5, "" n6, "" n7, "" n8, "" n9, "" n10, "" n11, "" n12, "" n13, "" n14, "" n15, "" n16}; SHMLOG_FIELDS_(16)
#define SHMLOG_PAIRS_ODD_(...) SHMLOG_STATIC_ASSERT_(0, SHMLOG_IN_PAIRS_); SHMLOG_PAIRS_0_("")
#define SHMLOG_PAIRS_MANY_(...) SHMLOG_STATIC_ASSERT_(0, SHMLOG_AT_MOST_); SHMLOG_PAIRS_0_("")
/* M(i) for 1 to n */
#define SHMLOG_UPTO_0_(M)
#define SHMLOG_UPTO_1_(M) M(1)
#define SHMLOG_UPTO_2_(M) SHMLOG_UPTO_1_(M) M(2)
#define SHMLOG_UPTO_3_(M) SHMLOG_UPTO_2_(M) M(3)
#define SHMLOG_UPTO_4_(M) SHMLOG_UPTO_3_(M) M(4)
#define SHMLOG_UPTO_5_(M) SHMLOG_UPTO_4_(M) M(5)
#define SHMLOG_UPTO_6_(M) SHMLOG_UPTO_5_(M) M(6)
#define SHMLOG_UPTO_7_(M) SHMLOG_UPTO_6_(M) M(7)
#define SHMLOG_UPTO_8_(M) SHMLOG_UPTO_7_(M) M(8)
#define SHMLOG_UPTO_9_(M) SHMLOG_UPTO_8_(M) M(9)
#define SHMLOG_UPTO_10_(M) SHMLOG_UPTO_9_(M) M(10)
#define SHMLOG_UPTO_11_(M) SHMLOG_UPTO_10_(M) M(11)
#define SHMLOG_UPTO_12_(M) SHMLOG_UPTO_11_(M) M(12)
#define SHMLOG_UPTO_13_(M) SHMLOG_UPTO_12_(M) M(13)
#define SHMLOG_UPTO_14_(M) SHMLOG_UPTO_13_(M) M(14)
#define SHMLOG_UPTO_15_(M) SHMLOG_UPTO_14_(M) M(15)
#define SHMLOG_UPTO_16_(M) SHMLOG_UPTO_15_(M) M(16)
/* Which of these lines, by the number of a call's arguments, the first of them included. */
#define SHMLOG_VALUES_(...) SHMLOG_ROW_(SHMLOG_VALUES_, SHMLOG_PICK_(__VA_ARGS__, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0))
#define SHMLOG_PAIRS_(...) SHMLOG_ROW_(SHMLOG_PAIRS_, SHMLOG_PICK_(__VA_ARGS__, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, 16, ODD, 15, ODD, 14, ODD, 13, ODD, 12, ODD, 11, ODD, 10, ODD, 9, ODD, 8, ODD, 7, ODD, 6, ODD, 5, ODD, 4, ODD, 3, ODD, 2, ODD, 1, ODD, 0, 0))
#define SHMLOG_ROW_(table, row) SHMLOG_CAT_(SHMLOG_CAT_(table, row), _)
#define SHMLOG_PICK_(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, a33, a34, a35, a36, a37, a38, a39, a40, a41, a42, a43, a44, a45, a46, a47, a48, a49, a50, a51, a52, a53, a54, a55, a56, a57, a58, a59, a60, a61, a62, a63, a64, pick, ...) pick
/* clang-format on */
#endif

/* printf-style: (log, "format", up to 16 arguments). The format is a literal, checked by the
 * compiler; neither positional arguments (%1$d) nor %m. Each argument is evaluated once. Integers,
 * float, double, bool, char, enumerations, pointers are stored as they are, a long double as a
 * double, a bit-field as what it promotes to; a char * is copied as a string (a NULL one is kept as
 * such), with %.*s or %.Ns as much of it as the precision says, with %p only its address; any other
 * pointer, also that to a function, is an address. In C++ an object that converts to one of these
 * is stored as that. What else there is, among it pointers to members and __int128, does not
 * compile. A record holds at most 3,572 bytes of arguments; a string that goes beyond is cut and
 * marked as cut. The arguments' text in the source gives them their names: see SHMLOG_NAMED().
 *
 * In C an argument with a comma in braces needs parentheses around it. */
#define shmlog_trace(log, ...)                                              \
    SHMLOG_BEGIN_MESSAGE_(log, SHMLOG_TRACE, "", #__VA_ARGS__, __VA_ARGS__) \
    SHMLOG_VALUES_(__VA_ARGS__)(__VA_ARGS__) SHMLOG_END_(0, 0)
#define shmlog_debug(log, ...)                                              \
    SHMLOG_BEGIN_MESSAGE_(log, SHMLOG_DEBUG, "", #__VA_ARGS__, __VA_ARGS__) \
    SHMLOG_VALUES_(__VA_ARGS__)(__VA_ARGS__) SHMLOG_END_(0, 0)
#define shmlog_info(log, ...)                                              \
    SHMLOG_BEGIN_MESSAGE_(log, SHMLOG_INFO, "", #__VA_ARGS__, __VA_ARGS__) \
    SHMLOG_VALUES_(__VA_ARGS__)(__VA_ARGS__) SHMLOG_END_(0, 0)
#define shmlog_warn(log, ...)                                              \
    SHMLOG_BEGIN_MESSAGE_(log, SHMLOG_WARN, "", #__VA_ARGS__, __VA_ARGS__) \
    SHMLOG_VALUES_(__VA_ARGS__)(__VA_ARGS__) SHMLOG_END_(0, 0)
#define shmlog_error(log, ...)                                              \
    SHMLOG_BEGIN_MESSAGE_(log, SHMLOG_ERROR, "", #__VA_ARGS__, __VA_ARGS__) \
    SHMLOG_VALUES_(__VA_ARGS__)(__VA_ARGS__) SHMLOG_END_(0, 0)
#define shmlog_critical(log, ...)                                              \
    SHMLOG_BEGIN_MESSAGE_(log, SHMLOG_CRITICAL, "", #__VA_ARGS__, __VA_ARGS__) \
    SHMLOG_VALUES_(__VA_ARGS__)(__VA_ARGS__) SHMLOG_END_(0, 0)

/* The same with a time of the caller's own, in ticks as from shmlog_now(). */
#define shmlog_trace_at(log, ticks, ...)                                    \
    SHMLOG_BEGIN_MESSAGE_(log, SHMLOG_TRACE, "", #__VA_ARGS__, __VA_ARGS__) \
    SHMLOG_VALUES_(__VA_ARGS__)(__VA_ARGS__) SHMLOG_END_(1, ticks)
#define shmlog_debug_at(log, ticks, ...)                                    \
    SHMLOG_BEGIN_MESSAGE_(log, SHMLOG_DEBUG, "", #__VA_ARGS__, __VA_ARGS__) \
    SHMLOG_VALUES_(__VA_ARGS__)(__VA_ARGS__) SHMLOG_END_(1, ticks)
#define shmlog_info_at(log, ticks, ...)                                    \
    SHMLOG_BEGIN_MESSAGE_(log, SHMLOG_INFO, "", #__VA_ARGS__, __VA_ARGS__) \
    SHMLOG_VALUES_(__VA_ARGS__)(__VA_ARGS__) SHMLOG_END_(1, ticks)
#define shmlog_warn_at(log, ticks, ...)                                    \
    SHMLOG_BEGIN_MESSAGE_(log, SHMLOG_WARN, "", #__VA_ARGS__, __VA_ARGS__) \
    SHMLOG_VALUES_(__VA_ARGS__)(__VA_ARGS__) SHMLOG_END_(1, ticks)
#define shmlog_error_at(log, ticks, ...)                                    \
    SHMLOG_BEGIN_MESSAGE_(log, SHMLOG_ERROR, "", #__VA_ARGS__, __VA_ARGS__) \
    SHMLOG_VALUES_(__VA_ARGS__)(__VA_ARGS__) SHMLOG_END_(1, ticks)
#define shmlog_critical_at(log, ticks, ...)                                    \
    SHMLOG_BEGIN_MESSAGE_(log, SHMLOG_CRITICAL, "", #__VA_ARGS__, __VA_ARGS__) \
    SHMLOG_VALUES_(__VA_ARGS__)(__VA_ARGS__) SHMLOG_END_(1, ticks)

/* printf-style with level (a constant) and category (a literal). */
#define shmlog_log(log, level, category, ...)                              \
    SHMLOG_BEGIN_MESSAGE_(log, level, category, #__VA_ARGS__, __VA_ARGS__) \
    SHMLOG_VALUES_(__VA_ARGS__)(__VA_ARGS__) SHMLOG_END_(0, 0)
#define shmlog_log_at(log, ticks, level, category, ...)                    \
    SHMLOG_BEGIN_MESSAGE_(log, level, category, #__VA_ARGS__, __VA_ARGS__) \
    SHMLOG_VALUES_(__VA_ARGS__)(__VA_ARGS__) SHMLOG_END_(1, ticks)

/* An argument with a name of its own, a literal:
 *
 *     shmlog_info(log, "refused %lu: %s", SHMLOG_NAMED("order_id", o->id), reason);
 *
 * Without it, the name is the last identifier of the expression that stands in no brackets, as `id`
 * in o->id and `get_px` in get_px(a[i]), or argN for the N-th argument; see shmlog(3). It expands
 * to text with the name in it, so that a macro of the user's own may pass a call on. */
#define SHMLOG_NAMED(name, value) ((void)"" name, (value))

/* A structured event: (log, level, category, "name", "field", value, "field", value, ...), up to
 * 16 fields. Values as above, and shmlog_text(p, n), shmlog_bytes(p, n). */
#define shmlog_event(log, level, category, ...)                             \
    SHMLOG_BEGIN_(log, SHMLOG_SITE_EVENT, level, category, 0, SHMLOG_NULL_, \
                  SHMLOG_FIRST_(__VA_ARGS__))                               \
    SHMLOG_PAIRS_(__VA_ARGS__)(__VA_ARGS__) SHMLOG_END_(0, 0)
#define shmlog_event_at(log, ticks, level, category, ...)                   \
    SHMLOG_BEGIN_(log, SHMLOG_SITE_EVENT, level, category, 0, SHMLOG_NULL_, \
                  SHMLOG_FIRST_(__VA_ARGS__))                               \
    SHMLOG_PAIRS_(__VA_ARGS__)(__VA_ARGS__) SHMLOG_END_(1, ticks)

/* `size` bytes of text as they are, at most SHMLOG_LINE_MAX, as a message. With `more` (a
 * constant), the thread's next shmlog_line() of the same level in the same function goes on with
 * the same line, and readers put the two together. What the thread logs in between, in a signal
 * handler say, stays apart. */
#define SHMLOG_LINE_MAX (SHMLOG_RECORD_PAYLOAD - SHMLOG_PAYLOAD_ARGS - 4u)
#define SHMLOG_LINE_FLAGS_(more) (SHMLOG_SITE_FLAG_LINE | ((more) ? SHMLOG_SITE_FLAG_MORE : 0u))
#define shmlog_line(log, level, more, data, size)                                               \
    SHMLOG_BEGIN_(log, SHMLOG_SITE_PRINTF, level, "", SHMLOG_LINE_FLAGS_(more), "\"%s\", text", \
                  "%s")                                                                         \
    SHMLOG_LINE_(data, size) SHMLOG_END_(0, 0)

/* A raw record: a struct of the user's own, copied as it is. Declared once, at file scope:
 *
 *     struct fill { uint64_t id; double px; uint32_t qty; char sym[8]; };
 *     SHMLOG_RECORD(fill_record, struct fill, SHMLOG_INFO, SHMLOG_TRADE, "fill",
 *                   SHMLOG_FIELD(struct fill, id), SHMLOG_FIELD(struct fill, px),
 *                   SHMLOG_FIELD(struct fill, qty), SHMLOG_FIELD(struct fill, sym));
 *
 * and logged with shmlog_record(log, &fill_record, &fill): a pointer to that struct, however
 * qualified, in C++ also to a class derived from it, of which the base is logged; any other does
 * not compile. Up to 32 fields of plain types, pointers (the address) and char arrays; up to 3,568
 * bytes. Bytes in no field are not kept. */
#ifdef __cplusplus
template <class T, bool Severe> struct shmlog_record_ {
    struct shmlog_callsite_ site;
};
#define SHMLOG_RECORD_OF_(type_, level_) shmlog_record_<type_, ((level_) >= SHMLOG_SEVERE)>
#define SHMLOG_RECORD_END_
#else
#define SHMLOG_RECORD_OF_(type_, level_)                                    \
    struct {                                                                \
        SHMLOG_STRUCT_ shmlog_callsite_ site;                               \
        type_ *type;                                       /* never read */ \
        char (*severe)[(level_) >= SHMLOG_SEVERE ? 2 : 1]; /* never read */ \
    }
#define SHMLOG_RECORD_END_ , SHMLOG_NULL_, SHMLOG_NULL_
#endif
#define SHMLOG_RECORD(var, type, level_, category_, name_, ...)                                    \
    SHMLOG_CHECK_LEVEL_(level_);                                                                   \
    static const SHMLOG_STRUCT_ shmlog_field_ var##_fields_[] = {__VA_ARGS__};                     \
    SHMLOG_STATIC_ASSERT_(sizeof(var##_fields_) / sizeof(var##_fields_[0]) <=                      \
                              SHMLOG_RAW_FIELDS_MAX,                                               \
                          "at most 32 fields");                                                    \
    SHMLOG_STATIC_ASSERT_(sizeof(type) <= SHMLOG_RECORD_PAYLOAD - SHMLOG_PAYLOAD_RAW,              \
                          "at most 3,568 bytes");                                                  \
    static SHMLOG_RECORD_OF_(type, level_) var __attribute__((unused)) = {                         \
        SHMLOG_CALLSITE_(SHMLOG_SITE_RAW, level_, category_, 0, sizeof(type), name_, SHMLOG_NULL_, \
                         sizeof(var##_fields_) / sizeof(var##_fields_[0]), var##_fields_)          \
            SHMLOG_RECORD_END_}
#define SHMLOG_FIELD(type, member)                                             \
    {                                                                          \
#member, offsetof(type, member), sizeof(SHMLOG_MEMBER_(type, member)), \
            sizeof(char[SHMLOG_FIELD_OK_(type, member) ? 1 : -1]) *            \
                SHMLOG_FIELD_CODE_(type, member)                               \
    }
#define shmlog_record(log, record, data) SHMLOG_RAW_(log, record, data, 0, 0)
#define shmlog_record_at(log, ticks, record, data) SHMLOG_RAW_(log, record, data, 1, ticks)

SHMLOG_INLINE_ void shmlog_put_raw_word_(struct shmlog *log, const struct shmlog_callsite_ *site,
                                         const void *from, size_t size, uint64_t word, int flags,
                                         uint64_t time)
{
    if (size <= 64 - 8 - SHMLOG_PAYLOAD_RAW) {
        struct shmlog_words_ w = {0, 0, 0, 0, 0, 0};

        /* w3 .. w7 lie together; the bound again, for gcc -O0 warns of what is not reached */
        memcpy(&w.w3, from, size <= 64 - 8 - SHMLOG_PAYLOAD_RAW ? size : 0);
        shmlog_commit_one_(log, &w, word, 8 + SHMLOG_PAYLOAD_RAW + (uint32_t)size, flags, time);
    } else {
        shmlog_put_raw_long_(log, shmlog_thread_state_(log), site, shmlog_word_id_(word), from,
                             flags, time);
    }
}
SHMLOG_INLINE_ void shmlog_put_raw_(struct shmlog *log, struct shmlog_callsite_ *site,
                                    const volatile void *data, size_t size, int flags,
                                    uint64_t time)
{
    const void *const from = (const void *)(uintptr_t)data;
    uint64_t word;

    if (shmlog_site_word_(log, site, &word))
        shmlog_put_raw_word_(log, site, from, size, word, flags, time);
    else
        shmlog_put_raw_elsewhere_(log, site, from, size, flags, time);
}
#ifdef __cplusplus
/* T is the record's alone: `data` has to be a pointer to it, or convert to one. */
template <class T, bool Severe>
SHMLOG_INLINE_ void shmlog_put_record_(struct shmlog *log, struct shmlog_record_<T, Severe> *record,
                                       typename shmlog_if_<true, const volatile T *>::type data,
                                       int flags, uint64_t time)
{
    shmlog_put_raw_(log, &record->site, data, sizeof(T), Severe ? flags | SHMLOG_SEVERE_ : flags,
                    time);
}
#define SHMLOG_RAW_(log_, record_, data_, timed_, time_)                         \
    do {                                                                         \
        SHMLOG_STRUCT_ shmlog *const shmlog_l_ = (log_);                         \
        auto *const shmlog_r_ = (record_);                                       \
        if (shmlog_enabled(shmlog_l_, shmlog_r_->site.level))                    \
            shmlog_put_record_(shmlog_l_, shmlog_r_, (data_),                    \
                               SHMLOG_FLAGS_OF_(timed_, SHMLOG_TRACE), (time_)); \
    } while (0)
#else
#define SHMLOG_RAW_(log_, record_, data_, timed_, time_)                                         \
    do {                                                                                         \
        SHMLOG_STRUCT_ shmlog *const shmlog_l_ = (log_);                                         \
        __extension__ __auto_type shmlog_r_ = (record_);                                         \
        if (shmlog_enabled(shmlog_l_, shmlog_r_->site.level)) {                                  \
            __extension__ __auto_type shmlog_d_ = ((void)0, (data_));                            \
            SHMLOG_STATIC_ASSERT_(SHMLOG_POINTS_TO_(shmlog_d_, __typeof__(*shmlog_r_->type)),    \
                                  "shmlog_record: the data is not a pointer to the struct that " \
                                  "the record was declared with");                               \
            shmlog_put_raw_(shmlog_l_, &shmlog_r_->site, shmlog_d_, sizeof(*shmlog_r_->type),    \
                            SHMLOG_FLAGS_OF_(timed_, sizeof(*shmlog_r_->severe) == 2             \
                                                         ? SHMLOG_SEVERE                         \
                                                         : SHMLOG_TRACE),                        \
                            (time_));                                                            \
        }                                                                                        \
    } while (0)
#define SHMLOG_POINTS_TO_(x_, type_)                                   \
    (__builtin_types_compatible_p(__typeof__(x_), type_ *) ||          \
     __builtin_types_compatible_p(__typeof__(x_), const type_ *) ||    \
     __builtin_types_compatible_p(__typeof__(x_), volatile type_ *) || \
     __builtin_types_compatible_p(__typeof__(x_), const volatile type_ *))
#endif

/* ---- Cold paths ----
 *
 * Only raw system calls and memory: async-signal-safe, and errno is kept. */

SHMLOG_BEGIN_C_

#if !defined(__cplusplus) && defined(__STRICT_ANSI__) && !defined(_GNU_SOURCE) && \
    !defined(_DEFAULT_SOURCE)
extern long syscall(long number, ...); /* hidden by -std=c11 */
#endif

/* MemorySanitizer does not see what a system call writes. */
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#define SHMLOG_MSAN_ 1
extern void __msan_unpoison(const volatile void *memory, size_t size);
#endif
#endif
SHMLOG_INLINE_ void shmlog_written_(const void *memory, long size)
{
#ifdef SHMLOG_MSAN_
    if (size > 0)
        __msan_unpoison(memory, (size_t)size);
#else
    (void)memory;
    (void)size;
#endif
}

/* A system call; its result or a negative errno. */
SHMLOG_COLD_ long shmlog_sys_(long number, long a, long b, long c, long d, long e, long f);
SHMLOG_COLD_ long shmlog_sys_(long number, long a, long b, long c, long d, long e, long f)
{
    const int saved = errno;
    const long r = syscall(number, a, b, c, d, e, f);
    const long result = r == -1 ? -(long)errno : r;

    errno = saved;
    return result;
}
#define SHMLOG_PTR_(p) ((long)(uintptr_t)(p))
#define SHMLOG_AT_FDCWD_ (-100L)
#define SHMLOG_AT_SYMLINK_NOFOLLOW_ 0x100L
#define SHMLOG_O_CLOEXEC_ 02000000L
#if defined(__aarch64__) || defined(__arm__) || defined(__powerpc__)
#define SHMLOG_O_NOFOLLOW_ 0100000L
#else
#define SHMLOG_O_NOFOLLOW_ 0400000L
#endif
#define SHMLOG_MAP_SHARED_ 0x01L
#define SHMLOG_MAP_PRIVATE_ 0x02L
#define SHMLOG_MAP_FIXED_ 0x10L
#define SHMLOG_MAP_ANONYMOUS_ 0x20L
#define SHMLOG_MAP_NORESERVE_ 0x4000L
#define SHMLOG_MAP_POPULATE_ 0x8000L
#define SHMLOG_MADV_WIPEONFORK_ 18L
#define SHMLOG_PR_SET_NAME_ 15L
#define SHMLOG_PR_GET_NAME_ 16L
#define SHMLOG_FUTEX_WAIT_PRIVATE_ 128L
#define SHMLOG_FUTEX_WAKE_PRIVATE_ 129L
#define SHMLOG_MREMAP_ 3L /* MAYMOVE, FIXED */
#define SHMLOG_HUGETLBFS_ UINT64_C(0x958458f6)

SHMLOG_COLD_ void shmlog_unattached_call_(void)
{
    __atomic_fetch_add(&shmlog_unattached_, 1, __ATOMIC_RELAXED);
}

SHMLOG_OUTLINE_ uint64_t shmlog_monotonic_ns_(void)
{
    struct timespec ts;

    ts.tv_sec = 0;
    ts.tv_nsec = 0;
#ifdef CLOCK_MONOTONIC
    clock_gettime(CLOCK_MONOTONIC, &ts);
#else
    shmlog_sys_(SYS_clock_gettime, 1, SHMLOG_PTR_(&ts), 0, 0, 0, 0);
#endif
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* A wait of `us` microseconds. */
SHMLOG_COLD_ void shmlog_nap_(long us);
SHMLOG_COLD_ void shmlog_nap_(long us)
{
    struct timespec ts;

    ts.tv_sec = us / 1000000;
    ts.tv_nsec = us % 1000000 * 1000;
    shmlog_sys_(SYS_nanosleep, SHMLOG_PTR_(&ts), 0, 0, 0, 0, 0);
}

/* All signals off, and back: registration must not be entered again half-way by a handler. But for
 * SIGBUS: raised by an access and blocked, it kills. */
#define SHMLOG_BUS_BIT_ (UINT64_C(1) << (SIGBUS - 1))
SHMLOG_COLD_ uint64_t shmlog_block_signals_(void);
SHMLOG_COLD_ uint64_t shmlog_block_signals_(void)
{
    uint64_t all = ~SHMLOG_BUS_BIT_, before = 0;

    shmlog_sys_(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, SHMLOG_PTR_(&all), SHMLOG_PTR_(&before), 8,
                0, 0);
    return before;
}
SHMLOG_COLD_ void shmlog_unblock_signals_(uint64_t before);
SHMLOG_COLD_ void shmlog_unblock_signals_(uint64_t before)
{
    shmlog_sys_(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, SHMLOG_PTR_(&before), 0, 8, 0, 0);
}

/* ---- A log that attaches by itself ----
 *
 * An attachment never changes: that is what makes a log call safe at any moment. A log that was
 * opened with SHMLOG_OPEN_LATER stands for one attachment after the other. It is itself the first
 * one if the segment was there, else an empty one: private memory in the place of the control file.
 * As long as it is attached itself, calls go the straight way. Otherwise its site key is that of no
 * segment, so that each call comes to shmlog_put_elsewhere_(), which takes the attachment of the
 * moment, or counts the call.
 *
 * A thread looks for the segment every 20 ms. It makes attachments, publishes them with one store,
 * and when the control file is not the segment's any more, it puts private memory in the place of
 * the old ones, as the SIGBUS handler does: a call that is still in there counts its record, or
 * commits it to nowhere, which is found and counted. Their addresses stay until shmlog_close(). */
struct shmlog_follow_ {
    struct shmlog *current; /* the attachment that calls go to, NULL: none */
    uint64_t missed;        /* calls without one, which no segment knows of yet */
    struct shmlog *dead;    /* attachments whose segment is gone, the last one first */
    int32_t error;          /* of the last attempt, 0: attached */
    uint32_t refused_version;
    uint32_t stop; /* the thread is to end; it waits on this word */
    uint32_t pid;  /* of the process that has the thread */
    pthread_t thread;
    pthread_key_t waited_key; /* of each thread: its calls while there was no segment */
    struct shmlog_options options;
    char process_name[32];
    char segment[4096], folder[4096]; /* as given and $SHMLOG_DIR; absolute */
    char control[4096];               /* path of the attachment's control file */
};

SHMLOG_INLINE_ uint64_t shmlog_waited_(const struct shmlog_follow_ *follow)
{
    const void *const value = pthread_getspecific(follow->waited_key);

    return (uint64_t)(uintptr_t)value;
}

/* The attachment behind `log`, NULL if there is none. */
SHMLOG_INLINE_ struct shmlog *shmlog_current_(struct shmlog *log)
{
    /* pairs with the release of shmlog_leave_segment_() */
    if (!log || shmlog_load_acquire_(&log->local.site_key) != SHMLOG_SITE_KEY_LATER_)
        return log;
    /* pairs with the release of shmlog_attach_later_() */
    return __atomic_load_n(&log->local.follow->current, __ATOMIC_ACQUIRE);
}

/* A random number for a key: even, at least 4. */
SHMLOG_COLD_ uint64_t shmlog_random_(void);
SHMLOG_COLD_ uint64_t shmlog_random_(void)
{
    uint64_t r = 0;

    if (shmlog_sys_(SYS_getrandom, SHMLOG_PTR_(&r), sizeof(r), 0, 0, 0, 0) != (long)sizeof(r)) {
        r = shmlog_tsc_() ^ shmlog_monotonic_ns_();
        r = (r ^ (uint64_t)shmlog_sys_(SYS_gettid, 0, 0, 0, 0, 0, 0) << 40) *
            UINT64_C(0x9e3779b97f4a7c15);
    }
    r &= ~UINT64_C(1);
    return r < 4 ? 4 : r;
}

/* Read a small file whole; the bytes read or a negative error. */
SHMLOG_COLD_ long shmlog_read_file_(const char *path, void *buffer, size_t size);
SHMLOG_COLD_ long shmlog_read_file_(const char *path, void *buffer, size_t size)
{
    const long fd =
        shmlog_sys_(SYS_openat, SHMLOG_AT_FDCWD_, SHMLOG_PTR_(path), SHMLOG_O_CLOEXEC_, 0, 0, 0);
    long n;

    if (fd < 0)
        return fd;
    n = shmlog_sys_(SYS_read, fd, SHMLOG_PTR_(buffer), (long)size, 0, 0, 0);
    shmlog_written_(buffer, n);
    shmlog_sys_(SYS_close, fd, 0, 0, 0, 0, 0);
    return n;
}

#define SHMLOG_OWN_STAT_ "/proc/thread-self/stat"
/* Start time of the calling thread: field 22 of its stat file (proc(5)); the name in field 2 may
 * hold anything, so count from its closing parenthesis. 0 where there is no /proc. */
SHMLOG_COLD_ uint64_t shmlog_start_time_(const char *stat);
SHMLOG_COLD_ uint64_t shmlog_start_time_(const char *stat)
{
    char text[1024];
    const long n = shmlog_read_file_(stat, text, sizeof(text) - 1);
    uint64_t value = 0;
    long i = n - 1;
    int field = 2;

    if (n <= 0)
        return 0;
    text[n] = 0;
    while (i > 0 && text[i] != ')')
        i--;
    for (; text[i] && field < 22; i++)
        field += text[i] == ' ';
    for (; text[i] >= '0' && text[i] <= '9'; i++)
        value = value * 10 + (uint64_t)(text[i] - '0');
    return value;
}

/* ---- Producers ---- */

SHMLOG_INLINE_ void *shmlog_table_(struct shmlog *log, uint64_t offset)
{
    return (uint8_t *)&log->control + offset;
}

/* Is private memory in the place of the control file, or was the file written over? What its tables
 * say then holds no longer. To be asked after they were read: what was not gone then was not gone
 * before. */
SHMLOG_INLINE_ int shmlog_control_gone_(const struct shmlog *log)
{
    return shmlog_load_relaxed_(&log->control.magic) != SHMLOG_CONTROL_MAGIC;
}

/* May a thread take the entry? `kept`: also one that is kept for the names of the dead. */
SHMLOG_INLINE_ int shmlog_may_take_(uint64_t claim, int kept)
{
    const uint64_t state = claim & SHMLOG_PRODUCER_STATE;

    return !claim || (kept && state >= SHMLOG_PRODUCER_DEAD && state <= SHMLOG_PRODUCER_LEFT);
}

/* Fill in an entry of the producer table for the calling thread, one from `begin` on and before
 * `end`; its id, 0 if there is none to be taken. */
SHMLOG_INLINE_ uint32_t shmlog_take_producer_(struct shmlog *log, uint64_t key, uint32_t tid,
                                              uint32_t begin, uint32_t end, int kept)
{
    struct shmlog_producer *const table =
        (struct shmlog_producer *)shmlog_table_(log, log->local.geometry.producers_offset);

    for (uint32_t i = begin; i < end; i++) {
        struct shmlog_producer *const p = &table[i];
        uint64_t before = shmlog_load_relaxed_(&p->claim);
        uint32_t used, id;

        if (!shmlog_may_take_(before, kept))
            continue;
        /* before the claim: whoever dies over it must be found */
        used = shmlog_load32_relaxed_(&log->control.producers_used);
        while (used < i + 1 &&
               !__atomic_compare_exchange_n(&log->control.producers_used, &used, i + 1, 1,
                                            __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            ;
        if (!__atomic_compare_exchange_n(&p->claim, &before,
                                         SHMLOG_PRODUCER_FILLING_CLAIM(tid, log->local.pid_ns), 0,
                                         __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            continue;
        id = ((shmlog_load32_acquire_(&p->id) >> 16) + 1) << 16 | (i + 1);
        if (shmlog_control_gone_(log)) /* an empty table has ids that other threads have */
            return 0;
        p->id = id;
        p->pid = (uint32_t)shmlog_sys_(SYS_getpid, 0, 0, 0, 0, 0, 0);
        p->tid = tid;
        p->ring = 0;
        p->why = 0;
        p->rings_missing = log->local.rings_missing;
        p->start_time = shmlog_start_time_(SHMLOG_OWN_STAT_);
        p->attachment = key;
        p->pid_ns = log->local.pid_ns;
        memcpy(p->process, log->local.process, sizeof(p->process));
        memset(p->thread, 0, sizeof(p->thread));
        shmlog_sys_(SYS_prctl, SHMLOG_PR_GET_NAME_, SHMLOG_PTR_(p->thread), 0, 0, 0, 0);
        /* pairs with the readers' acquire of claim */
        shmlog_store_release_(&p->claim, (uint64_t)tid << 32 | SHMLOG_PRODUCER_LIVE);
        return id;
    }
    return 0;
}
/* A free one. */
SHMLOG_COLD_ uint32_t shmlog_new_producer_(struct shmlog *log, uint64_t key, uint32_t tid,
                                           uint32_t begin, uint32_t end);
SHMLOG_COLD_ uint32_t shmlog_new_producer_(struct shmlog *log, uint64_t key, uint32_t tid,
                                           uint32_t begin, uint32_t end)
{
    return shmlog_take_producer_(log, key, tid, begin, end, 0);
}
/* None is free: one that is kept for the name of a dead thread. */
SHMLOG_COLD_ uint32_t shmlog_kept_producer_(struct shmlog *log, uint64_t key, uint32_t tid,
                                            uint32_t begin, uint32_t end);
SHMLOG_COLD_ uint32_t shmlog_kept_producer_(struct shmlog *log, uint64_t key, uint32_t tid,
                                            uint32_t begin, uint32_t end)
{
    return shmlog_take_producer_(log, key, tid, begin, end, 1);
}

/* The entry that this thread has for the attachment, though it does not know: it is ending, and
 * what it knew was taken away. Its id and, if it owns one, its ring; 0: there is none. */
SHMLOG_COLD_ uint32_t shmlog_find_producer_(struct shmlog *log, uint64_t key, uint32_t tid,
                                            struct shmlog_ring **ret_owned);
SHMLOG_COLD_ uint32_t shmlog_find_producer_(struct shmlog *log, uint64_t key, uint32_t tid,
                                            struct shmlog_ring **ret_owned)
{
    struct shmlog_producer *const table =
        (struct shmlog_producer *)shmlog_table_(log, log->local.geometry.producers_offset);
    uint64_t start = 0;

    for (uint32_t i = 0; i < log->local.geometry.producers_max &&
                         i < shmlog_load32_relaxed_(&log->control.producers_used);
         i++) {
        if (shmlog_load_acquire_(&table[i].claim) != ((uint64_t)tid << 32 | SHMLOG_PRODUCER_LIVE) ||
            table[i].attachment != key)
            continue;
        if (!start)
            start = shmlog_start_time_(SHMLOG_OWN_STAT_);
        if (table[i].start_time == start) { /* else a dead thread's, whose tid came round again */
            const uint32_t id = shmlog_load32_relaxed_(&table[i].id);
            const uint32_t ring = shmlog_load32_relaxed_(&table[i].ring) - 1; /* wraps: none */

            if ((id & 0xffffu) != i + 1)
                continue;
            if (ring >= log->local.geometry.cpu_rings && ring < log->local.geometry.rings &&
                shmlog_load32_relaxed_(&log->local.ring[ring]->owner) == id)
                *ret_owned = log->local.ring[ring];
            return id;
        }
    }
    return 0;
}

/* Is the attachment guarded against SIGBUS by this program or shared object? */
SHMLOG_INLINE_ int shmlog_guarded_(const struct shmlog *log)
{
    return __atomic_load_n(&shmlog_bus_.log[log->local.entry], __ATOMIC_SEQ_CST) == log;
}

/* Where no thread of the process can use the cores' rings. */
SHMLOG_INLINE_ uint32_t shmlog_why_no_sequences_(const struct shmlog *log)
{
    return log->local.clock == SHMLOG_CLOCK_TSC ? SHMLOG_WHY_NO_RSEQ : SHMLOG_WHY_NO_TSC;
}

/* What the thread-specific value says of a thread: 0 nothing; the id of its producer entry; or, if
 * there was none for it, this bit, some bits of the attachment's key, and the records lost. */
#define SHMLOG_NAMELESS_ (UINT64_C(1) << 63)
#define SHMLOG_NAMELESS_LOST_ 0x7fffffffu
SHMLOG_INLINE_ uint64_t shmlog_nameless_(uint64_t key, uint64_t lost)
{
    lost = lost < SHMLOG_NAMELESS_LOST_ ? lost : SHMLOG_NAMELESS_LOST_;
    return SHMLOG_NAMELESS_ | lost << 32 | (uint32_t)(key >> 16);
}
SHMLOG_INLINE_ uint64_t shmlog_value_of_thread_(const struct shmlog *log)
{
    const void *const value = pthread_getspecific(log->local.thread_key);

    return (uint64_t)(uintptr_t)value;
}
SHMLOG_INLINE_ int shmlog_is_nameless_(const struct shmlog *log, uint64_t value)
{
    return ((value ^ shmlog_nameless_(log->key, 0)) & (SHMLOG_NAMELESS_ | UINT32_MAX)) == 0;
}

/* This thread's state; NULL: it is not registered, or nameless. The kernel gives a thread's number
 * to others after it, and a forked child has its parent's memory: key and id have to be right. */
SHMLOG_INLINE_ struct shmlog_state_ *shmlog_find_state_(const struct shmlog *log)
{
    const uint64_t value = shmlog_value_of_thread_(log);
    struct shmlog_state_ *state;

    if (!value || value >= SHMLOG_NAMELESS_)
        return NULL;
    state = &log->local.threads[(value & 0xffffu) - 1];
    return shmlog_way_(log, &state->thread) <= SHMLOG_WAY_OWNED_ && state->thread.producer == value
               ? state
               : NULL;
}

/* May this object's copy be the attachment's: is it so, or nobody's, or that of an attachment which
 * this object opened and has closed? Signals are blocked. */
SHMLOG_COLD_ int shmlog_may_copy_(const struct shmlog *log);
SHMLOG_COLD_ int shmlog_may_copy_(const struct shmlog *log)
{
#ifdef SHMLOG_PLUGIN
    (void)log;
    return 0;
#else
    const uint64_t key = shmlog_copy_.key & ~(uint64_t)SHMLOG_WAY_OWNED_;

    if (key == SHMLOG_KEY_NONE_ || key == log->key)
        return 1;
    if (!shmlog_copy_.ours)
        return 0;
    for (uint32_t i = 0; i < SHMLOG_ATTACHMENTS_; i++)
        if (shmlog_load_relaxed_(&shmlog_open_logs_[i].key) == key)
            return 0;
    return 1;
#endif
}

/* Bring this object's copy up to date. Signals are blocked. */
SHMLOG_COLD_ void shmlog_copy_state_(const struct shmlog *log, const struct shmlog_state_ *state);
SHMLOG_COLD_ void shmlog_copy_state_(const struct shmlog *log, const struct shmlog_state_ *state)
{
#ifdef SHMLOG_PLUGIN
    (void)log;
    (void)state;
#else
    struct shmlog_thread_ copy = state->thread;

    if (!shmlog_may_copy_(log))
        return;
    copy.ours = __atomic_load_n(&shmlog_open_logs_[log->local.entry].log, __ATOMIC_RELAXED) == log;
    copy.refused_version = shmlog_copy_.refused_version;
    shmlog_copy_ = copy;
#endif
}

/* Has it a ring of its own? Signal handlers of the thread may claim one at any time. */
SHMLOG_INLINE_ int shmlog_has_ring_(const struct shmlog *log, const struct shmlog_state_ *state)
{
    return __atomic_load_n(&state->thread.owned, __ATOMIC_RELAXED) != &log->local.none;
}

/* From now on the thread owns this ring. Signals are blocked. */
SHMLOG_INLINE_ void shmlog_own_(const struct shmlog *log, struct shmlog_state_ *state,
                                struct shmlog_ring *ring)
{
    state->thread.owned = ring;
    state->thread.key |= SHMLOG_WAY_OWNED_;
    shmlog_copy_state_(log, state);
}

/* From now on it owns none. Without sequences it does not go by its core's ring for that: one would
 * scribble on the thread's control block. */
SHMLOG_INLINE_ void shmlog_disown_(struct shmlog *log, struct shmlog_state_ *state)
{
    state->thread.owned = &log->local.none;
    state->thread.key = (state->thread.key & ~(uint64_t)SHMLOG_WAY_OWNED_) |
                        (log->local.cpus ? SHMLOG_WAY_CORE_ : SHMLOG_WAY_OWNED_);
    shmlog_copy_state_(log, state);
}

/* Inode of this process's pid namespace; 0 unknown. */
SHMLOG_INLINE_ uint64_t shmlog_pid_ns_(void)
{
    const int error = errno; /* calls leave it as it is */
    struct stat st;
    const uint64_t inode = stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;

    errno = error;
    return inode;
}

/* The attachment's key, a fresh one if this is the first thread of a forked child that asks. */
SHMLOG_COLD_ uint64_t shmlog_key_(struct shmlog *log);
SHMLOG_COLD_ uint64_t shmlog_key_(struct shmlog *log)
{
    uint64_t key = shmlog_load_relaxed_(&log->key);

    if (!key) {
        const uint64_t fresh = shmlog_random_();

        shmlog_store_relaxed_(&log->local.pid_ns, shmlog_pid_ns_()); /* a child may have another */
        if (__atomic_compare_exchange_n(&log->key, &key, fresh, 0, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            key = fresh;
    }
    if (__atomic_load_n(&shmlog_open_logs_[log->local.entry].log, __ATOMIC_RELAXED) == log)
        shmlog_store_relaxed_(&shmlog_open_logs_[log->local.entry].key, key);
    return key;
}

/* Give this thread a producer entry, one of those from `begin` on and before `end`, and its state.
 * NULL: none is free, it stays nameless. Signals are blocked. */
SHMLOG_COLD_ struct shmlog_state_ *shmlog_new_state_(struct shmlog *log, uint64_t key,
                                                     uint32_t begin, uint32_t end);
SHMLOG_COLD_ struct shmlog_state_ *shmlog_new_state_(struct shmlog *log, uint64_t key,
                                                     uint32_t begin, uint32_t end)
{
    const uint32_t tid = (uint32_t)shmlog_sys_(SYS_gettid, 0, 0, 0, 0, 0, 0);
    const struct shmlog_thread_ *const copy = shmlog_copy_of_(log);
    const uint64_t value = shmlog_value_of_thread_(log);
    const int nameless = shmlog_is_nameless_(log, value);
    struct shmlog_ring *owned = copy ? copy->owned : &log->local.none;
    uint32_t id = copy       ? copy->producer
                  : nameless ? 0
                             : shmlog_find_producer_(log, key, tid, &owned);
    const int known = id != 0;
    struct shmlog_state_ *state;

    if (!id)
        id = shmlog_new_producer_(log, key, tid, begin, end);
    if (!id)
        id = shmlog_kept_producer_(log, key, tid, begin, end);
    if (!id) {
        if (!nameless)
            pthread_setspecific(log->local.thread_key, (void *)(uintptr_t)shmlog_nameless_(key, 0));
        return NULL;
    }
    state = &log->local.threads[(id & 0xffffu) - 1];
    /* An entry that was taken 65,536 times gives an id again: the thread of then is another one. */
    if (!known || shmlog_way_(log, &state->thread) > SHMLOG_WAY_OWNED_ ||
        state->thread.producer != id) {
        memset(state, 0, sizeof(*state));
        state->lost = nameless ? value >> 32 & SHMLOG_NAMELESS_LOST_ : 0;
        state->thread.producer = id;
        state->thread.ring = &log->local.none;
        state->thread.key = key;
        if (owned == &log->local.none)
            shmlog_disown_(log, state);
        else
            shmlog_own_(log, state, owned);
    }
    pthread_setspecific(log->local.thread_key, (void *)(uintptr_t)id);
    if (!log->local.cpus)
        (void)shmlog_claim_ring_(log, shmlog_why_no_sequences_(log), UINT32_MAX);
    return state;
}

/* Register the thread if it is not, or is nameless. */
SHMLOG_COLD_ void shmlog_register_(struct shmlog *log, uint32_t begin, uint32_t end);
SHMLOG_COLD_ void shmlog_register_(struct shmlog *log, uint32_t begin, uint32_t end)
{
    const uint64_t mask = shmlog_block_signals_();
    const uint64_t key = shmlog_key_(log);
    const struct shmlog_state_ *state = shmlog_find_state_(log);

    if (!state)
        state = shmlog_new_state_(log, key, begin, end);
    if (state)
        shmlog_copy_state_(log, state);
    shmlog_unblock_signals_(shmlog_guarded_(log) ? mask & ~SHMLOG_BUS_BIT_ : mask);
}

SHMLOG_COLD_ void shmlog_register_thread(struct shmlog *log)
{
    log = shmlog_current_(log);
    if (log)
        shmlog_register_(log, 0, log->local.geometry.producers_max);
}

/* Is the copy of a thread's state still nobody's? */
SHMLOG_INLINE_ int shmlog_copy_is_free_(void)
{
#ifdef SHMLOG_PLUGIN
    return 0;
#else
    return shmlog_copy_.key == SHMLOG_KEY_NONE_;
#endif
}

/* The thread's state, where the copy is not this attachment's. A thread that found the table full
 * looks, at each of its calls, whether one of the entries has come free, in turn. */
SHMLOG_OUTLINE_ struct shmlog_thread_ *shmlog_find_thread_(struct shmlog *log)
{
    const struct shmlog_producer *const table =
        (const struct shmlog_producer *)shmlog_table_(log, log->local.geometry.producers_offset);
    struct shmlog_state_ *state = shmlog_find_state_(log);
    uint32_t begin = 0, end = log->local.geometry.producers_max;

    if (SHMLOG_LIKELY_(state && !shmlog_copy_is_free_()))
        return &state->thread;
    if (!state && shmlog_is_nameless_(log, shmlog_value_of_thread_(log))) {
        begin = __atomic_fetch_add(&log->local.producer_probe, 1, __ATOMIC_RELAXED) % end;
        end = begin + 1;
        if (!shmlog_may_take_(shmlog_load_relaxed_(&table[begin].claim), 1) ||
            shmlog_control_gone_(log))
            return &log->local.nameless;
    }
    shmlog_register_(log, begin, end);
    state = shmlog_find_state_(log);
    return state ? &state->thread : &log->local.nameless;
}

/* Was the ring taken out of use since its file was cut short, or never there? Writers do not touch
 * this word. */
SHMLOG_INLINE_ int shmlog_ring_gone_(const struct shmlog_ring *ring)
{
    return shmlog_load_relaxed_(&ring->magic) != SHMLOG_RING_MAGIC;
}

/* Claim a spare ring, looking at `probes` of them in turn, and note why. NULL: none is free; then
 * without a system call, since a thread that finds none comes here in each of its calls. */
#define SHMLOG_RING_PROBES_ 8u
SHMLOG_COLD_ struct shmlog_ring *shmlog_claim_ring_(struct shmlog *log, uint32_t why,
                                                    uint32_t probes)
{
    struct shmlog_producer *const table =
        (struct shmlog_producer *)shmlog_table_(log, log->local.geometry.producers_offset);
    const uint32_t first = log->local.geometry.cpu_rings;
    const uint32_t spare = log->local.geometry.rings - first -
                           (log->local.geometry.compatible & SHMLOG_COMPATIBLE_SHARED_RING ? 1 : 0);
    struct shmlog_state_ *const state = shmlog_find_state_(log);
    struct shmlog_producer *entry;
    uint32_t at = 0;

    if (!state) /* without an entry nobody could take the ring back */
        return NULL;
    entry = &table[(state->thread.producer & 0xffffu) - 1];
    if (probes < spare)
        at = __atomic_fetch_add(&log->local.ring_probe, probes, __ATOMIC_RELAXED) % spare;
    else
        probes = spare;
    for (; !shmlog_has_ring_(log, state) && probes; probes--, at++) {
        const uint32_t i = first + at % spare;
        struct shmlog_ring *const ring = log->local.ring[i];
        uint32_t none = 0;
        uint64_t mask;

        if (shmlog_ring_gone_(ring) || shmlog_load32_relaxed_(&ring->owner))
            continue;
        mask = shmlog_block_signals_(); /* a handler must not claim another one meanwhile */
        if (!shmlog_has_ring_(log, state) &&
            __atomic_compare_exchange_n(&ring->owner, &none, state->thread.producer, 0,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            /* its last owner may have died in a call */
            __atomic_store_n(&ring->busy, 0, __ATOMIC_RELAXED);
            __atomic_store_n(&entry->why, why, __ATOMIC_RELAXED);
            shmlog_store32_release_(&entry->ring, i + 1);
            shmlog_own_(log, state, ring);
        }
        shmlog_unblock_signals_(mask);
    }
    if (shmlog_has_ring_(log, state))
        return shmlog_owned_ring_(&state->thread);
    __atomic_store_n(&entry->why, why, __ATOMIC_RELAXED);
    return NULL;
}

/* The ring that the thread owned is gone: back to where it began. */
SHMLOG_COLD_ void shmlog_leave_ring_(struct shmlog *log);
SHMLOG_COLD_ void shmlog_leave_ring_(struct shmlog *log)
{
    struct shmlog_producer *const table =
        (struct shmlog_producer *)shmlog_table_(log, log->local.geometry.producers_offset);
    const uint64_t mask =
        shmlog_block_signals_(); /* a handler must not claim another one meanwhile */
    struct shmlog_state_ *const state = shmlog_find_state_(log);

    if (state && shmlog_has_ring_(log, state) && shmlog_ring_gone_(state->thread.owned)) {
        shmlog_store32_release_(&table[(state->thread.producer & 0xffffu) - 1].ring, 0);
        shmlog_disown_(log, state);
    } else if (state) {
        shmlog_copy_state_(log, state); /* which was behind */
    }
    shmlog_unblock_signals_(mask);
}

SHMLOG_COLD_ int shmlog_own_ring(struct shmlog *log)
{
    log = shmlog_current_(log);
    if (!log)
        return -EINVAL;
    shmlog_register_thread(log);
    return shmlog_claim_ring_(log, SHMLOG_WHY_ASKED, UINT32_MAX) ? 0 : -EAGAIN;
}

/* A record of this thread was not committed. */
SHMLOG_COLD_ void shmlog_count_lost_(struct shmlog *log)
{
    struct shmlog_state_ *const state = shmlog_find_state_(log);
    const uint64_t value = shmlog_value_of_thread_(log);

    if (state)
        __atomic_fetch_add(&state->lost, 1, __ATOMIC_RELAXED);
    else if (shmlog_is_nameless_(log, value))
        pthread_setspecific(log->local.thread_key,
                            (void *)(uintptr_t)shmlog_nameless_(
                                log->key, (value >> 32 & SHMLOG_NAMELESS_LOST_) + 1));
}

/* ---- Sites ---- */

/* Go over a format's conversions and note for each char * what becomes of it (how[]). In C a format
 * with positional arguments may get here: then only addresses are kept, since what belongs to what
 * is not followed, and a char * under %p need not point to anything. */
SHMLOG_COLD_ void shmlog_parse_format_(struct shmlog_callsite_ *site);
SHMLOG_COLD_ void shmlog_parse_format_(struct shmlog_callsite_ *site)
{
    uint16_t found[SHMLOG_ARGS_MAX] = {0};
    const char *f = site->format;
    int positional = 0;
    uint32_t arg = 1;

    while (*f) {
        uint32_t how = SHMLOG_HOW_STRING_;

        if (*f++ != '%')
            continue;
        if (*f == '%') {
            f++;
            continue;
        }
        while (*f && strchr("-+ #0'I", *f))
            f++;
        for (; *f == '*' || *f == '$' || (*f >= '0' && *f <= '9'); f++) {
            arg += *f == '*';
            positional |= *f == '$';
        }
        if (*f == '.') {
            uint32_t limit = 0;

            f++;
            if (*f == '*') {
                how = SHMLOG_HOW_PRECISION_;
                arg++;
                f++;
            } else {
                for (; *f >= '0' && *f <= '9'; f++) {
                    limit = limit * 10 + (uint32_t)(*f - '0');
                    if (limit > SHMLOG_RECORD_PAYLOAD) /* as good as none, and fits into how[] */
                        limit = SHMLOG_RECORD_PAYLOAD;
                }
                how = SHMLOG_HOW_LIMIT_ + limit;
            }
        }
        while (*f && strchr("hlqjzZtL", *f))
            f++;
        if (*f == 'p')
            how = SHMLOG_HOW_POINTER_;
        if (*f && *f != 'm' && arg <= SHMLOG_ARGS_MAX)
            found[arg - 1] = (uint16_t)how;
        if (*f) {
            arg += *f != 'm';
            f++;
        }
    }
    for (uint32_t i = 0; i < SHMLOG_ARGS_MAX; i++)
        __atomic_store_n(&site->how[i], positional ? (uint16_t)SHMLOG_HOW_POINTER_ : found[i],
                         __ATOMIC_RELAXED);
}

/* What becomes of argument i (from 1), if it is a char *. */
SHMLOG_INLINE_ uint32_t shmlog_how_(const struct shmlog_callsite_ *site, uint32_t i)
{
    return site->kind == SHMLOG_SITE_PRINTF ? __atomic_load_n(&site->how[i - 1], __ATOMIC_RELAXED)
                                            : SHMLOG_HOW_STRING_;
}

/* Type of argument i as it is stored. */
SHMLOG_INLINE_ uint8_t shmlog_stored_type_(const struct shmlog_callsite_ *site,
                                           const uint8_t *types, uint32_t i)
{
    /* counted text, in a line, is no char * */
    return types[i] == SHMLOG_TYPE_STRING && shmlog_how_(site, i) == SHMLOG_HOW_POINTER_
               ? (uint8_t)SHMLOG_TYPE_POINTER
               : types[i];
}

/* Appends to a site's bytes; what does not fit is left out, but for terminators. */
struct shmlog_blob_ {
    uint8_t bytes[SHMLOG_SITE_MAX];
    uint32_t size, limit;
};
SHMLOG_COLD_ void shmlog_blob_put_(struct shmlog_blob_ *blob, const char *text, size_t size);
SHMLOG_COLD_ void shmlog_blob_put_(struct shmlog_blob_ *blob, const char *text, size_t size)
{
    const size_t room = blob->limit > blob->size + 1 ? blob->limit - blob->size - 1 : 0;

    size = size < room ? size : room;
    if (size)
        memcpy(blob->bytes + blob->size, text, size);
    blob->size += (uint32_t)size;
}
SHMLOG_COLD_ void shmlog_blob_add_(struct shmlog_blob_ *blob, const char *text, size_t size);
SHMLOG_COLD_ void shmlog_blob_add_(struct shmlog_blob_ *blob, const char *text, size_t size)
{
    shmlog_blob_put_(blob, text, size);
    blob->bytes[blob->size++] = 0;
}

/* ---- Names of arguments ----
 *
 * They are made of the call's text, once, by this rule: the name is the last identifier of the
 * expression that stands in no brackets: the member, variable or function that is used last. Casts
 * and operators with one operand add nothing to it, literals neither; brackets around all of it are
 * opened. Where that leaves no name or more than one, as in a + b, it is argN, N being the
 * argument's number from 1. A name that an argument before it has already gets _2, _3, ... behind
 * it. SHMLOG_NAMED() and the names of fields are taken as they are, but made unique alike. */

/* A piece of text. */
struct shmlog_part_ {
    const char *at, *end;
};
SHMLOG_INLINE_ int shmlog_is_word_(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || (c & 0x80);
}
SHMLOG_COLD_ int shmlog_is_one_of_(const struct shmlog_part_ *word, const char *list);
SHMLOG_COLD_ int shmlog_is_one_of_(const struct shmlog_part_ *word, const char *list)
{
    const size_t size = (size_t)(word->end - word->at);

    for (; *list; list += strcspn(list, " "), list += strspn(list, " "))
        if (strcspn(list, " ") == size && memcmp(list, word->at, size) == 0)
            return 1;
    return 0;
}
/* The end of a literal in quotes; `raw`: R"delimiter(text)delimiter". */
SHMLOG_COLD_ const char *shmlog_quoted_end_(const char *p, const char *end, int raw);
SHMLOG_COLD_ const char *shmlog_quoted_end_(const char *p, const char *end, int raw)
{
    const char quote = *p++;

    if (raw) {
        const char *const delimiter = p;
        size_t size = 0;

        while (p < end && *p != '(')
            p++;
        size = (size_t)(p - delimiter);
        for (; p < end; p++)
            if (*p == ')' && (size_t)(end - p) > size + 1 && memcmp(p + 1, delimiter, size) == 0 &&
                p[1 + size] == quote)
                return p + size + 2;
        return end;
    }
    for (; p < end && *p != quote; p++)
        if (*p == '\\' && p + 1 < end)
            p++;
    return p < end ? p + 1 : end;
}
/* Take the next token off `text`: 'a' a word, '0' a literal, '.' what leads to a member (also ->
 * and ::), else the character that it is; 0: none. */
SHMLOG_COLD_ char shmlog_token_(struct shmlog_part_ *text, struct shmlog_part_ *ret_token);
SHMLOG_COLD_ char shmlog_token_(struct shmlog_part_ *text, struct shmlog_part_ *ret_token)
{
    const char *p = text->at, *const end = text->end;
    char kind;

    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n'))
        p++;
    ret_token->at = p;
    if (p == end)
        return 0;
    kind = *p;
    if ((kind >= '0' && kind <= '9') ||
        (kind == '.' && p + 1 < end && p[1] >= '0' && p[1] <= '9')) {
        kind = '0';
        for (p++; p < end && (shmlog_is_word_(*p) || *p == '.' || *p == '\''); p++)
            if ((*p == 'e' || *p == 'E' || *p == 'p' || *p == 'P') && p + 1 < end &&
                (p[1] == '+' || p[1] == '-'))
                p++;
    } else if (shmlog_is_word_(kind)) {
        kind = 'a';
        while (p < end && shmlog_is_word_(*p))
            p++;
        if (p < end && (*p == '"' || *p == '\'')) { /* a prefix */
            kind = '0';
            p = shmlog_quoted_end_(p, end, p[-1] == 'R');
        }
    } else if (kind == '"' || kind == '\'') {
        kind = '0';
        p = shmlog_quoted_end_(p, end, 0);
    } else if (p + 1 < end && ((p[0] == '-' && p[1] == '>') || (p[0] == ':' && p[1] == ':'))) {
        kind = '.';
        p += 2;
    } else {
        p++;
    }
    ret_token->end = text->at = p;
    return kind;
}
/* Behind an opening bracket was taken: take all up to the closing one off `text`. */
SHMLOG_COLD_ void shmlog_skip_brackets_(struct shmlog_part_ *text, struct shmlog_part_ *ret_inside);
SHMLOG_COLD_ void shmlog_skip_brackets_(struct shmlog_part_ *text, struct shmlog_part_ *ret_inside)
{
    struct shmlog_part_ token;
    int depth = 1;
    char kind;

    ret_inside->at = ret_inside->end = text->at;
    while (depth > 0 && (kind = shmlog_token_(text, &token)) != 0) {
        depth += kind == '(' || kind == '[' || kind == '{';
        depth -= kind == ')' || kind == ']' || kind == '}';
        ret_inside->end = depth ? token.end : token.at;
    }
}
/* Behind a word and < was taken: if these begin a template's arguments, take them off `text`. They
 * do if a matching > is followed by a bracket or by ::. */
SHMLOG_COLD_ int shmlog_skip_angles_(struct shmlog_part_ *text);
SHMLOG_COLD_ int shmlog_skip_angles_(struct shmlog_part_ *text)
{
    struct shmlog_part_ rest = *text, token, inside;
    int depth = 1;
    char kind;

    while ((kind = shmlog_token_(&rest, &token)) != 0) {
        if (kind == '(' || kind == '[' || kind == '{')
            shmlog_skip_brackets_(&rest, &inside);
        else if (kind == '<')
            depth++;
        else if (kind == '>' && --depth == 0)
            break;
    }
    if (!kind)
        return 0;
    inside = rest;
    kind = shmlog_token_(&inside, &token);
    if (kind != '(' && kind != '{' && !(kind == '.' && token.at[0] == ':'))
        return 0;
    *text = rest;
    return 1;
}
/* Split a call's text at its commas into at most `most` arguments; how many there are. `angles`:
 * those of templates are brackets. */
SHMLOG_COLD_ uint32_t shmlog_split_(struct shmlog_part_ text, int angles,
                                    struct shmlog_part_ *ret_arguments, uint32_t most);
SHMLOG_COLD_ uint32_t shmlog_split_(struct shmlog_part_ text, int angles,
                                    struct shmlog_part_ *ret_arguments, uint32_t most)
{
    struct shmlog_part_ token, inside, argument = {NULL, NULL};
    char kind, before = 0;
    uint32_t count = 0;

    do {
        kind = shmlog_token_(&text, &token);
        if (kind == '(' || kind == '[' || kind == '{') {
            argument.at = argument.at ? argument.at : token.at;
            shmlog_skip_brackets_(&text, &inside);
            argument.end = text.at;
        } else if (kind && kind != ',') {
            argument.at = argument.at ? argument.at : token.at;
            if (angles && kind == '<' && before == 'a')
                shmlog_skip_angles_(&text);
            argument.end = text.at;
        } else {
            if (count < most)
                ret_arguments[count] = argument;
            count++;
            argument.at = argument.end = NULL;
        }
        before = kind;
    } while (kind);
    return count;
}

/* The name of an expression, by the rule above; empty: it has none. */
SHMLOG_COLD_ struct shmlog_part_ shmlog_name_of_(struct shmlog_part_ text, int depth);
SHMLOG_COLD_ struct shmlog_part_ shmlog_name_of_(struct shmlog_part_ text, int depth)
{
    const struct shmlog_part_ none = {NULL, NULL};
    /* of the operand that is being read: its name, the brackets that may be the operand */
    struct shmlog_part_ name = none, brackets = none, found = none, token, inside;
    int begun = 0, opens = 0; /* `opens`: the name is a cast, its brackets are the operand */
    char kind;

    do {
        kind = shmlog_token_(&text, &token);
        if (kind == 'a' && !shmlog_is_one_of_(&token, "true false NULL nullptr")) {
            opens = shmlog_is_one_of_(&token,
                                      "static_cast dynamic_cast const_cast reinterpret_cast bool "
                                      "char short int long float double unsigned signed");
            name = opens ? none : token;
            brackets = none;
            begun = 1;
        } else if (kind == 'a' || kind == '0') {
            begun = 1;
        } else if (kind == '(' || kind == '{' || kind == '[') {
            shmlog_skip_brackets_(&text, &inside);
            if (kind == '[' && !begun) {
                /* a lambda: the rest of the operand is its parts */
                while ((kind = shmlog_token_(&text, &token)) == '(' || kind == '{')
                    shmlog_skip_brackets_(&text, &inside);
                if (kind)
                    text.at = token.at;
                kind = ' ';
            } else if (!name.at && (kind == '(' || opens)) {
                brackets = inside; /* those before them were a cast */
                opens = 0;
            }
            begun = 1;
        } else if (kind == '<' && (name.at || opens) && shmlog_skip_angles_(&text)) {
            continue;
        } else if (kind != '.' && begun) {
            if (!name.at && brackets.at && depth > 0)
                name = shmlog_name_of_(brackets, depth - 1);
            if (name.at && found.at &&
                (name.end - name.at != found.end - found.at ||
                 memcmp(name.at, found.at, (size_t)(name.end - name.at)) != 0))
                return none;
            found = name.at ? name : found;
            name = brackets = none;
            begun = opens = 0;
        }
    } while (kind);
    return found;
}

/* Is it SHMLOG_NAMED(), or what that expands to? Then its name and value. */
SHMLOG_COLD_ int shmlog_given_name_(struct shmlog_part_ text, struct shmlog_part_ *ret_name,
                                    struct shmlog_part_ *ret_value);
SHMLOG_COLD_ int shmlog_given_name_(struct shmlog_part_ text, struct shmlog_part_ *ret_name,
                                    struct shmlog_part_ *ret_value)
{
    struct shmlog_part_ token, inside, parts[2];
    char kind = shmlog_token_(&text, &token);

    if (kind == 'a' && shmlog_is_one_of_(&token, "SHMLOG_NAMED")) {
        if (shmlog_token_(&text, &token) != '(')
            return 0;
    } else {
        if (kind != '(' || shmlog_token_(&text, &token) != '(')
            return 0;
        shmlog_skip_brackets_(&text, &inside);
        if (inside.end - inside.at != 4 || memcmp(inside.at, "void", 4) != 0)
            return 0;
    }
    if (text.end[-1] != ')')
        return 0;
    text.end--; /* the bracket that closes it */
    if (shmlog_split_(text, 1, parts, 2) != 2 || !parts[0].at)
        return 0;
    *ret_value = parts[1];
    ret_name->at = NULL;
    while ((kind = shmlog_token_(&parts[0], &token)) == '0')
        if (*token.at == '"' && token.end - token.at > 2) {
            ret_name->at = token.at + 1;
            ret_name->end = token.end - 1;
        }
    return !kind && ret_name->at;
}

/* Write a number below 100; how many digits it has. */
SHMLOG_INLINE_ size_t shmlog_digits_(char *ret_text, uint32_t n)
{
    size_t size = 0;

    if (n > 9)
        ret_text[size++] = (char)('0' + n / 10);
    ret_text[size++] = (char)('0' + n % 10);
    return size;
}
/* Add the name of argument i, made unique among those from byte `first` on. */
SHMLOG_COLD_ void shmlog_add_name_(struct shmlog_blob_ *blob, uint32_t first, const char *name,
                                   size_t size);
SHMLOG_COLD_ void shmlog_add_name_(struct shmlog_blob_ *blob, uint32_t first, const char *name,
                                   size_t size)
{
    char suffix[4] = "_";
    size_t suffix_size = 0; /* none at first, then _2, _3, ... */
    uint32_t n = 1;
    int taken;

    do {
        const char *at = (const char *)blob->bytes + first;
        const char *const end = (const char *)blob->bytes + blob->size;

        if (n > 1)
            suffix_size = 1 + shmlog_digits_(suffix + 1, n);
        n++;
        for (taken = 0; at < end && !taken; at += strlen(at) + 1)
            taken = strlen(at) == size + suffix_size && memcmp(at, name, size) == 0 &&
                    memcmp(at + size, suffix, suffix_size) == 0;
    } while (taken && n <= SHMLOG_RAW_FIELDS_MAX);
    shmlog_blob_put_(blob, name, size);
    shmlog_blob_add_(blob, suffix, suffix_size);
}

/* Add the names of a call's values; of a message, then what the source says of each, where that is
 * not the name. Returns the site's further flags. */
SHMLOG_COLD_ uint16_t shmlog_add_names_(struct shmlog_blob_ *blob,
                                        const struct shmlog_callsite_ *site, uint32_t args,
                                        const char *const *names);
SHMLOG_COLD_ uint16_t shmlog_add_names_(struct shmlog_blob_ *blob,
                                        const struct shmlog_callsite_ *site, uint32_t args,
                                        const char *const *names)
{
    struct shmlog_part_ part[1 + SHMLOG_ARGS_MAX], text = {NULL, NULL};
    const uint32_t first = blob->size;
    uint16_t flags = 0;
    int split = 0;

    if (site->text) {
        text.at = site->text;
        text.end = text.at + strlen(text.at);
        split = shmlog_split_(text, 0, part, 1 + SHMLOG_ARGS_MAX) == 1 + args ||
                shmlog_split_(text, 1, part, 1 + SHMLOG_ARGS_MAX) == 1 + args;
    }
    for (uint32_t i = 1; i <= args; i++) {
        char number[6] = "arg";
        struct shmlog_part_ name = {NULL, NULL}, value;

        if (site->fields)
            name.at = site->fields[i - 1].name;
        else if (names)
            name.at = names[i];
        else if (split && shmlog_given_name_(part[i], &name, &value))
            part[i] = value;
        else if (split)
            name = shmlog_name_of_(part[i], 4);
        if (name.at && !name.end)
            name.end = name.at + strlen(name.at);
        if (!name.at) {
            name.at = number;
            name.end = number + 3 + shmlog_digits_(number + 3, i);
        }
        /* keep room for the terminators of those that follow */
        blob->limit = SHMLOG_SITE_MAX - (args - i) - (split ? args : 0);
        shmlog_add_name_(blob, first, name.at, (size_t)(name.end - name.at));
    }
    for (uint32_t round = 0; split && round < 2; round++) {
        const char *name = (const char *)blob->bytes + first;

        for (uint32_t i = 1; i <= args; i++, name += strlen(name) + 1) {
            size_t size = (size_t)(part[i].end - part[i].at);

            if (strlen(name) == size && memcmp(name, part[i].at, size) == 0)
                size = 0;
            if (!round && size)
                flags = SHMLOG_SITE_FLAG_EXPRESSIONS;
            blob->limit = SHMLOG_SITE_MAX - (args - i);
            if (round && flags)
                shmlog_blob_add_(blob, part[i].at, size);
        }
    }
    return flags;
}

/* Put together a site as it lies in the arena. */
SHMLOG_COLD_ void shmlog_build_site_(struct shmlog_blob_ *blob, const struct shmlog_callsite_ *site,
                                     const uint8_t *types, const char *const *names,
                                     const char *function);
SHMLOG_COLD_ void shmlog_build_site_(struct shmlog_blob_ *blob, const struct shmlog_callsite_ *site,
                                     const uint8_t *types, const char *const *names,
                                     const char *function)
{
    const char *const strings[] = {site->format, site->file, function, site->category};
    /* what the strings may take, so that a long one leaves room for the rest */
    const uint32_t limits[] = {900, 1200, 1400, 1460};
    uint32_t offset = SHMLOG_PAYLOAD_ARGS;
    struct shmlog_site head;

    memset(&head, 0, sizeof(head));
    head.kind = site->kind;
    head.level = site->level;
    head.args = types ? types[0] : site->field_count;
    head.line = site->line;
    head.record_size = site->record_size;
    blob->size = sizeof(head);
    for (uint32_t i = 1; i <= head.args; i++) {
        struct shmlog_site_arg arg;

        memset(&arg, 0, sizeof(arg));
        if (!types) {
            arg.type = site->fields[i - 1].type;
            arg.offset = site->fields[i - 1].offset;
            arg.size = site->fields[i - 1].size;
        } else {
            const uint32_t width = shmlog_width_(shmlog_stored_type_(site, types, i));

            arg.type = shmlog_stored_type_(site, types, i);
            offset = (offset + width - 1) & ~(width - 1);
            arg.offset = (uint16_t)offset;
            arg.size = (uint16_t)width;
            offset += width;
        }
        memcpy(blob->bytes + blob->size, &arg, sizeof(arg));
        blob->size += (uint32_t)sizeof(arg);
    }
    for (int i = 0; i < 4; i++) {
        blob->limit = limits[i];
        shmlog_blob_add_(blob, strings[i], strlen(strings[i]));
    }
    head.flags = (uint16_t)(site->flags | shmlog_add_names_(blob, site, head.args, names));
    head.size = (uint16_t)blob->size;
    memcpy(blob->bytes, &head, sizeof(head));
}

/* Take a part of the attachment's share of the table. 0: it has had it. */
SHMLOG_COLD_ int shmlog_take_share_(struct shmlog *log, uint64_t room);
SHMLOG_COLD_ int shmlog_take_share_(struct shmlog *log, uint64_t room)
{
    const struct shmlog_control *const g = &log->local.geometry;

    if (__atomic_load_n(&log->local.sites, __ATOMIC_RELAXED) >= SHMLOG_SITES_SHARE(g->sites_max) ||
        shmlog_load_relaxed_(&log->local.sites_size) + room > SHMLOG_ARENA_SHARE(g->arena_size))
        return 0;
    __atomic_fetch_add(&log->local.sites, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&log->local.sites_size, room, __ATOMIC_RELAXED);
    return 1;
}

/* Find or add the site in the segment's table. Its word is stored, by compare-and-swap, when its
 * bytes are complete; whoever loses the race to another thread or process with the same site takes
 * theirs. 0: full, or the attachment has had its share. */
SHMLOG_COLD_ uint32_t shmlog_publish_site_(struct shmlog *log, const struct shmlog_blob_ *blob);
SHMLOG_COLD_ uint32_t shmlog_publish_site_(struct shmlog *log, const struct shmlog_blob_ *blob)
{
    const struct shmlog_control *const g = &log->local.geometry;
    uint64_t *const words = (uint64_t *)shmlog_table_(log, g->sites_offset);
    uint8_t *const arena = (uint8_t *)shmlog_table_(log, g->arena_offset);
    const uint32_t hash = shmlog_site_hash_(blob->bytes, blob->size);
    const uint64_t room = (blob->size + 7u) & ~UINT64_C(7);
    uint64_t fresh = 0; /* our copy in the arena, once made */

    for (uint32_t probe = 0, i = hash; probe < g->sites_max; probe++, i++) {
        const uint32_t id = i & (g->sites_max - 1);
        uint64_t word;

        if (!id || id >= SHMLOG_SITE_INLINE)
            continue;
        word = shmlog_load_acquire_(&words[id]);
        if (!word) {
            if (!fresh) {
                uint64_t at = shmlog_load_relaxed_(&log->control.arena_used);

                if (!shmlog_take_share_(log, room))
                    return 0;
                do {
                    if (at > g->arena_size || g->arena_size - at < room || at % 8 ||
                        at / 8 > UINT32_MAX)
                        return 0;
                } while (!__atomic_compare_exchange_n(&log->control.arena_used, &at, at + room, 1,
                                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
                memcpy(arena + at, blob->bytes, blob->size);
                fresh = (uint64_t)hash << 32 | at / 8;
            }
            /* release: pairs with every reader's acquire of the word */
            if (__atomic_compare_exchange_n(&words[id], &word, fresh, 0, __ATOMIC_ACQ_REL,
                                            __ATOMIC_ACQUIRE))
                return id;
        }
        if (word >> 32 == hash) {
            const uint64_t at = (word & 0xffffffffu) * 8;

            if (at < g->arena_size && g->arena_size - at >= blob->size &&
                memcmp(arena + at, blob->bytes, blob->size) == 0)
                return id;
        }
    }
    return 0;
}

/* A call that is lost: its site is not in the table, and does not fit into a record with it. */
SHMLOG_COLD_ void shmlog_no_site_(struct shmlog *log);
SHMLOG_COLD_ void shmlog_no_site_(struct shmlog *log)
{
    __atomic_fetch_add(&log->control.lost[SHMLOG_LOST_NO_SITE], 1, __ATOMIC_RELAXED);
    (void)shmlog_thread_state_(log);
    shmlog_count_lost_(log);
}

/* Returns the site's word, 0 if there is no room for it in the table, and will be none, or if the
 * table is gone. `names`: of an event's fields, from names[1] on, else NULL. Threads that register
 * the same site store the same. */
SHMLOG_COLD_ uint64_t shmlog_register_site_(struct shmlog *log, struct shmlog_callsite_ *site,
                                            const uint8_t *types, const char *const *names,
                                            const char *function, uint64_t key)
{
    struct shmlog_blob_ blob;
    uint64_t word;
    uint32_t id;

    if (site->kind == SHMLOG_SITE_PRINTF)
        shmlog_parse_format_(site);
    shmlog_build_site_(&blob, site, types, names, function);
    id = shmlog_publish_site_(log, &blob);
    if (shmlog_control_gone_(log)) /* not to be kept for another log of the segment */
        return 0;
    word = id ? (uint64_t)(id | 1u << SHMLOG_SITE_SLOTS_SHIFT) << 32 : 0;
    /* release: how[] before it */
    shmlog_store_release_(&site->word, word | (id ? key : key - 1));
    return word;
}

/* Where such a call goes. */
struct shmlog_target_ {
    struct shmlog *log; /* NULL: the call is lost, and counted */
    uint64_t word;      /* of the site there; 0: there was no room for it */
};
SHMLOG_INLINE_ struct shmlog_target_
shmlog_find_target_(struct shmlog *log, struct shmlog_callsite_ *site, const uint8_t *types,
                    const char *const *names, const char *function)
{
    struct shmlog_target_ to;
    uint64_t key = SHMLOG_SITE_KEY_LATER_, word;

    to.log = shmlog_current_(log);
    to.word = 0;
    /* Loaded once: if the segment of `log` goes meanwhile, that key must not get into a site. */
    if (to.log)
        key = shmlog_load_relaxed_(&to.log->local.site_key);
    if (key == SHMLOG_SITE_KEY_LATER_) {
        __atomic_fetch_add(&log->local.follow->missed, 1, __ATOMIC_RELAXED);
        pthread_setspecific(log->local.follow->waited_key,
                            (void *)(uintptr_t)(shmlog_waited_(log->local.follow) + 1));
        to.log = SHMLOG_NULL_;
        return to;
    }
    word = shmlog_load_acquire_(&site->word);
    if ((uint32_t)(word ^ key) == 0)
        to.word = word ^ key;
    else if (word != key - 1) /* else tried before */
        to.word = shmlog_register_site_(to.log, site, types, names, function, key);
    return to;
}

SHMLOG_COLD_ void shmlog_put_inline_(struct shmlog *log, const struct shmlog_callsite_ *site,
                                     const uint8_t *types, const char *const *names,
                                     const char *function, const struct shmlog_staged_ *stage,
                                     const struct shmlog_value_ *values, int flags, uint64_t time);
SHMLOG_COLD_ void shmlog_put_raw_inline_(struct shmlog *log, const struct shmlog_callsite_ *site,
                                         const void *data, int flags, uint64_t time);
SHMLOG_OUTLINE_ void shmlog_put_elsewhere_(struct shmlog *log, struct shmlog_callsite_ *site,
                                           const uint8_t *types, const char *const *names,
                                           const char *function, struct shmlog_staged_ *stage,
                                           const struct shmlog_value_ *values, int flags,
                                           uint64_t time)
{
    const struct shmlog_target_ to = shmlog_find_target_(log, site, types, names, function);

    if (to.word)
        shmlog_put_word_(to.log, site, types, stage, values, to.word, flags, time);
    else if (to.log)
        shmlog_put_inline_(to.log, site, types, names, function, stage, values, flags, time);
}

SHMLOG_OUTLINE_ void shmlog_put_raw_elsewhere_(struct shmlog *log, struct shmlog_callsite_ *site,
                                               const void *data, size_t size, int flags,
                                               uint64_t time)
{
    const struct shmlog_target_ to = shmlog_find_target_(log, site, SHMLOG_NULL_, SHMLOG_NULL_, "");

    if (to.word)
        shmlog_put_raw_word_(to.log, site, data, size, to.word, flags, time);
    else if (to.log)
        shmlog_put_raw_inline_(to.log, site, data, flags, time);
}

/* ---- Full rings, long records ---- */

/* No ring gets as far; a damaged one may say so, and sums with it would wrap. */
#define SHMLOG_HEAD_MAX_ (UINT64_C(1) << 62)

/* Is there room for `slots` more, going by the tail as it is now, the reserve being only for severe
 * records? The head is read first: if its thread sleeps in between, it is the older of the two, and
 * a ring with room never looks full. */
SHMLOG_INLINE_ int shmlog_has_room_(struct shmlog *log, struct shmlog_ring *ring, uint32_t slots,
                                    int severe, uint64_t *ret_tail)
{
    const uint64_t head = shmlog_load_acquire_(&ring->head); /* only to be read before the tail */

    /* pairs with the reader's release: it is done with the slots before it */
    *ret_tail = shmlog_load_acquire_(&ring->tail);
    return head < SHMLOG_HEAD_MAX_ &&
           (int64_t)(head + slots - *ret_tail) <=
               (int64_t)(log->local.slot_mask + 1 - (severe ? 0 : log->local.reserve));
}

/* Sleep until the reader has made room, but not for long: it may be one that does not wake, or end
 * before it does, and the file may be cut meanwhile. Many that wait must not keep the reader from
 * its processor, so none of them polls. */
#define SHMLOG_NAP_NS_ 20000000
SHMLOG_COLD_ void shmlog_sleep_(struct shmlog *log, struct shmlog_ring *ring, uint32_t slots,
                                int severe);
SHMLOG_COLD_ void shmlog_sleep_(struct shmlog *log, struct shmlog_ring *ring, uint32_t slots,
                                int severe)
{
    const uint32_t wakes = shmlog_load32_acquire_(&ring->wakes);
    struct timespec ts;
    uint64_t tail;

    ts.tv_sec = 0;
    ts.tv_nsec = SHMLOG_NAP_NS_;
    /* Stored, then looked at the tail; the reader stores the tail, then looks here. One of the two
     * sees the other. */
    __atomic_exchange_n(&ring->waiting, 1, __ATOMIC_SEQ_CST);
    if (!shmlog_has_room_(log, ring, slots, severe, &tail))
        shmlog_sys_(SYS_futex, SHMLOG_PTR_(&ring->wakes), 0 /* FUTEX_WAIT */, (long)wakes,
                    SHMLOG_PTR_(&ts), 0, 0);
}

/* The wait policy: until the ring has room, or no slot came free for wait_ns. A wait that ran out
 * is remembered by its tail: a reader that is gone costs one wait, not one for each call. */
SHMLOG_COLD_ int shmlog_wait_room_(struct shmlog *log, struct shmlog_ring *ring, uint32_t slots,
                                   int severe, uint64_t *ret_tail);
SHMLOG_COLD_ int shmlog_wait_room_(struct shmlog *log, struct shmlog_ring *ring, uint32_t slots,
                                   int severe, uint64_t *ret_tail)
{
    uint64_t since = shmlog_monotonic_ns_();
    uint64_t seen = shmlog_load_acquire_(&ring->tail);

    for (uint32_t turn = 0; !shmlog_has_room_(log, ring, slots, severe, ret_tail); turn++) {
        if (*ret_tail != seen) {
            seen = *ret_tail;
            since = shmlog_monotonic_ns_();
        }
        if (shmlog_load_relaxed_(&ring->gave_up_tail) == seen)
            return 0;
        if (turn < 200) {
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
            continue;
        }
        if (log->local.wait_ns != UINT64_MAX &&
            shmlog_monotonic_ns_() - since >= log->local.wait_ns) {
            shmlog_store_relaxed_(&ring->gave_up_tail, seen);
            return 0;
        }
        shmlog_sleep_(log, ring, slots, severe);
    }
    return 1;
}

/* A record that found no room is lost. What a ring that is gone counts, nobody would see. Pairs
 * with the drain's acquire: who sees the count sees the head that was too far ahead, and puts the
 * gap behind the records before it. */
SHMLOG_COLD_ void shmlog_count_full_(struct shmlog *log, struct shmlog_ring *ring, uint32_t cause);
SHMLOG_COLD_ void shmlog_count_full_(struct shmlog *log, struct shmlog_ring *ring, uint32_t cause)
{
    uint64_t *const lost =
        shmlog_ring_gone_(ring) ? &log->control.lost[SHMLOG_LOST_NO_RING] : &ring->lost[cause];

    __atomic_fetch_add(lost, 1, __ATOMIC_RELEASE);
}

/* The ring looks full: read its tail. 1: there is room, try again, a severe record by
 * limit_severe; 0: the record is lost, and counted. */
SHMLOG_COLD_ int shmlog_make_room_(struct shmlog *log, struct shmlog_ring *ring, uint32_t slots,
                                   int severe)
{
    const uint64_t reserve = log->local.reserve;
    const int damaged = shmlog_load_relaxed_(&ring->head) >= SHMLOG_HEAD_MAX_;
    uint64_t tail, gone;

    if (shmlog_ring_gone_(ring)) {
        shmlog_count_full_(log, ring, SHMLOG_LOST_FULL);
        return 0;
    }
    if (log->local.on_full == SHMLOG_ON_FULL_OVERWRITE && !damaged) {
        tail = UINT64_MAX - (log->local.slot_mask + 1); /* no limit */
    } else if (!shmlog_has_room_(log, ring, slots, severe, &tail)) {
        if (log->local.on_full != SHMLOG_ON_FULL_WAIT || damaged) {
            shmlog_count_full_(log, ring, SHMLOG_LOST_FULL);
            return 0;
        }
        if (!shmlog_wait_room_(log, ring, slots, severe, &tail)) {
            shmlog_count_full_(log, ring, SHMLOG_LOST_WAITED);
            return 0;
        }
    }
    /* Another thread may store an older tail's limit over this one: too low, never too high. */
    tail += log->local.slot_mask + 1;
    shmlog_store_relaxed_(&ring->limit_severe, tail);
    shmlog_store_relaxed_(&ring->limit, tail - (tail == UINT64_MAX ? 0 : reserve));
    /* Was the file cut before a store, what is there instead got the limit: take it back. */
    gone = shmlog_ring_gone_(ring) ? 0 : UINT64_MAX;
    __atomic_fetch_and(&ring->limit, gone, __ATOMIC_RELAXED);
    __atomic_fetch_and(&ring->limit_severe, gone, __ATOMIC_RELAXED);
    return 1;
}

/* A record without a ring is lost, and counted. */
SHMLOG_INLINE_ int shmlog_no_ring_(struct shmlog *log)
{
    __atomic_fetch_add(&log->control.lost[SHMLOG_LOST_NO_RING], 1, __ATOMIC_RELAXED);
    return 0;
}

#if SHMLOG_RSEQ_
/* Into a ring of the core's. 1 done; 0 lost, and counted; else why that cannot be, negative. A
 * severe record goes by the limit of all first, so that this does not stay behind the tail. */
SHMLOG_INLINE_ int shmlog_commit_on_core_(struct shmlog *log, const struct shmlog_slot *image,
                                          uint32_t slots, int flags)
{
    int severe = shmlog_goes_elsewhere_(log, flags);

    for (uint32_t aborts = 0;;) {
        struct shmlog_ring *ring;
        uint64_t head;
        const uint32_t status = shmlog_rseq_many_(log, image, slots, flags, severe, &ring, &head);

        if (status == SHMLOG_SEQ_DONE_) {
            shmlog_doorbell_(log, ring, head, slots);
            return 1;
        }
        if (status == SHMLOG_SEQ_FULL_ && ring != &log->local.none) {
            if (!shmlog_make_room_(log, ring, slots, flags & SHMLOG_SEVERE_))
                return 0;
            severe = flags & SHMLOG_SEVERE_;
        } else if (status != SHMLOG_SEQ_ABORTED_) {
            return -(int)SHMLOG_WHY_NO_CORE;
        } else if (++aborts > SHMLOG_ABORTS_MAX_) {
            return -(int)SHMLOG_WHY_ABORTS;
        }
    }
}
#endif

/* ---- The shared ring ----
 *
 * A thread holds it for one call: one writer at a time, one final store that commits, as with an
 * owned ring. Who dies over it leaves nothing but its name in `holder`, and whoever waits finds it
 * gone and takes its place. A holder that is stopped costs the others one wait of SHMLOG_HOLD_NS_
 * (under the wait policy as long as they would wait for room), then their records are lost, and
 * counted, until it goes on. */
#define SHMLOG_HOLD_NS_ UINT64_C(100000000)
#define SHMLOG_HOLD_MOST_NS_ UINT64_C(1000000000) /* where each has to wait for many others */
#define SHMLOG_HOLD_SPINS_ 200u
#define SHMLOG_HOLD_NAP_US_ 50

/* This thread, as a holder. Without a system call, unless it is nameless. */
SHMLOG_COLD_ uint64_t shmlog_as_holder_(struct shmlog *log);
SHMLOG_COLD_ uint64_t shmlog_as_holder_(struct shmlog *log)
{
    const struct shmlog_producer *const table =
        (const struct shmlog_producer *)shmlog_table_(log, log->local.geometry.producers_offset);
    const struct shmlog_state_ *const state = shmlog_find_state_(log);

    if (!shmlog_load_relaxed_(&log->key)) /* in a forked child: it may have another namespace */
        (void)shmlog_key_(log);
    if (state) {
        const struct shmlog_producer *const p = &table[(state->thread.producer & 0xffffu) - 1];

        return SHMLOG_HOLDER(shmlog_load_relaxed_(&p->claim) >> 32, log->local.pid_ns,
                             p->start_time);
    }
    return SHMLOG_HOLDER(shmlog_sys_(SYS_gettid, 0, 0, 0, 0, 0, 0), log->local.pid_ns,
                         shmlog_start_time_(SHMLOG_OWN_STAT_));
}

/* Has the thread ended, for certain? Of another pid namespace nobody here can tell. */
SHMLOG_COLD_ int shmlog_holder_is_gone_(struct shmlog *log, uint64_t holder);
SHMLOG_COLD_ int shmlog_holder_is_gone_(struct shmlog *log, uint64_t holder)
{
    const uint64_t tid = SHMLOG_HOLDER_TID(holder), start = SHMLOG_HOLDER(0, 0, holder);
    char path[64] = "/proc/";
    uint64_t now;

    if (!log->local.pid_ns ||
        SHMLOG_HOLDER(0, log->local.pid_ns, 0) != (holder & SHMLOG_HOLDER(0, UINT64_MAX, 0)))
        return 0;
    if (shmlog_sys_(SYS_tkill, (long)tid, 0, 0, 0, 0, 0) == -ESRCH)
        return 1;
    (void)shmlog_path_add_number_(path, sizeof(path), tid, 1);
    (void)shmlog_path_add_(path, sizeof(path), "/stat");
    now = SHMLOG_HOLDER(0, 0, shmlog_start_time_(path));
    return now && start && now != start; /* its number came round again */
}

/* 1: the ring is this thread's until it lets go; 0: somebody else has it for too long; -1: this
 * thread has it, in the call that this signal handler interrupted. */
SHMLOG_COLD_ int shmlog_hold_(struct shmlog *log, struct shmlog_ring *ring, uint64_t self);
SHMLOG_COLD_ int shmlog_hold_(struct shmlog *log, struct shmlog_ring *ring, uint64_t self)
{
    const int waits = log->local.on_full == SHMLOG_ON_FULL_WAIT;
    const uint64_t patience =
        waits && log->local.wait_ns > SHMLOG_HOLD_NS_ ? log->local.wait_ns : SHMLOG_HOLD_NS_;
    uint64_t begun = 0, since = 0, seen = 0;

    for (uint32_t turn = 0;; turn++) {
        uint64_t holder = shmlog_load_relaxed_(&ring->holder);

        if (holder == self)
            return -1;
        if (turn >= SHMLOG_HOLD_SPINS_) {
            const uint64_t now = shmlog_monotonic_ns_();
            const uint64_t head = shmlog_load_relaxed_(&ring->head);

            begun = begun ? begun : now;
            if (!since || head != seen) { /* others had their turn: nobody is stuck */
                since = now;
                seen = head;
            }
            if (holder && shmlog_holder_is_gone_(log, holder)) {
                /* acquire, as below: it stores no more */
            } else if (holder && shmlog_load_relaxed_(&ring->held_too_long) == holder) {
                return 0;
            } else if (patience != UINT64_MAX && now - since >= patience) {
                shmlog_store_relaxed_(&ring->held_too_long, holder);
                return 0;
            } else if (!waits && now - begun >= SHMLOG_HOLD_MOST_NS_) {
                return 0;
            } else if (holder) {
                shmlog_nap_(SHMLOG_HOLD_NAP_US_);
                continue;
            }
        } else if (holder) {
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
            continue;
        }
        /* pairs with the release of who had it before: its slots, and its head */
        if (__atomic_compare_exchange_n(&ring->holder, &holder, self, 0, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED)) {
            if (SHMLOG_UNLIKELY_(shmlog_load_relaxed_(&ring->held_too_long)))
                shmlog_store_relaxed_(&ring->held_too_long, 0);
            return 1;
        }
    }
}

/* 1 done; 0 lost, and counted. Nobody waits for room while he holds the ring. */
SHMLOG_COLD_ int shmlog_commit_shared_(struct shmlog *log, const struct shmlog_slot *image,
                                       uint32_t slots, int flags);
SHMLOG_COLD_ int shmlog_commit_shared_(struct shmlog *log, const struct shmlog_slot *image,
                                       uint32_t slots, int flags)
{
    struct shmlog_ring *const ring = log->local.shared;
    const uint64_t *limit = &ring->limit;
    uint64_t self, head;

    if (ring == &log->local.none)
        return shmlog_no_ring_(log);
    self = shmlog_as_holder_(log);
    for (;;) {
        const int r = shmlog_hold_(log, ring, self);

        if (r < 0)
            __atomic_fetch_add(&ring->lost[SHMLOG_LOST_NESTED], 1, __ATOMIC_RELEASE);
        if (r <= 0)
            return r < 0 ? 0 : shmlog_no_ring_(log);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        head = shmlog_load_relaxed_(&ring->head);
        if (head + slots <= shmlog_load_relaxed_(limit))
            break;
        shmlog_store_release_(&ring->holder, 0);
        if (!shmlog_make_room_(log, ring, slots, flags & SHMLOG_SEVERE_))
            return 0;
        if (flags & SHMLOG_SEVERE_)
            limit = &ring->limit_severe;
    }
    shmlog_fill_(log, ring, head, image, slots, flags);
    shmlog_store_release_(&ring->holder, 0);
    shmlog_doorbell_(log, ring, head, slots);
    return 1;
}

SHMLOG_OUTLINE_ int shmlog_commit_slots_(struct shmlog *log, struct shmlog_thread_ *thread,
                                         const struct shmlog_slot *image, uint32_t slots, int flags)
{
    struct shmlog_ring *owned = shmlog_owned_ring_(thread);
    uint32_t why = shmlog_why_no_sequences_(log);

    if (owned && owned != &log->local.none && shmlog_ring_gone_(owned)) {
        shmlog_leave_ring_(log);
        owned = shmlog_owned_ring_(thread);
    }
#if SHMLOG_RSEQ_
    /* Nothing is kept from being overwritten in an owned ring: what there are rings for goes there,
     * if it can. */
    if (!owned || shmlog_goes_elsewhere_(log, flags)) {
        const int r = shmlog_commit_on_core_(log, image, slots, flags);

        if (r >= 0)
            return r;
        why = (uint32_t)-r;
    }
#endif
    if (!owned || owned == &log->local.none) {
        owned = shmlog_claim_ring_(log, why, SHMLOG_RING_PROBES_);
        if (!owned)
            return shmlog_commit_shared_(log, image, slots, flags);
    }
    return shmlog_owned_(log, owned, image, slots, flags);
}

#if SHMLOG_RSEQ_
/* Note the core that the thread is on, and its ring, for the next one-slot sequences. */
SHMLOG_INLINE_ void shmlog_note_core_(struct shmlog *log, struct shmlog_thread_ *thread)
{
    struct shmlog_ring *ring;
    uint64_t where;
    uint32_t cpu;

    __asm__ volatile(SHMLOG_ASM_("movl %%fs:4(%1), %0", "mov %0, dword ptr fs:[%1 + 4]")
                     : "=r"(cpu)
                     : "r"(log->local.rseq_offset));
    if (cpu >= log->local.cpus)
        return;
    where = shmlog_load_relaxed_(&log->key) ^ cpu;
    ring = __atomic_load_n(&log->local.ring_of_cpu[cpu], __ATOMIC_RELAXED);
    /* a handler that came in between two stores would find one core with another one's ring */
#ifdef __SSE2__
    {
        typedef uint64_t pair __attribute__((vector_size(16), may_alias));
        const pair both = {where, (uintptr_t)ring};

        __asm__ volatile(SHMLOG_ASM_("movaps %1, %0", "movaps %0, %1")
                         : "=m"(*(pair *)(void *)&thread->where)
                         : "x"(both));
    }
#else
    {
        const uint64_t mask = shmlog_block_signals_();

        thread->where = where;
        thread->ring = ring;
        shmlog_unblock_signals_(mask);
    }
#endif
}
#endif

/* One slot that did not go the straight way, or into an attachment of whose state there is no copy.
 */
SHMLOG_OUTLINE_ void shmlog_commit_words_(struct shmlog *log, uint64_t site, uint64_t w2,
                                          uint64_t w3, uint64_t w4, uint64_t w5, uint64_t w6,
                                          uint64_t w7, int flags, uint64_t time)
{
    struct shmlog_thread_ *const tried = shmlog_copy_of_(log);
    struct shmlog_thread_ *const thread = tried ? tried : shmlog_find_thread_(log);
    const int elsewhere = shmlog_goes_elsewhere_(log, flags);
    const uint64_t words[8] = {site, time, w2 | thread->producer, w3, w4, w5, w6, w7};
    struct shmlog_slot image;

    if (thread->producer) { /* else it is not the thread's alone */
        if (!tried && !elsewhere) {
            struct shmlog_words_ w = {w2, w3, w4, w5, w6, w7};

            if (shmlog_try_one_(log, thread, &w, site, SHMLOG_SLOT_SIZE, flags, time))
                return;
        }
#if SHMLOG_RSEQ_
        if (!elsewhere && shmlog_way_(log, thread) == SHMLOG_WAY_CORE_)
            shmlog_note_core_(log, thread);
#endif
    }
    memcpy(&image, words, sizeof(image));
    if (!shmlog_commit_slots_(log, thread, &image, 1, flags))
        shmlog_count_lost_(log);
}

/* Copy into the payload of an image, over its slots' boundaries. */
SHMLOG_INLINE_ void shmlog_image_put_(struct shmlog_slot *image, uint32_t offset, const void *data,
                                      size_t size)
{
    const uint8_t *from = (const uint8_t *)data;

    while (size) {
        const uint32_t at = offset % SHMLOG_SLOT_PAYLOAD;
        const size_t part = size < SHMLOG_SLOT_PAYLOAD - at ? size : SHMLOG_SLOT_PAYLOAD - at;

        memcpy(&image[offset / SHMLOG_SLOT_PAYLOAD].payload[at], from, part);
        offset += (uint32_t)part;
        from += part;
        size -= part;
    }
}

SHMLOG_INLINE_ void shmlog_image_zero_(struct shmlog_slot *image, uint32_t from, uint32_t to)
{
    for (; from < to; from++)
        image[from / SHMLOG_SLOT_PAYLOAD].payload[from % SHMLOG_SLOT_PAYLOAD] = 0;
}

/* Fill in the heads of an image's slots and commit it. `end`: payload bytes used. */
SHMLOG_INLINE_ void shmlog_image_commit_(struct shmlog *log, struct shmlog_thread_ *thread,
                                         struct shmlog_slot *image, uint32_t end, uint32_t id,
                                         int flags, uint64_t time)
{
    const uint32_t slots = (end + SHMLOG_SLOT_PAYLOAD - 1) / SHMLOG_SLOT_PAYLOAD;

    shmlog_image_zero_(image, end, slots * SHMLOG_SLOT_PAYLOAD);
    for (uint32_t i = 0; i < slots; i++) {
        image[i].seq = 0;
        image[i].site = id;
    }
    image[0].site |= slots << SHMLOG_SITE_SLOTS_SHIFT;
    memcpy(image[0].payload + SHMLOG_PAYLOAD_TIME, &time, sizeof(time));
    memcpy(image[0].payload + SHMLOG_PAYLOAD_PRODUCER, &thread->producer, sizeof(uint32_t));
    if (!shmlog_commit_slots_(log, thread, image, slots, flags))
        shmlog_count_lost_(log);
}

/* Bytes of a string that are to be kept, at most `limit` + 1 (then it is cut). */
SHMLOG_INLINE_ size_t shmlog_string_size_(const struct shmlog_callsite_ *site,
                                          const struct shmlog_value_ *values, uint32_t i,
                                          size_t limit)
{
    const char *const s = (const char *)(uintptr_t)values[i].bits;
    const uint32_t how = shmlog_how_(site, i);
    size_t most = limit + 1;
    const void *end;

    if (values[i].length != ~(size_t)0)
        return values[i].length < most ? values[i].length : most;
    if (how == SHMLOG_HOW_PRECISION_ && i > 1 && (int32_t)(uint32_t)values[i - 1].bits >= 0)
        most = (uint32_t)values[i - 1].bits < most ? (uint32_t)values[i - 1].bits : most;
    else if (how >= SHMLOG_HOW_LIMIT_)
        most = how - SHMLOG_HOW_LIMIT_ < most ? how - SHMLOG_HOW_LIMIT_ : most;
    end = memchr(s, 0, most);
    return end ? (size_t)((const char *)end - s) : most;
}

/* Put arguments into an image, all `shift` bytes behind their place; where the payload ends without
 * that. */
SHMLOG_INLINE_ uint32_t shmlog_image_put_args_(struct shmlog_slot *image, uint32_t shift,
                                               const struct shmlog_callsite_ *site,
                                               const uint8_t *types,
                                               const struct shmlog_value_ *values)
{
    uint32_t offset = SHMLOG_PAYLOAD_ARGS, end = SHMLOG_PAYLOAD_ARGS;

    for (uint32_t i = 1; i <= types[0]; i++) {
        const uint32_t width = shmlog_width_(shmlog_stored_type_(site, types, i));

        end = ((end + width - 1) & ~(width - 1)) + width;
    }
    for (uint32_t i = 1; i <= types[0]; i++) {
        const uint8_t type = shmlog_stored_type_(site, types, i);
        const uint32_t width = shmlog_width_(type);
        const uint32_t aligned = (offset + width - 1) & ~(width - 1);

        shmlog_image_zero_(image, shift + offset, shift + aligned);
        offset = aligned;
        if (type == SHMLOG_TYPE_STRING || type == SHMLOG_TYPE_BYTES) {
            uint32_t word = SHMLOG_LENGTH_NULL;

            if (values[i].bits || !values[i].length) { /* counted: NULL and 0 bytes is empty */
                const size_t room = SHMLOG_RECORD_PAYLOAD - shift - end;
                size_t size = shmlog_string_size_(site, values, i, room);

                word = 0;
                if (size > room) {
                    size = room;
                    word = SHMLOG_LENGTH_CUT;
                }
                word |= (uint32_t)size;
                shmlog_image_put_(image, shift + end, (const void *)(uintptr_t)values[i].bits,
                                  size);
                end += (uint32_t)size;
            }
            shmlog_image_put_(image, shift + offset, &word, sizeof(word));
        } else {
            shmlog_image_put_(image, shift + offset, &values[i].bits, width); /* little-endian */
        }
        offset += width;
    }
    return end;
}

SHMLOG_OUTLINE_ void shmlog_put_long_(struct shmlog *log, struct shmlog_thread_ *thread,
                                      const struct shmlog_callsite_ *site, const uint8_t *types,
                                      uint32_t id, const struct shmlog_value_ *values, int flags,
                                      uint64_t time)
{
    struct shmlog_slot image[SHMLOG_RECORD_SLOTS];
    const uint32_t end = shmlog_image_put_args_(image, 0, site, types, values);

    shmlog_image_commit_(log, thread, image, end, id, flags, time);
}

SHMLOG_OUTLINE_ void shmlog_put_raw_long_(struct shmlog *log, struct shmlog_thread_ *thread,
                                          const struct shmlog_callsite_ *site, uint32_t id,
                                          const void *data, int flags, uint64_t time)
{
    struct shmlog_slot image[SHMLOG_RECORD_SLOTS];

    shmlog_image_zero_(image, SHMLOG_PAYLOAD_ARGS, SHMLOG_PAYLOAD_RAW);
    shmlog_image_put_(image, SHMLOG_PAYLOAD_RAW, data, site->record_size);
    shmlog_image_commit_(log, thread, image, SHMLOG_PAYLOAD_RAW + site->record_size, id, flags,
                         time);
}

/* A record that brings its site along: an image, and in its second half the site before it is put
 * where it belongs, for stacks are short. */
union shmlog_inline_ {
    struct shmlog_slot image[SHMLOG_RECORD_SLOTS];
    struct {
        uint8_t image_begin[SHMLOG_RECORD_SLOTS * SHMLOG_SLOT_SIZE - sizeof(struct shmlog_blob_)];
        struct shmlog_blob_ site;
    } build;
};
/* It goes down by that much, less 28 bytes and 8 for each slot that it gets to. */
SHMLOG_STATIC_ASSERT_(SHMLOG_RECORD_SLOTS *SHMLOG_SLOT_SIZE - sizeof(struct shmlog_blob_) >
                          28 + 8 * (SHMLOG_SITE_MAX / SHMLOG_SLOT_PAYLOAD + 2) + SHMLOG_SLOT_SIZE,
                      "no byte of a site is written to before it was read");

/* Put the site into the image. Bytes by which the arguments are behind their place then. */
SHMLOG_INLINE_ uint32_t shmlog_inline_begin_(union shmlog_inline_ *record)
{
    const uint32_t size = record->build.site.size;

    shmlog_image_put_(record->image, SHMLOG_PAYLOAD_ARGS + SHMLOG_INLINE_LENGTHS,
                      record->build.site.bytes, size);
    shmlog_image_put_(record->image, SHMLOG_PAYLOAD_ARGS, &size, sizeof(size));
    return SHMLOG_INLINE_LENGTHS + size;
}

/* `end` of the payload that the record would have otherwise. */
SHMLOG_INLINE_ void shmlog_inline_commit_(struct shmlog *log, union shmlog_inline_ *record,
                                          const struct shmlog_callsite_ *site, uint32_t shift,
                                          uint32_t end, int flags, uint64_t time)
{
    const uint32_t size = end - SHMLOG_PAYLOAD_ARGS;

    shmlog_image_put_(record->image, SHMLOG_PAYLOAD_ARGS + 4, &size, sizeof(size));
    shmlog_image_commit_(log, shmlog_thread_state_(log), record->image, shift + end,
                         SHMLOG_SITE_INLINE + site->level, flags, time);
}

/* A call whose site is not in the table. `values`: as for shmlog_put_elsewhere_(). What does not
 * fit is cut from strings. */
SHMLOG_COLD_ void shmlog_put_inline_(struct shmlog *log, const struct shmlog_callsite_ *site,
                                     const uint8_t *types, const char *const *names,
                                     const char *function, const struct shmlog_staged_ *stage,
                                     const struct shmlog_value_ *values, int flags, uint64_t time)
{
    union shmlog_inline_ record;
    uint32_t shift, end;

    shmlog_build_site_(&record.build.site, site, types, names, function);
    shift = shmlog_inline_begin_(&record);
    if (values) {
        end = shmlog_image_put_args_(record.image, shift, site, types, values);
    } else { /* all of them are in the slot that was staged */
        const uint64_t words[6] = {stage->words.w2, stage->words.w3, stage->words.w4,
                                   stage->words.w5, stage->words.w6, stage->words.w7};

        end = stage->offset - 8;
        shmlog_image_put_(record.image, shift + SHMLOG_PAYLOAD_ARGS, (const uint8_t *)words + 4,
                          end - SHMLOG_PAYLOAD_ARGS);
    }
    shmlog_inline_commit_(log, &record, site, shift, end, flags, time);
}

/* A struct is not cut. */
SHMLOG_COLD_ void shmlog_put_raw_inline_(struct shmlog *log, const struct shmlog_callsite_ *site,
                                         const void *data, int flags, uint64_t time)
{
    const uint32_t end = SHMLOG_PAYLOAD_RAW + site->record_size;
    union shmlog_inline_ record;
    uint32_t shift;

    shmlog_build_site_(&record.build.site, site, SHMLOG_NULL_, SHMLOG_NULL_, "");
    shift = shmlog_inline_begin_(&record);
    if (shift + end > SHMLOG_RECORD_PAYLOAD) {
        shmlog_no_site_(log);
        return;
    }
    shmlog_image_zero_(record.image, shift + SHMLOG_PAYLOAD_ARGS, shift + SHMLOG_PAYLOAD_RAW);
    shmlog_image_put_(record.image, shift + SHMLOG_PAYLOAD_RAW, data, site->record_size);
    shmlog_inline_commit_(log, &record, site, shift, end, flags, time);
}

/* ---- Attaching ---- */

/* Both layout versions, and what to do. */
SHMLOG_COLD_ const char *shmlog_version_text_(const char *advice);
SHMLOG_COLD_ const char *shmlog_version_text_(const char *advice)
{
    static char shared[128]; /* thread-local storage is scarce */
    char text[sizeof(shared)] = "";

    (void)shmlog_path_add_(text, sizeof(text), "the segment has layout version ");
    (void)shmlog_path_add_number_(text, sizeof(text), shmlog_refused_version_, 1);
    (void)shmlog_path_add_(text, sizeof(text), ", this program version ");
    (void)shmlog_path_add_number_(text, sizeof(text), SHMLOG_LAYOUT_VERSION, 1);
    (void)shmlog_path_add_(text, sizeof(text), advice);
    for (size_t i = 0; i < sizeof(text); i++) /* threads that write the same at once do no harm */
        __atomic_store_n(&shared[i], text[i], __ATOMIC_RELAXED);
    return shared;
}

SHMLOG_COLD_ const char *shmlog_strerror(int error)
{
    switch (error < 0 ? -error : error) {
    case 0:
        return "success";
    case ENOENT:
        return "no such segment: is shmlog-collector running, and $SHMLOG_DIR the same?";
    case EACCES:
    case EPERM:
        return "permission denied: run as the segment's user, or as a member of the group that its "
               "shmlog-collector names with --group; the runtime folder must belong to this user "
               "or root, and nobody else may write to it";
    case ENOMEM:
        return "out of memory or address space (ulimit -v): all rings of the segment are mapped";
    case EAGAIN:
        return "no spare ring is free, or a limit on threads or locked memory (ulimit -u, -l)";
    case EINVAL:
        return "not a segment's name: up to 63 letters, digits, '.', '_' and '-', beginning with "
               "neither '.' nor '-', or a path that ends in such a name; or a flag of "
               "shmlog_open() that this version does not have";
    case EMFILE:
        return "too many open files (ulimit -n), or a program is attached to four segments already";
    case ENOSYS:
        return "a log that attaches later needs glibc 2.34 or newer, or musl";
    case ENAMETOOLONG:
        return "the segment's path is too long";
    case SHMLOG_ERR_FOREIGN:
        return "not a shmlog segment";
    case SHMLOG_ERR_OLDER:
        return shmlog_version_text_(": restart its collector, of this version");
    case SHMLOG_ERR_NEWER:
        return shmlog_refused_version_ == SHMLOG_LAYOUT_VERSION
                   ? "the segment has features that this program does not know: rebuild the program"
                   : shmlog_version_text_(": rebuild the program");
    case SHMLOG_ERR_GEOMETRY:
        return "the segment is damaged: its sizes do not add up";
    case SHMLOG_ERR_UNFINISHED:
        return "the segment is not finished: its collector is starting, or died doing so";
    case SHMLOG_ERR_CLOSED:
        return "the segment is being removed by its collector";
    case SHMLOG_ERR_NO_RINGS:
        return "none of the segment's rings can be mapped: its ring files are missing, cut short "
               "or "
               "another user's; restart its collector";
    case SHMLOG_ERR_RINGS:
        return "some of the segment's ring files are missing, cut short or another user's: restart "
               "its collector, or open with SHMLOG_OPEN_PARTIAL to go on without them";
    default:
        return strerror(error < 0 ? -error : error);
    }
}

SHMLOG_COLD_ int shmlog_path_add_(char *path, size_t size, const char *text)
{
    const size_t have = strlen(path), more = strlen(text);

    if (have + more + 1 > size)
        return -ENAMETOOLONG;
    memcpy(path + have, text, more + 1);
    return 0;
}

SHMLOG_COLD_ int shmlog_path_add_number_(char *path, size_t size, uint64_t number, int width)
{
    char text[24];
    char *p = text + sizeof(text);

    *--p = 0;
    do {
        *--p = (char)('0' + number % 10);
        number /= 10;
        width--;
    } while (number || width > 0);
    return shmlog_path_add_(path, size, p);
}

/* /dev/shm is writable by everybody: a folder there counts only if it is `owner`'s (or root's) and
 * nobody else may change it. 0, or -ENOENT, -EACCES. */
SHMLOG_COLD_ int shmlog_folder_trusted_(const char *folder, uint32_t owner);
SHMLOG_COLD_ int shmlog_folder_trusted_(const char *folder, uint32_t owner)
{
    struct stat st;
    const int r = (int)shmlog_sys_(SYS_newfstatat, SHMLOG_AT_FDCWD_, SHMLOG_PTR_(folder),
                                   SHMLOG_PTR_(&st), SHMLOG_AT_SYMLINK_NOFOLLOW_, 0, 0);

    if (r < 0)
        return r;
    shmlog_written_(&st, sizeof(st));
    return S_ISDIR(st.st_mode) && (st.st_uid == owner || st.st_uid == 0) && !(st.st_mode & 022)
               ? 0
               : -EACCES;
}

/* The segment's directory: see shm/path.h, which has the same rules for the tools. */
SHMLOG_COLD_ int shmlog_find_segment_(const char *name, const char *folder, char *ret_path,
                                      size_t size);
SHMLOG_COLD_ int shmlog_find_segment_(const char *name, const char *folder, char *ret_path,
                                      size_t size)
{
    const char *slash, *last;
    int r = 0;

    ret_path[0] = 0;
    if (!name)
        return -EINVAL;
    slash = strrchr(name, '/');
    last = slash ? slash + 1 : name;
    if (!*last || *last == '.' || *last == '-' || strlen(last) > 63)
        return -EINVAL;
    for (const char *p = last; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              strchr("._-", *p)))
            return -EINVAL;
    if (slash)
        return shmlog_path_add_(ret_path, size, name);
    if (folder && *folder) {
        r = shmlog_path_add_(ret_path, size, folder);
        if (r == 0)
            r = shmlog_path_add_(ret_path, size, "/");
        return r < 0 ? r : shmlog_path_add_(ret_path, size, name);
    }
    r = -ENOENT;
    for (int system = 0; system < 2; system++) {
        const uint32_t owner = system ? 0 : (uint32_t)shmlog_sys_(SYS_geteuid, 0, 0, 0, 0, 0, 0);
        struct stat st;
        int trusted;

        ret_path[0] = 0;
        if (shmlog_path_add_(ret_path, size, "/dev/shm/shmlog") < 0 ||
            (!system && (shmlog_path_add_(ret_path, size, "-") < 0 ||
                         shmlog_path_add_number_(ret_path, size, owner, 1) < 0)))
            return -ENAMETOOLONG;
        trusted = shmlog_folder_trusted_(ret_path, owner);
        if (trusted < 0)
            r = trusted == -ENOENT ? r : trusted;
        else if (shmlog_path_add_(ret_path, size, "/") < 0 ||
                 shmlog_path_add_(ret_path, size, name) < 0)
            return -ENAMETOOLONG;
        else if (stat(ret_path, &st) == 0)
            return 0;
        else
            r = errno == ENOENT ? r : -errno;
    }
    return r;
}

/* Open a regular file, to read and write; no link is followed: -ELOOP. */
SHMLOG_COLD_ long shmlog_open_file_(const char *path, struct stat *ret_stat);
SHMLOG_COLD_ long shmlog_open_file_(const char *path, struct stat *ret_stat)
{
    /* O_NONBLOCK: a pipe in its place must not hold us up */
    const long fd =
        shmlog_sys_(SYS_openat, SHMLOG_AT_FDCWD_, SHMLOG_PTR_(path),
                    2 | SHMLOG_O_CLOEXEC_ | SHMLOG_O_NOFOLLOW_ | O_NONBLOCK | O_NOCTTY, 0, 0, 0);

    if (fd < 0)
        return fd == -EISDIR || fd == -ENXIO ? -SHMLOG_ERR_FOREIGN : fd;
    if (fstat((int)fd, ret_stat) < 0 || !S_ISREG(ret_stat->st_mode)) {
        shmlog_sys_(SYS_close, fd, 0, 0, 0, 0, 0);
        return -SHMLOG_ERR_FOREIGN;
    }
    return fd;
}

/* Copy a control file's header. The magic is stored last: read by itself first, it vouches for what
 * is read after it. */
SHMLOG_COLD_ int shmlog_read_control_(long fd, struct shmlog_control *ret_copy);
SHMLOG_COLD_ int shmlog_read_control_(long fd, struct shmlog_control *ret_copy)
{
    uint64_t magic = 0;
    long n;

    memset(ret_copy, 0, sizeof(*ret_copy));
    n = shmlog_sys_(SYS_pread64, fd, SHMLOG_PTR_(&magic), sizeof(magic), 0, 0, 0);
    if (n >= 0)
        n = shmlog_sys_(SYS_pread64, fd, SHMLOG_PTR_(ret_copy), sizeof(*ret_copy), 0, 0, 0);
    if (n < 0)
        return (int)n;
    ret_copy->magic = magic;
    if (n == (long)sizeof(*ret_copy))
        return 0;
    return !magic                          ? -SHMLOG_ERR_UNFINISHED
           : magic == SHMLOG_CONTROL_MAGIC ? -SHMLOG_ERR_GEOMETRY
                                           : -SHMLOG_ERR_FOREIGN;
}

/* Reserve the attachment's addresses, make its private pages, map the control file behind them. */
SHMLOG_COLD_ int shmlog_map_control_(const char *path, struct shmlog **ret_log);
SHMLOG_COLD_ int shmlog_map_control_(const char *path, struct shmlog **ret_log)
{
    struct shmlog_control geometry;
    struct shmlog *log;
    struct stat st;
    long fd, at;
    uint64_t size;
    int r;

    fd = shmlog_open_file_(path, &st);
    if (fd < 0)
        return fd == -ELOOP ? -SHMLOG_ERR_FOREIGN : (int)fd;
    r = shmlog_read_control_(fd, &geometry);
    if (r == 0)
        r = shmlog_check_control_(&geometry, (uint64_t)st.st_size);
    if (r == -SHMLOG_ERR_OLDER || r == -SHMLOG_ERR_NEWER)
        shmlog_refused_version_ = geometry.version;
    if (r < 0)
        goto out;
    size = (geometry.file_size + SHMLOG_PAGE_ - 1) & ~(uint64_t)(SHMLOG_PAGE_ - 1);
    at = shmlog_sys_(SYS_mmap, 0, (long)(2 * SHMLOG_PAGE_ + size), 3 /* read, write */,
                     SHMLOG_MAP_PRIVATE_ | SHMLOG_MAP_ANONYMOUS_ | SHMLOG_MAP_NORESERVE_, -1, 0);
    if (at < 0 && at > -4096) {
        r = (int)at;
        goto out;
    }
    log = (struct shmlog *)(uintptr_t)at;
    at = shmlog_sys_(SYS_mmap, SHMLOG_PTR_(&log->control), (long)geometry.file_size, 3,
                     SHMLOG_MAP_SHARED_ | SHMLOG_MAP_FIXED_ | SHMLOG_MAP_POPULATE_, fd, 0);
    if (at < 0 && at > -4096) {
        r = (int)at;
        shmlog_sys_(SYS_munmap, SHMLOG_PTR_(log), (long)(2 * SHMLOG_PAGE_ + size), 0, 0, 0, 0);
        goto out;
    }
    log->local.geometry = geometry;
    log->local.control_size = size;
    log->local.owner = st.st_uid;
    log->local.control_dev = (uint64_t)st.st_dev;
    log->local.control_ino = (uint64_t)st.st_ino;
    *ret_log = log;
    r = 0;
out:
    shmlog_sys_(SYS_close, fd, 0, 0, 0, 0, 0);
    return r;
}

/* Open the file of ring `index`: a regular file in the segment's directory, or a link to one on a
 * hugetlbfs that has exactly the name that this segment would have given it. */
SHMLOG_COLD_ long shmlog_open_ring_(struct shmlog *log, const char *directory, uint32_t index,
                                    struct stat *ret_stat);
SHMLOG_COLD_ long shmlog_open_ring_(struct shmlog *log, const char *directory, uint32_t index,
                                    struct stat *ret_stat)
{
    static const char digits[] = "0123456789abcdef";
    char path[4096], target[4096], name[80] = "/shmlog-";
    uint64_t fs[32];
    size_t at = strlen(name), length;
    long fd, n;

    path[0] = 0;
    if (shmlog_path_add_(path, sizeof(path), directory) < 0 ||
        shmlog_path_add_(path, sizeof(path), "/ring-") < 0 ||
        shmlog_path_add_number_(path, sizeof(path), index, 3) < 0)
        return -ENAMETOOLONG;
    fd = shmlog_open_file_(path, ret_stat);
    if (fd != -ELOOP)
        return fd;
    n = shmlog_sys_(SYS_readlinkat, SHMLOG_AT_FDCWD_, SHMLOG_PTR_(path), SHMLOG_PTR_(target),
                    (long)sizeof(target) - 1, 0, 0);
    if (n <= 0 || n >= (long)sizeof(target) - 1)
        return -SHMLOG_ERR_FOREIGN;
    shmlog_written_(target, n);
    target[n] = 0;
    for (int i = 0; i < 16; i++) {
        name[at++] = digits[log->local.geometry.uuid[i] >> 4];
        name[at++] = digits[log->local.geometry.uuid[i] & 15];
    }
    name[at] = 0;
    (void)shmlog_path_add_(name, sizeof(name), "-ring-");
    (void)shmlog_path_add_number_(name, sizeof(name), index, 3);
    length = strlen(name);
    if (target[0] != '/' || (size_t)n <= length || strcmp(target + n - (long)length, name) != 0)
        return -SHMLOG_ERR_FOREIGN;
    fd = shmlog_open_file_(target, ret_stat);
    if (fd < 0)
        return fd == -ELOOP ? -SHMLOG_ERR_FOREIGN : fd;
    memset(fs, 0, sizeof(fs)); /* struct statfs begins with the type */
    if (shmlog_sys_(SYS_fstatfs, fd, SHMLOG_PTR_(fs), 0, 0, 0, 0) < 0 ||
        fs[0] != SHMLOG_HUGETLBFS_) {
        shmlog_sys_(SYS_close, fd, 0, 0, 0, 0, 0);
        return -SHMLOG_ERR_FOREIGN;
    }
    return fd;
}

/* Is a ring's header that of ring `index` of this segment? */
SHMLOG_COLD_ int shmlog_check_ring_(const struct shmlog *log, const struct shmlog_ring *ring,
                                    uint32_t index, uint64_t map_size);
SHMLOG_COLD_ int shmlog_check_ring_(const struct shmlog *log, const struct shmlog_ring *ring,
                                    uint32_t index, uint64_t map_size)
{
    const struct shmlog_control *const g = &log->local.geometry;
    const int of_cpu = index < g->cpu_rings;

    /* pairs with the release of the magic, which is stored last; so only after it the rest */
    return shmlog_load_acquire_(&ring->magic) == SHMLOG_RING_MAGIC &&
           ring->version == SHMLOG_LAYOUT_VERSION && ring->header_size == SHMLOG_RING_HEADER &&
           ring->index == index && ring->kind == (of_cpu ? SHMLOG_RING_CPU : SHMLOG_RING_OWNED) &&
           ring->slots == g->ring_slots && ring->file_size == map_size &&
           memcmp(ring->segment_uuid, g->uuid, sizeof(g->uuid)) == 0;
}

/* Note a core's ring. The one for severe records stands in for them; where it is missing, they go
 * with the others. */
SHMLOG_INLINE_ void shmlog_ring_of_core_(struct shmlog *log, uint32_t index, uint32_t cpu,
                                         struct shmlog_ring *ring)
{
    if (!shmlog_ring_is_severe_(&log->local.geometry, index))
        __atomic_store_n(&log->local.ring_of_cpu[cpu], ring, __ATOMIC_RELAXED);
    __atomic_store_n(&log->local.severe_of_cpu[cpu], ring, __ATOMIC_RELAXED);
}

/* Map ring `index`, if its file is what the control file says; else it stays the ring that is
 * always full. */
SHMLOG_COLD_ int shmlog_map_ring_(struct shmlog *log, const char *directory, uint32_t index);
SHMLOG_COLD_ int shmlog_map_ring_(struct shmlog *log, const char *directory, uint32_t index)
{
    const struct shmlog_control *const g = &log->local.geometry;
    const uint64_t size = SHMLOG_RING_HEADER + g->ring_slots * SHMLOG_SLOT_SIZE;
    struct shmlog_ring *ring;
    struct stat st;
    uint64_t map_size;
    uint32_t cpu;
    int sound;
    long fd, at;

    fd = shmlog_open_ring_(log, directory, index, &st);
    if (fd < 0)
        return (int)fd;
    if (st.st_uid != log->local.owner || (uint64_t)st.st_size < size ||
        (uint64_t)st.st_size - size >= UINT64_C(1) << 30) { /* the largest page size */
        shmlog_sys_(SYS_close, fd, 0, 0, 0, 0, 0);
        return st.st_uid != log->local.owner ? -SHMLOG_ERR_FOREIGN : -SHMLOG_ERR_GEOMETRY;
    }
    map_size = (uint64_t)st.st_size; /* whole, since huge pages are mapped and unmapped whole */
    at = shmlog_sys_(SYS_mmap, 0, (long)map_size, 3, SHMLOG_MAP_SHARED_ | SHMLOG_MAP_POPULATE_, fd,
                     0);
    shmlog_sys_(SYS_close, fd, 0, 0, 0, 0, 0);
    if (at < 0 && at > -4096)
        return (int)at;
    ring = (struct shmlog_ring *)(uintptr_t)at;
    /* known to the SIGBUS handler before it is touched */
    log->local.ring_map[index] = map_size;
    __atomic_store_n(&log->local.ring[index], ring, __ATOMIC_RELEASE);
    sound = shmlog_check_ring_(log, ring, index, map_size);
    cpu = shmlog_load32_relaxed_(&ring->cpu);
    if (!sound || (index < g->cpu_rings && cpu >= SHMLOG_CPUS_MAX)) {
        __atomic_store_n(&log->local.ring[index], &log->local.none, __ATOMIC_RELEASE);
        shmlog_sys_(SYS_munmap, at, (long)map_size, 0, 0, 0, 0);
        return -SHMLOG_ERR_GEOMETRY;
    }
    if (index < g->cpu_rings)
        shmlog_ring_of_core_(log, index, cpu, ring);
    if (shmlog_ring_is_shared_(g, index))
        __atomic_store_n(&log->local.shared, ring, __ATOMIC_RELAXED);
    return 0;
}

/* ---- SIGBUS: a file was cut short ----
 *
 * The handler puts private memory in the place of what is gone, and the access goes on. A ring is
 * replaced whole, in one step, by one that looks full to every writer that still has it, and whose
 * magic is gone, which writers find out where they would count it as full; what they stored into
 * it is lost with the ring. Threads that run into it at once wait for the first: each mapping is
 * replaced once, since its private memory holds counts from then on. A restartable sequence is
 * aborted by the signal; then the ring looks full, so that the core's is looked up, there is none
 * any more, and the thread takes a spare one.
 *
 * The handler touches no shared memory. SIGBUS is not blocked in it: another signal's handler that
 * interrupts it may log, and run into the same. */

/* The lock of replacing mappings, and of installing and removing the handler. No signal handler
 * comes in meanwhile: it could need the lock. A child forked meanwhile finds it held by its parent.
 * Returns what shmlog_unlock_bus_() takes. */
SHMLOG_COLD_ uint64_t shmlog_lock_bus_(void);
SHMLOG_COLD_ uint64_t shmlog_lock_bus_(void)
{
    const uint64_t mask = shmlog_block_signals_();
    const uint32_t pid = (uint32_t)shmlog_sys_(SYS_getpid, 0, 0, 0, 0, 0, 0);
    uint32_t holder = 0;

    while (!__atomic_compare_exchange_n(&shmlog_bus_.lock, &holder, pid, 0, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
        if (holder == pid) {
            holder = 0;
            shmlog_nap_(50);
        }
    return mask;
}
SHMLOG_COLD_ void shmlog_unlock_bus_(uint64_t mask);
SHMLOG_COLD_ void shmlog_unlock_bus_(uint64_t mask)
{
    __atomic_store_n(&shmlog_bus_.lock, 0, __ATOMIC_RELEASE);
    shmlog_unblock_signals_(mask);
}

/* Replace a mapping by private memory that begins with `begin` and is zero otherwise, unless *gone;
 * sets *gone. */
SHMLOG_COLD_ int shmlog_replace_(void *memory, uint64_t size, const void *begin, size_t begin_size,
                                 uint8_t *gone);
SHMLOG_COLD_ int shmlog_replace_(void *memory, uint64_t size, const void *begin, size_t begin_size,
                                 uint8_t *gone)
{
    const uint64_t mask = shmlog_lock_bus_();
    long fresh, at = 0;

    if (*gone)
        goto out;
    at = fresh =
        shmlog_sys_(SYS_mmap, 0, (long)size, 3 /* read, write */,
                    SHMLOG_MAP_PRIVATE_ | SHMLOG_MAP_ANONYMOUS_ | SHMLOG_MAP_NORESERVE_, -1, 0);
    if (at < 0 && at > -4096)
        goto out;
    memcpy((void *)(uintptr_t)fresh, begin, begin_size);
    at = shmlog_sys_(SYS_mremap, fresh, (long)size, (long)size, SHMLOG_MREMAP_, SHMLOG_PTR_(memory),
                     0);
    if (at < 0 && at > -4096)
        shmlog_sys_(SYS_munmap, fresh, (long)size, 0, 0, 0, 0);
    else
        *gone = 1;
out:
    shmlog_unlock_bus_(mask);
    return at < 0 && at > -4096 ? (int)at : 0;
}

SHMLOG_COLD_ int shmlog_lose_ring_(struct shmlog *log, uint32_t index);
SHMLOG_COLD_ int shmlog_lose_ring_(struct shmlog *log, uint32_t index)
{
    struct shmlog_ring *const ring = log->local.ring[index];
    /* the first 128 bytes and the writers' line of a ring header; the others are zero */
    struct {
        uint8_t identity[offsetof(struct shmlog_ring, head)];
        uint64_t head, limit;
    } full;

    for (uint32_t i = 0; i < SHMLOG_CPUS_MAX; i++) {
        struct shmlog_ring *const beside = log->local.ring_of_cpu[i];

        if (log->local.severe_of_cpu[i] == ring)
            __atomic_store_n(&log->local.severe_of_cpu[i],
                             beside == ring ? &log->local.none : beside, __ATOMIC_RELEASE);
        if (beside == ring)
            __atomic_store_n(&log->local.ring_of_cpu[i], &log->local.none, __ATOMIC_RELEASE);
    }
    memset(&full, 0, sizeof(full));
    full.head = SHMLOG_HEAD_MAX_;
    return shmlog_replace_(ring, log->local.ring_map[index], &full, sizeof(full),
                           &log->local.ring_gone[index]);
}

SHMLOG_COLD_ int shmlog_lose_rings_(struct shmlog *log);
SHMLOG_COLD_ int shmlog_lose_rings_(struct shmlog *log)
{
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < log->local.geometry.rings; i++)
        if (log->local.ring[i] != &log->local.none)
            r = shmlog_lose_ring_(log, i);
    return r;
}

SHMLOG_COLD_ int shmlog_lose_control_(struct shmlog *log);
SHMLOG_COLD_ int shmlog_lose_control_(struct shmlog *log)
{
    struct {
        uint8_t identity[offsetof(struct shmlog_control, level)];
        uint32_t level, state;
    } empty;

    memset(&empty, 0, sizeof(empty));
    empty.level = log->local.geometry.level; /* as it was at first */
    empty.state = SHMLOG_SEGMENT_CLOSED;
    return shmlog_replace_(&log->control, log->local.control_size, &empty, sizeof(empty),
                           &log->local.control_gone);
}

/* Without its control file, nobody will read what is in the rings. The control file last: as long
 * as a ring may be written to, the tables that say whose it is have to be there. */
SHMLOG_COLD_ int shmlog_lose_segment_(struct shmlog *log);
SHMLOG_COLD_ int shmlog_lose_segment_(struct shmlog *log)
{
    const int r = shmlog_lose_rings_(log);

    return r < 0 ? r : shmlog_lose_control_(log);
}

/* 1: the address is the attachment's, and the access will not fail again. */
SHMLOG_COLD_ int shmlog_lose_(struct shmlog *log, uintptr_t at);
SHMLOG_COLD_ int shmlog_lose_(struct shmlog *log, uintptr_t at)
{
    if (at - (uintptr_t)&log->control < log->local.control_size)
        return shmlog_lose_segment_(log) == 0;
    for (uint32_t i = 0; i < log->local.geometry.rings; i++) {
        struct shmlog_ring *const ring = __atomic_load_n(&log->local.ring[i], __ATOMIC_ACQUIRE);

        if (ring != &log->local.none && at - (uintptr_t)ring < log->local.ring_map[i])
            return shmlog_lose_ring_(log, i) == 0;
    }
    return 0;
}

/* The C library's sigaction(), with the type above. */
extern int shmlog_libc_sigaction_(int signal, const struct shmlog_sigaction_ *action,
                                  struct shmlog_sigaction_ *before) __asm__("sigaction");
#define SHMLOG_SA_SIGINFO_ 0x4
#define SHMLOG_SA_ONSTACK_ 0x08000000
#define SHMLOG_SA_RESTART_ 0x10000000
#define SHMLOG_SA_NODEFER_ 0x40000000

/* Not ours: what would have happened without us. */
SHMLOG_COLD_ void shmlog_pass_bus_on_(int signal, void *info, void *context, int raised);
SHMLOG_COLD_ void shmlog_pass_bus_on_(int signal, void *info, void *context, int raised)
{
    const struct shmlog_sigaction_ before = shmlog_bus_.before;
    const uintptr_t handler = (uintptr_t)before.handler;
    struct shmlog_sigaction_ by_default;

    if (handler > 1) { /* neither SIG_DFL nor SIG_IGN */
        const uint64_t bus = before.flags & SHMLOG_SA_NODEFER_ ? 0 : SHMLOG_BUS_BIT_;

        shmlog_sys_(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, SHMLOG_PTR_(&bus), 0, 8, 0, 0);
        before.handler(signal, info, context);
    } else if (raised || handler == 0) { /* a raised one cannot be ignored */
        memset(&by_default, 0, sizeof(by_default));
        shmlog_libc_sigaction_(signal, &by_default, NULL);
        if (!raised) /* else the access will do so */
            shmlog_sys_(SYS_tgkill, shmlog_sys_(SYS_getpid, 0, 0, 0, 0, 0, 0),
                        shmlog_sys_(SYS_gettid, 0, 0, 0, 0, 0, 0), signal, 0, 0, 0);
    }
}

SHMLOG_COLD_ void shmlog_on_bus_(int signal, void *info, void *context);
SHMLOG_COLD_ void shmlog_on_bus_(int signal, void *info, void *context)
{
    uintptr_t at;
    int code, ours = 0;

    memcpy(&code, (const uint8_t *)info + 8, sizeof(code)); /* si_code */
    memcpy(&at, (const uint8_t *)info + 16, sizeof(at));    /* si_addr */
    __atomic_fetch_add(&shmlog_bus_.running, 1, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; code > 0 && i < SHMLOG_ATTACHMENTS_; i++) {
        struct shmlog *const log = __atomic_load_n(&shmlog_bus_.log[i], __ATOMIC_SEQ_CST);

        ours |= log && shmlog_lose_(log, at);
    }
    __atomic_fetch_sub(&shmlog_bus_.running, 1, __ATOMIC_SEQ_CST);
    if (!ours)
        shmlog_pass_bus_on_(signal, info, context, code > 0);
}

/* Put the handler in place, unless it is. */
SHMLOG_COLD_ void shmlog_hold_bus_(void);
SHMLOG_COLD_ void shmlog_hold_bus_(void)
{
    struct shmlog_sigaction_ ours, there;
    const uint64_t mask = shmlog_lock_bus_();

    /* Over one that passes on to ours, the two would go on forever. */
    if (!shmlog_bus_.guarded++ && shmlog_libc_sigaction_(SIGBUS, NULL, &there) == 0 &&
        (there.handler != shmlog_bus_.ours || !there.handler) &&
        !(shmlog_bus_.under && (uintptr_t)there.handler > 1)) {
        shmlog_bus_.under = 0;
        shmlog_bus_.before = there;
        ours = there; /* its mask, for it may be called from ours */
        ours.handler = shmlog_bus_.ours = shmlog_on_bus_;
        ours.flags =
            SHMLOG_SA_SIGINFO_ | SHMLOG_SA_ONSTACK_ | SHMLOG_SA_RESTART_ | SHMLOG_SA_NODEFER_;
        shmlog_libc_sigaction_(SIGBUS, &ours, NULL);
    }
    shmlog_unlock_bus_(mask);
}

/* Take it back after the last. */
SHMLOG_COLD_ void shmlog_release_bus_(void);
SHMLOG_COLD_ void shmlog_release_bus_(void)
{
    struct shmlog_sigaction_ there;
    const uint64_t mask = shmlog_lock_bus_();

    if (!--shmlog_bus_.guarded && shmlog_libc_sigaction_(SIGBUS, NULL, &there) == 0) {
        if (there.handler == shmlog_bus_.ours)
            shmlog_libc_sigaction_(SIGBUS, &shmlog_bus_.before, NULL);
        else
            shmlog_bus_.under = 1;
    }
    shmlog_unlock_bus_(mask);
}

SHMLOG_COLD_ void shmlog_guard_(struct shmlog *log);
SHMLOG_COLD_ void shmlog_guard_(struct shmlog *log)
{
    __atomic_store_n(&shmlog_bus_.log[log->local.entry], log, __ATOMIC_SEQ_CST);
    shmlog_hold_bus_();
}

/* Before the attachment is unmapped. */
SHMLOG_COLD_ void shmlog_unguard_(struct shmlog *log);
SHMLOG_COLD_ void shmlog_unguard_(struct shmlog *log)
{
    if (!shmlog_guarded_(log))
        return;
    __atomic_store_n(&shmlog_bus_.log[log->local.entry], NULL, __ATOMIC_SEQ_CST);
    shmlog_release_bus_();
    /* A handler for another address may be looking at it. It takes microseconds; a child forked
     * meanwhile has a count that nobody takes back. */
    for (int i = 0; i < 100 && __atomic_load_n(&shmlog_bus_.running, __ATOMIC_SEQ_CST); i++)
        shmlog_nap_(1000);
}

/* An entry of shmlog_open_logs_[] for an attachment, or -EMFILE. */
SHMLOG_COLD_ int shmlog_take_entry_(void);
SHMLOG_COLD_ int shmlog_take_entry_(void)
{
    uint32_t taken = __atomic_load_n(&shmlog_entries_, __ATOMIC_RELAXED);
    int entry;

    do {
        entry = __builtin_ctz(~taken);
        if ((uint32_t)entry >= SHMLOG_ATTACHMENTS_)
            return -EMFILE;
    } while (!__atomic_compare_exchange_n(&shmlog_entries_, &taken, taken | 1u << entry, 1,
                                          __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
    return entry;
}

SHMLOG_INLINE_ void shmlog_free_entry_(uint32_t entry)
{
    shmlog_store_relaxed_(&shmlog_open_logs_[entry].key, 0);
    __atomic_store_n(&shmlog_open_logs_[entry].log, NULL, __ATOMIC_RELAXED);
    __atomic_fetch_and(&shmlog_entries_, ~(1u << entry), __ATOMIC_RELEASE);
}

/* Memory for the states of this process's threads, one for each entry of the producer table;
 * pages are taken as they are used. Undone by shmlog_close(). */
SHMLOG_INLINE_ uint64_t shmlog_threads_size_(const struct shmlog *log)
{
    return log->local.geometry.producers_max * sizeof(struct shmlog_state_);
}
SHMLOG_COLD_ int shmlog_open_threads_(struct shmlog *log);
SHMLOG_COLD_ int shmlog_open_threads_(struct shmlog *log)
{
    long at;

    if (pthread_key_create(&log->local.thread_key, NULL) != 0)
        return -EMFILE;
    at = shmlog_sys_(SYS_mmap, 0, (long)shmlog_threads_size_(log), 3 /* read, write */,
                     SHMLOG_MAP_PRIVATE_ | SHMLOG_MAP_ANONYMOUS_ | SHMLOG_MAP_NORESERVE_, -1, 0);
    if (at < 0 && at > -4096) {
        pthread_key_delete(log->local.thread_key);
        return (int)at;
    }
    log->local.has_thread_key = 1;
    log->local.threads = (struct shmlog_state_ *)(uintptr_t)at;
    log->local.nameless.key = log->local.cpus ? SHMLOG_WAY_CORE_ : SHMLOG_WAY_OWNED_;
    log->local.nameless.owned = &log->local.none;
    __atomic_store_n(&shmlog_open_logs_[log->local.entry].log, log, __ATOMIC_RELAXED);
    return 0;
}

SHMLOG_INLINE_ void shmlog_drop_key_(struct shmlog *log)
{
    if (log->local.has_thread_key)
        pthread_key_delete(log->local.thread_key);
    log->local.has_thread_key = 0;
}

/* In a child, after fork(), where the kernel has not wiped the keys. */
SHMLOG_COLD_ void shmlog_on_fork_(void);
SHMLOG_COLD_ void shmlog_on_fork_(void)
{
    for (uint32_t i = 0; i < SHMLOG_ATTACHMENTS_; i++) {
        struct shmlog *const log = __atomic_load_n(&shmlog_open_logs_[i].log, __ATOMIC_RELAXED);

        if (log && log->local.not_wiped)
            shmlog_store_relaxed_(&log->key, 0);
    }
}

/* Let a forked child find `key` 0: by the kernel, or where that will not (before 4.14, or forbidden
 * by a seccomp filter) by the C library's fork(). */
SHMLOG_COLD_ int shmlog_wipe_on_fork_(struct shmlog *log);
SHMLOG_COLD_ int shmlog_wipe_on_fork_(struct shmlog *log)
{
    uint32_t before = 0;

    if (shmlog_sys_(SYS_madvise, SHMLOG_PTR_(log), SHMLOG_PAGE_, SHMLOG_MADV_WIPEONFORK_, 0, 0,
                    0) == 0)
        return 0;
    log->local.not_wiped = 1;
    if (!__atomic_compare_exchange_n(&shmlog_forks_, &before, 1, 0, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED))
        return 0;
    if (pthread_atfork(NULL, NULL, shmlog_on_fork_) != 0) {
        __atomic_store_n(&shmlog_forks_, 0, __ATOMIC_RELAXED);
        return -ENOMEM;
    }
    return 0;
}

SHMLOG_COLD_ void shmlog_init_local_(struct shmlog *log, const struct shmlog_options *options,
                                     uint32_t entry);
SHMLOG_COLD_ void shmlog_init_local_(struct shmlog *log, const struct shmlog_options *options,
                                     uint32_t entry)
{
    struct shmlog_local_ *const local = &log->local;
    uint32_t uuid;

    memcpy(&uuid, local->geometry.uuid, sizeof(uuid));
    /* 0 is "not registered", 1 less "no room" */
    local->site_key = (uuid | 1u) == SHMLOG_SITE_KEY_LATER_ ? 3 : uuid | 1u;
    local->slot_mask = local->geometry.ring_slots - 1;
    local->ring_mask = local->geometry.ring_slots * SHMLOG_SLOT_SIZE - 1;
    local->quarter_mask = (local->geometry.ring_slots >> SHMLOG_DOORBELL_SHIFT) - 1;
    local->clock = local->geometry.clock;
    local->on_full = local->geometry.on_full;
    local->wait_ns = local->geometry.wait_ns;
    local->reserve = local->geometry.reserve_slots;
    local->entry = entry;
    local->pid_ns = shmlog_pid_ns_();
    for (uint32_t i = 0; i < SHMLOG_CPUS_MAX; i++)
        local->ring_of_cpu[i] = local->severe_of_cpu[i] = &local->none;
    local->shared = &local->none;
    for (uint32_t i = 0; i < SHMLOG_RINGS_MAX; i++)
        local->ring[i] = &local->none;
#if SHMLOG_RSEQ_
    if (&__rseq_size != NULL && &__rseq_offset != NULL && __rseq_size > 0 &&
        local->clock == SHMLOG_CLOCK_TSC) {
        local->rseq_offset = (uint64_t)__rseq_offset;
        local->cpus = SHMLOG_CPUS_MAX;
        local->severe_rings = (local->geometry.compatible & SHMLOG_COMPATIBLE_SEVERE_RINGS) != 0;
    }
#endif
    if (options && options->process_name) {
        const size_t n = strlen(options->process_name);

        memcpy(local->process, options->process_name, n < 31 ? n : 31);
    } else {
        const long n = shmlog_read_file_("/proc/self/comm", local->process, 31);

        if (n > 0 && local->process[n - 1] == '\n')
            local->process[n - 1] = 0;
    }
}

/* Sign its threads off. In a child that has not logged, none are its own. */
SHMLOG_COLD_ void shmlog_sign_off_(struct shmlog *log);
SHMLOG_COLD_ void shmlog_sign_off_(struct shmlog *log)
{
    struct shmlog_producer *const table =
        (struct shmlog_producer *)shmlog_table_(log, log->local.geometry.producers_offset);
    const uint64_t key = log->key;

    for (uint32_t i = 0; key && i < log->local.geometry.producers_max &&
                         i < shmlog_load32_relaxed_(&log->control.producers_used);
         i++) {
        const uint64_t claim = shmlog_load_acquire_(&table[i].claim);

        if ((claim & 0xffffffffu) == SHMLOG_PRODUCER_LIVE && table[i].attachment == key)
            shmlog_store_release_(&table[i].claim,
                                  (claim & ~UINT64_C(0xffffffff)) | SHMLOG_PRODUCER_DETACHED);
    }
}

SHMLOG_COLD_ void shmlog_unmap_(struct shmlog *log);
SHMLOG_COLD_ void shmlog_unmap_(struct shmlog *log)
{
    for (uint32_t i = 0; i < log->local.geometry.rings; i++)
        if (log->local.ring[i] != &log->local.none)
            shmlog_sys_(SYS_munmap, SHMLOG_PTR_(log->local.ring[i]), (long)log->local.ring_map[i],
                        0, 0, 0, 0);
    shmlog_drop_key_(log);
    if (log->local.threads)
        shmlog_sys_(SYS_munmap, SHMLOG_PTR_(log->local.threads), (long)shmlog_threads_size_(log), 0,
                    0, 0, 0);
    shmlog_sys_(SYS_munmap, SHMLOG_PTR_(log), (long)(2 * SHMLOG_PAGE_ + log->local.control_size), 0,
                0, 0, 0);
}

SHMLOG_COLD_ void shmlog_detach_(struct shmlog *log);
SHMLOG_COLD_ void shmlog_detach_(struct shmlog *log)
{
    shmlog_sign_off_(log);
    shmlog_unguard_(log);
    shmlog_free_entry_(log->local.entry);
    shmlog_unmap_(log);
}

/* An error of a ring that is one of a limit or a right, and not of its file. */
SHMLOG_INLINE_ int shmlog_is_system_error_(int error)
{
    return error == -EACCES || error == -EPERM || error == -EMFILE || error == -ENFILE ||
           error == -ENOMEM || error == -EAGAIN;
}

/* Map all rings, the shared one first: it serves every thread if there is no room for the others.
 * 0; or why not all, or with SHMLOG_OPEN_PARTIAL none, could be mapped. */
SHMLOG_COLD_ int shmlog_map_rings_(struct shmlog *log, const char *directory, uint32_t flags);
SHMLOG_COLD_ int shmlog_map_rings_(struct shmlog *log, const char *directory, uint32_t flags)
{
    const uint32_t rings = log->local.geometry.rings;
    const uint32_t first = shmlog_ring_is_shared_(&log->local.geometry, rings - 1) ? rings - 1 : 0;
    uint32_t missing = 0;
    int refused = 0;

    for (uint32_t i = 0; i < rings; i++) {
        const int r = shmlog_map_ring_(log, directory, (first + i) % rings);

        missing += r < 0;
        if (r < 0 && !shmlog_is_system_error_(refused))
            refused = r;
    }
    log->local.rings_missing = missing;
    if (!missing || (missing < rings && flags & SHMLOG_OPEN_PARTIAL))
        return 0;
    /* a segment that is being removed loses its rings first */
    if (shmlog_load32_acquire_(&log->control.state) != SHMLOG_SEGMENT_LIVE)
        return -SHMLOG_ERR_CLOSED;
    return shmlog_is_system_error_(refused) ? refused
           : missing == rings               ? -SHMLOG_ERR_NO_RINGS
                                            : -SHMLOG_ERR_RINGS;
}

/* `logs`: the calling thread will log, so it is registered as log calls do it, and its ring is
 * claimed if it needs one. */
SHMLOG_COLD_ int shmlog_attach_(const char *directory, const struct shmlog_options *options,
                                int logs, struct shmlog **ret_log);
SHMLOG_COLD_ int shmlog_attach_(const char *directory, const struct shmlog_options *options,
                                int logs, struct shmlog **ret_log)
{
    const uint32_t flags = options ? options->flags : 0;
    struct shmlog *log = NULL;
    char path[4096];
    int r, entry;

    path[0] = 0;
    r = shmlog_path_add_(path, sizeof(path), directory);
    if (r == 0)
        r = shmlog_path_add_(path, sizeof(path), "/control");
    entry = r == 0 ? shmlog_take_entry_() : r;
    if (entry < 0)
        return entry;
    r = shmlog_map_control_(path, &log);
    if (r < 0) {
        shmlog_free_entry_((uint32_t)entry);
        return r;
    }
    shmlog_init_local_(log, options, (uint32_t)entry);
    r = shmlog_open_threads_(log);
    if (r < 0) {
        shmlog_detach_(log);
        return r;
    }
    if (!(flags & SHMLOG_OPEN_NO_SIGBUS))
        shmlog_guard_(log);
    r = shmlog_map_rings_(log, directory, flags);
    if (r < 0) {
        shmlog_detach_(log);
        return r;
    }
    r = shmlog_wipe_on_fork_(log);
    if (r < 0) {
        shmlog_detach_(log);
        return r;
    }
    log->key = shmlog_random_();
    if (logs)
        shmlog_register_(log, 0, log->local.geometry.producers_max);
    else
        (void)shmlog_new_producer_(log, shmlog_key_(log),
                                   (uint32_t)shmlog_sys_(SYS_gettid, 0, 0, 0, 0, 0, 0), 0,
                                   log->local.geometry.producers_max);
    /* Registered, then looked at the state: the collector closes, then looks for producers. One of
     * the two sees the other. An addition of nothing is a fence that gcc's TSan knows, too. */
    if (__atomic_fetch_add(&log->control.state, 0, __ATOMIC_SEQ_CST) != SHMLOG_SEGMENT_LIVE) {
        shmlog_detach_(log);
        return -SHMLOG_ERR_CLOSED;
    }
    *ret_log = log;
    return 0;
}

/* Is it an error of a segment that is not there, or not yet? */
SHMLOG_INLINE_ int shmlog_may_come_(int error)
{
    return error == -ENOENT || error == -SHMLOG_ERR_UNFINISHED || error == -SHMLOG_ERR_CLOSED;
}

/* ---- Attaching later ---- */

#define SHMLOG_FOLLOW_MS_ 20u /* between two looks for the segment */
#define SHMLOG_FOLLOW_SLOW_                                               \
    50u /* so many times longer if it is there, but cannot be attached to \
         */
#define SHMLOG_FOLLOW_STACK_ 262144u

/* Records that were committed to a ring after it was replaced: one by a call that was under way, of
 * which nothing but the head may have come here, and, where a call that had made room was put off
 * before it took that back, any number by others. Slots here were zero: without the one, the others
 * counted from 1. */
SHMLOG_INLINE_ uint64_t shmlog_committed_to_nowhere_(const struct shmlog *dead,
                                                     struct shmlog_ring *ring)
{
    const struct shmlog_slot *const slots = shmlog_slots_(ring);
    const uint64_t head = shmlog_load_acquire_(&ring->head); /* pairs with the commit */
    uint64_t records = 0;
    uint32_t whole = 0; /* is the oldest slot seen a record's first one? */

    if (head == SHMLOG_HEAD_MAX_)
        return 0;
    if (head > SHMLOG_HEAD_MAX_)
        return shmlog_load32_relaxed_(&slots[(head - 1) & dead->local.slot_mask].seq);
    for (uint64_t i = 1; i <= dead->local.slot_mask + 1; i++) {
        const uint32_t site =
            shmlog_load32_relaxed_(&slots[(head - i) & dead->local.slot_mask].site);

        if (!site)
            break;
        whole = (site >> SHMLOG_SITE_SLOTS_SHIFT & SHMLOG_SITE_SLOTS_MASK) != 0;
        records += whole;
    }
    return whole ? records : records + 1;
}

/* Records that were lost in an attachment whose segment is gone: what calls counted in its private
 * memory, and what they committed there. */
SHMLOG_COLD_ uint64_t shmlog_lost_in_dead_(struct shmlog *dead);
SHMLOG_COLD_ uint64_t shmlog_lost_in_dead_(struct shmlog *dead)
{
    uint64_t sum = 0;

    /* where there was no memory to replace it by, it is still the segment's own */
    for (uint32_t cause = 0; dead->local.control_gone && cause < SHMLOG_LOST_CAUSES; cause++)
        sum += __atomic_exchange_n(&dead->control.lost[cause], 0, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < dead->local.geometry.rings; i++) {
        struct shmlog_ring *const ring = dead->local.ring[i];
        uint64_t committed;

        if (ring == &dead->local.none || !dead->local.ring_gone[i])
            continue;
        for (uint32_t cause = 0; cause < SHMLOG_LOST_BY_WRITERS; cause++)
            sum += __atomic_exchange_n(&ring->lost[cause], 0, __ATOMIC_RELAXED);
        committed = shmlog_committed_to_nowhere_(dead, ring);
        if (committed > ring->tail_seq) { /* no writer goes by it: a note of how many are counted */
            sum += committed - ring->tail_seq;
            ring->tail_seq = committed;
        }
    }
    return sum;
}

/* Tell the segment of the calls that were lost without one. Added there before it is taken away
 * here: in between it is counted twice rather than not at all. */
SHMLOG_COLD_ void shmlog_hand_over_(struct shmlog_follow_ *follow);
SHMLOG_COLD_ void shmlog_hand_over_(struct shmlog_follow_ *follow)
{
    uint64_t missed;

    if (follow->dead)
        __atomic_fetch_add(&follow->missed, shmlog_lost_in_dead_(follow->dead), __ATOMIC_RELAXED);
    missed = shmlog_load_relaxed_(&follow->missed);
    if (!follow->current || !missed)
        return;
    __atomic_fetch_add(&follow->current->control.lost[SHMLOG_LOST_NO_RING], missed,
                       __ATOMIC_RELAXED);
    __atomic_fetch_sub(&follow->missed, missed, __ATOMIC_RELAXED);
}

/* Is the file where the attachment's control file was another one, or none? What cannot be found
 * out is no reason to leave. */
SHMLOG_COLD_ int shmlog_was_replaced_(const struct shmlog_follow_ *follow);
SHMLOG_COLD_ int shmlog_was_replaced_(const struct shmlog_follow_ *follow)
{
    const struct shmlog *const log = follow->current;
    struct stat st;
    const int r = (int)shmlog_sys_(SYS_newfstatat, SHMLOG_AT_FDCWD_, SHMLOG_PTR_(follow->control),
                                   SHMLOG_PTR_(&st), SHMLOG_AT_SYMLINK_NOFOLLOW_, 0, 0);

    if (r < 0)
        return r == -ENOENT || r == -ENOTDIR;
    return (uint64_t)st.st_dev != log->local.control_dev ||
           (uint64_t)st.st_ino != log->local.control_ino ||
           (uint64_t)st.st_size != log->local.geometry.file_size ||
           shmlog_load_relaxed_(&log->control.magic) != SHMLOG_CONTROL_MAGIC; /* cut before */
}

/* The segment is gone: calls are counted from here on, and its memory is given back. */
SHMLOG_COLD_ void shmlog_leave_segment_(struct shmlog *log);
SHMLOG_COLD_ void shmlog_leave_segment_(struct shmlog *log)
{
    struct shmlog_follow_ *const follow = log->local.follow;
    struct shmlog *const dead = follow->current;
    const uint32_t level = shmlog_load32_relaxed_(&dead->control.level);

    /* once signed off, a thread's ring may be given to another: it must not be writing to it */
    if (shmlog_lose_rings_(dead) == 0) {
        shmlog_sign_off_(dead);
        (void)shmlog_lose_control_(dead);
    }
    __atomic_store_n(&log->control.level, level, __ATOMIC_RELAXED);
    /* from here on nothing more is stored in the segment */
    __atomic_store_n(&follow->error, -ENOENT, __ATOMIC_RELAXED);
    __atomic_store_n(&follow->current, NULL, __ATOMIC_RELEASE);
    if (dead == log) /* pairs with the acquire of shmlog_current_() */
        shmlog_store_release_(&log->local.site_key, SHMLOG_SITE_KEY_LATER_);
    shmlog_unguard_(dead);
    shmlog_free_entry_(dead->local.entry);
    if (follow->dead) { /* the last time: no call has been in it for long */
        __atomic_fetch_add(&follow->missed, shmlog_lost_in_dead_(follow->dead), __ATOMIC_RELAXED);
        shmlog_drop_key_(follow->dead); /* there are 1,024 in a process */
    }
    dead->local.next = follow->dead;
    follow->dead = dead;
}

/* Look for the segment, attach, and publish the attachment. */
SHMLOG_COLD_ int shmlog_attach_later_(struct shmlog *log);
SHMLOG_COLD_ int shmlog_attach_later_(struct shmlog *log)
{
    struct shmlog_follow_ *const follow = log->local.follow;
    struct shmlog *fresh = NULL;
    char directory[4096];
    int r = shmlog_find_segment_(follow->segment, follow->folder, directory, sizeof(directory));

    if (r == 0)
        r = shmlog_attach_(directory, &follow->options, 0, &fresh);
    if (r == 0) {
        follow->control[0] = 0;
        (void)shmlog_path_add_(follow->control, sizeof(follow->control), directory);
        (void)shmlog_path_add_(follow->control, sizeof(follow->control), "/control");
        __atomic_store_n(&log->local.clock, fresh->local.clock, __ATOMIC_RELAXED);
        /* pairs with the acquire of shmlog_current_() */
        __atomic_store_n(&follow->current, fresh, __ATOMIC_RELEASE);
    }
    __atomic_store_n(&follow->refused_version, shmlog_refused_version_, __ATOMIC_RELAXED);
    __atomic_store_n(&follow->error, r, __ATOMIC_RELEASE);
    return r;
}

/* One look at what there is. Returns how long to wait until the next, in milliseconds. */
SHMLOG_COLD_ uint32_t shmlog_follow_round_(struct shmlog *log);
SHMLOG_COLD_ uint32_t shmlog_follow_round_(struct shmlog *log)
{
    struct shmlog_follow_ *const follow = log->local.follow;
    int r = 0;

    if (follow->current && shmlog_was_replaced_(follow))
        shmlog_leave_segment_(log);
    if (!follow->current)
        r = shmlog_attach_later_(log);
    if (follow->current && follow->current != log)
        __atomic_store_n(&log->control.level,
                         shmlog_load32_relaxed_(&follow->current->control.level), __ATOMIC_RELAXED);
    shmlog_hand_over_(follow);
    return r == 0 || shmlog_may_come_(r) ? SHMLOG_FOLLOW_MS_
                                         : SHMLOG_FOLLOW_MS_ * SHMLOG_FOLLOW_SLOW_;
}

/* The thread must not stay on a core that its creator was pinned to, with its creator's priority.
 * It goes where process 1 may run, which leaves out isolated cores, and not where its creator does,
 * if there are others. */
SHMLOG_COLD_ void shmlog_step_aside_(void);
SHMLOG_COLD_ void shmlog_step_aside_(void)
{
    uint64_t house[128], mine[128], others[128], any = 0; /* 8,192 CPUs */
    const int normal[16] = {0};                           /* struct sched_param */

    shmlog_sys_(SYS_sched_setscheduler, 0, 0 /* SCHED_OTHER */, SHMLOG_PTR_(normal), 0, 0, 0);
    memset(house, 0, sizeof(house));
    memset(mine, 0, sizeof(mine));
    if (shmlog_sys_(SYS_sched_getaffinity, 1, sizeof(house), SHMLOG_PTR_(house), 0, 0, 0) < 0 ||
        shmlog_sys_(SYS_sched_getaffinity, 0, sizeof(mine), SHMLOG_PTR_(mine), 0, 0, 0) < 0)
        return;
    for (uint32_t i = 0; i < 128; i++)
        any |= others[i] = house[i] & ~mine[i];
    /* fails if the process is confined to others: then it stays */
    shmlog_sys_(SYS_sched_setaffinity, 0, sizeof(house), SHMLOG_PTR_(any ? others : house), 0, 0,
                0);
}

SHMLOG_COLD_ void *shmlog_follow_thread_(void *arg);
SHMLOG_COLD_ void *shmlog_follow_thread_(void *arg)
{
    struct shmlog *const log = (struct shmlog *)arg;
    struct shmlog_follow_ *const follow = log->local.follow;

    shmlog_sys_(SYS_prctl, SHMLOG_PR_SET_NAME_, SHMLOG_PTR_("shmlog-attach"), 0, 0, 0, 0);
    shmlog_step_aside_();
    while (!shmlog_load32_acquire_(&follow->stop)) {
        const uint32_t ms = shmlog_follow_round_(log);
        struct timespec ts;

        ts.tv_sec = ms / 1000;
        ts.tv_nsec = ms % 1000 * 1000000;
        shmlog_sys_(SYS_futex, SHMLOG_PTR_(&follow->stop), SHMLOG_FUTEX_WAIT_PRIVATE_, 0,
                    SHMLOG_PTR_(&ts), 0, 0);
    }
    return NULL;
}

/* Copy a path, absolute: the thread must not depend on where the process goes. */
SHMLOG_COLD_ int shmlog_absolute_(char *path, size_t size, const char *from);
SHMLOG_COLD_ int shmlog_absolute_(char *path, size_t size, const char *from)
{
    path[0] = 0;
    if (*from && *from != '/') {
        const long r = shmlog_sys_(SYS_getcwd, SHMLOG_PTR_(path), (long)size, 0, 0, 0, 0);

        if (r < 0)
            return r == -ERANGE ? -ENAMETOOLONG : (int)r;
        if (shmlog_path_add_(path, size, "/") < 0)
            return -ENAMETOOLONG;
    }
    return shmlog_path_add_(path, size, from);
}

SHMLOG_COLD_ int shmlog_start_thread_(struct shmlog *log);
SHMLOG_COLD_ int shmlog_start_thread_(struct shmlog *log)
{
#if SHMLOG_THREADS_
    /* all signals but those that the C library sends to threads itself, as for setuid() */
    const uint64_t libc = UINT64_C(7) << 31; /* 32, 33, 34 */
    const uint64_t all = ~(SHMLOG_BUS_BIT_ | libc);
    pthread_attr_t attr;
    uint64_t before = 0;
    int r;

    if (pthread_attr_init(&attr) != 0)
        return -ENOMEM;
    pthread_attr_setstacksize(&attr, SHMLOG_FOLLOW_STACK_);
    shmlog_sys_(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, SHMLOG_PTR_(&all), SHMLOG_PTR_(&before), 8,
                0, 0);
    r = pthread_create(&log->local.follow->thread, &attr, shmlog_follow_thread_, log);
    if (r == EINVAL) /* too small for the thread-local storage of this program */
        r = pthread_create(&log->local.follow->thread, NULL, shmlog_follow_thread_, log);
    shmlog_unblock_signals_(before);
    pthread_attr_destroy(&attr);
    return -r;
#else
    (void)log;
    return -ENOSYS;
#endif
}

/* End the thread, if it is this process's. */
SHMLOG_COLD_ void shmlog_end_thread_(struct shmlog_follow_ *follow);
SHMLOG_COLD_ void shmlog_end_thread_(struct shmlog_follow_ *follow)
{
#if SHMLOG_THREADS_
    if (follow->pid != (uint32_t)shmlog_sys_(SYS_getpid, 0, 0, 0, 0, 0, 0))
        return;
    shmlog_store32_release_(&follow->stop, 1);
    shmlog_sys_(SYS_futex, SHMLOG_PTR_(&follow->stop), SHMLOG_FUTEX_WAKE_PRIVATE_, 1, 0, 0, 0);
    pthread_join(follow->thread, NULL);
#else
    (void)follow;
#endif
}

SHMLOG_COLD_ int shmlog_map_private_(size_t size, void **ret_memory);
SHMLOG_COLD_ int shmlog_map_private_(size_t size, void **ret_memory)
{
    const long at = shmlog_sys_(SYS_mmap, 0, (long)size, 3 /* read, write */,
                                SHMLOG_MAP_PRIVATE_ | SHMLOG_MAP_ANONYMOUS_, -1, 0);

    if (at < 0 && at > -4096)
        return (int)at;
    *ret_memory = (void *)(uintptr_t)at;
    return 0;
}

/* A log without a segment. Its level is the lowest: each call is counted. */
SHMLOG_COLD_ int shmlog_make_empty_(struct shmlog **ret_log);
SHMLOG_COLD_ int shmlog_make_empty_(struct shmlog **ret_log)
{
    void *memory = NULL;
    const int r = shmlog_map_private_(3 * SHMLOG_PAGE_, &memory);

    if (r < 0)
        return r;
    *ret_log = (struct shmlog *)memory;
    (*ret_log)->local.control_size = SHMLOG_PAGE_;
    (*ret_log)->local.site_key = SHMLOG_SITE_KEY_LATER_;
#if defined(__x86_64__)
    (*ret_log)->local.clock = SHMLOG_CLOCK_TSC;
#endif
    return 0;
}

/* Keep `log` attached to the segment, whichever has its name; NULL: there is none yet. `error` says
 * why. On failure `log` is as it was. */
SHMLOG_COLD_ int shmlog_keep_attached_(struct shmlog **log, const char *segment, const char *folder,
                                       const char *directory, const struct shmlog_options *options,
                                       int error);
SHMLOG_COLD_ int shmlog_keep_attached_(struct shmlog **log, const char *segment, const char *folder,
                                       const char *directory, const struct shmlog_options *options,
                                       int error)
{
    struct shmlog *const attached = *log;
    struct shmlog_follow_ *follow;
    void *memory = NULL;
    int r = shmlog_map_private_(sizeof(*follow), &memory);

    if (r < 0)
        return r;
    follow = (struct shmlog_follow_ *)memory;
    if (pthread_key_create(&follow->waited_key, NULL) != 0) {
        r = -EMFILE;
        goto no_key;
    }
    if (!attached)
        r = shmlog_make_empty_(log);
    if (r < 0)
        goto no_log;
    r = strchr(segment, '/') ? shmlog_absolute_(follow->segment, sizeof(follow->segment), segment)
                             : shmlog_path_add_(follow->segment, sizeof(follow->segment), segment);
    if (r == 0 && folder)
        r = shmlog_absolute_(follow->folder, sizeof(follow->folder), folder);
    if (r == 0 && attached)
        r = shmlog_absolute_(follow->control, sizeof(follow->control), directory);
    if (r == 0 && attached)
        r = shmlog_path_add_(follow->control, sizeof(follow->control), "/control");
    if (r < 0)
        goto no_path;
    follow->current = attached;
    follow->error = error;
    follow->refused_version = shmlog_refused_version_;
    follow->pid = (uint32_t)shmlog_sys_(SYS_getpid, 0, 0, 0, 0, 0, 0);
    follow->options = *options;
    if (options->process_name) {
        const size_t n = strlen(options->process_name);

        memcpy(follow->process_name, options->process_name, n < 31 ? n : 31);
        follow->options.process_name = follow->process_name;
    }
    (*log)->local.follow = follow;
    if (!(options->flags & SHMLOG_OPEN_NO_SIGBUS))
        shmlog_hold_bus_(); /* the thread must not change the program's handlers */
    r = shmlog_start_thread_(*log);
    if (r == 0)
        return 0;
    if (!(options->flags & SHMLOG_OPEN_NO_SIGBUS))
        shmlog_release_bus_();
    (*log)->local.follow = NULL;
no_path:
    if (!attached) {
        shmlog_unmap_(*log);
        *log = NULL;
    }
no_log:
    pthread_key_delete(follow->waited_key);
no_key:
    shmlog_sys_(SYS_munmap, SHMLOG_PTR_(memory), (long)sizeof(*follow), 0, 0, 0, 0);
    return r;
}

/* Undo it: afterwards `log` is attached by itself, or not at all. */
SHMLOG_COLD_ void shmlog_unfollow_(struct shmlog *log);
SHMLOG_COLD_ void shmlog_unfollow_(struct shmlog *log)
{
    struct shmlog_follow_ *const follow = log->local.follow;

    shmlog_end_thread_(follow);
    for (struct shmlog *dead = follow->dead, *next; dead; dead = next) {
        next = dead->local.next;
        follow->missed += shmlog_lost_in_dead_(dead);
        if (dead != log)
            shmlog_unmap_(dead);
    }
    follow->dead = NULL;
    shmlog_hand_over_(follow);
    if (!follow->current)
        __atomic_fetch_add(&shmlog_unattached_, follow->missed, __ATOMIC_RELAXED);
    else if (follow->current != log)
        shmlog_detach_(follow->current);
    if (!(follow->options.flags & SHMLOG_OPEN_NO_SIGBUS))
        shmlog_release_bus_();
    pthread_key_delete(follow->waited_key);
    shmlog_sys_(SYS_munmap, SHMLOG_PTR_(follow), (long)sizeof(*follow), 0, 0, 0, 0);
    log->local.follow = NULL;
}

SHMLOG_COLD_ int shmlog_open(struct shmlog **ret_log, const char *segment,
                             const struct shmlog_options *options)
{
    const uint32_t known = SHMLOG_OPEN_NO_SIGBUS | SHMLOG_OPEN_PARTIAL | SHMLOG_OPEN_LATER;
    const uint32_t flags = options ? options->flags : 0;
    const int wait_ms = options ? options->wait_ms : 0;
    const char *const folder = getenv("SHMLOG_DIR");
    const uint64_t since = shmlog_monotonic_ns_();
    struct shmlog *log = NULL;
    char directory[4096];
    int r;

    *ret_log = NULL;
    if (flags & ~known)
        return -EINVAL;
    for (;;) {
        r = shmlog_find_segment_(segment, folder, directory, sizeof(directory));
        if (r == 0)
            r = shmlog_attach_(directory, options, 1, &log);
        if (!shmlog_may_come_(r) || wait_ms == 0 ||
            (wait_ms > 0 && shmlog_monotonic_ns_() - since >= (uint64_t)wait_ms * 1000000u))
            break;
        shmlog_nap_(1000);
    }
    if (flags & SHMLOG_OPEN_LATER && (r == 0 || shmlog_may_come_(r))) {
        r = shmlog_keep_attached_(&log, segment, folder, directory, options, r);
        if (r < 0 && log)
            shmlog_detach_(log);
    }
    if (r == 0)
        *ret_log = log;
    return r;
}

SHMLOG_COLD_ void shmlog_close(struct shmlog *log)
{
    if (!log)
        return;
    if (log->local.follow)
        shmlog_unfollow_(log);
    if (log->local.site_key == SHMLOG_SITE_KEY_LATER_)
        shmlog_unmap_(log);
    else
        shmlog_detach_(log);
}

SHMLOG_COLD_ int shmlog_status(struct shmlog *log)
{
    int error;

    if (!log)
        return -EINVAL;
    if (shmlog_current_(log))
        return 0;
    error = __atomic_load_n(&log->local.follow->error, __ATOMIC_ACQUIRE);
    shmlog_refused_version_ =
        __atomic_load_n(&log->local.follow->refused_version, __ATOMIC_RELAXED);
    return error ? error : -ENOENT; /* attached, and gone again, since we looked */
}

SHMLOG_COLD_ int shmlog_set_level(struct shmlog *log, uint32_t level)
{
    struct shmlog *const current = shmlog_current_(log);

    if (!current || level > SHMLOG_OFF)
        return -EINVAL;
    __atomic_store_n(&current->control.level, level, __ATOMIC_RELAXED);
    __atomic_store_n(&log->control.level, level, __ATOMIC_RELAXED);
    return 0;
}

SHMLOG_COLD_ uint64_t shmlog_lost(struct shmlog *log)
{
    uint64_t sum = 0;

    if (!log)
        return __atomic_load_n(&shmlog_unattached_, __ATOMIC_RELAXED);
    if (log->local.follow)
        sum = shmlog_load_relaxed_(&log->local.follow->missed);
    log = shmlog_current_(log);
    for (uint32_t cause = 0; log && cause < SHMLOG_LOST_CAUSES; cause++) {
        sum += shmlog_load_relaxed_(&log->control.lost[cause]);
        for (uint32_t i = 0; i < log->local.geometry.rings; i++)
            sum += shmlog_load_relaxed_(&log->local.ring[i]->lost[cause]);
    }
    return sum;
}

SHMLOG_COLD_ uint64_t shmlog_thread_lost(struct shmlog *log)
{
    uint64_t lost = 0, value;
    const struct shmlog_state_ *state;

    if (log && log->local.follow)
        lost = shmlog_waited_(log->local.follow);
    log = shmlog_current_(log);
    if (!log)
        return lost;
    state = shmlog_find_state_(log);
    value = shmlog_value_of_thread_(log);
    if (state)
        return lost + shmlog_load_relaxed_(&state->lost);
    return lost + (shmlog_is_nameless_(log, value) ? value >> 32 & SHMLOG_NAMELESS_LOST_ : 0);
}

SHMLOG_END_C_

#pragma GCC diagnostic pop

#endif /* SHMLOG_H */

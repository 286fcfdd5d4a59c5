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
 * log call: 1 to 64 slots in a row. A writer fills the slots and commits with a single store, that of the
 * new head; there is no state between "not there" and "there", so a writer that dies leaves
 * nothing behind that anybody would have to repair.
 */
#ifndef SHMLOG_LAYOUT_H
#define SHMLOG_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

/* ---- Part 1: the layout ---------------------------------------------------------------------
 *
 * Little-endian, fixed-width, naturally aligned; no pointers, enums, bools or bitfields.
 * Reserved bytes are zero. A reader refuses a segment with an unknown bit in `incompatible` or
 * another `version`; unknown bits in `compatible` are ignored. No build option changes any of it.
 */

#ifdef __cplusplus
#define SHMLOG_STATIC_ASSERT_(expr, text) static_assert(expr, text)
#else
#define SHMLOG_STATIC_ASSERT_(expr, text) _Static_assert(expr, text)
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

/* What a writer does when its ring is full. */
#define SHMLOG_ON_FULL_DROP 1u      /* drop the new record and count it */
#define SHMLOG_ON_FULL_OVERWRITE 2u /* overwrite the oldest: a flight recorder */
#define SHMLOG_ON_FULL_WAIT 3u      /* wait for the reader, up to control.wait_ns, then drop */

/* Why a record is missing. The first four are counted by writers, in ring.lost[]; the next two
 * are found by whoever reads. The rest never got to a ring and are counted in control.lost[]. */
#define SHMLOG_LOST_FULL 0u        /* drop policy: no room */
#define SHMLOG_LOST_WAITED 1u      /* wait policy: no room in time */
#define SHMLOG_LOST_NESTED 2u      /* a signal handler found its thread inside the same owned ring */
#define SHMLOG_LOST_DETACHED 3u    /* spare: reserved for writers */
#define SHMLOG_LOST_OVERWRITTEN 4u /* overwritten before it was read */
#define SHMLOG_LOST_DAMAGED 5u     /* its slots did not make sense */
#define SHMLOG_LOST_NO_RING 6u     /* no rseq, and no owned ring was free */
#define SHMLOG_LOST_NO_SITE 7u     /* the site table was full */
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
#define SHMLOG_RECORD_SLOTS 64u                                        /* at most, per record */
#define SHMLOG_RECORD_PAYLOAD (SHMLOG_SLOT_PAYLOAD * SHMLOG_RECORD_SLOTS) /* 3,584 bytes */
#define SHMLOG_PAYLOAD_TIME 0u
#define SHMLOG_PAYLOAD_PRODUCER 8u
#define SHMLOG_PAYLOAD_ARGS 12u
#define SHMLOG_PAYLOAD_RAW 16u

#define SHMLOG_SITE_ID_MASK 0xfffffu
#define SHMLOG_SITE_SLOTS_SHIFT 20
#define SHMLOG_SITE_SLOTS_MASK 0x7fu

/* Length word of a STRING or BYTES argument. */
#define SHMLOG_LENGTH_CUT 0x80000000u  /* the bytes were cut to fit; the rest are the kept length */
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
    uint64_t head;  /* slots before it are committed; stored with release */
    uint64_t limit; /* head may go up to here: a tail once read + slots; overwrite: UINT64_MAX */
    uint32_t busy;  /* owned rings: the owner is between two instructions of a log call */
    uint8_t reserved2[108];
    /* 256: doorbell: a head some thousand records ago, a hint for the reader */
    uint64_t doorbell;
    uint8_t reserved3[120];
    /* 384: the reader's line */
    uint64_t tail;     /* slots before it are free; stored with release */
    uint64_t tail_seq; /* number of the first record not yet read; stored before tail */
    uint8_t reserved4[112];
    /* 512: the writers' slow path */
    uint64_t lost[SHMLOG_LOST_CAUSES]; /* records, by cause; atomic adds */
    uint64_t gave_up_tail; /* wait policy: a wait ran out at this tail; ~0 none. No second wait
                              before it moves */
    uint32_t owner;        /* owned rings: producer id that claimed it, 0 free */
    uint8_t reserved5[52];
    /* 640 */
    uint8_t reserved6[3456];
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_ring) == 4096, "ring header is one small page");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_ring, head) == 128, "hot line moved");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_ring, doorbell) == 256, "hot line moved");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_ring, tail) == 384, "hot line moved");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_ring, lost) == 512, "hot line moved");

#define SHMLOG_RING_HEADER 4096u
#define SHMLOG_RING_CPU 1u   /* one per core, written under rseq by any thread on that core */
#define SHMLOG_RING_OWNED 2u /* spare, claimed by one thread */

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
    uint64_t compatible;
    uint64_t incompatible;
    uint8_t uuid[16];
    uint64_t created_ns; /* CLOCK_REALTIME */
    uint32_t on_full;    /* SHMLOG_ON_FULL_* */
    uint32_t clock;      /* SHMLOG_CLOCK_* */
    uint64_t clock_hz;   /* nominal; the clock pairs tell better */
    uint64_t wait_ns;
    uint64_t ring_slots; /* the same for all rings; a power of two */
    uint32_t cpu_rings;  /* rings 0 .. cpu_rings-1 */
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
    uint64_t reserved6;
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
    uint8_t reserved4[88];
    uint64_t stats[64]; /* the collector's counters, see shm/stats.h */
    uint8_t reserved5[2816];
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_control) == 4096, "control header is one small page");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_control, name) == 192, "name moved");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_control, level) == 256, "level moved");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_control, arena_used) == 384, "line moved");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_control, lost) == 512, "line moved");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_control, collector_pid) == 640, "line moved");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_control, stats) == 768, "line moved");

#define SHMLOG_CONTROL_HEADER 4096u
#define SHMLOG_CLOCK_TSC 1u       /* ticks are rdtsc */
#define SHMLOG_CLOCK_MONOTONIC 2u /* ticks are nanoseconds of CLOCK_MONOTONIC */
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
    uint32_t reserved0;
    uint64_t file_size;
    uint8_t reserved1[24];
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_ring_entry) == 64, "ring entry");
#define SHMLOG_RING_ENTRY_THP 1u /* page_kib is that of a transparent huge page */

/* The clock at one moment: ticks <-> CLOCK_REALTIME, with the width of the bracket in which the two
 * were read. Guarded by seq: odd while being written. */
struct shmlog_clock_pair {
    uint64_t seq;
    uint64_t ticks;
    uint64_t realtime_ns;
    uint64_t error_ns;
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_clock_pair) == 32, "clock pair");

/* A thread of a process that logs. claim is 0 in a free entry, else tid << 32 | SHMLOG_PRODUCER_*;
 * it is claimed with a compare-and-swap and freed by the collector alone, when all records of a
 * dead thread were read. id = use << 16 | (index + 1), a new one at each use of the entry. */
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
    uint8_t reserved0[32];
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_producer) == 128, "producer entry");
#define SHMLOG_PRODUCER_FILLING 1u  /* claimed, not yet filled in */
#define SHMLOG_PRODUCER_LIVE 2u     /* logs, or may */
#define SHMLOG_PRODUCER_DETACHED 3u /* shmlog_close() was called */
#define SHMLOG_PRODUCERS_MAX 65535u

/* A site word: 0 free, else hash << 32 | (offset in the arena / 8). The index of the word in the table
 * is the site id, 1 .. sites_max - 1. The bytes at that offset are a site, complete before the
 * word is stored: */
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
     * and one name for each argument */
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
#define SHMLOG_SITE_PRINTF 1u /* a printf-style call */
#define SHMLOG_SITE_EVENT 2u  /* a name, and named fields */
#define SHMLOG_SITE_RAW 3u    /* a struct of the user's own */
#define SHMLOG_SITE_FLAG_MORE 1u /* the text goes on in the producer's next record */
#define SHMLOG_ARGS_MAX 16u
#define SHMLOG_RAW_FIELDS_MAX 32u

/* FNV-1a over the bytes of a site, folded to 32 bits; never 0.
 * (Fowler, Noll, Vo; draft-eastlake-fnv, 64-bit offset basis and prime.) */
static inline uint32_t shmlog_site_hash_(const void *data, size_t size)
{
    const uint8_t *p = (const uint8_t *)data;
    uint64_t h = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < size; i++)
        h = (h ^ p[i]) * UINT64_C(1099511628211);
    h ^= h >> 32;
    return (uint32_t)h ? (uint32_t)h : 1u;
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
#define SHMLOG_RUNG_NO_LATENCY (UINT64_C(1) << 12)

/* ---- Access ----
 * Plain integers in the layout; these few wrappers give them the order they need, alike in C and
 * C++. Every acquire says in its place which release it pairs with. */
static inline uint64_t shmlog_load_acquire_(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}
static inline uint64_t shmlog_load_relaxed_(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}
static inline void shmlog_store_release_(uint64_t *p, uint64_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELEASE);
}
static inline void shmlog_store_relaxed_(uint64_t *p, uint64_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELAXED);
}
static inline uint32_t shmlog_load32_acquire_(const uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}
static inline uint32_t shmlog_load32_relaxed_(const uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}
static inline void shmlog_store32_release_(uint32_t *p, uint32_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELEASE);
}

#endif /* SHMLOG_LAYOUT_H */

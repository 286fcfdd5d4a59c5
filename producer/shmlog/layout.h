/* SPDX-License-Identifier: MIT
 *
 * The layout of a segment, written once, for every program that maps one.
 *
 * A segment is a directory of files that processes of one host map: `control` (geometry, level,
 * sites, producers, clock) and one `ring-NNN` per ring. Rings hold 64-byte slots. A record is one
 * log call: 1 to 64 slots in a row. A writer fills the slots and commits with a single store, that
 * of the new head; there is no state between "not there" and "there", so a writer that dies leaves
 * nothing behind that anybody would have to repair.
 *
 * Little-endian, fixed-width, naturally aligned; no pointers, enums, bools or bitfields. Reserved
 * bytes are zero. A reader refuses a segment with an unknown bit in `incompatible` or another
 * `version`; unknown bits in `compatible` are ignored. No build option changes any of it.
 */
#ifndef SHMLOG_LAYOUT_H
#define SHMLOG_LAYOUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
#define SHMLOG_STATIC_ASSERT_(expr, text) static_assert(expr, text)
/* Not static in C++: an exported function of a module must not use what is its file's alone. */
#define SHMLOG_STATIC_INLINE_ inline __attribute__((visibility("hidden"), unused))
#else
#define SHMLOG_STATIC_ASSERT_(expr, text) _Static_assert(expr, text)
#define SHMLOG_STATIC_INLINE_ static inline __attribute__((unused))
#endif

#define SHMLOG_VERSION_STRING "0.1.0"

/* Version of everything here. */
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
#define SHMLOG_LOST_NESTED 2u /* a signal handler found its thread in a ring, and no other free */
/* 3: reserved */
#define SHMLOG_LOST_BY_WRITERS 4u  /* causes below this one */
#define SHMLOG_LOST_OVERWRITTEN 4u /* overwritten before it was read */
#define SHMLOG_LOST_DAMAGED 5u     /* its slots did not make sense */
#define SHMLOG_LOST_NO_RING 6u     /* no rseq, and the rings for that were held too long */
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
#define SHMLOG_RECORD_SLOTS 64u                                           /* at most, per record */
#define SHMLOG_RECORD_PAYLOAD (SHMLOG_SLOT_PAYLOAD * SHMLOG_RECORD_SLOTS) /* 3,584 bytes */
#define SHMLOG_PAYLOAD_TIME 0u
#define SHMLOG_PAYLOAD_PRODUCER 8u
#define SHMLOG_PAYLOAD_ARGS 12u
#define SHMLOG_PAYLOAD_RAW 16u

#define SHMLOG_SITE_ID_MASK 0xfffffu
/* This number and the 15 after it are no site's in the table. Programs built with an older version
 * bring their sites along in records of these numbers; see shm/inline_site.h. */
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
    uint32_t busy; /* older programs: the owner is in a call */
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
    uint32_t owner;        /* spare rings: SHMLOG_OWNER_SHARED; see there */
    uint32_t reserved9;
    /* Shared rings: the thread that is in a call on it, SHMLOG_HOLDER, 0 none; and the holder that
     * a wait ran out for: no second wait for it. Whoever holds the ring next clears that. */
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

#define SHMLOG_RING_HEADER 4096u
#define SHMLOG_RING_CPU 1u   /* one per core, written under rseq by any thread on that core */
#define SHMLOG_RING_OWNED 2u /* spare: for threads that cannot use those */
/* The owner of spare rings, which threads share: one writes while it is the ring's `holder`. Spare
 * rings of segments that an older collector made have other owners but for the last: 0, or the id
 * of the producer that claimed it, and are not for this version. */
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

/* Which calls are logged, and how often. A rule is for the sites that all of its patterns match (*
 * and ? stand for anything and one byte; an empty pattern matches), the last one for a site counts:
 * its level, and its sampling. */
struct shmlog_rule {
    uint32_t level;   /* SHMLOG_TRACE .. SHMLOG_OFF; SHMLOG_RULE_KEEP: says nothing of it */
    uint32_t one_in;  /* log one call in so many; 0: the rule says nothing of sampling */
    uint64_t gap_ns;  /* and then at most one in so long */
    char process[32]; /* as the producer table has it. All are NUL-terminated */
    char category[40];
    char site[76]; /* file (with or without its folders), function, format or name */
    uint32_t line; /* 0: any */
};
#define SHMLOG_RULE_KEEP 0xffu
#define SHMLOG_RULES_MAX 16u
#define SHMLOG_SKIPPED_ONE_IN 0u
#define SHMLOG_SKIPPED_GAP 1u
#define SHMLOG_SKIPPED_CAUSES 2u

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
    uint32_t rings;      /* in all; the others are spare ones */
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
    uint32_t level;      /* calls below it cost a load and a branch: the lowest that any rule has */
    uint32_t state;      /* SHMLOG_SEGMENT_* */
    uint32_t generation; /* of the rules, even: a change of them adds 2 */
    uint32_t rules; /* how many there are; while there are none, `level` is all there is to it */
    uint32_t base_level;  /* of what no rule is about */
    uint32_t rules_level; /* the lowest level of a rule, SHMLOG_OFF if none has one */
    uint8_t reserved1[104];
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
    /* 1344: records that sampling left out, by SHMLOG_SKIPPED_*; atomic adds */
    uint64_t skipped[SHMLOG_SKIPPED_CAUSES];
    uint8_t reserved5[48];
    struct shmlog_rule rule[SHMLOG_RULES_MAX]; /* 1408: written before `generation` */
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_control) == 4096, "control header is one small page");

#define SHMLOG_CONTROL_HEADER 4096u
/* Every core has two rings, the second half of cpu_rings being, in the same order of cores, for
 * severe records alone. So nothing less severe overwrites them. */
#define SHMLOG_COMPATIBLE_SEVERE_RINGS (UINT64_C(1) << 0)
/* The last ring at least is a shared one. */
#define SHMLOG_COMPATIBLE_SHARED_RING (UINT64_C(1) << 1)
/* Readers work out the names of arguments: SHMLOG_SITE_FLAG_TEXT. */
#define SHMLOG_COMPATIBLE_TEXT (UINT64_C(1) << 2)
#define SHMLOG_COLLECTOR_STARTING 1u /* collector_flags: not yet at work */
#define SHMLOG_COLLECTOR_FAILING 2u  /* writes fail, and are tried again */
#define SHMLOG_CLOCK_TSC 1u          /* ticks are rdtsc */
#define SHMLOG_CLOCK_MONOTONIC 2u    /* ticks are nanoseconds of CLOCK_MONOTONIC */
#define SHMLOG_SEGMENT_LIVE 1u
#define SHMLOG_SEGMENT_CLOSED 2u /* being removed: do not attach */

/* Plain integers in the layout; these give them the order they need, alike in C and C++. Every
 * acquire says in its place which release it pairs with. */
#define shmlog_load_relaxed_(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define shmlog_load_acquire_(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define shmlog_store_relaxed_(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define shmlog_store_release_(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

#endif /* SHMLOG_LAYOUT_H */

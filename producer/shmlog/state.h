/* SPDX-License-Identifier: MIT
 *
 * What a process keeps of an attachment, and a thread of each: private memory, not for users.
 */

SHMLOG_STATIC_ASSERT_(sizeof(void *) == 8 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
                      "shmlog needs 64-bit pointers and little-endian numbers");

#ifdef __cplusplus
#define SHMLOG_NULL_ nullptr
#define SHMLOG_STRUCT_ /* in macros: a struct named as such would be a module's own */
#define SHMLOG_BEGIN_C_ extern "C" {
#define SHMLOG_END_C_ }
#else
#define SHMLOG_NULL_ ((void *)0)
#define SHMLOG_STRUCT_ struct
#define SHMLOG_BEGIN_C_
#define SHMLOG_END_C_
#endif
#define SHMLOG_INLINE_ SHMLOG_STATIC_INLINE_ __attribute__((always_inline))
#define SHMLOG_LIKELY_(x) __builtin_expect(!!(x), 1)
#define SHMLOG_UNLIKELY_(x) __builtin_expect(!!(x), 0)

/* A thread's state, one for each attachment, in thread-local storage. It is the attachment's while
 * `key` is that of the attachment, but for the two lowest bits, which say how the thread logs.
 *
 * A signal handler of the thread may come in at any instruction, and log or register the thread. So
 * registration runs with signals blocked, and what changes later is changed by one store. */
#define SHMLOG_ATTACHMENTS_ 4u /* that a program can have open */
#define SHMLOG_BY_CORE_ 0u     /* into the ring of its core, by sequences */
#define SHMLOG_BY_TURNS_ 1u    /* into shared rings */
#define SHMLOG_NAMELESS_ 2u    /* this bit: the producer table was full */
struct shmlog_thread_ {
    uint64_t key;
    uint32_t producer; /* 0: nameless */
    uint32_t hand;     /* of the shared rings, the one that it looks at first */
    /* The core that it was seen on last, together with the attachment's key (xor), and the core's
     * ring in that attachment. A sequence compares the former instead of looking up its ring, so
     * that the ring's address waits for one load rather than three. */
    uint64_t where;
    struct shmlog_ring *ring;
    uint64_t holder; /* this thread, as the holder of a shared ring */
    uint64_t lost;   /* records of this thread that were not committed */
} __attribute__((aligned(16)));
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog_thread_, where) % 16 == 0 &&
                          offsetof(struct shmlog_thread_, ring) ==
                              offsetof(struct shmlog_thread_, where) + 8,
                      "both in one store");

/* What becomes of a site's strings, worked out once, when it is registered. Of texts of their own
 * size the format says nothing. */
struct shmlog_plan_ {
    /* Where rules say that not all calls are logged: one in so many (0: none), at most one in so
     * long; and the state of shmlog_turn_() and shmlog_due_(). */
    uint64_t one_in, gap_ns, turns[2];
    uint16_t end;   /* of the fixed area, in the payload */
    uint16_t count; /* of texts */
    struct {
        uint16_t at;           /* its length word, in the payload */
        uint16_t precision_at; /* %.*s: the int that says how many bytes, in the payload; or 0 */
        uint16_t limit;        /* %.Ns: bytes at most; or SHMLOG_ADDRESS_ */
    } text[SHMLOG_ARGS_MAX];
} __attribute__((aligned(8), may_alias));
#define SHMLOG_NO_LIMIT_ 0xffffu
#define SHMLOG_ADDRESS_ 0xfffeu /* %p: its address, as text */

/* An attachment: private pages, then the control file's mapping, so that the level is one load at a
 * constant offset. */
#define SHMLOG_PAGE_ 65536u /* the largest page size of any machine this runs on */
struct shmlog_local_ {
    uint64_t site_key;     /* 32 bits that name the attachment, odd: see struct shmlog_site_ */
    uint64_t rseq_offset;  /* of a thread's struct rseq, from the thread pointer */
    uint64_t slot_mask;    /* slots in a ring - 1 */
    uint64_t quarter_mask; /* slots between two rings of the doorbell - 1 */
    uint32_t state_at;     /* where a thread's state for this attachment is, in bytes */
    uint32_t entry;        /* and which of them it is */
    uint32_t severe_rings; /* sequences write severe records into rings of their own */
    uint32_t clock;
    uint32_t cpus; /* entries of ring_of_cpu; 0: sequences are not to be used */
    uint64_t wait_ns;
    uint64_t reserve;
    uint32_t on_full;
    uint32_t shared_begin, shared_count; /* the shared rings: indices */
    uint32_t rings_missing;              /* rings that could not be mapped */
    uint32_t owner;                      /* uid of the segment's files */
    uint32_t producer_probe;             /* where the next nameless thread looks for an entry */
    uint64_t control_size, control_dev, control_ino; /* of the control file that is mapped */
    uint64_t pid_ns;
    uint64_t sites_size;         /* bytes that this attachment added to the site arena: its share */
    uint32_t sites;              /* and how many */
    uint32_t guarded;            /* against SIGBUS */
    struct shmlog_plan_ *plans;  /* by site id */
    struct shmlog_later_ *later; /* SHMLOG_OPEN_LATER, in the log that was handed out */
    struct shmlog *next;         /* in later->left */
    struct shmlog_control geometry; /* a bounded copy */
    char process[32];
    struct shmlog_ring *ring_of_cpu[SHMLOG_CPUS_MAX]; /* where a core has no ring: &none */
    /* for severe records: the same, or the ring of their own */
    struct shmlog_ring *severe_of_cpu[SHMLOG_CPUS_MAX];
    struct shmlog_ring *ring[SHMLOG_RINGS_MAX];
    uint64_t ring_map[SHMLOG_RINGS_MAX]; /* bytes mapped of each */
    struct shmlog_ring none;             /* a ring that is always full */
};
struct shmlog {
    /* A page that the kernel zeroes in a forked child (MADV_WIPEONFORK): the child's threads no
     * longer find the key that their state holds, and register anew. */
    uint64_t key; /* random, a multiple of 4, not 0; 0 in a fresh child */
    uint8_t reserved0[SHMLOG_PAGE_ - 8];
    struct shmlog_local_ local;
    uint8_t reserved1[SHMLOG_PAGE_ - sizeof(struct shmlog_local_)];
    struct shmlog_control control; /* shared; the tables follow */
};
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog, local) == SHMLOG_PAGE_, "private page");
SHMLOG_STATIC_ASSERT_(offsetof(struct shmlog, control) == 2 * SHMLOG_PAGE_, "control page");

/* A call site: what the compiler knows of it. Its types (C: types[0] is how many, then their codes)
 * and its strings (format, arguments as written, category) follow it; in C++ `types` points to the
 * former. `word` is that of the attachment it was registered in last: id and 1 slot in the upper
 * half, as in the first word of a slot; in the lower its site_key, with the generation of the
 * rules, so that exclusive ors check and clear it. The key is odd; the even number below it says
 * that rules leave calls out, or, with no id, that there was no room. */
struct shmlog_site_ {
    uint64_t word;
    const char *file, *function;
    const uint8_t *types;
    uint32_t line;
    uint8_t kind, level;
    uint16_t flags;
};
#define SHMLOG_NO_SEGMENT_ 1u /* the site_key of a log that stands for others */

/* A kind of raw records. */
struct shmlog_field_ {
    const char *name;
    uint16_t offset, size;
    uint8_t type;
};
struct shmlog_record_site_ {
    SHMLOG_STRUCT_ shmlog_site_ site;
    const char *name, *category;
    const SHMLOG_STRUCT_ shmlog_field_ *fields;
    uint32_t fields_count, size;
};

SHMLOG_BEGIN_C_
extern void shmlog_count_unattached_(void);
extern uint64_t shmlog_monotonic_ns_(void);
/* Functions that are never copied into a call site, not even where they are defined. */
#define SHMLOG_CALLED_ extern __attribute__((noinline))
/* Commit a record: its fixed area as words, from the payload's offset 8 on, of which the first 4
 * bytes are 0 and the rest the arguments, each aligned to its width; 0 behind the last. There are
 * 4, 6 (a slot), or as many as it takes; they may be changed. `texts`: those of its strings, in
 * order; size SHMLOG_TO_NUL_: to the NUL. `ticks`: its time, or NULL: now. */
#define SHMLOG_TO_NUL_ (~(size_t)0)
SHMLOG_CALLED_ void shmlog_put4_(struct shmlog *log, struct shmlog_site_ *site, uint64_t w0,
                                 uint64_t w1, uint64_t w2, uint64_t w3);
SHMLOG_CALLED_ void shmlog_put4_at_(struct shmlog *log, struct shmlog_site_ *site, uint64_t w0,
                                    uint64_t w1, uint64_t w2, uint64_t w3, uint64_t ticks);
SHMLOG_CALLED_ void shmlog_put_words_(struct shmlog *log, struct shmlog_site_ *site,
                                      uint64_t *words, uint32_t count, const uint64_t *ticks);
SHMLOG_CALLED_ void shmlog_put_texts_(struct shmlog *log, struct shmlog_site_ *site,
                                      uint64_t *words, uint32_t count,
                                      const struct shmlog_text_value *texts, const uint64_t *ticks);
SHMLOG_CALLED_ void shmlog_put_records_(struct shmlog *log, struct shmlog_record_site_ *record,
                                        const void *data, size_t count, const uint64_t *ticks);
/* Is it a call's turn; how many were skipped since the last one that had it? */
extern int shmlog_turn_(uint64_t *state, uint64_t n, unsigned long *ret_skipped);
extern int shmlog_due_(uint64_t *state, uint64_t ms, unsigned long *ret_skipped);
SHMLOG_END_C_

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
    return SHMLOG_LIKELY_(shmlog_load_relaxed_(&log->local.clock) == SHMLOG_CLOCK_TSC)
               ? shmlog_tsc_()
               : shmlog_monotonic_ns_();
}
SHMLOG_INLINE_ int shmlog_enabled(struct shmlog *log, uint32_t level)
{
    if (SHMLOG_UNLIKELY_(!log)) {
        shmlog_count_unattached_();
        return 0;
    }
    return level >= shmlog_load_relaxed_(&log->control.level);
}
SHMLOG_INLINE_ struct shmlog_text_value shmlog_text(const char *data, size_t size)
{
    struct shmlog_text_value value;
    value.data = data;
    value.size = size;
    return value;
}
SHMLOG_INLINE_ struct shmlog_bytes_value shmlog_bytes(const void *data, size_t size)
{
    struct shmlog_bytes_value value;
    value.data = data;
    value.size = size;
    return value;
}

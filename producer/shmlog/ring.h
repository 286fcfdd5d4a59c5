/* SPDX-License-Identifier: MIT
 *
 * Committing an image, the slots of one or more records in a row, to a ring: by a sequence to that
 * of the core, or to a shared one, which a thread holds meanwhile. A log call of one slot gets here
 * only where it cannot go straight.
 */

#define SHMLOG_SEVERE_ 1 /* records of SHMLOG_SEVERE or above: the reserve is for them */
#define SHMLOG_TIMED_ 2  /* they have their times */
#define SHMLOG_TRY_ 4    /* if there is no room, do nothing */

SHMLOG_INLINE_ struct shmlog_slot *shmlog_slots_(struct shmlog_ring *ring)
{
    return (struct shmlog_slot *)(void *)((uint8_t *)ring + SHMLOG_RING_HEADER);
}

/* Number the records of an image, following what stands before `head`, and give them their time. */
SHMLOG_INLINE_ void shmlog_stamp_(const struct shmlog *log, struct shmlog_ring *ring, uint64_t head,
                                  struct shmlog_slot *image, uint32_t slots, int flags)
{
    uint32_t seq =
        shmlog_load_relaxed_(&shmlog_slots_(ring)[(head - 1) & log->local.slot_mask].seq);
    const uint64_t now = flags & SHMLOG_TIMED_ ? 0 : shmlog_now(log);
    uint64_t first;

    for (uint32_t i = 0; i < slots; i++) {
        if (image[i].site >> SHMLOG_SITE_SLOTS_SHIFT) { /* a record's first */
            seq++;
            if (!(flags & SHMLOG_TIMED_))
                memcpy(image[i].payload + SHMLOG_PAYLOAD_TIME, &now, sizeof(now));
        }
        first = (uint64_t)image[i].site << 32 | seq;
        memcpy(&image[i], &first, sizeof(first)); /* in one store, for it is loaded as one */
    }
}

/* Ring the doorbell when the head has crossed a quarter of the ring: a plain store after the
 * commit, a hint for the reader. */
SHMLOG_INLINE_ void shmlog_doorbell_(const struct shmlog *log, struct shmlog_ring *ring,
                                     uint64_t head, uint32_t slots)
{
    if (SHMLOG_UNLIKELY_((head & log->local.quarter_mask) + slots > log->local.quarter_mask))
        shmlog_store_release_(&ring->doorbell, head + slots); /* pairs with the drain's acquire */
}

/* Is there room up to the limit that was noted last? */
SHMLOG_INLINE_ int shmlog_room_(const struct shmlog_ring *ring, uint64_t head, uint32_t slots,
                                int severe)
{
    return head + slots <= shmlog_load_relaxed_(severe ? &ring->limit_severe : &ring->limit);
}

#if SHMLOG_RSEQ_
#define SHMLOG_ABORTS_MAX_ 100u /* in a row: then somebody is single-stepping */

/* To a ring of the core's. Returns 1; 0: lost, and counted, or not tried; or why that cannot be,
 * -SHMLOG_WHY_*. A severe record goes by the limit of all first, so that this does not stay behind
 * the tail, unless it goes to a ring that is for severe ones alone. */
SHMLOG_INLINE_ int shmlog_commit_by_core_(struct shmlog *log, struct shmlog_thread_ *thread,
                                          struct shmlog_slot *image, uint32_t slots, int flags)
{
    const int severe = flags & SHMLOG_SEVERE_;
    int beyond = severe && log->local.severe_rings; /* goes by limit_severe */

    for (uint32_t aborts = 0; aborts < SHMLOG_ABORTS_MAX_;) {
        const uint32_t cpu = shmlog_this_cpu_(log);
        struct shmlog_ring *ring;
        uint64_t head;

        if (cpu >= log->local.cpus)
            return -(int)SHMLOG_WHY_NO_CORE;
        ring = shmlog_load_relaxed_(severe ? &log->local.severe_of_cpu[cpu]
                                           : &log->local.ring_of_cpu[cpu]);
        if (ring == &log->local.none)
            return -(int)SHMLOG_WHY_NO_CORE;
        head = shmlog_load_relaxed_(&ring->head);
        if (!shmlog_room_(ring, head, slots, beyond)) {
            if (flags & SHMLOG_TRY_ || !shmlog_make_room_(log, ring, slots, severe))
                return 0;
            beyond = severe;
            continue;
        }
        shmlog_stamp_(log, ring, head, image, slots, flags);
        if (shmlog_commit_image_(log, ring, cpu, head, image, slots)) {
            shmlog_doorbell_(log, ring, head, slots);
            /* not of a nameless one, nor in a state that is by now that of another attachment */
            if (thread->where != (cpu ^ thread->key) && thread->key == log->key &&
                ring == shmlog_load_relaxed_(&log->local.ring_of_cpu[cpu]))
                shmlog_note_core_(thread, cpu ^ log->key, ring);
            return 1;
        }
        aborts++;
    }
    return -(int)SHMLOG_WHY_ABORTS;
}
#endif

/* ---- Shared rings ----
 *
 * A thread holds one for one call: one writer at a time, one final store that commits. Who dies
 * over it leaves nothing but its name in `holder`, and whoever waits finds it gone and takes its
 * place. A holder that is stopped costs the others one wait, then they go by the other rings; where
 * there are none, their records are lost, and counted, until it goes on. */
#define SHMLOG_HOLD_NS_ UINT64_C(100000000)       /* so long one that does not move is waited for */
#define SHMLOG_HOLD_MOST_NS_ UINT64_C(1000000000) /* where each has to wait for many others */
#define SHMLOG_HOLD_SPINS_ 200u
#define SHMLOG_HOLD_NAP_US_ 50

/* Take the ring if `holder` has it, or, for 0, nobody. */
SHMLOG_INLINE_ int shmlog_take_(struct shmlog_ring *ring, uint64_t holder, uint64_t self)
{
    /* pairs with the release of who had it before: its slots, and its head */
    if (!__atomic_compare_exchange_n(&ring->holder, &holder, self, 0, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED))
        return 0;
    if (SHMLOG_UNLIKELY_(shmlog_load_relaxed_(&ring->held_too_long)))
        shmlog_store_relaxed_(&ring->held_too_long, 0); /* who was, may be waited for again */
    return 1;
}

/* Has the thread ended, for certain? Of another pid namespace nobody here can tell. */
SHMLOG_COLD_ int shmlog_holder_is_gone_(struct shmlog *log, uint64_t holder)
{
    const uint64_t start = SHMLOG_HOLDER(0, 0, holder);
    uint64_t tid = SHMLOG_HOLDER_TID(holder), now;
    char path[32] = "/proc/", digits[8];
    int n = 0, at = 6;

    if (!log->local.pid_ns ||
        SHMLOG_HOLDER(0, log->local.pid_ns, 0) != (holder & SHMLOG_HOLDER(0, UINT64_MAX, 0)))
        return 0;
    if (SHMLOG_SYS_(SYS_tkill, tid, 0) == -ESRCH)
        return 1;
    do
        digits[n++] = (char)('0' + tid % 10);
    while ((tid /= 10) != 0);
    while (n > 0)
        path[at++] = digits[--n];
    memcpy(path + at, "/stat", 6);
    now = SHMLOG_HOLDER(0, 0, shmlog_start_time_(path));
    return now && start && now != start; /* its number came round again */
}

/* Wait for a ring that somebody else holds. 1: it is this thread's; 0: held for too long. */
SHMLOG_COLD_ int shmlog_wait_turn_(struct shmlog *log, struct shmlog_ring *ring, uint64_t self)
{
    const int waits = log->local.on_full == SHMLOG_ON_FULL_WAIT;
    const uint64_t patience =
        waits && log->local.wait_ns > SHMLOG_HOLD_NS_ ? log->local.wait_ns : SHMLOG_HOLD_NS_;
    uint64_t begun = 0, since = 0, seen = 0;

    for (uint32_t turn = 0; turn < SHMLOG_HOLD_SPINS_; turn++) {
        if (!shmlog_load_relaxed_(&ring->holder) && shmlog_take_(ring, 0, self))
            return 1;
        shmlog_relax_();
    }
    for (;;) {
        const uint64_t holder = shmlog_load_relaxed_(&ring->holder);
        const uint64_t now = shmlog_monotonic_ns_(), head = shmlog_load_relaxed_(&ring->head);

        if ((!holder || shmlog_holder_is_gone_(log, holder)) && shmlog_take_(ring, holder, self))
            return 1;
        begun = begun ? begun : now;
        if (!since || head != seen) { /* others had their turn: nobody is stuck */
            since = now;
            seen = head;
        }
        if (holder && shmlog_load_relaxed_(&ring->held_too_long) == holder)
            return 0;
        if (patience != UINT64_MAX && now - since >= patience) {
            shmlog_store_relaxed_(&ring->held_too_long, holder);
            return 0;
        }
        if (!waits && now - begun >= SHMLOG_HOLD_MOST_NS_)
            return 0;
        shmlog_nap_(SHMLOG_HOLD_NAP_US_);
    }
}

/* Take the ring of a thread that has ended, without waiting; NULL: there is none. */
SHMLOG_COLD_ struct shmlog_ring *shmlog_inherit_(struct shmlog *log, uint64_t self)
{
    for (uint32_t i = 0; i < log->local.shared_count; i++) {
        struct shmlog_ring *const ring =
            shmlog_load_acquire_(&log->local.ring[log->local.shared_begin + i]);
        const uint64_t holder = shmlog_load_relaxed_(&ring->holder);

        if (holder && holder != self && shmlog_holder_is_gone_(log, holder) &&
            shmlog_take_(ring, holder, self))
            return ring;
    }
    return SHMLOG_NULL_;
}

/* Hold a shared ring; NULL: none can be had, which is counted. A signal handler that comes while
 * its thread holds one takes another, but does not wait for it: whoever holds that one may be
 * waiting, in a handler as well, for the ring of this thread. */
SHMLOG_STATIC_ struct shmlog_ring *shmlog_hold_(struct shmlog *log, struct shmlog_thread_ *thread)
{
    const uint32_t count = log->local.shared_count;
    struct shmlog_ring *held = SHMLOG_NULL_, *mine = SHMLOG_NULL_;

    for (uint32_t i = 0; i < count; i++) {
        const uint32_t hand = (thread->hand + i) % count;
        struct shmlog_ring *const ring =
            shmlog_load_acquire_(&log->local.ring[log->local.shared_begin + hand]);
        const uint64_t holder = shmlog_load_relaxed_(&ring->holder);

        if (shmlog_ring_gone_(ring))
            continue;
        if (!holder && shmlog_take_(ring, 0, thread->holder)) {
            thread->hand = hand;
            if (!log->local.cpus)
                thread->ring = ring;
            return ring;
        }
        if (holder == thread->holder)
            mine = ring;
        else if (!held)
            held = ring;
    }
    if (mine)
        held = shmlog_inherit_(log, thread->holder);
    else if (held && !shmlog_wait_turn_(log, held, thread->holder))
        held = SHMLOG_NULL_;
    if (held)
        return held;
    if (mine)
        __atomic_fetch_add(&mine->lost[SHMLOG_LOST_NESTED], 1, __ATOMIC_RELEASE);
    else
        shmlog_no_ring_(log);
    return SHMLOG_NULL_;
}

/* Commit to a shared ring that this thread holds, and let go of it. */
SHMLOG_INLINE_ void shmlog_fill_(const struct shmlog *log, struct shmlog_ring *ring, uint64_t head,
                                 struct shmlog_slot *image, uint32_t slots, int flags)
{
    shmlog_stamp_(log, ring, head, image, slots, flags);
#if !defined(__x86_64__) /* which stores in order */
    /* Not to be seen before the head of the record before: a reader that the overwrite policy lets
     * be overtaken judges by the head which slots it may believe. */
    __atomic_thread_fence(__ATOMIC_RELEASE);
#endif
    for (uint32_t i = 0; i < slots; i++)
        shmlog_slots_(ring)[(head + i) & log->local.slot_mask] = image[i];
    shmlog_store_release_(&ring->head, head + slots); /* pairs with the readers' acquire of head */
    shmlog_store_release_(&ring->holder, 0);
    shmlog_doorbell_(log, ring, head, slots);
}

/* To a shared ring. 1; 0: lost, and counted. Nobody waits for room while he holds it. */
SHMLOG_STATIC_ int shmlog_commit_by_turns_(struct shmlog *log, struct shmlog_thread_ *thread,
                                           struct shmlog_slot *image, uint32_t slots, int flags)
{
    const int severe = flags & SHMLOG_SEVERE_;
    struct shmlog_ring *ring;
    uint64_t head;
    int beyond = 0;

    for (;;) {
        ring = shmlog_hold_(log, thread);
        if (!ring)
            return 0;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        head = shmlog_load_relaxed_(&ring->head);
        if (shmlog_room_(ring, head, slots, beyond))
            break;
        shmlog_store_release_(&ring->holder, 0);
        if (!shmlog_make_room_(log, ring, slots, severe))
            return 0;
        beyond = severe;
    }
    shmlog_fill_(log, ring, head, image, slots, flags);
    return 1;
}

/* To the shared ring that the thread held last, if nobody holds it and it does not look full. The
 * state is looked at behind the ring: a handler that came in may have made it that of another
 * attachment, with rings of another size; it never becomes this one's again. */
SHMLOG_INLINE_ int shmlog_commit_again_(struct shmlog *log, struct shmlog_thread_ *thread,
                                        struct shmlog_slot *image, uint32_t slots, int flags)
{
    struct shmlog_ring *const ring = shmlog_load_relaxed_(&thread->ring);
    uint64_t head;

    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (!ring || (thread->key & ~UINT64_C(3)) != log->key || !shmlog_take_(ring, 0, thread->holder))
        return 0;
    head = shmlog_load_relaxed_(&ring->head);
    if (!shmlog_room_(ring, head, slots, 0)) {
        shmlog_store_release_(&ring->holder, 0);
        return 0;
    }
    shmlog_fill_(log, ring, head, image, slots, flags);
    return 1;
}

/* Returns 1; 0: lost, and counted. SHMLOG_TRY_: 0 if that would be so, or is not known. */
SHMLOG_INLINE_ int shmlog_commit_(struct shmlog *log, struct shmlog_thread_ *thread,
                                  struct shmlog_slot *image, uint32_t slots, int flags)
{
    uint32_t why = log->local.clock == SHMLOG_CLOCK_TSC ? SHMLOG_WHY_NO_RSEQ : SHMLOG_WHY_NO_TSC;
    int r = -1;

#if SHMLOG_RSEQ_
    if (log->local.cpus) {
        r = shmlog_commit_by_core_(log, thread, image, slots, flags);
        why = (uint32_t)-r;
    }
#endif
    if (flags & SHMLOG_TRY_)
        return r > 0;
    if (r < 0 && !log->local.cpus && shmlog_commit_again_(log, thread, image, slots, flags))
        return 1;
    if (r < 0) {
        shmlog_note_why_(log, thread, why);
        r = shmlog_commit_by_turns_(log, thread, image, slots, flags);
    }
    if (!r)
        __atomic_fetch_add(&thread->lost, 1, __ATOMIC_RELAXED);
    return r;
}

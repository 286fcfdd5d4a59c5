/* SPDX-License-Identifier: MIT
 *
 * A ring that looks full: there is room after all, or the policy decides.
 */

/* No ring gets as far; a damaged one may say so, and sums with it would wrap. */
#define SHMLOG_HEAD_MAX_ (UINT64_C(1) << 62)

/* Was the ring taken out of use since its file was cut short, or was it never there? */
SHMLOG_INLINE_ int shmlog_ring_gone_(const struct shmlog_ring *ring)
{
    return shmlog_load_relaxed_(&ring->magic) != SHMLOG_RING_MAGIC;
}

/* A record without a ring is lost, and counted. */
SHMLOG_COLD_ int shmlog_no_ring_(struct shmlog *log)
{
    __atomic_fetch_add(&log->control.lost[SHMLOG_LOST_NO_RING], 1, __ATOMIC_RELAXED);
    return 0;
}

/* Records that found no room are lost, and counted; what a ring that is gone counts, nobody would
 * see. Release: pairs with the drain's acquire; who sees the count sees the head that was too far
 * ahead, and puts the gap behind the records before it. */
SHMLOG_COLD_ int shmlog_count_full_(struct shmlog *log, struct shmlog_ring *ring, uint32_t cause)
{
    if (shmlog_ring_gone_(ring))
        return shmlog_no_ring_(log);
    __atomic_fetch_add(&ring->lost[cause], 1, __ATOMIC_RELEASE);
    return 0;
}

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
                                int severe)
{
    const uint32_t wakes = shmlog_load_acquire_(&ring->wakes);
    struct timespec ts;
    uint64_t tail;

    ts.tv_sec = 0;
    ts.tv_nsec = SHMLOG_NAP_NS_;
    /* Stored, then looked at the tail; the reader stores the tail, then looks here. One of the two
     * sees the other. */
    __atomic_exchange_n(&ring->waiting, 1, __ATOMIC_SEQ_CST);
    if (!shmlog_has_room_(log, ring, slots, severe, &tail))
        SHMLOG_SYS_(SYS_futex, &ring->wakes, 0 /* FUTEX_WAIT */, wakes, &ts, 0);
}

/* The wait policy: until the ring has room, or no slot came free for wait_ns. A wait that ran out
 * is remembered by its tail: a reader that is gone costs one wait, not one for each call. */
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
            shmlog_relax_();
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

/* The ring looks full: read its tail. Returns 1: there is room, try again, a severe record by
 * limit_severe; 0: the record is lost, and counted. */
SHMLOG_COLD_ int shmlog_make_room_(struct shmlog *log, struct shmlog_ring *ring, uint32_t slots,
                                   int severe)
{
    const int damaged = shmlog_load_relaxed_(&ring->head) >= SHMLOG_HEAD_MAX_;
    uint64_t tail, gone;

    if (shmlog_ring_gone_(ring))
        return shmlog_no_ring_(log);
    if (log->local.on_full == SHMLOG_ON_FULL_OVERWRITE && !damaged) {
        tail = UINT64_MAX - (log->local.slot_mask + 1); /* no limit */
    } else if (!shmlog_has_room_(log, ring, slots, severe, &tail)) {
        if (log->local.on_full != SHMLOG_ON_FULL_WAIT || damaged)
            return shmlog_count_full_(log, ring, SHMLOG_LOST_FULL);
        if (!shmlog_wait_room_(log, ring, slots, severe, &tail))
            return shmlog_count_full_(log, ring, SHMLOG_LOST_WAITED);
    }
    /* Another thread may store an older tail's limit over this one: too low, never too high. */
    tail += log->local.slot_mask + 1;
    shmlog_store_relaxed_(&ring->limit_severe, tail);
    shmlog_store_relaxed_(&ring->limit, tail - (tail == UINT64_MAX ? 0 : log->local.reserve));
    /* Was the file cut before a store, what is there instead got the limit: take it back. */
    gone = shmlog_ring_gone_(ring) ? 0 : UINT64_MAX;
    __atomic_fetch_and(&ring->limit, gone, __ATOMIC_RELAXED);
    __atomic_fetch_and(&ring->limit_severe, gone, __ATOMIC_RELAXED);
    return 1;
}

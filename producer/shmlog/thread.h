/* SPDX-License-Identifier: MIT
 *
 * Threads that log: their entries in the segment's producer table, which say who wrote a record,
 * and their state.
 */

#if defined(__GLIBC__)
#define SHMLOG_TLS_MODEL_ __attribute__((tls_model("initial-exec")))
#else
#define SHMLOG_TLS_MODEL_
#endif
#define SHMLOG_UNREGISTERED_           \
    {                                  \
        1, 0, 0, 0, SHMLOG_NULL_, 0, 0 \
    } /* a key that no attachment has */
static SHMLOG_TLS_MODEL_ __thread struct shmlog_thread_ shmlog_threads_[SHMLOG_ATTACHMENTS_] = {
    SHMLOG_UNREGISTERED_, SHMLOG_UNREGISTERED_, SHMLOG_UNREGISTERED_, SHMLOG_UNREGISTERED_};

/* This thread's state that is, or will be, the attachment's. */
SHMLOG_INLINE_ struct shmlog_thread_ *shmlog_state_(const struct shmlog *log)
{
    return (struct shmlog_thread_ *)(void *)((uint8_t *)shmlog_threads_ + log->local.state_at);
}

SHMLOG_INLINE_ void *shmlog_table_(struct shmlog *log, uint64_t offset)
{
    return (uint8_t *)&log->control + offset;
}
SHMLOG_INLINE_ struct shmlog_producer *shmlog_producers_(struct shmlog *log)
{
    return (struct shmlog_producer *)shmlog_table_(log, log->local.geometry.producers_offset);
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
SHMLOG_COLD_ uint32_t shmlog_take_producer_(struct shmlog *log, uint64_t key, uint32_t tid,
                                            uint64_t start, uint32_t begin, uint32_t end, int kept)
{
    struct shmlog_producer *const table = shmlog_producers_(log);

    for (uint32_t i = begin; i < end; i++) {
        struct shmlog_producer *const p = &table[i];
        uint64_t before = shmlog_load_relaxed_(&p->claim);
        uint32_t used, id;

        if (!shmlog_may_take_(before, kept))
            continue;
        /* before the claim: whoever dies over it must be found */
        used = shmlog_load_relaxed_(&log->control.producers_used);
        while (used < i + 1 &&
               !__atomic_compare_exchange_n(&log->control.producers_used, &used, i + 1, 1,
                                            __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            ;
        if (!__atomic_compare_exchange_n(&p->claim, &before,
                                         SHMLOG_PRODUCER_FILLING_CLAIM(tid, log->local.pid_ns), 0,
                                         __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            continue;
        id = ((shmlog_load_acquire_(&p->id) >> 16) + 1) << 16 | (i + 1);
        if (shmlog_control_gone_(log)) /* an empty table has ids that other threads have */
            return 0;
        p->id = id;
        p->pid = (uint32_t)SHMLOG_SYS_(SYS_getpid, 0);
        p->tid = tid;
        p->ring = 0;
        p->why = 0;
        p->rings_missing = log->local.rings_missing;
        p->start_time = start;
        p->attachment = key;
        p->pid_ns = log->local.pid_ns;
        memcpy(p->process, log->local.process, sizeof(p->process));
        memset(p->thread, 0, sizeof(p->thread));
        SHMLOG_SYS_(SYS_prctl, SHMLOG_GET_NAME_, p->thread);
        /* pairs with the readers' acquire of claim */
        shmlog_store_release_(&p->claim, (uint64_t)tid << 32 | SHMLOG_PRODUCER_LIVE);
        return id;
    }
    return 0;
}

/* The attachment's key, a fresh one if this is the first thread of a forked child that asks. */
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
    return key;
}

/* Register the thread with an entry from `begin` on and before `end`, unless it has one. */
SHMLOG_COLD_ void shmlog_register_(struct shmlog *log, uint32_t begin, uint32_t end)
{
    struct shmlog_thread_ *const thread = shmlog_state_(log);
    const uint64_t mask = shmlog_block_signals_(), key = shmlog_key_(log);
    const int mine = (thread->key & ~UINT64_C(3)) == key;

    if (!mine || thread->key & SHMLOG_NAMELESS_) {
        const uint32_t tid = (uint32_t)SHMLOG_SYS_(SYS_gettid, 0);
        const uint64_t start = shmlog_start_time_(SHMLOG_OWN_STAT_);
        uint32_t id = shmlog_take_producer_(log, key, tid, start, begin, end, 0);

        if (!id)
            id = shmlog_take_producer_(log, key, tid, start, begin, end, 1);
        if (!mine) {
            memset(thread, 0, sizeof(*thread));
            thread->where = UINT64_MAX;
            thread->holder = SHMLOG_HOLDER(tid, log->local.pid_ns, start);
            thread->hand = tid;
        }
        if (!log->local.cpus)
            thread->ring = SHMLOG_NULL_; /* not before the entry says why it shares one */
        thread->producer = id;
        thread->key = key | (!id               ? SHMLOG_NAMELESS_
                             : log->local.cpus ? SHMLOG_BY_CORE_
                                               : SHMLOG_BY_TURNS_);
    }
    shmlog_unblock_signals_(log->local.guarded ? mask & ~SHMLOG_BUS_BIT_ : mask);
}

/* The thread's state, registered. One that found the table full looks, at each of its calls,
 * whether one of the entries has come free, in turn. */
SHMLOG_STATIC_ struct shmlog_thread_ *shmlog_thread_(struct shmlog *log)
{
    struct shmlog_thread_ *const thread = shmlog_state_(log);
    const uint64_t key = shmlog_load_relaxed_(&log->key);
    uint32_t begin = 0, end = log->local.geometry.producers_max;

    if (SHMLOG_LIKELY_(key && (thread->key == key || thread->key == (key | SHMLOG_BY_TURNS_))))
        return thread;
    if (key && thread->key == (key | SHMLOG_NAMELESS_)) {
        begin = __atomic_fetch_add(&log->local.producer_probe, 1, __ATOMIC_RELAXED) % end;
        end = begin + 1;
        if (!shmlog_may_take_(shmlog_load_relaxed_(&shmlog_producers_(log)[begin].claim), 1) ||
            shmlog_control_gone_(log))
            return thread;
    }
    shmlog_register_(log, begin, end);
    return thread;
}

/* Note in its entry why the thread does not log into the rings of its cores. */
SHMLOG_STATIC_ void shmlog_note_why_(struct shmlog *log, const struct shmlog_thread_ *thread,
                                     uint32_t why)
{
    struct shmlog_producer *const p = &shmlog_producers_(log)[(thread->producer & 0xffffu) - 1];

    if (thread->producer && shmlog_load_relaxed_(&p->why) != why)
        shmlog_store_relaxed_(&p->why, why);
}

/* Sign all threads of the attachment off. In a child that has not logged, none are its own. */
SHMLOG_COLD_ void shmlog_sign_off_(struct shmlog *log)
{
    struct shmlog_producer *const table = shmlog_producers_(log);
    const uint64_t key = log->key;

    for (uint32_t i = 0; key && i < log->local.geometry.producers_max &&
                         i < shmlog_load_relaxed_(&log->control.producers_used);
         i++) {
        const uint64_t claim = shmlog_load_acquire_(&table[i].claim);

        if ((claim & 0xffffffffu) == SHMLOG_PRODUCER_LIVE && table[i].attachment == key)
            shmlog_store_release_(&table[i].claim,
                                  (claim & ~UINT64_C(0xffffffff)) | SHMLOG_PRODUCER_DETACHED);
    }
}

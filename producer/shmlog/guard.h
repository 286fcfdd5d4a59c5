/* SPDX-License-Identifier: MIT
 *
 * What of a segment is gone: a file was cut short (SHMLOG_OPEN_GUARD), or a log leaves the segment.
 *
 * Private memory is put in the place of what is gone, in one step. In that of a ring all is zero:
 * it looks full to every writer, and its magic is gone, which writers find out where they would
 * count it as full. In that of the control file the level is as it was at first, and the magic is
 * gone, too. Rings go first: as long as one may be written to, the tables that say whose it is are
 * there.
 *
 * The SIGBUS handler touches no shared memory. The signal aborts a restartable sequence; then the
 * ring looks full.
 */

/* struct sigaction and sigaction(), as Linux's C libraries have them and -std=c11 hides them. */
struct shmlog_sigaction_ {
    void (*handler)(int signal, void *info, void *context);
    uint64_t mask[16];
    int flags;
    void (*restorer)(void);
};
extern int shmlog_libc_sigaction_(int signal, const struct shmlog_sigaction_ *action,
                                  struct shmlog_sigaction_ *before) __asm__("sigaction");
#define SHMLOG_SA_FLAGS_ 0x58000004 /* SIGINFO | ONSTACK | RESTART | NODEFER */
#define SHMLOG_SA_NODEFER_ 0x40000000

static struct shmlog *shmlog_logs_[SHMLOG_ATTACHMENTS_]; /* the guarded attachments, by entry */
static uint32_t shmlog_bus_users_;                       /* handlers that look at them */
static uint32_t shmlog_bus_installed_;
static struct shmlog_sigaction_ shmlog_bus_before_;

/* Put private memory, of zeros but for the level, in the place of a mapping. */
SHMLOG_COLD_ int shmlog_replace_(void *memory, uint64_t size, size_t level_at, uint32_t level)
{
    void *fresh;
    int r = shmlog_map_(SHMLOG_NULL_, size, SHMLOG_MAP_OWN_, -1, &fresh);

    if (r == 0) {
        long at;

        if (level) /* else it takes no page of memory */
            memcpy((uint8_t *)fresh + level_at, &level, sizeof(level));
        at = SHMLOG_SYS_(SYS_mremap, fresh, size, size, SHMLOG_MREMAP_, memory);
        r = at < 0 && at > -4096 ? (int)at : 0;
    }
    return r;
}

SHMLOG_COLD_ int shmlog_lose_ring_(struct shmlog *log, uint32_t index)
{
    struct shmlog_ring *const ring = shmlog_load_acquire_(&log->local.ring[index]);

    for (uint32_t i = 0; i < SHMLOG_CPUS_MAX; i++) {
        struct shmlog_ring *const beside = shmlog_load_relaxed_(&log->local.ring_of_cpu[i]);

        if (shmlog_load_relaxed_(&log->local.severe_of_cpu[i]) == ring)
            shmlog_store_release_(&log->local.severe_of_cpu[i],
                                  beside == ring ? &log->local.none : beside);
        if (beside == ring)
            shmlog_store_release_(&log->local.ring_of_cpu[i], &log->local.none);
    }
    return ring == &log->local.none ? 0 : shmlog_replace_(ring, log->local.ring_map[index], 0, 0);
}

/* Without its control file, nobody will read what is in the rings. */
SHMLOG_COLD_ int shmlog_lose_rings_(struct shmlog *log)
{
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < log->local.geometry.rings; i++)
        r = shmlog_lose_ring_(log, i);
    return r;
}
SHMLOG_COLD_ int shmlog_lose_control_(struct shmlog *log)
{
    return shmlog_replace_(&log->control, log->local.control_size,
                           offsetof(struct shmlog_control, level), log->local.geometry.level);
}

/* 1: the address is the attachment's, and the access will not fail again. */
SHMLOG_COLD_ int shmlog_lose_(struct shmlog *log, uintptr_t at)
{
    if (at - (uintptr_t)&log->control < log->local.control_size)
        return shmlog_lose_rings_(log) == 0 && shmlog_lose_control_(log) == 0;
    for (uint32_t i = 0; i < log->local.geometry.rings; i++) {
        struct shmlog_ring *const ring = shmlog_load_acquire_(&log->local.ring[i]);

        if (ring != &log->local.none && at - (uintptr_t)ring < log->local.ring_map[i])
            return shmlog_lose_ring_(log, i) == 0;
    }
    return 0;
}

/* Not ours: what would have happened without us. */
SHMLOG_COLD_ void shmlog_pass_bus_on_(int signal, void *info, void *context, int raised)
{
    const struct shmlog_sigaction_ before = shmlog_bus_before_;
    const uintptr_t handler = (uintptr_t)before.handler;
    struct shmlog_sigaction_ by_default;

    if (handler > 1) { /* neither SIG_DFL nor SIG_IGN */
        const uint64_t bus = before.flags & SHMLOG_SA_NODEFER_ ? 0 : SHMLOG_BUS_BIT_;

        SHMLOG_SYS_(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, &bus, 0, 8);
        before.handler(signal, info, context);
    } else if (raised || handler == 0) { /* a raised one cannot be ignored */
        memset(&by_default, 0, sizeof(by_default));
        shmlog_libc_sigaction_(signal, &by_default, SHMLOG_NULL_);
        if (!raised) /* else the access will do so */
            SHMLOG_SYS_(SYS_tgkill, SHMLOG_SYS_(SYS_getpid, 0), SHMLOG_SYS_(SYS_gettid, 0), signal);
    }
}

/* The access that this thread tries again: it may have failed before, and its handler come only
 * after, another thread left the segment. Handlers of other signals, and the calls that they
 * interrupted, may all do so at one address; what still fails after some more is not ours. */
static SHMLOG_TLS_MODEL_ __thread uintptr_t shmlog_bus_at_;
static SHMLOG_TLS_MODEL_ __thread uint32_t shmlog_bus_tries_;
#define SHMLOG_BUS_TRIES_ 100
#define SHMLOG_BUS_ADRERR_ 2 /* si_code: the file has no such page */

SHMLOG_COLD_ void shmlog_on_bus_(int signal, void *info, void *context)
{
    uintptr_t at;
    int code, ours = 0;

    memcpy(&code, (const uint8_t *)info + 8, sizeof(code)); /* si_code */
    memcpy(&at, (const uint8_t *)info + 16, sizeof(at));    /* si_addr */
    __atomic_fetch_add(&shmlog_bus_users_, 1, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; code > 0 && i < SHMLOG_ATTACHMENTS_; i++) {
        struct shmlog *const log = __atomic_load_n(&shmlog_logs_[i], __ATOMIC_SEQ_CST);

        ours |= log && shmlog_lose_(log, at);
    }
    __atomic_fetch_sub(&shmlog_bus_users_, 1, __ATOMIC_SEQ_CST);
    if (ours)
        return;
    shmlog_bus_tries_ = at == shmlog_bus_at_ ? shmlog_bus_tries_ + 1 : 0;
    shmlog_bus_at_ = at;
    if (code == SHMLOG_BUS_ADRERR_ && shmlog_bus_tries_ < SHMLOG_BUS_TRIES_)
        return;
    shmlog_bus_tries_ = 0;
    shmlog_pass_bus_on_(signal, info, context, code > 0);
}

/* Guard an attachment; the first time, put the handler in place, for good. */
SHMLOG_COLD_ void shmlog_guard_(struct shmlog *log)
{
    struct shmlog_sigaction_ ours;

    log->local.guarded = 1;
    __atomic_store_n(&shmlog_logs_[log->local.entry], log, __ATOMIC_SEQ_CST);
    if (__atomic_exchange_n(&shmlog_bus_installed_, 1, __ATOMIC_SEQ_CST))
        return;
    shmlog_libc_sigaction_(SIGBUS, SHMLOG_NULL_, &shmlog_bus_before_);
    ours = shmlog_bus_before_; /* its mask, for it may be called from ours */
    ours.handler = shmlog_on_bus_;
    ours.flags = SHMLOG_SA_FLAGS_;
    shmlog_libc_sigaction_(SIGBUS, &ours, SHMLOG_NULL_);
}

/* Before the attachment is unmapped. */
SHMLOG_COLD_ void shmlog_unguard_(struct shmlog *log)
{
    if (!log->local.guarded)
        return;
    __atomic_store_n(&shmlog_logs_[log->local.entry], (struct shmlog *)SHMLOG_NULL_,
                     __ATOMIC_SEQ_CST);
    /* A handler for another address may be looking at it. It takes microseconds; a child forked
     * meanwhile has a count that nobody takes back. */
    for (int i = 0; i < 100 && __atomic_load_n(&shmlog_bus_users_, __ATOMIC_SEQ_CST); i++)
        shmlog_nap_(1000);
}

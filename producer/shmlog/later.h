/* SPDX-License-Identifier: MIT
 *
 * Open and close, and logs that attach later (SHMLOG_OPEN_LATER).
 *
 * An attachment never changes: that is what makes a log call safe at any moment. A log that
 * attaches later is none itself: it stands for one attachment after the other, has a site key that
 * is no segment's, and so each call comes to shmlog_find_site_(), which takes the attachment of the
 * moment. One that was left stays mapped until the log is closed, for calls may still be in it; but
 * what it had of the segment is replaced by private memory.
 */

static uint64_t shmlog_unattached_; /* calls without a segment that no segment was told of */

struct shmlog_later_ {
    struct shmlog *current; /* the attachment that calls go to, NULL: none */
    struct shmlog *left;    /* those whose segment is gone */
    uint64_t missed;        /* calls without one, which no segment knows of yet */
    int32_t error;          /* of the last attempt */
    uint32_t busy;          /* a thread is in shmlog_poll(): the pid */
    struct shmlog_options options;
    char process_name[32];
    char segment[4096], control[4096]; /* as given; path of the attachment's control file */
};

/* The attachment behind `log`, NULL if there is none. */
SHMLOG_INLINE_ struct shmlog *shmlog_current_(struct shmlog *log)
{
    /* pairs with the release of shmlog_poll() */
    return log && log->local.later ? shmlog_load_acquire_(&log->local.later->current) : log;
}

SHMLOG_COLD_ void shmlog_miss_(struct shmlog *log, uint64_t records)
{
    __atomic_fetch_add(&log->local.later->missed, records, __ATOMIC_RELAXED);
}
void shmlog_count_unattached_(void)
{
    __atomic_fetch_add(&shmlog_unattached_, 1, __ATOMIC_RELAXED);
}

/* Is it an error of a segment that is not there, or not yet? */
SHMLOG_INLINE_ int shmlog_may_come_(int error)
{
    return error == -ENOENT || error == -SHMLOG_ERR_UNFINISHED || error == -SHMLOG_ERR_CLOSED;
}

/* Is the file where the attachment's control file was another one, or none? What cannot be found
 * out is no reason to leave. */
SHMLOG_COLD_ int shmlog_was_replaced_(const struct shmlog_later_ *later)
{
    const struct shmlog *const log = later->current;
    struct stat st;
    const int r = shmlog_lstat_(later->control, &st);

    if (r < 0)
        return r == -ENOENT || r == -ENOTDIR;
    return (uint64_t)st.st_dev != log->local.control_dev ||
           (uint64_t)st.st_ino != log->local.control_ino ||
           (uint64_t)st.st_size != log->local.geometry.file_size || shmlog_control_gone_(log);
}

/* Rings first: once signed off, a thread's name is another's, and must not get into them. */
SHMLOG_COLD_ void shmlog_leave_segment_(struct shmlog_later_ *later)
{
    struct shmlog *const left = later->current;

    shmlog_store_release_(&later->current, (struct shmlog *)SHMLOG_NULL_);
    if (shmlog_lose_rings_(left) == 0) {
        shmlog_sign_off_(left);
        (void)shmlog_lose_control_(left); /* while it is guarded */
    }
    shmlog_leave_(left);
    left->local.next = later->left;
    later->left = left;
}

SHMLOG_COLD_ int shmlog_attach_now_(struct shmlog *log)
{
    struct shmlog_later_ *const later = log->local.later;
    struct shmlog *fresh = SHMLOG_NULL_;
    char directory[4096];
    int r = shmlog_find_segment_(later->segment, directory, sizeof(directory));

    if (r == 0)
        r = shmlog_attach_(directory, &later->options, &fresh);
    shmlog_store_relaxed_(&later->error, r);
    if (r < 0)
        return r;
    snprintf(later->control, sizeof(later->control), "%.4080s/control", directory);
    shmlog_store_relaxed_(&log->local.clock, fresh->local.clock);
    /* pairs with the acquire of shmlog_current_() */
    shmlog_store_release_(&later->current, fresh);
    return 0;
}

int shmlog_poll(struct shmlog *log)
{
    struct shmlog_later_ *const later = log ? log->local.later : SHMLOG_NULL_;
    const uint32_t pid = (uint32_t)getpid();
    uint32_t busy = later ? shmlog_load_relaxed_(&later->busy) : pid;
    uint64_t missed;

    /* a forked child may have its parent's */
    if (busy == pid || !__atomic_compare_exchange_n(&later->busy, &busy, pid, 0, __ATOMIC_ACQUIRE,
                                                    __ATOMIC_RELAXED))
        return shmlog_status(log);
    if (later->current && shmlog_was_replaced_(later))
        shmlog_leave_segment_(later);
    if (later->current || shmlog_attach_now_(log) == 0) {
        shmlog_store_relaxed_(&log->control.level,
                              shmlog_load_relaxed_(&later->current->control.level));
        missed = __atomic_exchange_n(&later->missed, 0, __ATOMIC_RELAXED);
        __atomic_fetch_add(&later->current->control.lost[SHMLOG_LOST_NO_RING], missed,
                           __ATOMIC_RELAXED);
    }
    shmlog_store_release_(&later->busy, 0);
    return shmlog_status(log);
}

/* A log that stands for others; its own level is the lowest, so that each call is counted. */
SHMLOG_COLD_ int shmlog_make_later_(const char *segment, const struct shmlog_options *options,
                                    struct shmlog **ret_log)
{
    void *memory = SHMLOG_NULL_, *state = SHMLOG_NULL_;
    struct shmlog_later_ *later;
    size_t at = 0;
    int r = shmlog_map_(SHMLOG_NULL_, 3 * SHMLOG_PAGE_, SHMLOG_MAP_OWN_, -1, &memory);

    if (r == 0)
        r = shmlog_map_(SHMLOG_NULL_, sizeof(*later), SHMLOG_MAP_OWN_, -1, &state);
    if (r < 0) {
        if (memory)
            SHMLOG_SYS_(SYS_munmap, memory, 3 * SHMLOG_PAGE_);
        return r;
    }
    later = (struct shmlog_later_ *)state;
    /* it must not depend on where the process goes */
    if (strchr(segment, '/') && *segment != '/' && getcwd(later->segment, 3500)) {
        at = strlen(later->segment);
        later->segment[at++] = '/';
    }
    snprintf(later->segment + at, sizeof(later->segment) - at, "%s", segment);
    later->options = *options;
    if (options->process_name) {
        snprintf(later->process_name, sizeof(later->process_name), "%s", options->process_name);
        later->options.process_name = later->process_name;
    }
    *ret_log = (struct shmlog *)memory;
    (*ret_log)->local.control_size = SHMLOG_PAGE_;
    (*ret_log)->local.site_key = SHMLOG_NO_SEGMENT_;
    (*ret_log)->local.clock = SHMLOG_RSEQ_ ? SHMLOG_CLOCK_TSC : SHMLOG_CLOCK_MONOTONIC;
    (*ret_log)->local.later = later;
    return 0;
}

int shmlog_open(struct shmlog **ret_log, const char *segment, const struct shmlog_options *options)
{
    const uint32_t flags = options ? options->flags : 0;
    const int wait_ms = options ? options->wait_ms : 0;
    const uint64_t since = shmlog_monotonic_ns_();
    struct shmlog *log = SHMLOG_NULL_;
    char directory[4096];
    int r;

    *ret_log = SHMLOG_NULL_;
    if (flags & ~(SHMLOG_OPEN_PARTIAL | SHMLOG_OPEN_LATER | SHMLOG_OPEN_GUARD))
        return -EINVAL;
    r = shmlog_find_segment_(segment, directory, sizeof(directory));
    if (flags & SHMLOG_OPEN_LATER && (r == 0 || shmlog_may_come_(r))) {
        r = shmlog_make_later_(segment, options, &log);
        if (r < 0)
            return r;
    }
    for (;;) {
        if (log)
            r = shmlog_poll(log);
        else if (r == 0)
            r = shmlog_attach_(directory, options, ret_log);
        if (!shmlog_may_come_(r) || wait_ms == 0 ||
            (wait_ms > 0 && shmlog_monotonic_ns_() - since >= (uint64_t)wait_ms * 1000000u))
            break;
        shmlog_nap_(1000);
        if (!log)
            r = shmlog_find_segment_(segment, directory, sizeof(directory));
    }
    if (!log)
        return r;
    if (r < 0 && !shmlog_may_come_(r)) {
        shmlog_close(log);
        return r;
    }
    *ret_log = log;
    return 0;
}

void shmlog_close(struct shmlog *log)
{
    struct shmlog_later_ *const later = log ? log->local.later : SHMLOG_NULL_;
    struct shmlog *const current = shmlog_current_(log);

    if (current) {
        shmlog_leave_(current);
        shmlog_unmap_(current);
    }
    if (!later)
        return;
    while (later->left) {
        struct shmlog *const left = later->left;

        later->left = left->local.next;
        shmlog_unmap_(left);
    }
    __atomic_fetch_add(&shmlog_unattached_, later->missed, __ATOMIC_RELAXED);
    SHMLOG_SYS_(SYS_munmap, later, sizeof(*later));
    shmlog_unmap_(log);
}

int shmlog_status(struct shmlog *log)
{
    int error;

    if (!log)
        return -EINVAL;
    if (shmlog_current_(log))
        return 0;
    error = shmlog_load_relaxed_(&log->local.later->error);
    return error ? error : -ENOENT; /* attached, and gone again, since we looked */
}

void shmlog_register_thread(struct shmlog *log)
{
    log = shmlog_current_(log);
    if (log)
        shmlog_register_(log, 0, log->local.geometry.producers_max);
}

int shmlog_set_level(struct shmlog *log, uint32_t level)
{
    struct shmlog *const current = shmlog_current_(log);

    if (!current || level > SHMLOG_OFF)
        return -EINVAL;
    if (shmlog_load_relaxed_(&current->control.rules)) {
        shmlog_store_relaxed_(&current->control.base_level, level);
        __atomic_fetch_add(&current->control.generation, 2, __ATOMIC_RELEASE);
        if (shmlog_load_relaxed_(&current->control.rules_level) < level)
            level = shmlog_load_relaxed_(&current->control.rules_level);
    }
    shmlog_store_relaxed_(&current->control.level, level);
    shmlog_store_relaxed_(&log->control.level, level);
    return 0;
}

uint64_t shmlog_lost(struct shmlog *log)
{
    uint64_t sum = 0;

    if (!log)
        return shmlog_load_relaxed_(&shmlog_unattached_);
    if (log->local.later)
        sum = shmlog_load_relaxed_(&log->local.later->missed);
    log = shmlog_current_(log);
    for (uint32_t cause = 0; log && cause < SHMLOG_LOST_CAUSES; cause++) {
        sum += shmlog_load_relaxed_(&log->control.lost[cause]);
        for (uint32_t i = 0; i < log->local.geometry.rings; i++)
            sum += shmlog_load_relaxed_(&shmlog_load_relaxed_(&log->local.ring[i])->lost[cause]);
    }
    return sum;
}

uint64_t shmlog_thread_lost(struct shmlog *log)
{
    const struct shmlog_thread_ *thread;

    log = shmlog_current_(log);
    if (!log || !log->key)
        return 0;
    thread = shmlog_state_(log);
    return (thread->key & ~UINT64_C(3)) == log->key ? shmlog_load_relaxed_(&thread->lost) : 0;
}

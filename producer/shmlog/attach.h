/* SPDX-License-Identifier: MIT
 *
 * Attaching to a segment: find its directory, check and map its files, register.
 */

static uint32_t shmlog_entries_; /* the attachments that are open, as bits: of a thread's states */
static uint32_t shmlog_refused_version_; /* of the last segment that was refused for it */

/* /dev/shm is writable by everybody: a folder there counts only if it is `owner`'s (or root's) and
 * nobody else may change it. 0, or -ENOENT, -EACCES. */
SHMLOG_COLD_ int shmlog_trusted_(const char *folder, uint32_t owner)
{
    struct stat st;
    const int r = shmlog_lstat_(folder, &st);

    if (r < 0)
        return r;
    return S_ISDIR(st.st_mode) && (st.st_uid == owner || st.st_uid == 0) && !(st.st_mode & 022)
               ? 0
               : -EACCES;
}

/* The segment's directory: see shm/path.h, which has the same rules for the tools. */
SHMLOG_COLD_ int shmlog_find_segment_(const char *segment, char *ret_path, size_t size)
{
    const char *const folder = getenv("SHMLOG_DIR");
    const char *const slash = segment ? strrchr(segment, '/') : SHMLOG_NULL_;
    const char *const name = slash ? slash + 1 : segment;
    int r = -ENOENT;

    if (!name || !*name || *name == '.' || *name == '-' || strlen(name) > 63)
        return -EINVAL;
    for (const char *p = name; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              strchr("._-", *p)))
            return -EINVAL;
    if (slash || (folder && *folder)) {
        const int n = slash ? snprintf(ret_path, size, "%s", segment)
                            : snprintf(ret_path, size, "%s/%s", folder, name);

        return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
    }
    for (int system = 0; system < 2; system++) {
        const uint32_t owner = system ? 0 : (uint32_t)geteuid();
        char base[40] = "/dev/shm/shmlog";
        struct stat st;
        int trusted;

        if (!system)
            snprintf(base, sizeof(base), "/dev/shm/shmlog-%u", owner);
        trusted = shmlog_trusted_(base, owner);
        snprintf(ret_path, size, "%s/%s", base, name);
        if (trusted == 0 && stat(ret_path, &st) == 0)
            return 0;
        trusted = trusted < 0 ? trusted : -errno;
        r = trusted == -ENOENT ? r : trusted;
    }
    return r;
}

/* Open a regular file, to read and write; no link is followed: -ELOOP. */
SHMLOG_COLD_ int shmlog_open_file_(const char *path, struct stat *ret_stat)
{
    /* O_NONBLOCK: a pipe in its place must not hold us up */
    const int fd =
        open(path, O_RDWR | SHMLOG_O_CLOEXEC_ | SHMLOG_O_NOFOLLOW_ | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return errno == EISDIR || errno == ENXIO ? -SHMLOG_ERR_FOREIGN : -errno;
    if (fstat(fd, ret_stat) < 0 || !S_ISREG(ret_stat->st_mode)) {
        close(fd);
        return -SHMLOG_ERR_FOREIGN;
    }
    return fd;
}

/* Copy a control file's header. The magic is stored last: read by itself first, it vouches for what
 * is read after it. */
SHMLOG_COLD_ int shmlog_read_control_(int fd, uint64_t file_size, struct shmlog_control *ret_copy)
{
    uint64_t magic = 0;
    long n = SHMLOG_SYS_(SYS_pread64, fd, &magic, sizeof(magic), 0);
    int r;

    memset(ret_copy, 0, sizeof(*ret_copy));
    if (n >= 0)
        n = SHMLOG_SYS_(SYS_pread64, fd, ret_copy, sizeof(*ret_copy), 0);
    if (n < 0)
        return (int)n;
    shmlog_written_(&magic, sizeof(magic));
    shmlog_written_(ret_copy, n);
    ret_copy->magic = magic;
    if (magic == SHMLOG_CONTROL_MAGIC && n != (long)sizeof(*ret_copy))
        return -SHMLOG_ERR_GEOMETRY;
    r = shmlog_check_control_(ret_copy, file_size);
    if (r == -SHMLOG_ERR_OLDER || r == -SHMLOG_ERR_NEWER)
        shmlog_store_relaxed_(&shmlog_refused_version_, ret_copy->version);
    return r;
}

/* Reserve the attachment's addresses, make its private pages, map the control file behind them. */
SHMLOG_COLD_ int shmlog_map_control_(const char *directory, struct shmlog **ret_log)
{
    struct shmlog_control geometry;
    void *memory = SHMLOG_NULL_, *plans = SHMLOG_NULL_;
    struct shmlog *log;
    char path[4096];
    struct stat st;
    uint64_t size;
    int fd, r;

    if (snprintf(path, sizeof(path), "%s/control", directory) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    fd = shmlog_open_file_(path, &st);
    if (fd < 0)
        return fd == -ELOOP ? -SHMLOG_ERR_FOREIGN : fd;
    r = shmlog_read_control_(fd, (uint64_t)st.st_size, &geometry);
    if (r < 0)
        goto out;
    size = (geometry.file_size + SHMLOG_PAGE_ - 1) & ~(uint64_t)(SHMLOG_PAGE_ - 1);
    r = shmlog_map_(SHMLOG_NULL_, 2 * SHMLOG_PAGE_ + size, SHMLOG_MAP_OWN_, -1, &memory);
    if (r < 0)
        goto out;
    log = (struct shmlog *)memory;
    r = shmlog_map_(&log->control, geometry.file_size, SHMLOG_MAP_SHARED_ | SHMLOG_MAP_FIXED_, fd,
                    &memory);
    if (r == 0)
        r = shmlog_map_(SHMLOG_NULL_, geometry.sites_max * sizeof(struct shmlog_plan_),
                        SHMLOG_MAP_OWN_, -1, &plans);
    if (r < 0) {
        SHMLOG_SYS_(SYS_munmap, log, 2 * SHMLOG_PAGE_ + size);
        goto out;
    }
    log->local.geometry = geometry;
    log->local.control_size = size;
    log->local.plans = (struct shmlog_plan_ *)plans;
    log->local.owner = st.st_uid;
    log->local.control_dev = (uint64_t)st.st_dev;
    log->local.control_ino = (uint64_t)st.st_ino;
    *ret_log = log;
out:
    close(fd);
    return r;
}

/* Open the file of ring `index`: a regular file in the segment's directory, or a link to one on a
 * hugetlbfs that has exactly the name that this segment would have given it. */
SHMLOG_COLD_ int shmlog_open_ring_(const struct shmlog *log, const char *directory, uint32_t index,
                                   struct stat *ret_stat)
{
    char path[4096], target[4096], name[80] = "/shmlog-";
    uint64_t fs[32];
    size_t length = strlen(name);
    long n;
    int fd;

    if (snprintf(path, sizeof(path), "%s/ring-%03u", directory, index) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    fd = shmlog_open_file_(path, ret_stat);
    if (fd != -ELOOP)
        return fd;
    n = SHMLOG_SYS_(SYS_readlinkat, -100 /* AT_FDCWD */, path, target, sizeof(target) - 1);
    if (n <= 0 || n >= (long)sizeof(target) - 1)
        return -SHMLOG_ERR_FOREIGN;
    shmlog_written_(target, n);
    target[n] = 0;
    for (int i = 0; i < 16; i++)
        length += (size_t)snprintf(name + length, 3, "%02x", log->local.geometry.uuid[i]);
    length += (size_t)snprintf(name + length, sizeof(name) - length, "-ring-%03u", index);
    if (target[0] != '/' || (size_t)n <= length || strcmp(target + n - (long)length, name) != 0)
        return -SHMLOG_ERR_FOREIGN;
    fd = shmlog_open_file_(target, ret_stat);
    if (fd < 0)
        return fd == -ELOOP ? -SHMLOG_ERR_FOREIGN : fd;
    memset(fs, 0, sizeof(fs)); /* struct statfs begins with the type */
    if (SHMLOG_SYS_(SYS_fstatfs, fd, fs) < 0 || fs[0] != 0x958458f6 /* HUGETLBFS_MAGIC */) {
        close(fd);
        return -SHMLOG_ERR_FOREIGN;
    }
    return fd;
}

/* Is a ring's header that of ring `index` of this segment? */
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

/* Map ring `index`, if its file is what the control file says; else it stays the ring that is
 * always full. */
SHMLOG_COLD_ int shmlog_map_ring_(struct shmlog *log, const char *directory, uint32_t index)
{
    const struct shmlog_control *const g = &log->local.geometry;
    const uint64_t size = SHMLOG_RING_HEADER + g->ring_slots * SHMLOG_SLOT_SIZE;
    void *memory = SHMLOG_NULL_;
    struct shmlog_ring *ring;
    struct stat st;
    uint32_t cpu;
    int r, sound;
    const int fd = shmlog_open_ring_(log, directory, index, &st);

    if (fd < 0)
        return fd;
    if (st.st_uid != log->local.owner)
        r = -SHMLOG_ERR_FOREIGN;
    else if ((uint64_t)st.st_size < size || (uint64_t)st.st_size - size >= UINT64_C(1) << 30)
        r = -SHMLOG_ERR_GEOMETRY; /* the largest page size: huge pages are mapped whole */
    else
        r = shmlog_map_(SHMLOG_NULL_, (uint64_t)st.st_size,
                        SHMLOG_MAP_SHARED_ | SHMLOG_MAP_POPULATE_, fd, &memory);
    close(fd);
    if (r < 0)
        return r;
    ring = (struct shmlog_ring *)memory;
    /* known to the SIGBUS handler before it is touched */
    log->local.ring_map[index] = (uint64_t)st.st_size;
    shmlog_store_release_(&log->local.ring[index], ring);
    sound = shmlog_check_ring_(log, ring, index, (uint64_t)st.st_size);
    cpu = shmlog_load_relaxed_(&ring->cpu);
    if (!sound || (index < g->cpu_rings && cpu >= SHMLOG_CPUS_MAX)) {
        shmlog_store_release_(&log->local.ring[index], &log->local.none);
        SHMLOG_SYS_(SYS_munmap, memory, st.st_size);
        return -SHMLOG_ERR_GEOMETRY;
    }
    if (index >= g->cpu_rings)
        return 0;
    /* a core's ring for severe records, mapped before the other; where it is missing, that is it */
    if (!shmlog_ring_is_severe_(g, index))
        shmlog_store_relaxed_(&log->local.ring_of_cpu[cpu], ring);
    if (log->local.severe_of_cpu[cpu] == &log->local.none)
        shmlog_store_relaxed_(&log->local.severe_of_cpu[cpu], ring);
    return 0;
}

/* An error of a ring that is one of a limit or a right, and not of its file. */
SHMLOG_INLINE_ int shmlog_is_system_error_(int error)
{
    return error == -EACCES || error == -EPERM || error == -EMFILE || error == -ENFILE ||
           error == -ENOMEM || error == -EAGAIN;
}

/* Map all rings, from the last on: a shared one serves every thread if there is no room for the
 * others. 0; or why not all, or with SHMLOG_OPEN_PARTIAL none, could be mapped. */
SHMLOG_COLD_ int shmlog_map_rings_(struct shmlog *log, const char *directory, uint32_t flags)
{
    const struct shmlog_control *const g = &log->local.geometry;
    uint32_t missing = 0;
    int refused = 0;

    for (uint32_t i = g->rings; i-- > 0;) {
        const int r = shmlog_map_ring_(log, directory, i);

        missing += r < 0;
        if (r < 0 && !shmlog_is_system_error_(refused))
            refused = r;
        /* those that are shared stand in a row, the last one among them */
        if (i >= g->cpu_rings && i + 1 + log->local.shared_count == g->rings &&
            (r < 0 || shmlog_load_relaxed_(&log->local.ring[i]->owner) == SHMLOG_OWNER_SHARED)) {
            log->local.shared_begin = i;
            log->local.shared_count++;
        }
    }
    log->local.rings_missing = missing;
    if (!missing || (missing < g->rings && flags & SHMLOG_OPEN_PARTIAL))
        return 0;
    /* a segment that is being removed loses its rings first */
    if (shmlog_load_acquire_(&log->control.state) != SHMLOG_SEGMENT_LIVE)
        return -SHMLOG_ERR_CLOSED;
    return shmlog_is_system_error_(refused) ? refused
           : missing == g->rings            ? -SHMLOG_ERR_NO_RINGS
                                            : -SHMLOG_ERR_RINGS;
}

SHMLOG_COLD_ void shmlog_init_local_(struct shmlog *log, const struct shmlog_options *options,
                                     uint32_t entry)
{
    struct shmlog_local_ *const local = &log->local;

    /* of this attachment, for it has plans of its own; never SHMLOG_NO_SEGMENT_ */
    local->site_key = (uint32_t)(shmlog_random_() >> 16) | 0x80000001u;
    local->slot_mask = local->geometry.ring_slots - 1;
    local->quarter_mask = (local->geometry.ring_slots >> SHMLOG_DOORBELL_SHIFT) - 1;
    local->clock = local->geometry.clock;
    local->on_full = local->geometry.on_full;
    local->wait_ns = local->geometry.wait_ns;
    local->reserve = local->geometry.reserve_slots;
    local->entry = entry;
    local->state_at = entry * (uint32_t)sizeof(struct shmlog_thread_);
    local->pid_ns = shmlog_pid_ns_();
    for (uint32_t i = 0; i < SHMLOG_CPUS_MAX; i++)
        local->ring_of_cpu[i] = local->severe_of_cpu[i] = &local->none;
    for (uint32_t i = 0; i < SHMLOG_RINGS_MAX; i++)
        local->ring[i] = &local->none;
#if SHMLOG_RSEQ_
    if (&__rseq_size != SHMLOG_NULL_ && &__rseq_offset != SHMLOG_NULL_ && __rseq_size > 0 &&
        local->clock == SHMLOG_CLOCK_TSC) {
        local->rseq_offset = (uint64_t)__rseq_offset;
        local->cpus = SHMLOG_CPUS_MAX;
        local->severe_rings = (local->geometry.compatible & SHMLOG_COMPATIBLE_SEVERE_RINGS) != 0;
    }
#endif
    if (options && options->process_name) {
        snprintf(local->process, sizeof(local->process), "%s", options->process_name);
    } else {
        const long n = shmlog_read_file_("/proc/self/comm", local->process, 31);

        if (n > 0 && local->process[n - 1] == '\n')
            local->process[n - 1] = 0;
    }
}

SHMLOG_COLD_ void shmlog_unmap_(struct shmlog *log)
{
    for (uint32_t i = 0; i < log->local.geometry.rings; i++)
        if (log->local.ring[i] != &log->local.none)
            SHMLOG_SYS_(SYS_munmap, log->local.ring[i], log->local.ring_map[i]);
    if (log->local.plans)
        SHMLOG_SYS_(SYS_munmap, log->local.plans,
                    log->local.geometry.sites_max * sizeof(struct shmlog_plan_));
    SHMLOG_SYS_(SYS_munmap, log, 2 * SHMLOG_PAGE_ + log->local.control_size);
}

/* Give the attachment's entry back; no call will come to it. */
SHMLOG_COLD_ void shmlog_leave_(struct shmlog *log)
{
    shmlog_sign_off_(log);
    shmlog_unguard_(log);
    __atomic_fetch_and(&shmlog_entries_, ~(1u << log->local.entry), __ATOMIC_RELEASE);
}

SHMLOG_COLD_ int shmlog_attach_(const char *directory, const struct shmlog_options *options,
                                struct shmlog **ret_log)
{
    const uint32_t flags = options ? options->flags : 0;
    uint32_t taken = shmlog_load_relaxed_(&shmlog_entries_), entry;
    struct shmlog *log = SHMLOG_NULL_;
    int r;

    do {
        entry = (uint32_t)__builtin_ctz(~taken);
        if (entry >= SHMLOG_ATTACHMENTS_)
            return -EMFILE;
    } while (!__atomic_compare_exchange_n(&shmlog_entries_, &taken, taken | 1u << entry, 1,
                                          __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
    r = shmlog_map_control_(directory, &log);
    if (r < 0) {
        __atomic_fetch_and(&shmlog_entries_, ~(1u << entry), __ATOMIC_RELEASE);
        return r;
    }
    shmlog_init_local_(log, options, entry);
    if (flags & SHMLOG_OPEN_GUARD)
        shmlog_guard_(log);
    r = shmlog_map_rings_(log, directory, flags);
    if (r == 0) {
        /* Let a forked child find `key` 0. A kernel that refuses (before 4.14): its records then go
         * by its parent's name. */
        SHMLOG_SYS_(SYS_madvise, log, SHMLOG_PAGE_, SHMLOG_WIPEONFORK_);
        log->key = shmlog_random_();
        shmlog_register_(log, 0, log->local.geometry.producers_max);
        /* Registered, then looked at the state: the collector closes, then looks for producers. One
         * of the two sees the other. An addition of nothing is a fence that TSan knows, too. */
        if (__atomic_fetch_add(&log->control.state, 0, __ATOMIC_SEQ_CST) != SHMLOG_SEGMENT_LIVE)
            r = -SHMLOG_ERR_CLOSED;
    }
    if (r < 0) {
        shmlog_leave_(log);
        shmlog_unmap_(log);
        return r;
    }
    *ret_log = log;
    return 0;
}

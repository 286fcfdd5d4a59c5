/* SPDX-License-Identifier: MIT
 *
 * The outbox's file: made, opened and checked after a crash, and replaced as a whole.
 */
#include "collector/outbox_parts.h"

#include "shm/directory.h"
#include "shm/guard.h"
#include "shm/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t header_size(uint32_t rings)
{
    return outbox_align(sizeof(struct outbox_header) +
                            ((uint64_t)rings + 1) * 2 * sizeof(struct outbox_line),
                        4096);
}

static int file_path(const char *segment_path, const char *file, char *ret_path, size_t size)
{
    const int n = snprintf(ret_path, size, "%s/%s", segment_path, file);

    return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int guard(const struct outbox *outbox, uint32_t *lost)
{
    return shm_guard_add(outbox->header, outbox->map_size, (size_t)sysconf(_SC_PAGESIZE),
                         PROT_READ | PROT_WRITE, lost);
}

static int map(int fd, uint64_t size, struct outbox **ret_outbox)
{
    struct outbox *const outbox = calloc(1, sizeof(*outbox));
    void *memory;

    if (!outbox)
        return -ENOMEM;
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (memory == MAP_FAILED) {
        free(outbox);
        return -errno;
    }
    outbox->header = memory;
    outbox->map_size = size;
    if (guard(outbox, &outbox->lost) < 0) {
        outbox_close(outbox);
        return -ENOMEM;
    }
    *ret_outbox = outbox;
    return 0;
}

/* Make the file, with everything in place but the ledger, the directory and the magic. */
static int make(const char *path, const uint8_t segment_uuid[16], uint32_t rings, uint64_t size,
                struct outbox **ret_outbox)
{
    const uint64_t offset = header_size(rings);
    struct outbox *outbox = NULL;
    int fd, r;

    if (offset + size > shm_memory_available())
        return -ENOMEM;
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    /* allocated now, so that a short tmpfs says so here and not with SIGBUS later */
    r = -posix_fallocate(fd, 0, (off_t)(offset + size));
    if (r == 0)
        r = map(fd, offset + size, &outbox);
    close(fd);
    if (r < 0) {
        unlink(path);
        return r;
    }
    outbox->rings = rings;
    outbox->data = (uint8_t *)outbox->header + offset;
    outbox->data_size = size;
    outbox->header->version = OUTBOX_VERSION;
    outbox->header->rings = rings;
    outbox->header->data_offset = offset;
    outbox->header->data_size = size;
    outbox->header->line_size = sizeof(struct outbox_line);
    memcpy(outbox->header->segment_uuid, segment_uuid, 16);
    *ret_outbox = outbox;
    return 0;
}

int outbox_create(const char *segment_path, const uint8_t segment_uuid[16], uint32_t rings,
                  uint64_t size, struct outbox **ret_outbox)
{
    struct outbox *outbox = NULL;
    char path[PATH_MAX];
    int r = file_path(segment_path, SHM_OUTBOX_FILE, path, sizeof(path));

    if (r == 0)
        r = make(path, segment_uuid, rings, size, &outbox);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i <= rings; i++) {
        struct file_ledger_entry *const line = &outbox->header->line[i][0].value;

        line->ring = i < rings ? i : UINT32_MAX;
        line->next_seq = 1;
        outbox->header->line[i][1] = outbox->header->line[i][0];
    }
    shmlog_store_release_(&outbox->header->magic, OUTBOX_MAGIC);
    *ret_outbox = outbox;
    return 0;
}

static int check(struct outbox *outbox, const uint8_t segment_uuid[16], uint32_t rings)
{
    const struct outbox_header *const h = outbox->header;

    if (outbox->map_size < header_size(rings) || h->magic != OUTBOX_MAGIC ||
        h->version != OUTBOX_VERSION || h->rings != rings ||
        h->line_size != sizeof(struct outbox_line) || h->data_offset != header_size(rings) ||
        memcmp(h->segment_uuid, segment_uuid, 16) != 0)
        return -EBADMSG;
    outbox->rings = rings;
    outbox->data_size = h->data_size;
    if (outbox->data_size < OUTBOX_SIZE_MIN || (outbox->data_size & (outbox->data_size - 1)) ||
        outbox->data_size != outbox->map_size - header_size(rings) ||
        h->head - h->tail > outbox->data_size || h->head % OUTBOX_ALIGN || h->tail % OUTBOX_ALIGN ||
        !memchr(h->directory, 0, sizeof(h->directory)))
        return -EBADMSG;
    outbox->data = (uint8_t *)outbox->header + header_size(rings);
    return 0;
}

static int check_entries(const struct outbox *outbox)
{
    const struct outbox_entry *entry;
    uint64_t pos = outbox_tail(outbox);
    const uint8_t *bytes;
    int r;

    while ((r = outbox_next(outbox, &pos, &entry, &bytes)) > 0)
        if (entry->checksum != outbox_checksum(entry, bytes))
            return -EBADMSG;
    return r;
}

/* A copy that was written but never committed must not come true when head passes its stamp later.
 */
static void forget_uncommitted(struct outbox *outbox)
{
    for (unsigned i = 0; i < 2; i++) {
        if (outbox->header->file[i].stamp > outbox_head(outbox))
            outbox->header->file[i].stamp = 0;
        for (uint32_t ring = 0; ring <= outbox->rings; ring++)
            if (outbox->header->line[ring][i].stamp > outbox_head(outbox))
                outbox->header->line[ring][i].stamp = 0;
    }
}

/* Its creator died before it stored the magic: nothing was ever drained through it. */
static bool is_unfinished(int fd)
{
    uint64_t magic = 0;

    return pread(fd, &magic, sizeof(magic), 0) >= 0 && magic == 0;
}

static int open_file(const char *segment_path, struct outbox **ret_outbox)
{
    char path[PATH_MAX];
    struct stat st;
    int fd, r = file_path(segment_path, SHM_OUTBOX_FILE, path, sizeof(path));

    if (r < 0)
        return r;
    fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    r = fstat(fd, &st) < 0 ? -errno : is_unfinished(fd) ? -ENOENT : 0;
    if (r == 0 && (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(struct outbox_header)))
        r = -EBADMSG;
    if (r == 0)
        r = map(fd, (uint64_t)st.st_size, ret_outbox);
    close(fd);
    return r;
}

int outbox_open(const char *segment_path, const uint8_t segment_uuid[16], uint32_t rings,
                struct outbox **ret_outbox)
{
    struct outbox *outbox = NULL;
    char path[PATH_MAX];
    int r = file_path(segment_path, SHM_OUTBOX_NEXT_FILE, path, sizeof(path));

    if (r == 0)
        (void)unlink(path); /* its maker died before it was of use */
    r = open_file(segment_path, &outbox);
    if (r == 0)
        r = check(outbox, segment_uuid, rings);
    if (r == 0)
        r = check_entries(outbox);
    if (r < 0) {
        outbox_close(outbox);
        return r;
    }
    forget_uncommitted(outbox);
    *ret_outbox = outbox;
    return 0;
}

void outbox_close(struct outbox *outbox)
{
    if (!outbox)
        return;
    shm_guard_remove(outbox->header);
    munmap(outbox->header, outbox->map_size);
    free(outbox);
}

bool outbox_is_lost(const struct outbox *outbox)
{
    return shm_guard_lost(&outbox->lost);
}

int outbox_create_next(const struct outbox *outbox, const char *segment_path, uint64_t size,
                       struct outbox **ret_next)
{
    struct outbox *next = NULL;
    char path[PATH_MAX];
    int r = file_path(segment_path, SHM_OUTBOX_NEXT_FILE, path, sizeof(path));

    if (r == 0)
        r = make(path, outbox->header->segment_uuid, outbox->rings, size, &next);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i <= outbox->rings; i++)
        next->header->line[i][0].value = *outbox_ledger(outbox, i);
    next->header->file[0].value = *outbox_file(outbox);
    memcpy(next->header->directory, outbox->header->directory, sizeof(next->header->directory));
    next->header->clock = outbox->header->clock;
    *ret_next = next;
    return 0;
}

void outbox_drop_next(struct outbox *next, const char *segment_path)
{
    char path[PATH_MAX];

    outbox_close(next);
    if (file_path(segment_path, SHM_OUTBOX_NEXT_FILE, path, sizeof(path)) == 0)
        (void)unlink(path);
}

/* Take over the mapping of `next`, and free the one before. */
static void exchange(struct outbox *outbox, struct outbox *next)
{
    const struct outbox before = *outbox;

    *outbox = *next;
    outbox->lost = before.lost | next->lost;
    *next = before;
    outbox_close(next);
}

int outbox_replace(struct outbox *outbox, struct outbox *next, const char *segment_path)
{
    char from[PATH_MAX], to[PATH_MAX];
    int r = file_path(segment_path, SHM_OUTBOX_NEXT_FILE, from, sizeof(from));

    if (r == 0)
        r = file_path(segment_path, SHM_OUTBOX_FILE, to, sizeof(to));
    if (r == 0) { /* its mark has to be where it will live */
        shm_guard_remove(next->header);
        r = guard(next, &outbox->lost);
    }
    if (r < 0)
        return r;
    shmlog_store_release_(&next->header->magic, OUTBOX_MAGIC);
    if (rename(from, to) < 0) /* the commit */
        return -errno;
    exchange(outbox, next);
    return 0;
}

int outbox_follow(struct outbox *outbox, const char *segment_path)
{
    struct outbox *next;
    int r = open_file(segment_path, &next);

    if (r < 0)
        return r;
    r = check(next, outbox->header->segment_uuid, outbox->rings);
    if (r == 0) {
        shm_guard_remove(next->header);
        r = guard(next, &outbox->lost);
    }
    if (r < 0) {
        outbox_close(next);
        return r;
    }
    exchange(outbox, next);
    return 0;
}

bool outbox_is_empty(const char *segment_path)
{
    struct outbox_header header;
    unsigned i;
    char path[PATH_MAX];
    ssize_t n;
    int fd;

    if (file_path(segment_path, SHM_OUTBOX_FILE, path, sizeof(path)) < 0)
        return false;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT;
    n = pread(fd, &header, sizeof(header), 0);
    close(fd);
    /* one that was never finished never held anything */
    if (n < (ssize_t)sizeof(header) || header.magic != OUTBOX_MAGIC)
        return n >= 8 ? header.magic == 0 : n >= 0;
    i = outbox_newer(header.file[0].stamp, header.file[1].stamp, header.head);
    return header.head == header.tail && !header.file[i].value.open;
}

const char *outbox_directory(const struct outbox *outbox)
{
    return outbox->header->directory;
}

int outbox_set_directory(struct outbox *outbox, const char *directory)
{
    if (strlen(directory) >= sizeof(outbox->header->directory))
        return -ENAMETOOLONG;
    if (!outbox_is_written(outbox))
        return -EBUSY;
    strcpy(outbox->header->directory, directory);
    return 0;
}

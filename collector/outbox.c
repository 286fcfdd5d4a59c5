/* SPDX-License-Identifier: MIT
 *
 * The outbox: see outbox.h for the protocol.
 */
#include "collector/outbox.h"

#include "shm/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define OUTBOX_MAGIC UINT64_C(0x31584f424d4c4853) /* "SHLMBOX1" */
#define OUTBOX_VERSION 1u
#define OUTBOX_ALIGN 64u

/* A value that exists twice: the copy with the newest stamp that is not beyond head is valid. */
struct outbox_line {
    uint64_t stamp;
    struct file_ledger_entry value;
};
struct outbox_file_line {
    uint64_t stamp;
    struct outbox_file value;
};

struct outbox_header {
    uint64_t magic; /* stored last at creation */
    uint32_t version;
    uint32_t rings; /* ledger lines - 1 */
    uint64_t data_offset;
    uint64_t data_size;
    uint8_t segment_uuid[16];
    uint32_t line_size;
    uint32_t reserved0;
    uint8_t reserved1[72];
    uint64_t head; /* at 128 */
    uint8_t reserved2[120];
    uint64_t tail; /* at 256 */
    uint8_t reserved3[120];
    struct outbox_file_line file[2];
    char directory[PATH_MAX];
    struct outbox_line line[][2];
};

struct outbox {
    struct outbox_header *header;
    uint8_t *data;
    uint64_t data_size;
    uint64_t map_size;
    uint32_t rings;
    uint64_t head, tail; /* copies: nobody else writes them */
    uint32_t lost;       /* the file was cut short */
};

_Static_assert(sizeof(struct outbox_entry) == OUTBOX_ALIGN, "an entry's head fills its alignment");
_Static_assert(offsetof(struct outbox_header, head) == 128, "head moved");
_Static_assert(offsetof(struct outbox_header, tail) == 256, "tail moved");

static uint64_t align_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) & ~(unit - 1);
}

static uint64_t header_size(uint32_t rings)
{
    return align_up(sizeof(struct outbox_header) +
                        ((uint64_t)rings + 1) * 2 * sizeof(struct outbox_line),
                    4096);
}

static int outbox_path(const char *segment_path, char *ret_path, size_t size)
{
    const int n = snprintf(ret_path, size, "%s/outbox", segment_path);

    return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
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
    if (shm_guard_add(memory, size, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
                      &outbox->lost) < 0) {
        outbox_close(outbox);
        return -ENOMEM;
    }
    *ret_outbox = outbox;
    return 0;
}

int outbox_create(const char *segment_path, const uint8_t segment_uuid[16], uint32_t rings,
                  uint64_t size, struct outbox **ret_outbox)
{
    const uint64_t offset = header_size(rings);
    struct outbox *outbox = NULL;
    char path[PATH_MAX];
    int fd, r;

    r = outbox_path(segment_path, path, sizeof(path));
    if (r < 0)
        return r;
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
    outbox->head = h->head;
    outbox->tail = h->tail;
    if (outbox->data_size < OUTBOX_SIZE_MIN || (outbox->data_size & (outbox->data_size - 1)) ||
        outbox->data_size != outbox->map_size - header_size(rings) ||
        outbox->head - outbox->tail > outbox->data_size || outbox->head % OUTBOX_ALIGN ||
        outbox->tail % OUTBOX_ALIGN || !memchr(h->directory, 0, sizeof(h->directory)))
        return -EBADMSG;
    outbox->data = (uint8_t *)outbox->header + header_size(rings);
    return 0;
}

static uint32_t entry_checksum(const struct outbox_entry *entry, const uint8_t *bytes)
{
    struct outbox_entry head = *entry;

    head.checksum = 0;
    return (uint32_t)XXH3_64bits_withSeed(bytes, head.size, XXH3_64bits(&head, sizeof(head)));
}

static int check_entries(const struct outbox *outbox)
{
    const struct outbox_entry *entry;
    uint64_t pos = outbox->tail;
    const uint8_t *bytes;
    int r;

    while ((r = outbox_next(outbox, &pos, &entry, &bytes)) > 0)
        if (entry->checksum != entry_checksum(entry, bytes))
            return -EBADMSG;
    return r;
}

/* A copy that was written but never committed must not come true when head passes its stamp later.
 */
static void forget_uncommitted(struct outbox *outbox)
{
    for (unsigned i = 0; i < 2; i++) {
        if (outbox->header->file[i].stamp > outbox->head)
            outbox->header->file[i].stamp = 0;
        for (uint32_t ring = 0; ring <= outbox->rings; ring++)
            if (outbox->header->line[ring][i].stamp > outbox->head)
                outbox->header->line[ring][i].stamp = 0;
    }
}

/* Its creator died before it stored the magic: nothing was ever drained through it. */
static bool is_unfinished(int fd)
{
    uint64_t magic = 0;

    return pread(fd, &magic, sizeof(magic), 0) >= 0 && magic == 0;
}

int outbox_open(const char *segment_path, const uint8_t segment_uuid[16], uint32_t rings,
                struct outbox **ret_outbox)
{
    struct outbox *outbox = NULL;
    char path[PATH_MAX];
    struct stat st;
    int fd, r;

    r = outbox_path(segment_path, path, sizeof(path));
    if (r < 0)
        return r;
    fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    r = fstat(fd, &st) < 0 ? -errno : is_unfinished(fd) ? -ENOENT : 0;
    if (r == 0 && (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(struct outbox_header)))
        r = -EBADMSG;
    if (r == 0)
        r = map(fd, (uint64_t)st.st_size, &outbox);
    close(fd);
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

/* Which of two copies is valid: the newer one, if its commit was reached. */
static unsigned newer(uint64_t stamp0, uint64_t stamp1, uint64_t head)
{
    if (stamp0 > head)
        return 1;
    if (stamp1 > head)
        return 0;
    return stamp1 > stamp0;
}

bool outbox_is_empty(const char *segment_path)
{
    struct outbox_header header;
    unsigned i;
    char path[PATH_MAX];
    ssize_t n;
    int fd;

    if (outbox_path(segment_path, path, sizeof(path)) < 0)
        return false;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT;
    n = pread(fd, &header, sizeof(header), 0);
    close(fd);
    /* one that was never finished never held anything */
    if (n < (ssize_t)sizeof(header) || header.magic != OUTBOX_MAGIC)
        return n >= 8 ? header.magic == 0 : n >= 0;
    i = newer(header.file[0].stamp, header.file[1].stamp, header.head);
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
    if (outbox->head != outbox->tail)
        return -EBUSY;
    strcpy(outbox->header->directory, directory);
    return 0;
}

static unsigned line_index(const struct outbox *outbox, uint32_t ring)
{
    const struct outbox_line *const line = outbox->header->line[ring];

    return newer(line[0].stamp, line[1].stamp, outbox->head);
}

static unsigned file_index(const struct outbox *outbox)
{
    return newer(outbox->header->file[0].stamp, outbox->header->file[1].stamp, outbox->head);
}

const struct file_ledger_entry *outbox_ledger(const struct outbox *outbox, uint32_t ring)
{
    return &outbox->header->line[ring][line_index(outbox, ring)].value;
}

const struct outbox_file *outbox_file(const struct outbox *outbox)
{
    return &outbox->header->file[file_index(outbox)].value;
}

/* Bytes from head to the end of the memory, which an entry must not cross. */
static uint64_t to_end(const struct outbox *outbox)
{
    return outbox->data_size - (outbox->head & (outbox->data_size - 1));
}

static uint64_t entry_size(uint64_t size)
{
    return sizeof(struct outbox_entry) + align_up(size, OUTBOX_ALIGN);
}

bool outbox_has_room(const struct outbox *outbox, uint64_t size)
{
    const uint64_t room = outbox->data_size - (outbox->head - outbox->tail);
    uint64_t need;

    if (size > outbox_max(outbox))
        return false;
    need = entry_size(size);
    if (need > to_end(outbox))
        need += to_end(outbox);
    return need <= room;
}

uint64_t outbox_max(const struct outbox *outbox)
{
    return outbox->data_size / 2 - sizeof(struct outbox_entry);
}

void outbox_commit(struct outbox *outbox, const struct outbox_entry *entry, const uint8_t *bytes,
                   uint32_t ring, const struct file_ledger_entry *line,
                   const struct outbox_file *file)
{
    const uint64_t need = entry_size(entry->size);
    uint64_t at = outbox->head;
    struct outbox_entry *to;
    unsigned i;

    if (need > to_end(outbox)) {
        struct outbox_entry *const pad = (void *)(outbox->data + (at & (outbox->data_size - 1)));

        memset(pad, 0, sizeof(*pad));
        pad->kind = OUTBOX_ENTRY_PAD;
        pad->size = to_end(outbox) - sizeof(*pad);
        at += to_end(outbox);
    }
    to = (void *)(outbox->data + (at & (outbox->data_size - 1)));
    *to = *entry;
    to->checksum = entry_checksum(entry, bytes);
    memcpy(to + 1, bytes, entry->size);
    at += need;

    i = !file_index(outbox);
    outbox->header->file[i].stamp = UINT64_MAX; /* invalid while it is being written */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    outbox->header->file[i].value = *file;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    outbox->header->file[i].stamp = at;
    if (line) {
        i = !line_index(outbox, ring);
        outbox->header->line[ring][i].stamp = UINT64_MAX;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        outbox->header->line[ring][i].value = *line;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        outbox->header->line[ring][i].stamp = at;
    }
    outbox->head = at;
    shmlog_store_release_(&outbox->header->head, at); /* the commit */
}

int outbox_next(const struct outbox *outbox, uint64_t *pos, const struct outbox_entry **ret_entry,
                const uint8_t **ret_bytes)
{
    while (*pos != outbox->head) {
        const uint64_t left = outbox->head - *pos;
        const uint64_t at = *pos & (outbox->data_size - 1);
        const struct outbox_entry *const entry = (const void *)(outbox->data + at);

        if (left > outbox->data_size || entry->size > outbox->data_size ||
            entry_size(entry->size) > left || entry_size(entry->size) > outbox->data_size - at)
            return -EBADMSG;
        *pos += entry_size(entry->size);
        if (entry->kind == OUTBOX_ENTRY_PAD)
            continue;
        if (entry->kind > OUTBOX_ENTRY_PAD || !entry->kind)
            return -EBADMSG;
        *ret_entry = entry;
        *ret_bytes = (const uint8_t *)(entry + 1);
        return 1;
    }
    return 0;
}

uint64_t outbox_tail(const struct outbox *outbox)
{
    return outbox->tail;
}

uint64_t outbox_head(const struct outbox *outbox)
{
    return outbox->head;
}

void outbox_release(struct outbox *outbox, uint64_t pos)
{
    outbox->tail = pos;
    shmlog_store_release_(&outbox->header->tail, pos);
}

void outbox_memory(const struct outbox *outbox, void **ret_memory, size_t *ret_size)
{
    *ret_memory = outbox->data;
    *ret_size = outbox->data_size;
}

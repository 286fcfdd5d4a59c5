/* SPDX-License-Identifier: MIT
 *
 * What one look at files leaves for the next: see looks.h.
 */
#include "reader/looks.h"
#include "reader/when.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The kernel's clock for times of files is coarse: what has changed this recently may change once
 * more without showing. */
#define COARSE_NS 100000000

/* -1: it is not there. */
static int64_t changed_ns(const char *path, uint64_t *ret_size)
{
    struct stat st;

    *ret_size = 0;
    if (stat(path, &st) < 0)
        return -1;
    *ret_size = (uint64_t)st.st_size;
    return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

int looks_watch(struct looks *looks, const char *path)
{
    struct looks_watch *const grown =
        reallocarray(looks->watch, looks->watches + 1, sizeof(*grown));
    struct looks_watch *watch;

    if (!grown)
        return -ENOMEM;
    looks->watch = grown;
    watch = &looks->watch[looks->watches];
    watch->path = strdup(path);
    if (!watch->path)
        return -ENOMEM;
    looks->watches++;
    watch->changed_ns = changed_ns(path, &watch->size);
    if (when_now() - watch->changed_ns < COARSE_NS)
        looks->open_end = true;
    return 0;
}

static void forget_removed(struct looks *looks)
{
    size_t kept = 0;

    for (size_t i = 0; i < looks->files; i++) {
        if (looks->file[i].path && access(looks->file[i].path, F_OK) < 0)
            free(looks->file[i].path);
        else
            looks->file[kept++] = looks->file[i];
    }
    looks->files = kept;
}

int looks_begin(struct looks *looks, const char *const *paths, size_t count)
{
    int r = 0;

    for (size_t i = 0; i < looks->watches; i++)
        free(looks->watch[i].path);
    looks->watches = 0;
    looks->open_end = looks->waits = false;
    forget_removed(looks);
    for (size_t i = 0; i < count && r == 0; i++)
        r = looks_watch(looks, paths[i]);
    return r;
}

bool looks_refused(struct looks *looks, const char *path)
{
    char **grown;

    for (size_t i = 0; i < looks->refusals; i++)
        if (!strcmp(looks->refused[i], path))
            return true;
    grown = reallocarray(looks->refused, looks->refusals + 1, sizeof(char *));
    if (!grown)
        return false;
    looks->refused = grown;
    looks->refused[looks->refusals] = strdup(path);
    looks->refusals += looks->refused[looks->refusals] != NULL;
    return false;
}

bool looks_changed(const struct looks *looks)
{
    for (size_t i = 0; i < looks->watches; i++) {
        const struct looks_watch *const watch = &looks->watch[i];
        uint64_t size;

        if (changed_ns(watch->path, &size) != watch->changed_ns || size != watch->size)
            return true;
    }
    return looks->open_end;
}

struct looks_file *looks_file(struct looks *looks, const uint8_t uuid[16])
{
    struct looks_file *grown;

    for (size_t i = looks->files; i-- > 0;)
        if (!memcmp(looks->file[i].uuid, uuid, 16))
            return &looks->file[i];
    grown = reallocarray(looks->file, looks->files + 1, sizeof(*grown));
    if (!grown)
        return NULL;
    looks->file = grown;
    looks->file[looks->files] = (struct looks_file){0};
    memcpy(looks->file[looks->files].uuid, uuid, 16);
    return &looks->file[looks->files++];
}

int looks_finish(struct looks *looks, const struct fileset_file *file)
{
    struct looks_file *const entry = looks_file(looks, file->identity.file_uuid);
    struct stat st;

    if (!entry)
        return -ENOMEM;
    if (entry->path || stat(file->path, &st) < 0)
        return 0;
    entry->path = strdup(file->path);
    entry->device = st.st_dev;
    entry->inode = st.st_ino;
    entry->size = (uint64_t)st.st_size;
    return entry->path ? 0 : -ENOMEM;
}

bool looks_skips(const struct looks *looks, const char *path)
{
    struct stat st;

    for (size_t i = 0; i < looks->files; i++) {
        const struct looks_file *const entry = &looks->file[i];

        if (entry->path && !strcmp(entry->path, path))
            return stat(path, &st) == 0 && entry->device == st.st_dev &&
                   entry->inode == st.st_ino && entry->size == (uint64_t)st.st_size;
    }
    return false;
}

int looks_segment(struct looks *looks, const uint8_t uuid[16], uint32_t *ret_number)
{
    uint8_t(*grown)[16];
    size_t i = 0;

    while (i < looks->segments && memcmp(looks->segment[i], uuid, 16))
        i++;
    *ret_number = (uint32_t)i;
    if (i < looks->segments)
        return 0;
    grown = reallocarray(looks->segment, looks->segments + 1, 16);
    if (!grown)
        return -ENOMEM;
    looks->segment = grown;
    memcpy(looks->segment[looks->segments++], uuid, 16);
    return 0;
}

void looks_stop(struct looks *looks, enum fileset_writer writer)
{
    looks->open_end = true;
    looks->waits = looks->waits || writer == FILESET_WRITER_ALIVE;
}

bool looks_waits(struct looks *looks, struct position_ring *ring, uint64_t seq, bool before,
                 enum fileset_writer writer)
{
    const uint64_t now = when_monotonic();
    uint64_t patience = looks->patience_ns ? looks->patience_ns : LOOKS_PATIENCE_NS;

    if (before)
        patience = patience < LOOKS_BEFORE_NS ? patience : LOOKS_BEFORE_NS;
    else if (writer == FILESET_WRITER_DEAD)
        patience = UINT64_MAX;
    if (writer == FILESET_WRITER_NONE || !position_waits(ring, seq, now, patience))
        return false;
    looks_stop(looks, writer);
    return true;
}

uint64_t looks_limit(struct looks *looks, struct reach *reach, const struct looks_ring *ring)
{
    const uint64_t start = position_start(ring->place);
    uint64_t at = start ? start : ring->first, more;

    if (ring->place->hole < start)
        ring->place->hole_since_ns = 0; /* it was filled */
    for (;;) {
        at = reach_end(reach, at, &more);
        if (more == at ||
            (at && looks_waits(looks, ring->place, at, at < ring->first, ring->writer)))
            return at;
        if (start)
            ring->missing(ring->arg, ring->place->ring, at, more);
        at = more;
    }
}

void looks_done(struct looks *looks)
{
    for (size_t i = 0; i < looks->watches; i++)
        free(looks->watch[i].path);
    for (size_t i = 0; i < looks->files; i++)
        free(looks->file[i].path);
    for (size_t i = 0; i < looks->refusals; i++)
        free(looks->refused[i]);
    free(looks->refused);
    free(looks->watch);
    free(looks->file);
    free(looks->segment);
}

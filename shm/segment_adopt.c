/* SPDX-License-Identifier: MIT
 *
 * A creator finds a segment: adopt it, or make room for a new one; see segment.h.
 *
 * Nothing needs repair: a ring has no state between "not there" and "there". What is unread stays,
 * and goes before any wish for another geometry. A ring whose file was refused keeps the segment as
 * well, for it may hold records that somebody can still save; only files that are gone hold
 * nothing.
 */
#include "shm/directory.h"
#include "shm/geometry.h"
#include "shm/node.h"
#include "shm/place.h"
#include "shm/rules.h"
#include "shm/segment_file.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void shm_segment_plan_ring(const struct shm_params *params, uint32_t index,
                           struct shmlog_ring_entry *ret_entry)
{
    shm_geometry_plan_ring(params, index, ret_entry);
    if (params->numa && ret_entry->kind == SHMLOG_RING_CPU)
        ret_entry->node_wanted = shm_node_of_cpu(ret_entry->cpu);
}

static bool rings_as_wanted(const struct shm_segment *segment, const struct shm_params *params)
{
    struct shmlog_ring_entry want;

    for (uint32_t i = 0; i < segment->geometry.rings; i++) {
        const struct shmlog_ring_entry *have = &segment->rings[i].entry;

        shm_segment_plan_ring(params, i, &want);
        if (have->kind != want.kind || have->cpu != want.cpu ||
            have->page_kib_wanted != want.page_kib_wanted || have->node_wanted != want.node_wanted)
            return false;
    }
    return true;
}

static bool group_as_wanted(int directory, const struct shm_params *params)
{
    struct stat st;

    return params->group < 0 || (fstat(directory, &st) == 0 && st.st_gid == (gid_t)params->group);
}

static uint32_t rings_with_error(const struct shm_segment *segment, int error)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < segment->geometry.rings; i++)
        count += !segment->rings[i].header && (error == 0 || segment->rings[i].error == error);
    return count;
}

/* An error that lies with this process, not with the file: it must not cost anybody a ring. */
static int own_error(const struct shm_segment *segment)
{
    for (uint32_t i = 0; i < segment->geometry.rings; i++) {
        int error = segment->rings[i].error;

        if (error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -EACCES ||
            error == -EPERM || error == -EIO || error == -EAGAIN || error == -EINTR)
            return error;
    }
    return 0;
}

/* A closed segment was about to be removed when its collector died. If that had begun, it goes; if
 * there is something in it after all, or somebody attached, it stays and is opened again. */
static bool is_needed(const struct shm_segment *segment, const char *path,
                      bool (*outbox_empty)(const char *path))
{
    return rings_with_error(segment, -ENOENT) == 0 &&
           (shm_segment_in_use(segment) || !shm_segment_drained(segment) ||
            (outbox_empty && !outbox_empty(path)));
}

int shm_segment_adopt(const char *path, int directory, int control_fd, struct shmlog_control *plan,
                      const struct shm_params *params, bool (*outbox_empty)(const char *path),
                      struct shm_segment **ret_segment)
{
    struct shm_segment *segment;
    struct shmlog_control copy;
    uint32_t rings;
    bool as_wanted, closed;
    int r;

    r = shm_control_examine(control_fd, &copy);
    closed = r == -SHM_ERR_CLOSED;
    if (r < 0 && !closed)
        return r;
    r = shm_segment_map(path, directory, control_fd, &copy, true, &segment);
    if (r < 0)
        return r;
    r = own_error(segment);
    if (r < 0)
        goto fail;
    if (closed && !is_needed(segment, path, outbox_empty)) {
        r = shm_segment_clear(directory, control_fd, &copy);
        if (r == 0)
            r = -EAGAIN;
        goto fail;
    }
    if (closed)
        shmlog_store_release_(&segment->control->state, SHMLOG_SEGMENT_LIVE);
    rings = segment->geometry.rings;
    as_wanted = shm_geometry_same(&segment->geometry, plan) && rings_as_wanted(segment, params) &&
                group_as_wanted(directory, params) && rings_with_error(segment, -ENOENT) < rings;
    if (!as_wanted && shm_segment_drained(segment) && !shm_segment_in_use(segment) &&
        (!outbox_empty || outbox_empty(path))) {
        shm_rules_keep(segment, plan);
        r = shm_segment_clear(directory, control_fd, &copy);
        if (r == 0)
            r = -EAGAIN;
        goto fail;
    }
    if (rings_with_error(segment, 0) == rings) {
        r = segment->rings[0].error;
        goto fail;
    }
    for (uint32_t i = 0; i < rings; i++) {
        if (segment->rings[i].header)
            madvise(segment->rings[i].header, segment->rings[i].map_size, MADV_WILLNEED);
    }
    segment->control_fd = control_fd;
    *ret_segment = segment;
    return 0;

fail:
    shm_segment_close(segment);
    return r;
}

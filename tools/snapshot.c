/* SPDX-License-Identifier: MIT
 *
 * What the rings hold, as a log file: see snapshot.h.
 */
#include "tools/snapshot.h"
#include "logfile/writer.h"
#include "shm/clock.h"
#include "shm/ring_reader.h"
#include "shm/tables.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_SLOTS 8192u /* of one block, before it is compressed */
#define MARK "-snapshot-"
#define SUFFIX ".shmlog"

struct snapshot {
    const struct snapshot_params *params;
    const struct shm_segment *segment;
    struct file_encoder *encoder;
    struct file_identity identity;
    struct file_index *index;
    struct file_sites sites;
    /* One for each ring, and the segment's own line: where the file begins, and where it ends. */
    struct file_ledger_entry *begin, *ledger;
    bool *begun;               /* by ring: there is a block */
    struct file_buffer buffer; /* of what is not written yet */
    uint64_t *head;            /* of each ring, when it began */
    uint64_t since;            /* ticks */
    uint64_t offset;           /* bytes written */
    uint64_t records, lost;
    struct shmlog_slot *slots;
    int fd;
};

static int write_out(struct snapshot *snapshot)
{
    size_t done = 0;

    while (done < snapshot->buffer.size) {
        const ssize_t n =
            write(snapshot->fd, snapshot->buffer.data + done, snapshot->buffer.size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        done += (size_t)n;
    }
    snapshot->offset += done;
    snapshot->buffer.size = 0;
    return 0;
}

/* A piece was appended to the empty buffer: for the index, and to the file. */
static int put(struct snapshot *snapshot, int r)
{
    if (r == 0 && snapshot->buffer.size)
        r = file_index_add(snapshot->index, snapshot->offset, snapshot->buffer.data,
                           snapshot->buffer.size);
    return r < 0 ? r : write_out(snapshot);
}

/* ---- What stands before the records ---- */

static int put_sites(struct snapshot *snapshot)
{
    const uint64_t *const words = shm_site_words(snapshot->segment);
    const uint32_t max = snapshot->segment->geometry.sites_max;
    int r = 0;

    for (uint32_t id = 1; id < max && r == 0; id++) {
        uint8_t bytes[SHMLOG_SITE_MAX];
        size_t size;

        if (!shmlog_load_acquire_(&words[id]) || /* release of the word, by its producer */
            shm_site_copy(snapshot->segment, id, bytes, &size) < 0 ||
            file_sites_put(&snapshot->sites, id, bytes, size) < 0)
            continue; /* damaged: its records are kept as bytes */
        r = put(snapshot, file_put_site(snapshot->encoder, snapshot->identity.file_uuid, id, bytes,
                                        size, &snapshot->buffer));
    }
    return r;
}

static int put_producers(struct snapshot *snapshot)
{
    const uint32_t used = shm_producers_used(snapshot->segment);
    int r = 0;

    for (uint32_t i = 0; i < used && r == 0; i++) {
        struct shmlog_producer producer;

        if (shm_producer_at(snapshot->segment, i, &producer) < 0 || !producer.id)
            continue;
        r = put(snapshot, file_put_producer(snapshot->encoder, snapshot->identity.file_uuid,
                                            &producer, &snapshot->buffer));
    }
    return r;
}

static int put_clock(struct snapshot *snapshot)
{
    struct shmlog_clock_pair *const pairs = calloc(SHM_CLOCK_PAIRS + 1, sizeof(*pairs));
    const uint8_t *const uuid = snapshot->identity.file_uuid;
    size_t count;
    int r = pairs ? 0 : -ENOMEM;

    if (r < 0)
        return r;
    count = shm_clock_read(snapshot->segment, pairs, SHM_CLOCK_PAIRS);
    shm_clock_sample(snapshot->identity.clock, &pairs[count]);
    pairs[count].seq = count ? pairs[count - 1].seq + 2 : 2;
    for (size_t i = 0; i <= count && r == 0; i++)
        r = put(snapshot, file_put_clock(snapshot->encoder, uuid, &pairs[i], &snapshot->buffer));
    free(pairs);
    return r;
}

static int put_header(struct snapshot *snapshot)
{
    const struct shmlog_control *const from = &snapshot->segment->geometry;
    struct file_identity *const identity = &snapshot->identity;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    identity->file_number = 1;
    identity->created_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    identity->clock_hz = from->clock_hz;
    identity->clock = from->clock;
    identity->on_full = from->on_full;
    identity->ring_slots = from->ring_slots;
    memcpy(identity->segment_uuid, from->uuid, 16);
    if (getrandom(identity->file_uuid, 16, 0) != 16)
        return -EIO;
    gethostname(identity->host, sizeof(identity->host) - 1);
    snprintf(identity->segment, sizeof(identity->segment), "%.*s", (int)sizeof(from->name) - 1,
             from->name);
    snprintf(identity->segment_path, sizeof(identity->segment_path), "%.255s",
             snapshot->segment->path);
    return put(snapshot, file_put_header(snapshot->encoder, identity, snapshot->begin,
                                         from->rings + 1, &snapshot->buffer));
}

static int put_origin(struct snapshot *snapshot)
{
    const struct snapshot_params *const params = snapshot->params;
    struct file_origin origin = {.pid = params->pid};

    snprintf(origin.service, sizeof(origin.service), "%s",
             params->service ? params->service : snapshot->identity.segment);
    snprintf(origin.reason, sizeof(origin.reason), "%s", params->reason);
    return put(snapshot, file_put_origin(snapshot->identity.file_uuid, &origin, &snapshot->buffer));
}

/* Where the rings begin is known once they were read: the header is as large as before. */
static int put_header_again(struct snapshot *snapshot)
{
    const uint32_t rings = snapshot->segment->geometry.rings;
    int r = file_put_header(snapshot->encoder, &snapshot->identity, snapshot->begin, rings + 1,
                            &snapshot->buffer);

    if (r == 0 && pwrite(snapshot->fd, snapshot->buffer.data, snapshot->buffer.size, 0) !=
                      (ssize_t)snapshot->buffer.size)
        r = errno ? -errno : -EIO;
    snapshot->buffer.size = 0;
    return r;
}

/* ---- Records ---- */

static int put_block(struct snapshot *snapshot, uint32_t ring, const struct shm_read *read)
{
    struct file_block_params params = {.ring = ring,
                                       .first_seq = read->first_seq,
                                       .first_pos = read->first_pos,
                                       .slots = snapshot->slots,
                                       .slot_count = read->slots,
                                       .records = read->records,
                                       .sites = &snapshot->sites};
    struct file_ledger_entry *const entry = &snapshot->ledger[ring];
    struct file_block_summary summary;
    int r;

    memcpy(params.file_uuid, snapshot->identity.file_uuid, 16);
    r = file_put_block(snapshot->encoder, &params, &snapshot->buffer, &summary);
    if (r < 0)
        return r;
    if (summary.time_max < snapshot->since && !snapshot->begun[ring]) {
        snapshot->buffer.size = 0; /* too old */
        return 0;
    }
    if (!snapshot->begun[ring]) {
        /* As if all before had been written: the counts go on from there. */
        snapshot->begun[ring] = true;
        entry->next_seq = read->first_seq;
        entry->next_pos = read->first_pos;
        entry->written = entry->produced = read->first_seq - 1;
        snapshot->begin[ring] = *entry;
    }
    entry->written += read->records;
    entry->produced += read->records;
    snapshot->records += read->records;
    entry->next_seq = read->first_seq + read->records;
    entry->next_pos = read->first_pos + read->slots;
    return put(snapshot, 0);
}

/* Overwritten while it was read: before the first block this is only where the snapshot begins. */
static int put_lost(struct snapshot *snapshot, uint32_t ring, const struct shm_read *read,
                    uint64_t next_seq, uint64_t next_pos)
{
    struct file_ledger_entry *const entry = &snapshot->ledger[ring];
    struct file_gap gap = {
        .ring = ring, .cause = read->cause, .count = read->lost, .seq = next_seq, .pos = next_pos};

    if (!snapshot->begun[ring] || read->cause >= SHMLOG_LOST_CAUSES)
        return 0;
    entry->next_seq = next_seq;
    entry->next_pos = next_pos;
    entry->lost[read->cause] += read->lost;
    entry->produced += read->lost;
    snapshot->lost += read->lost;
    memcpy(gap.file_uuid, snapshot->identity.file_uuid, 16);
    return put(snapshot, file_put_gap(snapshot->encoder, &gap, &snapshot->buffer));
}

static int put_ring(struct snapshot *snapshot, uint32_t ring)
{
    struct shm_ring_reader reader;
    struct shm_read read;
    int r = 0;

    if (!snapshot->segment->rings[ring].header)
        return 0;
    shm_ring_reader_init_kept(&reader, snapshot->segment, ring);
    while (r == 0) {
        shm_ring_read(&reader, snapshot->head[ring], snapshot->slots, BLOCK_SLOTS, &read);
        if (read.kind == SHM_READ_NONE)
            break;
        r = read.kind == SHM_READ_RECORDS ? put_block(snapshot, ring, &read)
                                          : put_lost(snapshot, ring, &read, reader.seq, reader.pos);
    }
    return r;
}

/* What is counted begins with the snapshot. */
static void begin_ledger(struct snapshot *snapshot)
{
    const struct shmlog_ring_entry *entry;
    const uint32_t rings = snapshot->segment->geometry.rings;

    for (uint32_t i = 0; i < rings; i++) {
        entry = &snapshot->segment->rings[i].entry;
        snapshot->ledger[i] = (struct file_ledger_entry){
            .ring = i,
            .cpu = entry->cpu,
            .kind = entry->kind,
            .page_kib = entry->page_kib,
            .node = entry->node,
            .node_wanted = entry->node_wanted,
            .next_seq = 1,
        };
        if (snapshot->segment->rings[i].header)
            snapshot->head[i] = shm_ring_head(snapshot->segment->rings[i].header);
    }
    snapshot->ledger[rings] = (struct file_ledger_entry){.ring = ~UINT32_C(0)};
    memcpy(snapshot->begin, snapshot->ledger, (rings + 1) * sizeof(*snapshot->begin));
}

static int put_all(struct snapshot *snapshot)
{
    const uint32_t rings = snapshot->segment->geometry.rings;
    struct timespec now;
    int r = put_header(snapshot);

    if (r == 0)
        r = put_origin(snapshot);

    if (r == 0)
        r = put_clock(snapshot);
    if (r == 0)
        r = put_sites(snapshot);
    if (r == 0)
        r = put_producers(snapshot);
    for (uint32_t i = 0; i < rings && r == 0; i++)
        r = put_ring(snapshot, i);
    if (r < 0)
        return r;
    clock_gettime(CLOCK_REALTIME, &now);
    r = file_put_seal(snapshot->encoder, &snapshot->identity, snapshot->ledger, rings + 1,
                      snapshot->index, snapshot->offset, false,
                      (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec, &snapshot->buffer);
    if (r == 0)
        r = write_out(snapshot);
    return r < 0 ? r : put_header_again(snapshot);
}

/* ---- The file ---- */

static void name_of(const struct shm_segment *segment, char *ret_name, size_t size)
{
    struct timespec now;
    struct tm utc;
    char when[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(when, sizeof(when), "%Y%m%dT%H%M%S", &utc);
    snprintf(ret_name, size, "%.63s" MARK "%s.%09ld" SUFFIX, segment->geometry.name, when,
             now.tv_nsec);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names have the time in them: the first ones are the oldest. */
static void remove_old(const char *directory, const char *segment, uint64_t keep)
{
    char prefix[96], **name = NULL, path[PATH_MAX];
    DIR *const folder = opendir(directory);
    const struct dirent *entry;
    size_t count = 0;

    snprintf(prefix, sizeof(prefix), "%.63s" MARK, segment);
    while (folder && (entry = readdir(folder))) {
        char **const grown = reallocarray(name, count + 1, sizeof(char *));

        if (!grown)
            break;
        name = grown;
        if (!strncmp(entry->d_name, prefix, strlen(prefix)) &&
            strlen(entry->d_name) > strlen(SUFFIX) &&
            !strcmp(entry->d_name + strlen(entry->d_name) - strlen(SUFFIX), SUFFIX) &&
            (name[count] = strdup(entry->d_name)))
            count++;
    }
    if (folder)
        closedir(folder);
    if (count)
        qsort(name, count, sizeof(char *), compare_names);
    for (size_t i = 0; i < count; i++) {
        if (count - i > keep &&
            snprintf(path, sizeof(path), "%s/%s", directory, name[i]) < (int)sizeof(path))
            unlink(path);
        free(name[i]);
    }
    free(name);
}

static int open_all(struct snapshot *snapshot, const char *part)
{
    const uint32_t rings = snapshot->segment->geometry.rings;

    snapshot->ledger = calloc(rings + 1, sizeof(*snapshot->ledger));
    snapshot->begin = calloc(rings + 1, sizeof(*snapshot->begin));
    snapshot->begun = calloc(rings, sizeof(*snapshot->begun));
    snapshot->head = calloc(rings, sizeof(*snapshot->head));
    snapshot->slots = calloc(BLOCK_SLOTS, sizeof(*snapshot->slots));
    if (!snapshot->ledger || !snapshot->begin || !snapshot->begun || !snapshot->head ||
        !snapshot->slots || file_encoder_open(&snapshot->encoder, 1) < 0 ||
        file_index_open(&snapshot->index) < 0)
        return -ENOMEM;
    if (mkdir(snapshot->params->directory, 0750) < 0 && errno != EEXIST)
        return -errno;
    snapshot->fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    return snapshot->fd < 0 ? -errno : 0;
}

static void close_all(struct snapshot *snapshot)
{
    file_encoder_close(snapshot->encoder);
    file_index_close(snapshot->index);
    file_sites_done(&snapshot->sites);
    file_buffer_done(&snapshot->buffer);
    free(snapshot->ledger);
    free(snapshot->begin);
    free(snapshot->begun);
    free(snapshot->head);
    free(snapshot->slots);
    if (snapshot->fd >= 0)
        close(snapshot->fd);
}

/* The moment `last_ns` ago, in ticks. */
static uint64_t since_of(const struct snapshot_params *params)
{
    const struct shmlog_control *const geometry = &params->segment->geometry;
    const uint64_t now = shm_clock_now(geometry->clock);
    const unsigned __int128 ticks =
        (unsigned __int128)params->last_ns * geometry->clock_hz / 1000000000;

    return params->last_ns && ticks < now ? now - (uint64_t)ticks : 0;
}

int snapshot_take(const struct snapshot_params *params, char *ret_path, uint64_t *ret_records,
                  uint64_t *ret_lost, char *ret_message, size_t message_size)
{
    struct snapshot snapshot = {.params = params, .segment = params->segment, .fd = -1};
    char name[160], part[PATH_MAX];
    int r = 0;

    name_of(params->segment, name, sizeof(name));
    if ((size_t)snprintf(part, sizeof(part), "%s/%s.part", params->directory, name) >= sizeof(part))
        r = -ENAMETOOLONG;
    snprintf(ret_path, PATH_MAX, "%.*s", (int)(strlen(part) - strlen(".part")), part);
    snapshot.since = since_of(params);
    if (r == 0)
        r = open_all(&snapshot, part);
    if (r == 0) {
        begin_ledger(&snapshot);
        r = put_all(&snapshot);
        if (r == 0 && fsync(snapshot.fd) < 0)
            r = -errno;
        if (r == 0 && rename(part, ret_path) < 0)
            r = -errno;
        if (r < 0)
            unlink(part);
    }
    close_all(&snapshot);
    if (r < 0) {
        snprintf(ret_message, message_size, "%s: %s", part, strerror(-r));
        return r;
    }
    if (params->keep)
        remove_old(params->directory, params->segment->geometry.name, params->keep);
    *ret_records = snapshot.records;
    *ret_lost = snapshot.lost;
    return 0;
}

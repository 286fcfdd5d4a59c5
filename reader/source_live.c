/* SPDX-License-Identifier: MIT
 *
 * A segment's records from its live rings, without consuming them.
 *
 * Heads are read together, as a snapshot; streams read up to it in batches. With `follow`, a new
 * snapshot is taken every few milliseconds, and a record is passed on only when it is older than
 * the snapshot before by a margin: what another ring committed at the same time is then there too.
 *
 * Since nothing is consumed, a writer may overwrite slots at any time that the collector has given
 * free, whatever the segment's policy: then records are reported as missed by this reader, and as
 * lost only if the collector had not taken them.
 */
#include "shm/clock.h"
#include "shm/guard.h"
#include "shm/ring_reader.h"
#include "shm/tables.h"
#include "reader/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BATCH_SLOTS 512
#define POLL_NS 10000000
#define REORDER_NS UINT64_C(5000000)
#define DAMAGE_SHOWN 3 /* of each ring; a scribbled one has thousands of places */

_Static_assert(BATCH_SLOTS >= 2 * SHMLOG_RECORD_SLOTS, "shm_ring_read() wants two records");

struct live;

struct live_stream {
    struct stream stream; /* first */
    struct live *live;
    struct shm_ring_reader reader;
    uint64_t upto;
    struct shmlog_slot *batch; /* BATCH_SLOTS */
    size_t slots, at;
    uint64_t seq;                           /* of the record at `at` */
    uint8_t payload[SHMLOG_RECORD_PAYLOAD]; /* of a record of several slots */
    uint32_t cpu;
    bool merged; /* in the heap */
    unsigned damages;
    bool lost; /* records before the next one */
    uint64_t lost_ticks;
    bool cut; /* its file was cut short while it was read: no more of it */
};

struct producer_copy {
    struct producer_copy *next;
    struct shmlog_producer producer;
};
#define PRODUCER_BUCKETS 256

struct live {
    struct source source; /* first */
    struct source_params params;
    struct shm_segment *segment;
    char host[64];
    struct stat control; /* of its control file, when it was opened */
    struct live_stream *stream;
    size_t streams;
    struct merge merge;
    struct file_sites sites;
    uint8_t *refused; /* by site id: damaged, not to be tried again */
    struct producer_copy *producer[PRODUCER_BUCKETS];
    struct shmlog_clock_pair pairs[SHM_CLOCK_PAIRS];
    size_t pair_count;
    struct shm_clock_line line; /* that the last moment lay on */
    uint64_t now;               /* ticks at the last snapshot */
    uint64_t horizon;           /* follow: records up to here may go out */
    bool gone;                  /* the last snapshot was taken after the segment's end */
    bool ended;                 /* or after the caller ended it: no more are taken */
};

static void damaged(const struct live *live, uint64_t offset, int error, const char *reason)
{
    const struct cursor_options *options = live->params.options;

    if (options->on_damage)
        options->on_damage(options->arg, live->segment->path, offset, error, reason);
}

/* Sites may appear at any time, so an unknown one is asked for again, a damaged one is not. */
static const struct file_site *find_site(struct live *live, uint32_t id)
{
    const struct file_site *site = file_sites_get(&live->sites, id);
    uint8_t bytes[SHMLOG_SITE_MAX];
    size_t size;
    int r;

    if (site || live->refused[id])
        return site;
    r = shm_site_copy(live->segment, id, bytes, &size);
    if (r == 0)
        r = file_sites_put(&live->sites, id, bytes, size);
    if (r == 0)
        return file_sites_get(&live->sites, id);
    if (r == -EBADMSG) {
        live->refused[id] = 1;
        damaged(live, id, r, "damaged entry in the site table");
    }
    return NULL;
}

static const struct shmlog_producer *find_producer(struct live *live, uint32_t id)
{
    struct producer_copy **bucket = &live->producer[(id ^ id >> 8) % PRODUCER_BUCKETS];
    struct producer_copy *copy;

    if (!id)
        return NULL;
    for (copy = *bucket; copy; copy = copy->next)
        if (copy->producer.id == id)
            return &copy->producer;
    copy = malloc(sizeof(*copy));
    if (!copy || shm_producer_copy(live->segment, id, &copy->producer) < 0) {
        free(copy);
        return NULL;
    }
    copy->producer.id = id;
    copy->next = *bucket;
    *bucket = copy;
    return &copy->producer;
}

/* The payload of the record in `slots` slots at `slot`, in one piece. */
static const uint8_t *join_payload(struct live_stream *stream, const struct shmlog_slot *slot,
                                   size_t slots)
{
    if (slots == 1)
        return slot->payload;
    for (size_t i = 0; i < slots; i++)
        memcpy(stream->payload + i * SHMLOG_SLOT_PAYLOAD, slot[i].payload, SHMLOG_SLOT_PAYLOAD);
    return stream->payload;
}

static int64_t to_ns(struct live *live, uint64_t ticks)
{
    const uint64_t hz = live->segment->geometry.clock_hz;
    int64_t ns;

    if (shm_clock_on_line(&live->line, ticks, &ns))
        return ns;
    if (shm_clock_line(live->pairs, live->pair_count, hz, ticks, &live->line) &&
        shm_clock_on_line(&live->line, ticks, &ns))
        return ns;
    return shm_clock_to_ns(live->pairs, live->pair_count, hz, ticks, NULL);
}

/* The next wanted record of the batch. */
static bool take_record(struct live_stream *stream)
{
    struct live *live = stream->live;
    struct cursor_record *record = &stream->stream.record;

    while (stream->at < stream->slots) {
        const struct shmlog_slot *slot = &stream->batch[stream->at];
        size_t slots = slot->site >> SHMLOG_SITE_SLOTS_SHIFT & SHMLOG_SITE_SLOTS_MASK;

        if (!slots || slots > SHMLOG_RECORD_SLOTS || slots > stream->slots - stream->at) {
            stream->at = stream->slots; /* the reader hands out whole records: not to be seen */
            return false;
        }
        stream->at += slots;
        *record = (struct cursor_record){
            .seq = stream->seq++,
            .ring = stream->stream.ring,
            .cpu = stream->cpu,
            .segment = live->params.segment,
            .host = live->host,
            .segment_name = live->segment->geometry.name,
            .site_id = slot->site & SHMLOG_SITE_ID_MASK,
            .payload = join_payload(stream, slot, slots),
            .payload_size = (uint32_t)(slots * SHMLOG_SLOT_PAYLOAD),
        };
        memcpy(&record->ticks, record->payload + SHMLOG_PAYLOAD_TIME, 8);
        if (stream->lost)
            stream->lost_ticks = record->ticks;
        stream->lost = false;
        record->lost_ticks = stream->lost_ticks;
        memcpy(&record->producer_id, record->payload + SHMLOG_PAYLOAD_PRODUCER, 4);
        record->time_ns = to_ns(live, record->ticks);
        record->site = find_site(live, record->site_id);
        if (!source_wants(live->params.options, record))
            continue;
        record->producer = find_producer(live, record->producer_id);
        stream->stream.ticks = record->ticks;
        stream->stream.loaded = true;
        return true;
    }
    return false;
}

/* How many of the records passed over were overwritten before the collector took them. With other
 * policies than overwrite, writers wait for it. */
static uint64_t count_unread(const struct live_stream *stream, const struct shm_read *read)
{
    uint64_t taken;

    if (!stream->reader.overwrite)
        return 0;
    taken = shmlog_load_acquire_(&stream->reader.ring->tail_seq); /* pairs with the collector's */
    if (taken <= read->first_seq)
        return read->lost;
    return taken - read->first_seq < read->lost ? read->lost - (taken - read->first_seq) : 0;
}

static void lost(struct live_stream *stream, const struct shm_read *read)
{
    const struct cursor_options *options = stream->live->params.options;
    struct file_gap gap = {
        .ring = stream->stream.ring,
        .cause = read->cause,
        .count = read->lost,
        .seq = stream->reader.seq,
        .pos = stream->reader.pos,
    };

    stream->lost = true;
    if (read->cause == SHMLOG_LOST_OVERWRITTEN) {
        gap.count = count_unread(stream, read);
        if (options->on_missed)
            options->on_missed(options->arg, gap.ring, read->lost, gap.count);
    }
    memcpy(gap.file_uuid, stream->live->segment->geometry.uuid, 16);
    if (gap.count && options->on_gap)
        options->on_gap(options->arg, &gap);
    if (read->cause == SHMLOG_LOST_DAMAGED && stream->damages++ < DAMAGE_SHOWN)
        damaged(stream->live, read->first_pos, -EBADMSG, "damaged slots in a ring");
}

/* Zeros stand where the file was cut off: what was read before is sound. */
static bool is_cut(struct live_stream *stream)
{
    const uint32_t ring = stream->stream.ring;

    if (stream->cut || !shm_guard_lost(stream->live->segment->rings[ring].lost))
        return stream->cut;
    stream->cut = true;
    damaged(stream->live, stream->reader.pos, -SHM_ERR_CUT, "a ring that cannot be read on");
    return true;
}

static int live_stream_advance(struct stream *base)
{
    struct live_stream *stream = (struct live_stream *)base;

    base->loaded = false;
    for (;;) {
        struct shm_read read;

        if (take_record(stream))
            return 1;
        shm_ring_read(&stream->reader, stream->upto, stream->batch, BATCH_SLOTS, &read);
        if (read.kind == SHM_READ_RECORDS) {
            stream->slots = read.slots;
            stream->at = 0;
            stream->seq = read.first_seq;
            continue;
        }
        if (is_cut(stream)) {
            stream->merged = false;
            return 0;
        }
        if (read.kind == SHM_READ_LOST) { /* the reader is past it: this ends */
            lost(stream, &read);
            continue;
        }
        stream->merged = false;
        return 0;
    }
}

/* Read all heads, and put streams that have something new into the heap. */
static void take_snapshot(struct live *live)
{
    uint64_t before = live->now;
    uint64_t margin =
        (uint64_t)((unsigned __int128)live->segment->geometry.clock_hz * REORDER_NS / 1000000000);

    live->now = shm_clock_now(live->segment->geometry.clock);
    live->horizon = live->now > margin ? live->now - margin : 0;
    if (live->horizon < before && before)
        live->horizon = before > margin ? before - margin : 0;
    for (size_t i = 0; i < live->streams; i++) {
        struct live_stream *stream = &live->stream[i];
        const struct shmlog_ring *ring = live->segment->rings[stream->stream.ring].header;

        stream->upto = shm_ring_head(ring);
        if (stream->merged || stream->upto == stream->reader.pos || is_cut(stream))
            continue;
        stream->stream.loaded = false;
        stream->stream.ticks = 0; /* unknown: load it first */
        stream->merged = true;
        merge_add(&live->merge, &stream->stream);
    }
    /* after the heads: with all pairs that count for what was committed by then */
    live->pair_count = shm_clock_read(live->segment, live->pairs, SHM_CLOCK_PAIRS);
    live->line = (struct shm_clock_line){0};
}

static bool stat_control(const struct live *live, struct stat *ret_stat)
{
    char path[PATH_MAX + 16];

    snprintf(path, sizeof(path), "%s/control", live->segment->path);
    return stat(path, ret_stat) == 0;
}

/* Gone when it was closed, or its name leads elsewhere or nowhere. */
static bool segment_gone(const struct live *live)
{
    struct stat there;

    if (shmlog_load_acquire_(&live->segment->control->state) == SHMLOG_SEGMENT_CLOSED)
        return true;
    return !stat_control(live, &there) || there.st_ino != live->control.st_ino ||
           there.st_dev != live->control.st_dev;
}

/* A time more than a second beyond the snapshot is not the clock's, but one that a caller made up:
 * it does not wait. */
static bool is_due(const struct live *live, uint64_t ticks)
{
    return !live->params.options->follow || live->gone || live->ended || ticks <= live->horizon ||
           (ticks > live->now && ticks - live->now > live->segment->geometry.clock_hz);
}

/* Whoever ends it gets what was committed by then. */
static void pause_until_next(struct live *live)
{
    const struct cursor_options *options = live->params.options;
    const struct timespec pause = {.tv_nsec = POLL_NS};

    live->ended = options->on_idle && options->on_idle(options->arg);
    live->gone = segment_gone(live);
    if (!live->gone && !live->ended)
        nanosleep(&pause, NULL);
    take_snapshot(live);
}

static int live_next(struct source *source, const struct cursor_record **ret_record)
{
    struct live *live = (struct live *)source;
    struct stream *stream;
    int r = merge_peek(&live->merge, &stream);

    if (r < 0)
        return r;
    if (r > 0 && is_due(live, stream->ticks)) {
        merge_take(&live->merge);
        *ret_record = &stream->record;
        return 1;
    }
    source->stopped = live->ended;
    if (!live->params.options->follow || live->gone || live->ended)
        return 0;
    pause_until_next(live);
    return -EAGAIN;
}

static void live_close(struct source *source)
{
    struct live *live = (struct live *)source;

    for (size_t i = 0; i < live->streams; i++)
        free(live->stream[i].batch);
    free(live->stream);
    for (size_t i = 0; i < PRODUCER_BUCKETS; i++)
        while (live->producer[i]) {
            struct producer_copy *next = live->producer[i]->next;

            free(live->producer[i]);
            live->producer[i] = next;
        }
    file_sites_done(&live->sites);
    free(live->refused);
    merge_done(&live->merge);
    shm_segment_close(live->segment);
    free(live);
}

/* A segment was to be read from its first record on: say what is no longer there. */
static void miss_first(struct live_stream *stream)
{
    const struct shm_read passed = {
        .cause = SHMLOG_LOST_OVERWRITTEN,
        .first_seq = 1,
        .lost = stream->reader.seq - 1,
    };

    if (passed.lost)
        lost(stream, &passed);
}

static int start_streams(struct live *live)
{
    const struct shm_segment *segment = live->segment;

    for (uint32_t i = 0; i < segment->geometry.rings; i++) {
        struct live_stream *stream = &live->stream[live->streams];

        if (!segment->rings[i].header) {
            damaged(live, i, segment->rings[i].error, "a ring that cannot be read");
            continue;
        }
        stream->batch = malloc(BATCH_SLOTS * sizeof(*stream->batch));
        if (!stream->batch)
            return -ENOMEM;
        stream->live = live;
        stream->stream.ring = i;
        stream->stream.advance = live_stream_advance;
        stream->cpu = segment->rings[i].entry.kind == SHMLOG_RING_CPU ? segment->rings[i].entry.cpu
                                                                      : ~UINT32_C(0);
        if (live->params.options->follow && !live->params.from_start &&
            live->params.options->since_ns == INT64_MIN) /* what is new */
            shm_ring_reader_init_oldest(&stream->reader, segment, i);
        else /* all that is still there, though the collector has had it */
            shm_ring_reader_init_kept(&stream->reader, segment, i);
        if (live->params.from_start)
            miss_first(stream);
        live->streams++;
    }
    return 0;
}

int source_live_open(struct shm_segment *segment, const struct source_params *params,
                     struct source **ret_source)
{
    struct live *live = calloc(1, sizeof(*live));
    int r = -ENOMEM;

    if (!live)
        return -ENOMEM;
    live->source.next = live_next;
    live->source.close = live_close;
    live->params = *params;
    live->segment = segment;
    gethostname(live->host, sizeof(live->host) - 1); /* as the collector does for its files */
    live->stream = calloc(segment->geometry.rings, sizeof(*live->stream));
    live->refused = calloc(SHMLOG_SITE_ID_MASK + 1, 1);
    if (!stat_control(live, &live->control))
        r = -ENOENT;
    else if (live->stream && live->refused)
        r = merge_init(&live->merge, segment->geometry.rings);
    if (r == 0)
        r = start_streams(live);
    if (r < 0) {
        live->segment = NULL; /* stays the caller's */
        live_close(&live->source);
        return r;
    }
    take_snapshot(live);
    *ret_source = &live->source;
    return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * The records of one ring from files: see file_stream.h.
 */
#include "reader/file_stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AHEAD 4u /* records whose memory is fetched before they are needed */

void file_streams_damaged(const struct file_streams *files, const struct log_file *file,
                          uint64_t offset, int error, const char *reason)
{
    const struct cursor_options *options = files->options;

    if (options->on_damage)
        options->on_damage(options->arg, file->file->path, offset, error, reason);
}

struct wanted file_streams_wanted(const struct file_streams *files, const struct log_file *file)
{
    return (struct wanted){
        .where = files->options->where,
        .reader = file->reader,
        .like = {.segment = files->segment,
                 .host = file->file->identity.host,
                 .segment_name = file->file->identity.segment},
    };
}

static void leave_block(struct file_stream *stream)
{
    if (stream->pinned)
        stream->pinned->pins--;
    stream->pinned = NULL;
    stream->resolved = false;
    stream->at = 0;
    stream->block.records = 0;
}

/* Site and producer, unless they are those of the record before. */
static void resolve(struct file_stream *stream, const struct file_record *from)
{
    struct cursor_record *record = &stream->stream.record;
    const struct file_reader *reader = stream->pinned->reader;

    if (stream->resolved && record->site_id == from->site && record->producer_id == from->producer)
        return;
    record->site_id = from->site;
    record->site = file_sites_get(file_reader_sites(reader), from->site);
    record->producer_id = from->producer;
    record->producer = file_reader_producer(reader, from->producer);
    stream->resolved = true;
}

/* Were records lost between the last one and this? */
static bool is_after_loss(struct file_stream *stream, uint64_t seq)
{
    bool lost = stream->lost || (stream->shared->all && stream->next_seq && seq > stream->next_seq);

    stream->lost = false;
    for (; stream->hole < stream->holes_end && stream->hole->seq <= seq; stream->hole++)
        lost = lost || stream->hole->seq >= stream->next_seq;
    return lost;
}

/* What follows comes with a later look. */
static void end_before(struct file_stream *stream, uint64_t seq)
{
    stream->limit = seq;
    stream->next = stream->notes.count;
    stream->at = stream->block.records;
    looks_stop(stream->shared->looks, stream->shared->horizon.writer);
}

/* The next record of the decoded block that is wanted: fills the stream's record. */
static bool take_record(struct file_stream *stream)
{
    const struct cursor_options *options = stream->shared->options;
    struct cursor_record *record = &stream->stream.record;

    while (stream->at < stream->block.records) {
        const struct file_record *from = &stream->block.record[stream->at++];

        /* Merging, it will be some time until this stream's turn comes again. */
        if (stream->at + AHEAD < stream->block.records) {
            __builtin_prefetch(from + 1 + AHEAD);
            __builtin_prefetch(from[1].payload + AHEAD * SHMLOG_SLOT_PAYLOAD);
        }
        if (from->seq < stream->next_seq)
            continue;
        if (!horizon_passes(&stream->shared->horizon, from->time)) {
            end_before(stream, from->seq);
            return false;
        }
        if (is_after_loss(stream, from->seq))
            record->lost_ticks = from->time;
        stream->next_seq = from->seq + 1;
        resolve(stream, from);
        record->time_ns = log_file_ns(stream->pinned, from->time);
        record->ticks = from->time;
        record->seq = from->seq;
        record->payload = from->payload;
        record->payload_size = from->payload_size;
        if (!source_wants(options, record))
            continue;
        stream->stream.ticks = from->time;
        stream->stream.loaded = true;
        return true;
    }
    return false;
}

/* Is a record that cannot be read to be waited for? Then the stream ends before it. */
static bool waits_for(struct file_stream *stream, uint64_t seq)
{
    struct file_streams *const files = stream->shared;

    if (!files->looks ||
        !looks_waits(files->looks, stream->stream.record.place, seq, false, files->horizon.writer))
        return false;
    end_before(stream, seq);
    if (stream->stream.record.place->given < files->horizon.ticks)
        files->horizon.ticks = stream->stream.record.place->given;
    return true;
}

/* May records of the block be left out? Not where others were lost before it or in it: the next one
 * says when. */
static bool may_choose(const struct file_stream *stream, const struct file_block_info *info)
{
    return stream->shared->options->where && !stream->lost &&
           (stream->hole == stream->holes_end ||
            (stream->hole->seq > info->first_seq &&
             stream->hole->seq - info->first_seq >= info->records));
}

/* Decode the next block of the ring, or a part of it. A block that is not sound is reported and
 * left empty. */
static int decode_next(struct file_stream *stream)
{
    struct file_streams *files = stream->shared;
    struct note *note = &stream->notes.note[stream->next];
    struct log_file *file = &files->log.file[note->file];
    int r = log_files_use(&files->log, file);

    if (r == 0) {
        struct wanted wanted = file_streams_wanted(files, file);
        const struct file_choice choice = {wanted_choose, &wanted};
        const struct block_place place = {file->file, file->reader, &note->piece,
                                          may_choose(stream, &note->piece.block) ? &choice : NULL};

        file->pins++;
        stream->pinned = file;
        r = blocks_decode(files->blocks, &place, stream->next_seq, &stream->block);
    }
    if (r <= 0) /* else there is more of it */
        stream->next++;
    if (r >= 0)
        return 0;
    leave_block(stream);
    if (r == -ENOMEM)
        return r;
    if (waits_for(stream, note->piece.block.first_seq))
        return 0;
    stream->lost = true;
    file_streams_damaged(files, file, note->piece.offset, r, NULL);
    return 0;
}

static int file_stream_advance(struct stream *base)
{
    struct file_stream *stream = (struct file_stream *)base;
    bool decode = !base->loaded;
    int r;

    base->loaded = false;
    for (;;) {
        if (take_record(stream))
            return 1;
        leave_block(stream);
        while (stream->next < stream->notes.count) { /* blocks that are there twice */
            const struct file_block_info *info = &stream->notes.note[stream->next].piece.block;

            if (info->first_seq >= stream->next_seq ||
                stream->next_seq - info->first_seq < info->records)
                break;
            stream->next++;
        }
        if (stream->next == stream->notes.count) {
            blocks_drop(stream->shared->blocks, &stream->block);
            return 0;
        }
        if (!decode) { /* decode it when its time has come */
            base->ticks = stream->notes.note[stream->next].piece.block.time_min;
            return 1;
        }
        r = decode_next(stream);
        if (r < 0)
            return r;
    }
}

/* Records that are nowhere, and are not waited for any longer. */
static void missing(void *arg, uint32_t ring, uint64_t begin, uint64_t end)
{
    const struct file_streams *const files = arg;
    char reason[128];

    snprintf(reason, sizeof(reason),
             "ring %" PRIu32 ": %" PRIu64 " records before number %" PRIu64
             " are in no file: removed before they were read, or damaged",
             ring, end - begin, end);
    file_streams_damaged(files, &files->log.file[0], 0, -ENODATA, reason);
}

/* Notes of blocks that are behind a hole are dropped. */
static void limit_stream(struct file_stream *stream)
{
    struct file_streams *const files = stream->shared;
    const struct looks_ring ring = {
        .place = stream->stream.record.place,
        .first = log_file_first(&files->log.file[0], stream->stream.ring, NULL),
        .writer = files->horizon.writer,
        .missing = missing,
        .arg = files,
    };

    stream->limit = looks_limit(files->looks, &stream->reach, &ring);
    while (stream->notes.count &&
           stream->notes.note[stream->notes.count - 1].piece.block.first_seq >= stream->limit)
        files->log.file[stream->notes.note[--stream->notes.count].file].left = true;
}

struct file_stream *file_stream_open(struct file_streams *shared, uint32_t ring)
{
    const struct file_identity *const identity = &shared->log.file[0].file->identity;
    struct file_stream *const stream = calloc(1, sizeof(*stream));
    struct position_ring *place = NULL;

    if (stream && shared->looks)
        place = position_of(shared->looks->position, identity->segment_uuid, ring);
    if (!stream || (shared->looks && !place)) {
        free(stream);
        return NULL;
    }
    stream->shared = shared;
    stream->stream.ring = ring;
    stream->stream.advance = file_stream_advance;
    stream->stream.record = (struct cursor_record){
        .ring = ring,
        .cpu = ~UINT32_C(0),
        .segment = shared->segment,
        .host = identity->host,
        .segment_name = identity->segment,
        .place = place,
    };
    stream->limit = UINT64_MAX;
    stream->next_seq = place ? position_start(place) : 0;
    shared->blocks->streams++;
    return stream;
}

void file_stream_start(struct file_stream *stream, const struct holes *holes)
{
    notes_sort(&stream->notes);
    if (stream->shared->looks)
        limit_stream(stream);
    if (!stream->notes.count) /* all taken back */
        return;
    stream->hole = holes_of_ring(holes, stream->stream.ring, &stream->holes_end);
    stream->stream.ticks = stream->notes.note[0].piece.block.time_min;
}

void file_stream_close(struct file_stream *stream)
{
    file_block_done(&stream->block);
    notes_done(&stream->notes);
    reach_done(&stream->reach);
    free(stream);
}

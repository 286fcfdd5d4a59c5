/* SPDX-License-Identifier: MIT
 *
 * A segment's records from its files.
 *
 * On opening, the list of pieces of each file is read and the blocks that can hold wanted records
 * are noted, by ring and sequence number. A stream walks its ring's notes and decodes one block at
 * a time. Files are opened when needed; only so many stay open.
 */
#include "reader/blocks.h"
#include "reader/holes.h"
#include "reader/horizon.h"
#include "reader/log_files.h"
#include "reader/looks.h"
#include "reader/notes.h"
#include "reader/source.h"
#include "reader/tally.h"
#include "reader/wanted.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AHEAD 4u /* records whose memory is fetched before they are needed */

struct files;

struct file_stream {
    struct stream stream; /* first */
    struct files *files;
    struct notes notes; /* blocks to be read */
    size_t next;        /* note to decode next */
    struct file_block block;
    size_t at; /* record of the block to look at next */
    struct log_file *pinned;
    bool resolved;     /* the record's site and producer are what the pinned file says */
    uint64_t next_seq; /* records before it were passed on */
    const struct hole *hole, *holes_end; /* those still to come */
    bool lost;                           /* a block before the next record could not be read */
    struct reach reach;                  /* with looks: what the files have of the ring, */
    uint64_t limit;                      /* and its first number that is not there yet */
};

struct files {
    struct source source; /* first */
    struct source_params params;
    struct log_files log;
    struct file_stream **stream;
    size_t streams;
    struct holes holes;
    bool all; /* records of all times and levels are wanted: numbers that are not there are lost */
    struct merge merge;
    struct blocks *blocks;  /* the cursor's */
    struct looks *looks;    /* NULL: the files are read once */
    struct horizon horizon; /* with looks: up to which moment the files are read */
    bool ended;             /* all was passed on */
};

static void damaged(const struct files *files, const struct log_file *file, uint64_t offset,
                    int error, const char *reason)
{
    const struct cursor_options *options = files->params.options;

    if (options->on_damage)
        options->on_damage(options->arg, file->file->path, offset, error, reason);
}

static struct file_stream *stream_of(struct files *files, uint32_t ring)
{
    struct file_stream *stream, **grown;

    for (size_t i = 0; i < files->streams; i++)
        if (files->stream[i]->stream.ring == ring)
            return files->stream[i];
    stream = calloc(1, sizeof(*stream));
    grown = reallocarray(files->stream, files->streams + 1, sizeof(struct file_stream *));
    if (grown)
        files->stream = grown;
    if (!stream || !grown) {
        free(stream);
        return NULL;
    }
    stream->stream.ring = ring;
    stream->files = files;
    stream->stream.record = (struct cursor_record){
        .ring = ring,
        .cpu = ~UINT32_C(0),
        .segment = files->params.segment,
        .host = files->log.file[0].file->identity.host,
        .segment_name = files->log.file[0].file->identity.segment,
    };
    stream->limit = UINT64_MAX;
    if (files->looks) {
        struct position_ring *const place =
            position_of(files->looks->position, files->log.file[0].file->identity.segment_uuid,
                        ring);

        if (!place) {
            free(stream);
            return NULL;
        }
        stream->stream.record.place = place;
        stream->next_seq = position_start(place);
    }
    files->stream[files->streams++] = stream;
    files->blocks->streams++;
    return stream;
}

static struct wanted wanted_of(const struct files *files, const struct log_file *file)
{
    return (struct wanted){
        .where = files->params.options->where,
        .reader = file->reader,
        .like = {.segment = files->params.segment,
                 .host = file->file->identity.host,
                 .segment_name = file->file->identity.segment},
    };
}

/* Can a block have wanted records? */
static bool wants_block(const struct files *files, struct log_file *file,
                        const struct file_piece *piece)
{
    const struct cursor_options *options = files->params.options;

    return piece->kind == FILE_PIECE_BLOCK && piece->block.levels >> options->min_level &&
           piece->block.sites & file->sites &&
           log_file_ns(file, piece->block.time_max) >= options->since_ns &&
           log_file_ns(file, piece->block.time_min) <= options->until_ns;
}

static int note_block(struct files *files, struct log_file *file, const struct file_piece *piece)
{
    struct file_stream *stream;

    if (!files->looks && !wants_block(files, file, piece))
        return 0;
    stream = stream_of(files, piece->block.ring);
    if (!stream)
        return -ENOMEM;
    if (files->looks) {
        const uint64_t end = piece->block.first_seq + piece->block.records;

        if (reach_note(&stream->reach, piece->block.first_seq, end) < 0)
            return -ENOMEM;
        position_written(stream->stream.record.place, piece->block.first_pos + piece->block.slots,
                         piece->block.time_max);
        if (end <= stream->next_seq || !wants_block(files, file, piece))
            return 0;
    }
    return notes_add(&stream->notes, (uint32_t)(file - files->log.file), piece);
}

/* Take the last block back if it was noted, and these ranges of it show that none of it can pass.
 */
static void judge_block(struct files *files, struct log_file *file, const struct file_piece *block,
                        const struct file_piece *ranges)
{
    const struct wanted wanted = wanted_of(files, file);
    struct file_stream *stream;
    const struct note *note;

    if (!files->params.options->where || !wants_block(files, file, block))
        return;
    stream = stream_of(files, block->block.ring);
    if (!stream || !stream->notes.count)
        return;
    note = &stream->notes.note[stream->notes.count - 1];
    if (note->file == file - files->log.file && note->piece.offset == block->offset &&
        !wanted_by_ranges(&wanted, block, ranges))
        stream->notes.count--;
}

static void note_gap(struct files *files, struct log_file *file, struct tally *tally,
                     const struct file_gap *gap)
{
    const struct cursor_options *options = files->params.options;

    if (!options->on_gap || !tally_counts(tally, gap))
        return;
    if (gap->time_after && log_file_ns(file, gap->time_after) < options->since_ns)
        return;
    if (gap->time_before && log_file_ns(file, gap->time_before) > options->until_ns)
        return;
    options->on_gap(options->arg, gap);
}

static void note_damage(struct files *files, const struct log_file *file,
                        const struct file_piece *piece)
{
    if (piece->error == -FILE_ERR_CUT && fileset_writer(file->file) == FILESET_WRITER_ALIVE)
        return; /* being written this moment */
    damaged(files, file, piece->offset, piece->error, piece->reason);
}

static void note_cpus(struct files *files, const struct log_file *file)
{
    for (size_t i = 0; i < files->streams; i++)
        log_file_cpu(file, files->stream[i]->stream.ring, &files->stream[i]->stream.record.cpu);
}

/* The list of the file's pieces, in which all wanted blocks are as the file has them: where the
 * index says something else of one of these, all of it is ignored. */
static int list_pieces(struct files *files, struct log_file *file,
                       const struct file_piece **ret_pieces, size_t *ret_count)
{
    int r = file_reader_list(file->reader, ret_pieces, ret_count);
    const struct wanted wanted = wanted_of(files, file);

    file->sites = wanted_sites(&wanted);
    for (size_t i = 0; r == 0 && i < *ret_count; i++)
        if (wants_block(files, file, &(*ret_pieces)[i]))
            r = file_reader_check_block(file->reader, &(*ret_pieces)[i]);
    if (r <= 0)
        return r;
    file->line = (struct shm_clock_line){0}; /* there may be more clock pairs */
    file->index_lies = true;
    return file_reader_list(file->reader, ret_pieces, ret_count);
}

/* The next file is needed as well: it may have gaps of this one again. */
static int begin_tally(struct files *files, struct log_file *file, struct tally *ret_tally)
{
    struct log_file *next = file + 1 < files->log.file + files->log.count ? file + 1 : NULL;

    if (next && log_files_use(&files->log, next) == -ENOMEM)
        return -ENOMEM;
    return tally_init(ret_tally, file->reader, next ? next->reader : NULL);
}

/* Numbers that a ring will never have. */
static int reach_gap(struct files *files, const struct file_gap *gap)
{
    struct file_stream *stream;

    if (!files->looks ||
        (gap->cause != SHMLOG_LOST_OVERWRITTEN && gap->cause != SHMLOG_LOST_DAMAGED))
        return 0;
    stream = stream_of(files, gap->ring);
    return stream && gap->count <= gap->seq
               ? reach_note(&stream->reach, gap->seq - gap->count, gap->seq)
               : -ENOMEM;
}

/* Up to which offset damage and gaps may be told now: not behind a place that somebody may still
 * write to, and nothing twice. */
static uint64_t tell_until(const struct files *files, const struct log_file *file,
                           const struct file_piece *pieces, size_t count)
{
    if (files->looks && file->file->part && files->horizon.writer != FILESET_WRITER_NONE)
        for (size_t i = 0; i < count; i++)
            if (pieces[i].kind == FILE_PIECE_DAMAGED)
                return pieces[i].offset;
    return UINT64_MAX;
}

static int note_pieces(struct files *files, struct log_file *file, struct tally *tally,
                       const struct file_piece *pieces, size_t count)
{
    struct looks_file *const seen =
        files->looks ? looks_file(files->looks, file->file->identity.file_uuid) : NULL;
    const uint64_t until = tell_until(files, file, pieces, count);
    int r = files->looks && !seen ? -ENOMEM : 0;

    for (size_t i = 0; i < count && r == 0; i++) {
        const bool tell = pieces[i].offset < until && (!seen || pieces[i].offset >= seen->told);

        if (pieces[i].kind == FILE_PIECE_BLOCK)
            r = note_block(files, file, &pieces[i]);
        else if (pieces[i].kind == FILE_PIECE_GAP)
            r = holes_note(&files->holes, pieces[i].gap.ring, pieces[i].gap.seq);
        else if (pieces[i].kind == FILE_PIECE_RANGES && i)
            judge_block(files, file, &pieces[i - 1], &pieces[i]);
        else if (pieces[i].kind == FILE_PIECE_DAMAGED && tell)
            note_damage(files, file, &pieces[i]);
        if (pieces[i].kind == FILE_PIECE_GAP && r == 0)
            r = reach_gap(files, &pieces[i].gap);
        if (pieces[i].kind == FILE_PIECE_GAP && tell)
            note_gap(files, file, tally, &pieces[i].gap);
    }
    if (seen && count) {
        const uint64_t end = pieces[count - 1].offset + pieces[count - 1].size;

        seen->told = end < until ? end : until;
    }
    return r;
}

static int note_file(struct files *files, struct log_file *file)
{
    const struct file_piece *pieces;
    struct tally tally = {0};
    size_t count;
    int r = log_files_use(&files->log, file);

    if (r == 0)
        r = list_pieces(files, file, &pieces, &count);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        damaged(files, file, 0, r, NULL);
        return 0;
    }
    r = begin_tally(files, file, &tally);
    if (r == 0)
        r = note_pieces(files, file, &tally, pieces, count);
    tally_done(&tally);
    if (r < 0)
        return r;
    if (!file->file->part && !file_reader_whole(file->reader) &&
        !(count && pieces[count - 1].kind == FILE_PIECE_DAMAGED))
        damaged(files, file, count ? pieces[count - 1].offset + pieces[count - 1].size : 0,
                -FILE_ERR_CUT, "no seal at its end");
    note_cpus(files, file);
    return 0;
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
    bool lost = stream->lost || (stream->files->all && stream->next_seq && seq > stream->next_seq);

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
    looks_stop(stream->files->looks, stream->files->horizon.writer);
}

/* The next record of the decoded block that is wanted: fills the stream's record. */
static bool take_record(struct file_stream *stream)
{
    const struct cursor_options *options = stream->files->params.options;
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
        if (!horizon_passes(&stream->files->horizon, from->time)) {
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
    struct files *const files = stream->files;

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
    return stream->files->params.options->where && !stream->lost &&
           (stream->hole == stream->holes_end ||
            (stream->hole->seq > info->first_seq &&
             stream->hole->seq - info->first_seq >= info->records));
}

/* Decode the next block of the ring, or a part of it. A block that is not sound is reported and
 * left empty. */
static int decode_next(struct file_stream *stream)
{
    struct files *files = stream->files;
    struct note *note = &stream->notes.note[stream->next];
    struct log_file *file = &files->log.file[note->file];
    int r = log_files_use(&files->log, file);

    if (r == 0) {
        struct wanted wanted = wanted_of(files, file);
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
    damaged(files, file, note->piece.offset, r, NULL);
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
            blocks_drop(stream->files->blocks, &stream->block);
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

/* All that is there was passed on, or is not wanted. */
static int end_look(struct files *files)
{
    int r = 0;

    files->ended = true;
    for (size_t i = 0; i < files->streams; i++) {
        const struct file_stream *const stream = files->stream[i];

        position_raise(stream->stream.record.place, stream->limit);
        for (size_t j = 0; j < stream->notes.count; j++) {
            const struct file_block_info *const block = &stream->notes.note[j].piece.block;

            if (block->first_seq + block->records > stream->limit)
                files->log.file[stream->notes.note[j].file].left = true;
        }
    }
    for (size_t i = 0; i < files->log.count && r == 0; i++)
        if (!files->log.file[i].left &&
            (!files->log.file[i].file->part || files->horizon.writer == FILESET_WRITER_NONE))
            r = looks_finish(files->looks, files->log.file[i].file);
    return r;
}

static int files_next(struct source *source, const struct cursor_record **ret_record)
{
    struct files *files = (struct files *)source;
    struct stream *stream;
    int r = merge_peek(&files->merge, &stream);

    if (r == 0 && files->looks && !files->ended)
        r = end_look(files);
    if (r <= 0)
        return r;
    merge_take(&files->merge);
    *ret_record = &stream->record;
    return 1;
}

static void files_close(struct source *source)
{
    struct files *files = (struct files *)source;

    for (size_t i = 0; i < files->streams; i++) {
        file_block_done(&files->stream[i]->block);
        notes_done(&files->stream[i]->notes);
        reach_done(&files->stream[i]->reach);
        free(files->stream[i]);
    }
    free(files->stream);
    holes_done(&files->holes);
    horizon_done(&files->horizon);
    log_files_done(&files->log);
    merge_done(&files->merge);
    free(files);
}

/* Records that are nowhere, and are not waited for any longer. */
static void missing(void *arg, uint32_t ring, uint64_t begin, uint64_t end)
{
    const struct files *const files = arg;
    char reason[128];

    snprintf(reason, sizeof(reason),
             "ring %" PRIu32 ": %" PRIu64 " records before number %" PRIu64
             " are in no file: removed before they were read, or damaged",
             ring, end - begin, end);
    damaged(files, &files->log.file[0], 0, -ENODATA, reason);
}

/* Notes of blocks that are behind a hole are dropped. */
static void limit_stream(struct file_stream *stream)
{
    struct files *const files = stream->files;
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

/* How far do the files have each ring? One that stops at a hole: to what was given of it. */
static void narrow_horizon(struct files *files)
{
    const struct log_file *const newest = &files->log.file[files->log.count - 1];
    const uint8_t *const segment = newest->file->identity.segment_uuid;

    for (uint32_t i = 0; i < files->horizon.rings; i++) {
        const struct position_ring *const place = position_find(files->looks->position, segment, i);
        uint64_t position = 0;

        log_file_first(newest, i, &position);
        if (place && place->hole_since_ns)
            horizon_narrow(&files->horizon, i, 0, place->given);
        else if (place && place->position > position)
            horizon_narrow(&files->horizon, i, place->position, place->ticks);
        else
            horizon_narrow(&files->horizon, i, position, place ? place->ticks : 0);
    }
}

/* Only the newest records are wanted. */
static int drop_old(struct files *files)
{
    const struct notes **const lists = calloc(files->streams + 1, sizeof(const struct notes *));
    uint64_t ticks;
    int r = lists ? 0 : -ENOMEM;

    for (size_t i = 0; i < files->streams && r == 0; i++)
        lists[i] = &files->stream[i]->notes;
    if (r == 0)
        r = notes_tail(lists, files->streams, files->params.options->tail, &ticks);
    for (size_t i = 0; i < files->streams && r == 0; i++)
        notes_drop_before(&files->stream[i]->notes, ticks);
    free(lists);
    return r;
}

static int start_streams(struct files *files)
{
    int r = merge_init(&files->merge, files->streams);

    if (r == 0 && files->params.options->tail)
        r = drop_old(files);
    holes_sort(&files->holes);
    for (size_t i = 0; i < files->streams && r == 0; i++) {
        struct file_stream *stream = files->stream[i];

        notes_sort(&stream->notes);
        if (files->looks)
            limit_stream(stream);
        if (!stream->notes.count) /* all taken back */
            continue;
        stream->hole = holes_of_ring(&files->holes, stream->stream.ring, &stream->holes_end);
        stream->stream.advance = file_stream_advance;
        stream->stream.ticks = stream->notes.note[0].piece.block.time_min;
        merge_add(&files->merge, &stream->stream);
    }
    if (r == 0 && files->looks)
        narrow_horizon(files);
    return r;
}

int source_files_open(const struct fileset *set, size_t first, size_t end,
                      const struct source_params *params, struct source **ret_source)
{
    struct files *files = calloc(1, sizeof(*files));
    int r = 0;

    if (!files)
        return -ENOMEM;
    files->source.next = files_next;
    files->source.close = files_close;
    files->params = *params;
    files->blocks = params->blocks;
    files->looks = params->looks;
    files->all = !params->options->tail && params->options->since_ns == INT64_MIN &&
                 params->options->until_ns == INT64_MAX && !params->options->min_level &&
                 !params->options->where;
    files->log.file = calloc(end - first, sizeof(*files->log.file));
    if (!files->log.file)
        r = -ENOMEM;
    else
        files->log.count = end - first;
    files->horizon.ticks = UINT64_MAX;
    for (size_t i = 0; i < files->log.count && r == 0; i++) {
        files->log.file[i].file = &set->file[first + i];
        if (files->looks && files->horizon.writer == FILESET_WRITER_NONE)
            r = horizon_look(&files->horizon, &set->file[first + i]);
    }
    for (size_t i = 0; i < files->log.count && r == 0; i++)
        r = note_file(files, &files->log.file[i]);
    if (r == 0)
        r = start_streams(files);
    if (r < 0) {
        files_close(&files->source);
        return r;
    }
    *ret_source = &files->source;
    return 0;
}

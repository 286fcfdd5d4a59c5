/* SPDX-License-Identifier: MIT
 *
 * A segment's records from its files.
 *
 * On opening, the list of pieces of each file is read and the blocks that can hold wanted records
 * are noted, by ring and sequence number. A stream walks its ring's notes and decodes one block at
 * a time. Files are opened when needed; only so many stay open.
 */
#include "reader/file_stream.h"
#include "reader/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct files {
    struct source source; /* first */
    struct file_streams shared;
    struct file_stream **stream;
    size_t streams;
    struct holes holes;
    struct merge merge;
    bool ended; /* all was passed on */
};

static struct file_stream *stream_of(struct files *files, uint32_t ring)
{
    struct file_stream *stream, **grown;

    for (size_t i = 0; i < files->streams; i++)
        if (files->stream[i]->stream.ring == ring)
            return files->stream[i];
    grown = reallocarray(files->stream, files->streams + 1, sizeof(struct file_stream *));
    if (!grown)
        return NULL;
    files->stream = grown;
    stream = file_stream_open(&files->shared, ring);
    if (stream)
        files->stream[files->streams++] = stream;
    return stream;
}

/* Can a block have wanted records? */
static bool wants_block(const struct files *files, struct log_file *file,
                        const struct file_piece *piece)
{
    const struct cursor_options *options = files->shared.options;

    return piece->kind == FILE_PIECE_BLOCK && piece->block.levels >> options->min_level &&
           piece->block.sites & file->sites &&
           log_file_ns(file, piece->block.time_max) >= options->since_ns &&
           log_file_ns(file, piece->block.time_min) <= options->until_ns;
}

static int note_block(struct files *files, struct log_file *file, const struct file_piece *piece)
{
    struct file_stream *stream;

    if (!files->shared.looks && !wants_block(files, file, piece))
        return 0;
    stream = stream_of(files, piece->block.ring);
    if (!stream)
        return -ENOMEM;
    if (files->shared.looks) {
        const uint64_t end = piece->block.first_seq + piece->block.records;

        if (reach_note(&stream->reach, piece->block.first_seq, end) < 0)
            return -ENOMEM;
        position_written(stream->stream.record.place, piece->block.first_pos + piece->block.slots,
                         piece->block.time_max);
        if (end <= stream->next_seq || !wants_block(files, file, piece))
            return 0;
    }
    return notes_add(&stream->notes, (uint32_t)(file - files->shared.log.file), piece);
}

/* Take the last block back if it was noted, and these ranges of it show that none of it can pass.
 */
static void judge_block(struct files *files, struct log_file *file, const struct file_piece *block,
                        const struct file_piece *ranges)
{
    const struct wanted wanted = file_streams_wanted(&files->shared, file);
    struct file_stream *stream;
    const struct note *note;

    if (!files->shared.options->where || !wants_block(files, file, block))
        return;
    stream = stream_of(files, block->block.ring);
    if (!stream || !stream->notes.count)
        return;
    note = &stream->notes.note[stream->notes.count - 1];
    if (note->file == file - files->shared.log.file && note->piece.offset == block->offset &&
        !wanted_by_ranges(&wanted, block, ranges))
        stream->notes.count--;
}

static void note_gap(struct files *files, struct log_file *file, struct tally *tally,
                     const struct file_gap *gap)
{
    const struct cursor_options *options = files->shared.options;

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
    if (piece->error == -FILE_ERR_CUT && fileset_writer(file->file, NULL) == FILESET_WRITER_ALIVE)
        return; /* being written this moment */
    file_streams_damaged(&files->shared, file, piece->offset, piece->error, piece->reason);
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
    const struct wanted wanted = file_streams_wanted(&files->shared, file);

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
    struct log_file *next =
        file + 1 < files->shared.log.file + files->shared.log.count ? file + 1 : NULL;

    if (next && log_files_use(&files->shared.log, next) == -ENOMEM)
        return -ENOMEM;
    return tally_init(ret_tally, file->reader, next ? next->reader : NULL);
}

/* Numbers that a ring will never have. */
static int reach_gap(struct files *files, const struct file_gap *gap)
{
    struct file_stream *stream;

    if (!files->shared.looks ||
        (gap->cause != SHMLOG_LOST_OVERWRITTEN && gap->cause != SHMLOG_LOST_DAMAGED))
        return 0;
    if (gap->ring >= SHMLOG_RINGS_MAX || gap->count > gap->seq) /* none has so many before it */
        return 0;
    stream = stream_of(files, gap->ring);
    return stream ? reach_note(&stream->reach, gap->seq - gap->count, gap->seq) : -ENOMEM;
}

/* Up to which offset damage and gaps may be told now: not behind a place that somebody may still
 * write to, and nothing twice. */
static uint64_t tell_until(const struct files *files, const struct log_file *file,
                           const struct file_piece *pieces, size_t count)
{
    if (files->shared.looks && file->file->part &&
        files->shared.horizon.writer != FILESET_WRITER_NONE)
        for (size_t i = 0; i < count; i++)
            if (pieces[i].kind == FILE_PIECE_DAMAGED)
                return pieces[i].offset;
    return UINT64_MAX;
}

static int note_pieces(struct files *files, struct log_file *file, struct tally *tally,
                       const struct file_piece *pieces, size_t count)
{
    struct looks_file *const seen =
        files->shared.looks ? looks_file(files->shared.looks, file->file->identity.file_uuid)
                            : NULL;
    const uint64_t until = tell_until(files, file, pieces, count);
    int r = files->shared.looks && !seen ? -ENOMEM : 0;

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
    int r = log_files_use(&files->shared.log, file);

    if (r == 0)
        r = list_pieces(files, file, &pieces, &count);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        file_streams_damaged(&files->shared, file, 0, r, NULL);
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
        file_streams_damaged(&files->shared, file,
                             count ? pieces[count - 1].offset + pieces[count - 1].size : 0,
                             -FILE_ERR_CUT, "no seal at its end");
    note_cpus(files, file);
    return 0;
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
                files->shared.log.file[stream->notes.note[j].file].left = true;
        }
    }
    for (size_t i = 0; i < files->shared.log.count && r == 0; i++)
        if (!files->shared.log.file[i].left &&
            (!files->shared.log.file[i].file->part ||
             files->shared.horizon.writer == FILESET_WRITER_NONE))
            r = looks_finish(files->shared.looks, files->shared.log.file[i].file);
    return r;
}

static int files_next(struct source *source, const struct cursor_record **ret_record)
{
    struct files *files = (struct files *)source;
    struct stream *stream;
    int r = merge_peek(&files->merge, &stream);

    if (r == 0 && files->shared.looks && !files->ended)
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

    for (size_t i = 0; i < files->streams; i++)
        file_stream_close(files->stream[i]);
    free(files->stream);
    holes_done(&files->holes);
    horizon_done(&files->shared.horizon);
    log_files_done(&files->shared.log);
    merge_done(&files->merge);
    free(files);
}

/* How far do the files have each ring? One that stops at a hole: to what was given of it. */
static void narrow_horizon(struct files *files)
{
    const struct log_file *const newest = &files->shared.log.file[files->shared.log.count - 1];
    const uint8_t *const segment = newest->file->identity.segment_uuid;

    for (uint32_t i = 0; i < files->shared.horizon.rings; i++) {
        const struct position_ring *const place =
            position_find(files->shared.looks->position, segment, i);
        uint64_t position = 0;

        log_file_first(newest, i, &position);
        if (place && place->hole_since_ns)
            horizon_narrow(&files->shared.horizon, i, 0, place->given);
        else if (place && place->position > position)
            horizon_narrow(&files->shared.horizon, i, place->position, place->ticks);
        else
            horizon_narrow(&files->shared.horizon, i, position, place ? place->ticks : 0);
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
        r = notes_tail(lists, files->streams, files->shared.options->tail, &ticks);
    for (size_t i = 0; i < files->streams && r == 0; i++)
        notes_drop_before(&files->stream[i]->notes, ticks);
    free(lists);
    return r;
}

static int start_streams(struct files *files)
{
    int r = merge_init(&files->merge, files->streams);

    if (r == 0 && files->shared.options->tail)
        r = drop_old(files);
    holes_sort(&files->holes);
    for (size_t i = 0; i < files->streams && r == 0; i++) {
        file_stream_start(files->stream[i], &files->holes);
        if (files->stream[i]->notes.count)
            merge_add(&files->merge, &files->stream[i]->stream);
    }
    if (r == 0 && files->shared.looks)
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
    files->shared.options = params->options;
    files->shared.segment = params->segment;
    files->shared.blocks = params->blocks;
    files->shared.looks = params->looks;
    files->shared.all = !params->options->tail && params->options->since_ns == INT64_MIN &&
                        params->options->until_ns == INT64_MAX && !params->options->min_level &&
                        !params->options->where;
    files->shared.log.file = calloc(end - first, sizeof(*files->shared.log.file));
    if (!files->shared.log.file)
        r = -ENOMEM;
    else
        files->shared.log.count = end - first;
    files->shared.horizon.ticks = UINT64_MAX;
    for (size_t i = 0; i < files->shared.log.count && r == 0; i++) {
        files->shared.log.file[i].file = &set->file[first + i];
        if (files->shared.looks && files->shared.horizon.writer == FILESET_WRITER_NONE)
            r = horizon_look(&files->shared.horizon, &set->file[first + i]);
    }
    for (size_t i = 0; i < files->shared.log.count && r == 0; i++)
        r = note_file(files, &files->shared.log.file[i]);
    if (r == 0)
        r = start_streams(files);
    if (r < 0) {
        files_close(&files->source);
        return r;
    }
    *ret_source = &files->source;
    return 0;
}

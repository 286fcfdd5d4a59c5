/* SPDX-License-Identifier: MIT
 *
 * A segment's records from its files.
 *
 * On opening, the list of pieces of each file is read and the blocks that can hold wanted records
 * are noted, by ring and sequence number. A stream walks its ring's notes and decodes one block at
 * a time. Files are opened when needed; only so many stay open.
 */
#include "shm/clock.h"
#include "reader/blocks.h"
#include "reader/holes.h"
#include "reader/source.h"
#include "reader/tally.h"
#include "reader/wanted.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_FILES 16 /* beside those that streams are in the middle of */
#define AHEAD 4u      /* records whose memory is fetched before they are needed */

struct log_file {
    const struct fileset_file *file;
    struct file_reader *reader; /* NULL: closed */
    bool index_lies;            /* it was seen when the blocks were noted */
    unsigned pins;              /* streams that stand in one of its blocks */
    struct shm_clock_line line; /* that the last moment lay on */
    uint64_t sites;             /* bits of those whose records may be wanted */
    uint64_t used;              /* when it was last asked for */
};

/* A block that may hold wanted records. */
struct note {
    uint32_t file;
    uint32_t order; /* of noting: keeps the sort stable */
    struct file_piece piece;
};

struct files;

struct file_stream {
    struct stream stream; /* first */
    struct files *files;
    struct note *note;
    size_t notes, room;
    size_t next; /* note to decode next */
    struct file_block block;
    size_t at; /* record of the block to look at next */
    struct log_file *pinned;
    bool resolved;     /* the record's site and producer are what the pinned file says */
    uint64_t next_seq; /* records before it were passed on */
    const struct hole *hole, *holes_end; /* those still to come */
    bool lost;                           /* a block before the next record could not be read */
};

struct files {
    struct source source; /* first */
    struct source_params params;
    struct log_file *file;
    size_t count, open;
    uint64_t clock; /* counts uses */
    struct file_stream **stream;
    size_t streams;
    struct holes holes;
    bool all; /* records of all times and levels are wanted: numbers that are not there are lost */
    struct merge merge;
    struct blocks *blocks; /* the cursor's */
};

static void damaged(const struct files *files, const struct log_file *file, uint64_t offset,
                    int error, const char *reason)
{
    const struct cursor_options *options = files->params.options;

    if (options->on_damage)
        options->on_damage(options->arg, file->file->path, offset, error, reason);
}

static void close_file(struct files *files, struct log_file *file)
{
    file_reader_close(file->reader);
    file->reader = NULL;
    file->line =
        (struct shm_clock_line){0}; /* it may have grown more pairs when it is read again */
    files->open--;
}

static void close_least_used(struct files *files)
{
    struct log_file *oldest = NULL;

    for (size_t i = 0; i < files->count; i++) {
        struct log_file *file = &files->file[i];

        if (file->reader && !file->pins && (!oldest || file->used < oldest->used))
            oldest = file;
    }
    if (oldest)
        close_file(files, oldest);
}

/* Open the file if it is not; its dictionary is complete then. */
static int use_file(struct files *files, struct log_file *file)
{
    const struct file_piece *pieces;
    size_t count;
    int r;

    file->used = ++files->clock;
    if (file->reader)
        return 0;
    if (files->open >= OPEN_FILES)
        close_least_used(files);
    r = fileset_reader_open(file->file, &file->reader);
    if (r < 0)
        return r;
    files->open++;
    if (file->index_lies)
        file_reader_ignore_index(file->reader);
    r = file_reader_list(file->reader, &pieces, &count);
    if (r < 0)
        close_file(files, file);
    return r;
}

/* For a moment that is not on the file's line: it becomes the one that this is on. */
static __attribute__((noinline)) int64_t to_ns_anew(struct log_file *file, uint64_t ticks)
{
    const struct shmlog_clock_pair *pairs;
    size_t count;
    int64_t ns;

    pairs = file_reader_clock(file->reader, &count);
    if (shm_clock_line(pairs, count, file->file->identity.clock_hz, ticks, &file->line) &&
        shm_clock_on_line(&file->line, ticks, &ns))
        return ns;
    return shm_clock_to_ns(pairs, count, file->file->identity.clock_hz, ticks, NULL);
}

static inline int64_t to_ns(struct log_file *file, uint64_t ticks)
{
    int64_t ns;

    return shm_clock_on_line(&file->line, ticks, &ns) ? ns : to_ns_anew(file, ticks);
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
        .host = files->file[0].file->identity.host,
        .segment_name = files->file[0].file->identity.segment,
    };
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
           to_ns(file, piece->block.time_max) >= options->since_ns &&
           to_ns(file, piece->block.time_min) <= options->until_ns;
}

static int note_block(struct files *files, struct log_file *file, const struct file_piece *piece)
{
    struct file_stream *stream;
    struct note *note;

    if (!wants_block(files, file, piece))
        return 0;
    stream = stream_of(files, piece->block.ring);
    if (!stream)
        return -ENOMEM;
    if (stream->notes == stream->room) {
        size_t room = stream->room ? 2 * stream->room : 16;
        struct note *grown = reallocarray(stream->note, room, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        stream->note = grown;
        stream->room = room;
    }
    note = &stream->note[stream->notes];
    note->file = (uint32_t)(file - files->file);
    note->order = (uint32_t)stream->notes++;
    note->piece = *piece;
    return 0;
}

/* Take the last block back if it was noted, and these ranges of it show that none of it can pass.
 */
static void judge_block(struct files *files, struct log_file *file, const struct file_piece *block,
                        const struct file_piece *ranges)
{
    const struct wanted wanted = wanted_of(files, file);
    struct file_stream *stream;

    if (!files->params.options->where || !wants_block(files, file, block))
        return;
    stream = stream_of(files, block->block.ring);
    if (stream && stream->notes && !wanted_by_ranges(&wanted, block, ranges))
        stream->notes--;
}

static void note_gap(struct files *files, struct log_file *file, struct tally *tally,
                     const struct file_gap *gap)
{
    const struct cursor_options *options = files->params.options;

    if (!options->on_gap || !tally_counts(tally, gap))
        return;
    if (gap->time_after && to_ns(file, gap->time_after) < options->since_ns)
        return;
    if (gap->time_before && to_ns(file, gap->time_before) > options->until_ns)
        return;
    options->on_gap(options->arg, gap);
}

static void note_damage(struct files *files, const struct log_file *file,
                        const struct file_piece *piece)
{
    if (piece->error == -FILE_ERR_CUT && fileset_growing(file->file))
        return; /* being written this moment */
    damaged(files, file, piece->offset, piece->error, piece->reason);
}

static void note_cpus(struct files *files, const struct log_file *file)
{
    size_t rings;
    const struct file_ledger_entry *entry = file_reader_start(file->reader, &rings);

    if (!entry) /* the header is damaged: the seal says it, too */
        entry = file_reader_end(file->reader, &rings);
    for (size_t i = 0; i < rings; i++) {
        if (entry[i].kind != SHMLOG_RING_CPU)
            continue;
        for (size_t j = 0; j < files->streams; j++)
            if (files->stream[j]->stream.ring == entry[i].ring)
                files->stream[j]->stream.record.cpu = entry[i].cpu;
    }
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
    struct log_file *next = file + 1 < files->file + files->count ? file + 1 : NULL;

    if (next && use_file(files, next) == -ENOMEM)
        return -ENOMEM;
    return tally_init(ret_tally, file->reader, next ? next->reader : NULL);
}

static int note_pieces(struct files *files, struct log_file *file, struct tally *tally,
                       const struct file_piece *pieces, size_t count)
{
    int r = 0;

    for (size_t i = 0; i < count && r == 0; i++) {
        if (pieces[i].kind == FILE_PIECE_BLOCK)
            r = note_block(files, file, &pieces[i]);
        else if (pieces[i].kind == FILE_PIECE_GAP)
            r = holes_note(&files->holes, pieces[i].gap.ring, pieces[i].gap.seq);
        else if (pieces[i].kind == FILE_PIECE_RANGES && i)
            judge_block(files, file, &pieces[i - 1], &pieces[i]);
        else if (pieces[i].kind == FILE_PIECE_DAMAGED)
            note_damage(files, file, &pieces[i]);
        if (pieces[i].kind == FILE_PIECE_GAP)
            note_gap(files, file, tally, &pieces[i].gap);
    }
    return r;
}

static int note_file(struct files *files, struct log_file *file)
{
    const struct file_piece *pieces;
    struct tally tally = {0};
    size_t count;
    int r = use_file(files, file);

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

static int compare_notes(const void *a, const void *b)
{
    const struct note *one = a, *two = b;

    if (one->piece.block.first_seq != two->piece.block.first_seq)
        return one->piece.block.first_seq < two->piece.block.first_seq ? -1 : 1;
    return one->order < two->order ? -1 : 1;
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
        if (is_after_loss(stream, from->seq))
            record->lost_ticks = from->time;
        stream->next_seq = from->seq + 1;
        resolve(stream, from);
        record->time_ns = to_ns(stream->pinned, from->time);
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

/* Decode the next block of the ring, or a part of it. A block that is not sound is reported and
 * left empty. */
static int decode_next(struct file_stream *stream)
{
    struct files *files = stream->files;
    struct note *note = &stream->note[stream->next];
    struct log_file *file = &files->file[note->file];
    int r = use_file(files, file);

    if (r == 0) {
        const struct block_place place = {file->file, file->reader, &note->piece};

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
        while (stream->next < stream->notes) { /* blocks that are there twice */
            const struct file_block_info *info = &stream->note[stream->next].piece.block;

            if (info->first_seq >= stream->next_seq ||
                stream->next_seq - info->first_seq < info->records)
                break;
            stream->next++;
        }
        if (stream->next == stream->notes) {
            blocks_drop(stream->files->blocks, &stream->block);
            return 0;
        }
        if (!decode) { /* decode it when its time has come */
            base->ticks = stream->note[stream->next].piece.block.time_min;
            return 1;
        }
        r = decode_next(stream);
        if (r < 0)
            return r;
    }
}

static int files_next(struct source *source, const struct cursor_record **ret_record)
{
    struct files *files = (struct files *)source;
    struct stream *stream;
    int r = merge_peek(&files->merge, &stream);

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
        free(files->stream[i]->note);
        free(files->stream[i]);
    }
    free(files->stream);
    holes_done(&files->holes);
    for (size_t i = 0; i < files->count; i++)
        file_reader_close(files->file[i].reader);
    free(files->file);
    merge_done(&files->merge);
    free(files);
}

static int start_streams(struct files *files)
{
    int r = merge_init(&files->merge, files->streams);

    holes_sort(&files->holes);
    for (size_t i = 0; i < files->streams && r == 0; i++) {
        struct file_stream *stream = files->stream[i];

        if (!stream->notes) /* all taken back */
            continue;
        qsort(stream->note, stream->notes, sizeof(*stream->note), compare_notes);
        stream->hole = holes_of_ring(&files->holes, stream->stream.ring, &stream->holes_end);
        stream->stream.advance = file_stream_advance;
        stream->stream.ticks = stream->note[0].piece.block.time_min;
        merge_add(&files->merge, &stream->stream);
    }
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
    files->all = params->options->since_ns == INT64_MIN && params->options->until_ns == INT64_MAX &&
                 !params->options->min_level && !params->options->where;
    files->file = calloc(end - first, sizeof(*files->file));
    if (!files->file)
        r = -ENOMEM;
    else
        files->count = end - first;
    for (size_t i = 0; i < files->count; i++)
        files->file[i].file = &set->file[first + i];
    for (size_t i = 0; i < files->count && r == 0; i++)
        r = note_file(files, &files->file[i]);
    if (r == 0)
        r = start_streams(files);
    if (r < 0) {
        files_close(&files->source);
        return r;
    }
    *ret_source = &files->source;
    return 0;
}

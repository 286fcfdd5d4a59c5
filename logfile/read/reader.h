/* SPDX-License-Identifier: MIT
 *
 * Reading log files: open, step through the pieces, decode blocks. Everything in a file is hostile
 * input: bounded memory, no crash, no wrong record. A damaged piece is reported with offset and
 * reason and costs that piece alone; a file cut anywhere reads up to the cut.
 */
#ifndef LOGFILE_READ_READER_H
#define LOGFILE_READ_READER_H

#include "logfile/writer.h"

#include <sys/types.h>

struct file_reader;

/* Errors beside errno's, returned negative. */
#define FILE_ERR_FOREIGN 4101  /* not a shmlog file */
#define FILE_ERR_FEATURES 4102 /* uses features of the format that are not known here */
#define FILE_ERR_CUT 4103      /* ends in the middle of a piece */
#define FILE_ERR_DAMAGED 4104  /* a checksum does not fit, or sizes do not add up */
/* Another version of the format: FILE_ERR_VERSION + that version, the last one for all from there
 * on. */
#define FILE_ERR_VERSION 4110
#define FILE_ERR_VERSION_LAST 4199
/* The text is good until the thread's next call. */
const char *file_strerror(int error);

/* Of a sealed file, the dictionary that the seal repeats is in the reader's tables from now on. */
int file_reader_open(const char *path, struct file_reader **ret_reader);
void file_reader_close(struct file_reader *reader);
const struct file_identity *file_reader_identity(const struct file_reader *reader);
/* NULL: it does not say. */
const struct file_origin *file_reader_origin(const struct file_reader *reader);
/* Ledger at the start of the file, and at its end if it is sealed (NULL otherwise). */
const struct file_ledger_entry *file_reader_start(const struct file_reader *reader,
                                                  size_t *ret_rings);
const struct file_ledger_entry *file_reader_end(const struct file_reader *reader,
                                                size_t *ret_rings);
bool file_reader_sealed_bad(const struct file_reader *reader);
/* Does a sound trailer stand at the end, as of opening? A file that was sealed has one, unless it
 * was cut or damaged there. */
bool file_reader_whole(const struct file_reader *reader);
/* In bytes, as of opening or of the last look at its end. */
uint64_t file_reader_size(const struct file_reader *reader);
/* Did making the list, or file_reader_check_block(), show that the index, though sound, is not that
 * of the file's pieces? A list made after that says so as well, by a damaged piece at its end. */
bool file_reader_index_lies(const struct file_reader *reader);
/* Make the list without the index from now on, which lies. */
void file_reader_ignore_index(struct file_reader *reader);

enum file_piece_kind {
    FILE_PIECE_END, /* end of the file (a sealed file's seal was read, or it just ends) */
    FILE_PIECE_BLOCK,
    FILE_PIECE_GAP,
    FILE_PIECE_DAMAGED, /* error, offset, size say what and where; go on with the next */
    FILE_PIECE_RANGES,  /* of the block before it; see file_reader_ranges() */
    FILE_PIECE_OTHER,   /* dictionary and the like, taken in by the reader */
};

struct file_block_info {
    uint32_t ring;
    uint64_t first_seq, first_pos;
    uint32_t records, slots;
    uint64_t time_min, time_max;
    uint32_t levels; /* bit per level present */
    uint64_t sites;  /* bloom word: bit (site id % 64) */
    uint32_t stored_size, raw_size;
    unsigned codec;
};

struct file_piece {
    enum file_piece_kind kind;
    uint64_t offset;
    uint64_t size;
    int error; /* DAMAGED: -FILE_ERR_* */
    const char *reason;
    struct file_block_info block; /* BLOCK */
    struct file_gap gap;          /* GAP */
};

/* Step to the next piece in file order; where data of a block is missing, that may begin before the
 * block should end. The dictionary entries passed on the way are in the
 * reader's tables. Negative only for errors of the system. END is not final for a file that is
 * being written: call again later for what came after, a piece that was cut off then included. */
int file_reader_next(struct file_reader *reader, struct file_piece *ret_piece);
/* Back to the first piece after the header; the tables are kept. */
void file_reader_rewind(struct file_reader *reader);
/* Read all pieces once (headers only, no decoding) into a list, through the index if the file has a
 * sound one, which shows damage in a block only when that is decoded. The list stays with the
 * reader and is good until the next call. The dictionary is read too. */
int file_reader_list(struct file_reader *reader, const struct file_piece **ret_pieces,
                     size_t *ret_count);

struct file_ranges;
/* What a RANGES piece says; to be freed by file_ranges_done(). -EBADMSG, -ENOMEM, errors of the
 * system: the block has to be decoded. */
int file_reader_ranges(struct file_reader *reader, const struct file_piece *piece,
                       struct file_ranges *ret_ranges);

/* Compare a block of the list with its frame, which a list from the index does not do: whoever
 * wants the block does, before it uses anything of the list. 0: they are the same, or the frame is
 * not sound, which decoding shows; 1: the index lies, and the list is to be made again; negative
 * only for errors of the system. */
int file_reader_check_block(struct file_reader *reader, const struct file_piece *piece);

struct file_record {
    uint64_t seq;
    uint64_t time;
    uint32_t site;
    uint32_t producer;
    const uint8_t *payload; /* from payload offset 0, the time; valid until the block is decoded
                               over or freed */
    uint32_t payload_size;
    uint32_t slots; /* that it took in its ring */
};
struct file_block {
    struct file_block_info info;
    struct file_record *record;
    size_t records;
    void *memory;
    size_t memory_size; /* the decoder's */
    size_t record_room;
};
/* Decode a block piece. `ret_block` is reused: zero it at first, file_block_done() at last.
 * -FILE_ERR_DAMAGED with nothing decoded; -FILE_ERR_CUT likewise, if the file has become shorter or
 * the block's data ends in space that nothing was written to. */
int file_reader_decode(struct file_reader *reader, const struct file_piece *piece,
                       struct file_block *ret_block);
struct file_choice;
/* The same with the records that are chosen alone, see logfile/block/choice.h; NULL: all. */
int file_reader_decode_chosen(struct file_reader *reader, const struct file_piece *piece,
                              const struct file_choice *choice, struct file_block *ret_block);
void file_block_done(struct file_block *block);

const struct file_sites *file_reader_sites(const struct file_reader *reader);
/* Producer `id` as the file's dictionary has it, NULL unknown. */
const struct shmlog_producer *file_reader_producer(const struct file_reader *reader, uint32_t id);
/* Clock pairs of the file, sorted by ticks. */
const struct shmlog_clock_pair *file_reader_clock(const struct file_reader *reader,
                                                  size_t *ret_count);

#endif

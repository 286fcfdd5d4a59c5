/* SPDX-License-Identifier: MIT
 *
 * Inputs for the block fuzzer from log files: block_seeds DIRECTORY FILE... writes the content of
 * each block that is small enough to DIRECTORY, as fuzz_block.c takes it.
 */
#include "collector/file/reader_state.h"
#include "tests/fuzz/fuzz.h"

#include <limits.h>

static void write_seed(const char *directory, const struct file_block_info *info,
                       const struct file_buffer *content)
{
    const uint8_t head[] = {(uint8_t)(info->records - 1), (uint8_t)(info->slots - info->records),
                            (uint8_t)info->first_seq, (uint8_t)(info->first_seq >> 8)};
    char path[PATH_MAX];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%016llx", directory,
             (unsigned long long)XXH64(content->data, content->size, 0));
    f = fopen(path, "we");
    FUZZ_CHECK(f);
    FUZZ_CHECK(fwrite(head, sizeof(head), 1, f) == 1);
    FUZZ_CHECK(fwrite(content->data, content->size, 1, f) == 1);
    FUZZ_CHECK(fclose(f) == 0);
}

static void take_block(const char *directory, struct file_reader *reader,
                       const struct file_piece *piece)
{
    struct file_block block = {0};

    if (piece->block.records <= 128 && piece->block.slots - piece->block.records <= 255 &&
        file_reader_decode(reader, piece, &block) == 0)
        write_seed(directory, &piece->block, &reader->content);
    file_block_done(&block);
}

int main(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        struct file_reader *reader;
        struct file_piece piece = {.kind = FILE_PIECE_OTHER};

        if (file_reader_open(argv[i], &reader) < 0)
            continue;
        while (file_reader_next(reader, &piece) == 0 && piece.kind != FILE_PIECE_END)
            if (piece.kind == FILE_PIECE_BLOCK)
                take_block(argv[1], reader, &piece);
        file_reader_close(reader);
    }
    return 0;
}

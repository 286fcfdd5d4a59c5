/* SPDX-License-Identifier: MIT
 *
 * How fast files are read: into records, into lines of text, and merged from many rings.
 *
 *     bench_read DIRECTORY SHMLOG_DUMP RECORDS
 *
 * Makes files of RECORDS orders in DIRECTORY (removed again): once all in one ring, once dealt out
 * to 64 rings in turn, so that merging them takes a record of each ring after the other, and once
 * the same 64 rings each in a directory of its own. Prints CPU time, the system's share included:
 * decoding alone, the cursor over the one and over the many, and whole runs of SHMLOG_DUMP with
 * text, JSON and CSV to /dev/null.
 */
#include "bench/blocks.h"
#include "logfile/read/reader.h"
#include "reader/cursor.h"

#include <ftw.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define RINGS 64u
#define PATH_SIZE (PATH_MAX + 64)
#define TICK_NS 2 /* the made-up clock has 500 MHz */
#define CLOCK_PAIRS 1000u

/* ---- Making the files ---- */

struct output {
    struct file_encoder *encoder;
    struct file_index *index;
    struct file_identity identity;
    struct file_ledger_entry ledger[RINGS + 1];
    struct file_buffer piece;
    uint64_t offset;
    size_t rings;
    FILE *f;
};

static void must(int r, const char *what)
{
    if (r < 0)
        bench_die("%s: error %d", what, -r);
}

static void put(struct output *o, bool indexed)
{
    if (indexed)
        must(file_index_add(o->index, o->offset, o->piece.data, o->piece.size), "index");
    if (fwrite(o->piece.data, 1, o->piece.size, o->f) != o->piece.size)
        bench_die("cannot write");
    o->offset += o->piece.size;
    o->piece.size = 0;
}

static void begin(struct output *o, const char *directory, size_t rings, uint8_t mark)
{
    char path[PATH_SIZE];

    memset(o, 0, sizeof(*o));
    o->rings = rings;
    o->identity = (struct file_identity){
        .file_uuid = {mark, 1},
        .segment_uuid = {mark, 2},
        .file_number = 1,
        .created_ns = 1700000000000000000,
        .clock_hz = 1000000000 / TICK_NS,
        .clock = SHMLOG_CLOCK_TSC,
        .ring_slots = 16384,
        .host = "bench",
        .segment = "bench",
        .segment_path = "/nowhere/bench",
    };
    for (size_t i = 0; i < rings; i++)
        o->ledger[i] = (struct file_ledger_entry){.ring = (uint32_t)i,
                                                  .cpu = (uint32_t)i,
                                                  .kind = SHMLOG_RING_CPU,
                                                  .next_seq = 1};
    o->ledger[rings] = (struct file_ledger_entry){.ring = UINT32_MAX, .next_seq = 1};
    must(mkdir(directory, 0700), directory);
    snprintf(path, sizeof(path), "%s/bench-20231114T221320-000001.shmlog", directory);
    o->f = fopen(path, "we");
    if (!o->f)
        bench_die("%s: cannot make it", path);
    must(file_encoder_open(&o->encoder, 1), "encoder");
    must(file_index_open(&o->index), "index");
    must(file_put_header(o->encoder, &o->identity, o->ledger, rings + 1, &o->piece), "header");
    put(o, false);
    for (uint64_t half = 0; half < CLOCK_PAIRS;
         half++) { /* as the collector does, twice a second */
        const struct shmlog_clock_pair pair = {
            .ticks = half * o->identity.clock_hz / 2,
            .realtime_ns = 1700000000000000000 + half * 500000000,
            .error_ns = 20,
        };

        must(file_put_clock(o->encoder, o->identity.file_uuid, &pair, &o->piece), "clock");
        put(o, true);
    }
}

static void put_dictionary(struct output *o, const struct file_sites *sites)
{
    const struct shmlog_producer producer = {.id = 65537, .pid = 77, .tid = 77, .process = "oms"};

    for (uint32_t id = 1; id <= SHMLOG_SITE_ID_MASK; id++) {
        const struct file_site *site = file_sites_get(sites, id);

        if (!site)
            continue;
        must(file_put_site(o->encoder, o->identity.file_uuid, id, site->bytes, site->size,
                           &o->piece),
             "site");
        put(o, true);
    }
    must(file_put_producer(o->encoder, o->identity.file_uuid, &producer, &o->piece), "producer");
    put(o, true);
}

/* The block as if it were the ring's next: its records are numbered anew. */
static void put_block(struct output *o, struct file_block_params params, uint32_t ring)
{
    static struct shmlog_slot slots[BENCH_BLOCK_RECORDS];
    struct file_ledger_entry *line = &o->ledger[ring];

    for (size_t i = 0; i < params.slot_count; i++) {
        slots[i] = params.slots[i];
        slots[i].seq = (uint32_t)(line->next_seq + i);
    }
    params.slots = slots;
    memcpy(params.file_uuid, o->identity.file_uuid, 16);
    params.ring = ring;
    params.first_seq = params.first_pos = line->next_seq;
    line->next_seq += params.records;
    line->next_pos = line->next_seq;
    line->produced += params.records;
    line->written += params.records;
    must(file_put_block(o->encoder, &params, &o->piece, NULL), "block");
    put(o, true);
}

static void end(struct output *o)
{
    must(file_put_seal(o->encoder, &o->identity, o->ledger, o->rings + 1, o->index, o->offset,
                       false, 1700000001000000000, &o->piece),
         "seal");
    put(o, false);
    if (fclose(o->f) != 0)
        bench_die("cannot write");
    file_buffer_done(&o->piece);
    file_index_close(o->index);
    file_encoder_close(o->encoder);
}

/* Records of one ring: at once, one after the other. */
static void make_one(const char *directory, const char *segments, uint64_t records)
{
    struct bench_blocks blocks;
    struct output o;

    bench_blocks_open(&blocks, segments);
    begin(&o, directory, 1, 1);
    while (blocks.made < records) {
        struct file_block_params params;

        bench_blocks_next(&blocks, 0, &params);
        if (blocks.made == BENCH_BLOCK_RECORDS)
            put_dictionary(&o, &blocks.sites);
        put_block(&o, params, 0);
    }
    end(&o);
    bench_blocks_close(&blocks);
}

/* Rings whose times interleave, in one file and, the same blocks, in a file for each. */
static void make_many(const char *together, const char *apart, const char *segments,
                      uint64_t records)
{
    struct bench_blocks blocks;
    static struct output all, each[RINGS];
    const uint64_t rounds = records / RINGS / BENCH_BLOCK_RECORDS;

    bench_blocks_open(&blocks, segments);
    begin(&all, together, RINGS, 2);
    for (uint64_t round = 0; round < rounds; round++)
        for (uint32_t ring = 0; ring < RINGS; ring++) {
            struct file_block_params params;
            char path[PATH_SIZE];

            if (!round) {
                snprintf(path, sizeof(path), "%s/%u", apart, ring);
                begin(&each[ring], path, 1, (uint8_t)(100 + ring));
            }
            blocks.time = 1000000000 + ring * 44 + round * BENCH_BLOCK_RECORDS * RINGS * 50;
            bench_blocks_next(&blocks, (RINGS - 1) * 44, &params);
            if (!round && !ring)
                put_dictionary(&all, &blocks.sites);
            if (!round)
                put_dictionary(&each[ring], &blocks.sites);
            put_block(&all, params, ring);
            put_block(&each[ring], params, 0);
        }
    end(&all);
    for (uint32_t ring = 0; ring < RINGS; ring++)
        end(&each[ring]);
    bench_blocks_close(&blocks);
}

/* ---- Reading them ---- */

static double cpu_seconds(int who)
{
    struct rusage usage;

    getrusage(who, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double decode(const char *directory, uint64_t records)
{
    const double start = cpu_seconds(RUSAGE_SELF);
    const struct file_piece *pieces;
    struct file_block block = {0};
    struct file_reader *reader;
    char path[PATH_SIZE];
    uint64_t found = 0;
    size_t count;

    snprintf(path, sizeof(path), "%s/bench-20231114T221320-000001.shmlog", directory);
    must(file_reader_open(path, &reader), path);
    must(file_reader_list(reader, &pieces, &count), path);
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].kind != FILE_PIECE_BLOCK)
            continue;
        must(file_reader_decode(reader, &pieces[i], &block), path);
        found += block.records;
    }
    if (found != records)
        bench_die("%lu records of %lu", found, records);
    file_block_done(&block);
    file_reader_close(reader);
    return cpu_seconds(RUSAGE_SELF) - start;
}

static double walk(const char *directory, uint64_t records)
{
    const double start = cpu_seconds(RUSAGE_SELF);
    const struct cursor_options options = {.since_ns = INT64_MIN, .until_ns = INT64_MAX};
    const char *const paths[] = {directory};
    struct cursor_record record;
    struct cursor *cursor;
    char why[512] = "";
    uint64_t found = 0, last = 0;

    if (cursor_open(paths, 1, &options, &cursor, why, sizeof(why)) < 0)
        bench_die("%s", why);
    while (cursor_next(cursor, &record) > 0) {
        if (record.ticks < last)
            bench_die("out of order");
        last = record.ticks;
        found++;
    }
    cursor_close(cursor);
    if (found != records)
        bench_die("%lu records of %lu", found, records);
    return cpu_seconds(RUSAGE_SELF) - start;
}

static double dump(const char *program, const char *directory, const char *format)
{
    const double start = cpu_seconds(RUSAGE_CHILDREN);
    pid_t child;
    int status;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stdout))
            _exit(126);
        execl(program, program, directory, "--format", format, (char *)NULL);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        bench_die("%s does not do it", program);
    return cpu_seconds(RUSAGE_CHILDREN) - start;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

int main(int argc, char **argv)
{
    char work[PATH_MAX - 64], one[PATH_MAX], together[PATH_MAX], apart[PATH_MAX];
    static const char *const formats[] = {"text", "json", "csv"};
    double one_by_one = 0, merged;
    uint64_t records;

    if (argc != 4) {
        fprintf(stderr, "usage: bench_read DIRECTORY SHMLOG_DUMP RECORDS\n");
        return 2;
    }
    records = bench_number("RECORDS", argv[3], RINGS * BENCH_BLOCK_RECORDS, UINT64_C(1) << 32);
    records -= records % (RINGS * BENCH_BLOCK_RECORDS);
    snprintf(work, sizeof(work), "%s/read-XXXXXX", argv[1]);
    if (!mkdtemp(work))
        bench_die("%s: cannot make it", work);
    snprintf(one, sizeof(one), "%s/one", work);
    snprintf(together, sizeof(together), "%s/together", work);
    snprintf(apart, sizeof(apart), "%s/apart", work);
    must(mkdir(apart, 0700), apart);
    make_one(one, argv[1], records);
    make_many(together, apart, argv[1], records);

    printf("{\"bench\": \"read\", \"records\": %lu", records);
    printf(", \"decode_mrec_s\": %.3f", (double)records / 1e6 / decode(one, records));
    printf(", \"cursor_mrec_s\": %.3f", (double)records / 1e6 / walk(one, records));
    for (uint32_t ring = 0; ring < RINGS; ring++) {
        char path[PATH_SIZE];

        snprintf(path, sizeof(path), "%s/%u", apart, ring);
        one_by_one += walk(path, records / RINGS);
    }
    merged = walk(together, records);
    printf(", \"merge_ratio\": %.3f", merged / one_by_one);
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        printf(", \"%s_mlines_s\": %.3f", formats[i],
               (double)records / 1e6 / dump(argv[2], one, formats[i]));
    printf("}\n");
    nftw(work, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * Files that were written once and must be read the same forever: tests/golden/NAME.shmlog, and
 * what is in it as NAME.txt. The files of one version of the format are never changed; a new
 * version adds new ones.
 *
 * SHMLOG_GOLDEN_MAKE=DIR writes a set made by this build there instead of testing.
 */
#include "tests/unit/file_kit.h"

#include <inttypes.h>
#include <sys/stat.h>
#include <zstd.h>

/* ---- What is in a file, as text ---- */

static void print_bytes(FILE *to, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        fprintf(to, "%02x", bytes[i]);
}

static void print_value(FILE *to, const struct file_value *value)
{
    uint64_t bits = value->u;

    fprintf(to, " %u:", value->type);
    if (value->is_null) {
        fprintf(to, "null");
    } else if (value->data) {
        fprintf(to, "%u%s:", value->size, value->cut ? "+" : "");
        print_bytes(to, value->data, value->size);
    } else {
        fprintf(to, "%016" PRIx64, bits);
    }
}

static void print_record(FILE *to, const struct file_reader *reader,
                         const struct file_record *record)
{
    const struct file_site *site = file_sites_get(file_reader_sites(reader), record->site);
    struct file_value values[FILE_SITE_ARGS_MAX];

    fprintf(to, "  %" PRIu64 " time %" PRIu64 " site %u producer %u slots %u", record->seq,
            record->time, record->site, record->producer, record->slots);
    if (site && file_site_values(site, record->payload, record->payload_size, values) == 0) {
        for (unsigned i = 0; i < site->args; i++)
            print_value(to, &values[i]);
    } else {
        fprintf(to, " opaque:");
        print_bytes(to, record->payload, record->payload_size);
    }
    fprintf(to, "\n");
}

static void print_block(FILE *to, struct file_reader *reader, const struct file_piece *piece)
{
    const struct file_block_info *info = &piece->block;
    struct file_block block = {0};
    int r = file_reader_decode(reader, piece, &block);

    fprintf(to,
            "block %" PRIu64 "+%" PRIu64 " ring %u seq %" PRIu64 " pos %" PRIu64
            " records %u slots %u time %" PRIu64 "..%" PRIu64 " levels %02x sites %" PRIx64 " %s\n",
            piece->offset, piece->size, info->ring, info->first_seq, info->first_pos, info->records,
            info->slots, info->time_min, info->time_max, info->levels, info->sites,
            r < 0 ? file_strerror(r) : "sound");
    for (size_t i = 0; i < block.records; i++)
        print_record(to, reader, &block.record[i]);
    file_block_done(&block);
}

static void print_ledger(FILE *to, const char *name, const struct file_ledger_entry *ledger,
                         size_t rings)
{
    fprintf(to, "%s%s\n", name, ledger ? "" : " none");
    for (size_t i = 0; i < rings; i++)
        fprintf(to,
                "  ring %u cpu %u next %" PRIu64 " at %" PRIu64 " produced %" PRIu64
                " written %" PRIu64 " lost %" PRIu64 "\n",
                ledger[i].ring, ledger[i].cpu, ledger[i].next_seq, ledger[i].next_pos,
                ledger[i].produced, ledger[i].written, ledger[i].lost[SHMLOG_LOST_FULL]);
}

static void print_tables(FILE *to, const struct file_reader *reader)
{
    const struct file_sites *sites = file_reader_sites(reader);
    const struct shmlog_clock_pair *clock;
    const struct shmlog_producer *producer;
    size_t count;

    for (uint32_t id = 0; (id = file_sites_next(sites, id)) != 0;) {
        const struct file_site *site = file_sites_get(sites, id);

        fprintf(to, "site %u level %u %s:%u %s [%s] \"%s\"\n", id, site->level, site->file,
                site->line, site->function, site->category, site->format);
    }
    clock = file_reader_clock(reader, &count);
    for (size_t i = 0; i < count; i++)
        fprintf(to, "clock %" PRIu64 " is %" PRIu64 " +-%" PRIu64 "\n", clock[i].ticks,
                clock[i].realtime_ns, clock[i].error_ns);
    producer = file_reader_producer(reader, 65537);
    if (producer)
        fprintf(to, "producer %u pid %u %s\n", producer->id, producer->pid, producer->process);
}

static void print_file(FILE *to, const char *path)
{
    const struct file_identity *identity;
    const struct file_ledger_entry *ledger;
    struct file_reader *reader;
    struct file_piece piece;
    size_t rings;
    int r = file_reader_open(path, &reader);

    if (r < 0) {
        fprintf(to, "%s\n", file_strerror(r));
        return;
    }
    identity = file_reader_identity(reader);
    fprintf(to, "file %" PRIu64 " of %s on %s, %s, %" PRIu64 " Hz\n", identity->file_number,
            identity->segment, identity->host, identity->segment_path, identity->clock_hz);
    ledger = file_reader_start(reader, &rings);
    print_ledger(to, "start", ledger, rings);
    for (;;) {
        cr_assert_eq(file_reader_next(reader, &piece), 0);
        if (piece.kind == FILE_PIECE_END)
            break;
        if (piece.kind == FILE_PIECE_BLOCK)
            print_block(to, reader, &piece);
        if (piece.kind == FILE_PIECE_GAP)
            fprintf(to, "gap ring %u cause %u count %" PRIu64 " before %" PRIu64 "\n",
                    piece.gap.ring, piece.gap.cause, piece.gap.count, piece.gap.seq);
        if (piece.kind == FILE_PIECE_DAMAGED)
            fprintf(to, "damage %" PRIu64 "+%" PRIu64 " %s: %s\n", piece.offset, piece.size,
                    file_strerror(piece.error), piece.reason);
    }
    print_tables(to, reader);
    ledger = file_reader_end(reader, &rings);
    print_ledger(to, "end", ledger, rings);
    file_reader_close(reader);
}

/* ---- Making them ---- */

static const struct file_identity identity = {
    .file_uuid = {0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0x46, 0xf7, 0x88, 0xf9, 0xfa, 0xfb, 0xfc,
                  0xfd, 0xfe, 0xff},
    .segment_uuid = {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0x46, 0xa7, 0x88, 0xa9, 0xaa, 0xab, 0xac,
                     0xad, 0xae, 0xaf},
    .file_number = 1,
    .created_ns = UINT64_C(1700000000000000000),
    .clock_hz = UINT64_C(2000000000),
    .clock = SHMLOG_CLOCK_TSC,
    .on_full = SHMLOG_ON_FULL_DROP,
    .ring_slots = 16384,
    .host = "tokyo-7",
    .segment = "trading",
    .segment_path = "/dev/shm/shmlog/trading",
};

struct maker {
    struct file_encoder *encoder;
    struct file_index *index;
    struct file_buffer out;
    struct file_sites sites;
    struct file_ledger_entry ledger;
    struct shmlog_slot slots[4096];
    size_t slot_count, records;
    size_t indexed;
};

static void maker_piece(struct maker *m)
{
    cr_assert_eq(file_index_add(m->index, m->indexed, m->out.data + m->indexed,
                                m->out.size - m->indexed),
                 0);
    m->indexed = m->out.size;
}

static struct maker *maker_open(void)
{
    struct shmlog_producer producer = {.claim = (uint64_t)4243 << 32 | SHMLOG_PRODUCER_LIVE,
                                       .id = 65537,
                                       .pid = 4242,
                                       .tid = 4243,
                                       .process = "gateway",
                                       .thread = "orders"};
    struct shmlog_clock_pair pair = {.ticks = 1000000,
                                     .realtime_ns = UINT64_C(1700000000000000000),
                                     .error_ns = 25};
    struct maker *m = calloc(1, sizeof(*m));

    m->ledger = (struct file_ledger_entry){
        .ring = 0, .cpu = 2, .kind = SHMLOG_RING_CPU, .page_kib = 2048, .next_seq = 1};
    cr_assert_eq(file_encoder_open(&m->encoder, 3), 0);
    cr_assert_eq(file_index_open(&m->index), 0);
    cr_assert_eq(file_put_header(m->encoder, &identity, &m->ledger, 1, &m->out), 0);
    maker_piece(m);
    cr_assert_eq(file_put_clock(m->encoder, identity.file_uuid, &pair, &m->out), 0);
    maker_piece(m);
    cr_assert_eq(file_put_producer(m->encoder, identity.file_uuid, &producer, &m->out), 0);
    maker_piece(m);
    return m;
}

static void maker_site(struct maker *m, uint32_t id, const uint8_t *bytes, size_t size)
{
    cr_assert_eq(file_sites_put(&m->sites, id, bytes, size), 0);
    cr_assert_eq(file_put_site(m->encoder, identity.file_uuid, id, bytes, size, &m->out), 0);
    maker_piece(m);
}

static void maker_record(struct maker *m, struct original *record, uint32_t size)
{
    record->seq = m->ledger.next_seq + m->records++;
    record->slots = (size + SHMLOG_SLOT_PAYLOAD - 1) / SHMLOG_SLOT_PAYLOAD;
    memcpy(record->payload, &record->time, 8);
    memcpy(record->payload + 8, &record->producer, 4);
    put_slots(record, m->slots + m->slot_count);
    m->slot_count += record->slots;
}

static void maker_block(struct maker *m)
{
    struct file_block_params params = {
        .ring = 0,
        .first_seq = m->ledger.next_seq,
        .first_pos = m->ledger.next_pos,
        .slots = m->slots,
        .slot_count = m->slot_count,
        .records = m->records,
        .sites = &m->sites,
    };

    memcpy(params.file_uuid, identity.file_uuid, 16);
    cr_assert_eq(file_put_block(m->encoder, &params, &m->out, NULL), 0);
    maker_piece(m);
    m->ledger.next_seq += m->records;
    m->ledger.next_pos += m->slot_count;
    m->ledger.written += m->records;
    m->ledger.produced += m->records;
    m->slot_count = m->records = 0;
}

static void maker_gap(struct maker *m)
{
    struct file_gap gap = {.ring = 0,
                           .cause = SHMLOG_LOST_FULL,
                           .count = 5,
                           .seq = m->ledger.next_seq,
                           .pos = m->ledger.next_pos,
                           .time_before = 2000181};

    memcpy(gap.file_uuid, identity.file_uuid, 16);
    cr_assert_eq(file_put_gap(m->encoder, &gap, &m->out), 0);
    maker_piece(m);
    m->ledger.lost[SHMLOG_LOST_FULL] += 5;
    m->ledger.produced += 5;
}

static void maker_seal(struct maker *m, bool bad)
{
    cr_assert_eq(file_put_seal(m->encoder, &identity, &m->ledger, 1, m->index, m->out.size, bad,
                               UINT64_C(1700000001000000000), &m->out),
                 0);
}

static void maker_done(struct maker *m)
{
    file_encoder_close(m->encoder);
    file_index_close(m->index);
    file_buffer_done(&m->out);
    file_sites_done(&m->sites);
    free(m);
}

static void write_golden(const char *dir, const char *name, const uint8_t *bytes, size_t size)
{
    char path[512];
    FILE *text;

    snprintf(path, sizeof(path), "%s/%s.shmlog", dir, name);
    write_file(path, bytes, size);
    chmod(path, 0644);
    snprintf(path, sizeof(path), "%s/%s.txt", dir, name);
    text = fopen(path, "we");
    cr_assert_not_null(text);
    snprintf(path, sizeof(path), "%s/%s.shmlog", dir, name);
    print_file(text, path);
    fclose(text);
}

/* Three orders, a gap and one more: the file that docs/format.md takes apart. */
static struct maker *make_orders(void)
{
    static const uint8_t types[] = {SHMLOG_TYPE_U64, SHMLOG_TYPE_F64, SHMLOG_TYPE_U32,
                                    SHMLOG_TYPE_CHAR};
    static const double prices[] = {58710.20, 58710.21, 58710.19, 58710.20};
    static const uint32_t quantities[] = {10, 5, 10, 1};
    struct maker *m = maker_open();
    uint8_t bytes[SHMLOG_SITE_MAX];
    size_t size =
        make_format_site(bytes, SHMLOG_INFO, 4, types, "order %lu px %.2f qty %u side %c");

    maker_site(m, 1, bytes, size);
    for (uint64_t i = 0; i < 4; i++) {
        struct original order = {.time = 2000000 + 60 * i + i % 2, .site = 1, .producer = 65537};
        uint64_t id = 1001 + i;

        memcpy(order.payload + 16, &id, 8);
        memcpy(order.payload + 24, &prices[i], 8);
        memcpy(order.payload + 32, &quantities[i], 4);
        order.payload[36] = i % 2 ? 'S' : 'B';
        maker_record(m, &order, 37);
    }
    maker_block(m);
    maker_gap(m);
    return m;
}

/* All types, arguments and structs, strings of all kinds, long records, an unknown site, and
 * columns of every encoding. */
static struct maker *make_types(void)
{
    uint8_t types[SHMLOG_ARGS_MAX], bytes[SHMLOG_SITE_MAX];
    struct maker *m = maker_open();

    rng_seed(1);
    for (unsigned i = 0; i < SHMLOG_TYPE_BYTES; i++)
        types[i] = (uint8_t)(i + 1);
    maker_site(m, 1, bytes, make_printf_site(bytes, SHMLOG_ERROR, SHMLOG_TYPE_BYTES, types));
    maker_site(m, 2, bytes, random_raw_site(bytes));
    maker_site(m, 70, bytes, random_raw_site(bytes));
    maker_site(m, 1000, bytes, random_arguments_site(bytes));
    for (unsigned b = 0; b < 2; b++) {
        for (unsigned i = 0; i < 40; i++) {
            static const uint32_t ids[] = {1, 2, 70, 1000, 5000};
            struct original record = {.time = 3000000 + 100 * i,
                                      .site = ids[rng_below(5)],
                                      .producer = 65537};
            const struct file_site *site = file_sites_get(&m->sites, record.site);
            uint32_t size = 100;

            if (site)
                size = fill_payload(site, &record);
            else
                memset(record.payload + 12, (int)i, 60);
            if (size > 1500)
                continue;
            maker_record(m, &record, size);
        }
        maker_block(m);
    }
    return m;
}

/* Columns packed in each way: values, steps, a dictionary, lengths of strings, integers of
 * decimals.
 */
static struct maker *make_packed(void)
{
    static const uint8_t types[] = {SHMLOG_TYPE_U64, SHMLOG_TYPE_U64, SHMLOG_TYPE_U64,
                                    SHMLOG_TYPE_F64, SHMLOG_TYPE_STRING};
    uint8_t bytes[SHMLOG_SITE_MAX];
    struct maker *m = maker_open();
    uint64_t up = 1000;

    rng_seed(2);
    maker_site(m, 1, bytes, make_printf_site(bytes, SHMLOG_INFO, 5, types));
    maker_site(m, 2, bytes, make_printf_site(bytes, SHMLOG_WARN, 3, types));
    for (unsigned i = 0; i < 300; i++) {
        struct original record = {.site = 1 + (uint32_t)rng_below(2), .producer = 65537};
        uint64_t value = rng_below(1u << 20), few = rng_below(7) * 0x9e3779b97f4a7c15ull;
        double decimal = (double)(5871020 + rng_below(64)) / 100;
        uint32_t length = (uint32_t)rng_below(8);

        record.time = 3000000 + 100 * i + rng_below(32);
        up += rng_below(512);
        memcpy(record.payload + 16, &value, 8);
        memcpy(record.payload + 24, &up, 8);
        memcpy(record.payload + 32, &few, 8);
        if (record.site == 1) {
            memcpy(record.payload + 40, &decimal, 8);
            memcpy(record.payload + 48, &length, 4);
            memcpy(record.payload + 52, "abcdefgh", length);
        }
        maker_record(m, &record, record.site == 1 ? 52 + length : 40);
    }
    maker_block(m);
    return m;
}

/* Strings by dictionaries, prices told from those of the same string and from each other. */
static struct maker *make_strings(void)
{
    static const uint8_t types[] = {SHMLOG_TYPE_STRING, SHMLOG_TYPE_F64, SHMLOG_TYPE_F64,
                                    SHMLOG_TYPE_I32, SHMLOG_TYPE_BYTES};
    static const char *const text[] = {"AAPL", "MSFT", "", "BRK.B preferred"};
    int64_t price[4] = {10000, 50000, 20000, 700000};
    uint8_t bytes[SHMLOG_SITE_MAX];
    struct maker *m = maker_open();

    rng_seed(3);
    maker_site(m, 1, bytes, make_printf_site(bytes, SHMLOG_INFO, 5, types));
    for (unsigned i = 0; i < 200; i++) {
        struct original record = {.time = 3000000 + 50 * i, .site = 1, .producer = 65537};
        const unsigned s = (unsigned)rng_below(4);
        const uint32_t length = s == 2 ? SHMLOG_LENGTH_NULL : (uint32_t)strlen(text[s]);
        const uint32_t size = s == 2 ? 0 : length, more = 1 + s % 2;
        double px, px2;

        price[s] += (int64_t)rng_below(7) - 3;
        px = (double)price[s] / 100;
        px2 = (double)(price[s] + 1 + (int64_t)rng_below(2)) / 100;
        memcpy(record.payload + 12, &length, 4);
        memcpy(record.payload + 16, &px, 8);
        memcpy(record.payload + 24, &px2, 8);
        memcpy(record.payload + 32, &(int32_t){(int32_t)(price[s] / 10)}, 4);
        memcpy(record.payload + 36, &more, 4);
        memcpy(record.payload + 40, text[s], size);
        memcpy(record.payload + 40 + size, "xy", more);
        maker_record(m, &record, 40 + size + more);
    }
    maker_block(m);
    return m;
}

/* A block made by hand: codecs that the encoder takes for many records only, or never. The content
 * is that which docs/format.md takes apart. */
static struct maker *make_columns(void)
{
    static const uint8_t types[] = {SHMLOG_TYPE_STRING, SHMLOG_TYPE_F64, SHMLOG_TYPE_F64,
                                    SHMLOG_TYPE_U64,    SHMLOG_TYPE_F64, SHMLOG_TYPE_U16};
    static const uint8_t content[] = {
        0x01, 0x01, 0x01, 0x06, 0x0e, 0x0c, 0x0c, 0x0a, 0x0c, 0x06, /* 1 group of site 1 */
        0x00, 0x00, 0x00, 0x82, 0x80, 0x08,                         /* groups, producers */
        0x71, 0x02, 0x80, 0x92, 0xf4, 0x01, 0x76,                   /* times */
        0x00, 0x00,                                                 /* extra slots */
        0x80, 0x01, 0x02, 0x41, 0x42, 0x02, 0x43, 0x44,             /* strings */
        0x11, 0x00, 0x00, 0x01, 0x00, 0x01,                         /* their indices */
        0x42, 0x90, 0xa0, 0x8d, 0x06, 0xd0, 0x8c, 0x01,             /* bid: KEYED */
        0x11, 0x00, 0x00, 0x00, 0x03, 0x01, 0x00, 0x00,             /* differences, r */
        0x42, 0xa0, 0x11, 0x00, 0x01, 0x01, 0x02, 0x01, 0x00, 0x00, /* ask: RELATED, r */
        0x72, 0x01, 0x01, 0x80, 0x89, 0x7a, 0x0a,                   /* account: PACKED */
        0x51, 0x11, 0x06, 0x00, 0x03, 0x04, 0x06, 0x00, 0x00,       /* fee: DECIMAL_MUL */
        0x60, 0x34, 0x12, 0x01, 0x00, 0x02, 0x00, 0xff, 0xff,       /* venue: RAW */
        0x06, 0x22,                                                 /* codes: account, times */
    };
    struct frame_block frame = {
        .first_seq = 1,
        .time_min = 2000000,
        .time_max = 2000181,
        .sites = 1 << 1,
        .records = 4,
        .slots = 4,
        .raw_size = sizeof(content),
        .levels = 1 << SHMLOG_INFO,
        .codec = FILE_CODEC_COLUMNS,
    };
    struct maker *m = maker_open();
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    uint8_t bytes[SHMLOG_SITE_MAX], data[sizeof(content) + 64];

    maker_site(m, 1, bytes,
               make_format_site(bytes, SHMLOG_INFO, 6, types,
                                "%s bid %.2f ask %.2f account %lu fee %.1f venue %hx"));
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    frame.stored_size =
        (uint32_t)ZSTD_compress2(zstd, data, sizeof(data), content, sizeof(content));
    ZSTD_freeCCtx(zstd);
    frame.data_hash = XXH64(data, frame.stored_size, 0);
    file_frame_head(&frame.head, FILE_KIND_BLOCK, sizeof(frame), identity.file_uuid);
    cr_assert_eq(file_buffer_reserve(&m->out, sizeof(frame) + frame.stored_size), 0);
    memcpy(m->out.data + m->out.size, &frame, sizeof(frame));
    file_frame_seal(m->out.data + m->out.size, sizeof(frame));
    memcpy(m->out.data + m->out.size + sizeof(frame), data, frame.stored_size);
    m->out.size += sizeof(frame) + frame.stored_size;
    maker_piece(m);
    m->ledger.next_seq += frame.records;
    m->ledger.next_pos += frame.slots;
    m->ledger.written += frame.records;
    m->ledger.produced += frame.records;
    return m;
}

/* Formats, and arguments that do not fit them: what readers make of them is compared elsewhere. */
static struct maker *make_messages(void)
{
    static const uint8_t types[] = {SHMLOG_TYPE_BOOL,   SHMLOG_TYPE_CHAR, SHMLOG_TYPE_I16,
                                    SHMLOG_TYPE_U32,    SHMLOG_TYPE_I64,  SHMLOG_TYPE_F64,
                                    SHMLOG_TYPE_POINTER};
    static const char *const formats[] = {
        "%d %d %d %d %d %g %p",
        "%u %u %u %u %u %e %p",
        "%hhd %hhd %hhd %hhd %hhd %f",
        "%hx %hx %hx %hx %hx %a",
        "%lu %lu %lu %lu %lu %G",
        "%c %c %lc %c %lc %d %c",
        "%s %s %s %s %s %s %s %s",
        "%7$p %6$.3f %5$d %1$d|%d %d",
        "%0$d %8$d %5d|%-5d|%05d|%+d|% d|%#x",
        "%*d %-*d %.*f %3$*2$d",
        "%5% %n %d %k %lld %",
        "%'d %.0d %.3d %10.4x %#o",
        "%5000d",
    };
    struct maker *m = maker_open();
    uint8_t bytes[SHMLOG_SITE_MAX];

    for (uint32_t site = 1; site <= sizeof(formats) / sizeof(formats[0]); site++) {
        const size_t size = make_format_site(bytes, SHMLOG_WARN, 7, types, formats[site - 1]);

        maker_site(m, site, bytes, size);
        for (unsigned i = 0; i < 2; i++) {
            struct original record = {.time = 3000000 + 10 * site, .site = site, .producer = 65537};

            record.payload[12] = i ? 2 : 1;
            record.payload[13] = i ? 0xe9 : 'A';
            memcpy(record.payload + 14, &(int16_t){i ? -2 : 300}, 2);
            memcpy(record.payload + 16, &(uint32_t){i ? UINT32_MAX : 7}, 4);
            memcpy(record.payload + 24, &(int64_t){i ? -5000000000 : 0x1f600}, 8);
            memcpy(record.payload + 32, &(double){i ? -1.0 / 3 : 2.5}, 8);
            memcpy(record.payload + 40, &(uint64_t){i ? 0 : 0x7f0000001000}, 8);
            maker_record(m, &record, 48);
        }
    }
    maker_block(m);
    return m;
}

/* The file without `gone` bytes at `at`. */
static void write_golden_without(const char *dir, const char *name, const struct file_buffer *out,
                                 size_t at, size_t gone)
{
    uint8_t *copy = malloc(out->size);

    memcpy(copy, out->data, at);
    memcpy(copy + at, out->data + at + gone, out->size - at - gone);
    write_golden(dir, name, copy, out->size - gone);
    free(copy);
}

/* The file cut at `at`, in space allocated ahead. */
static void write_golden_torn(const char *dir, const char *name, const struct file_buffer *out,
                              size_t at)
{
    uint8_t *copy = calloc(1, at + 200);

    memcpy(copy, out->data, at);
    write_golden(dir, name, copy, at + 200);
    free(copy);
}

static void make_set(const char *dir)
{
    static const uint8_t other[16] = {0xee};
    struct maker *m = make_orders();
    struct file_buffer *out = &m->out;
    size_t sealed = out->size;

    maker_seal(m, false);
    write_golden(dir, "orders", out->data, out->size);
    write_golden(dir, "orders-cut", out->data, sealed - sizeof(struct frame_gap) - 9);
    write_golden_without(dir, "orders-short", out, sealed - sizeof(struct frame_gap) - 30, 10);
    write_golden_torn(dir, "orders-torn", out, sealed - 30);
    out->data[sealed - sizeof(struct frame_gap) - 20] ^= 4;
    write_golden(dir, "orders-flipped", out->data, out->size);
    out->data[sealed - sizeof(struct frame_gap) - 20] ^= 4;
    out->data[0] ^= 4;
    write_golden(dir, "orders-headless", out->data, out->size);
    write_golden(dir, "orders-ledger", out->data, out->size - 1);
    out->data[0] ^= 4;
    file_retarget(out->data + sealed - sizeof(struct frame_gap), sizeof(struct frame_gap), other);
    write_golden(dir, "orders-stale", out->data, out->size);
    maker_done(m);
    m = make_types();
    maker_seal(m, true);
    write_golden(dir, "types", m->out.data, m->out.size);
    maker_done(m);
    m = make_packed();
    maker_seal(m, false);
    write_golden(dir, "packed", m->out.data, m->out.size);
    maker_done(m);
    m = make_strings();
    maker_seal(m, false);
    write_golden(dir, "strings", m->out.data, m->out.size);
    maker_done(m);
    m = make_columns();
    maker_seal(m, false);
    write_golden(dir, "columns", m->out.data, m->out.size);
    maker_done(m);
    m = make_messages();
    maker_seal(m, false);
    write_golden(dir, "messages", m->out.data, m->out.size);
    maker_done(m);
}

/* ---- The test ---- */

static void check_golden(const char *name)
{
    const char *source = getenv("SHMLOG_SOURCE");
    char path[512], *got = NULL, *want;
    size_t size = 0;
    struct stat st;
    FILE *to = open_memstream(&got, &size);
    FILE *from;

    snprintf(path, sizeof(path), "%s/tests/golden/%s.shmlog", source ? source : ".", name);
    print_file(to, path);
    fclose(to);
    snprintf(path, sizeof(path), "%s/tests/golden/%s.txt", source ? source : ".", name);
    from = fopen(path, "re");
    cr_assert_not_null(from, "%s is missing", path);
    cr_assert_eq(fstat(fileno(from), &st), 0);
    want = calloc(1, (size_t)st.st_size + 1);
    cr_assert_eq(fread(want, 1, (size_t)st.st_size, from), (size_t)st.st_size);
    fclose(from);
    cr_assert_eq(size, (size_t)st.st_size, "%s reads differently:\n%s", name, got);
    cr_assert(!memcmp(got, want, size), "%s reads differently:\n%s", name, got);
    free(want);
    free(got);
}

Test(golden, reads_the_same_for_ever)
{
    static const char *const names[] = {"orders",          "orders-cut",    "orders-flipped",
                                        "orders-stale",    "orders-short",  "orders-torn",
                                        "orders-headless", "orders-ledger", "types",
                                        "packed",          "strings",       "columns",
                                        "messages"};

    if (getenv("SHMLOG_GOLDEN_MAKE")) {
        make_set(getenv("SHMLOG_GOLDEN_MAKE"));
        return;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        check_golden(names[i]);
}

/* SPDX-License-Identifier: MIT
 *
 * What the tests of the file format share: sites, records and whole files made up from a seed, with
 * what went in kept beside, so that what comes out can be compared.
 */
#ifndef TESTS_UNIT_FILE_KIT_H
#define TESTS_UNIT_FILE_KIT_H

#include "logfile/format.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- Chance ---- */

static uint64_t rng_state;

__attribute__((unused)) static void rng_seed(uint64_t seed)
{
    const char *text = getenv("SHMLOG_TEST_SEED");

    if (text)
        seed = strtoull(text, NULL, 0);
    fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
    rng_state = seed * 0x9e3779b97f4a7c15ull + 1;
}

/* splitmix64 */
__attribute__((unused)) static uint64_t rng(void)
{
    uint64_t z = rng_state += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

__attribute__((unused)) static uint64_t rng_below(uint64_t bound)
{
    return rng() % bound;
}

/* ---- Sites ---- */

__attribute__((unused)) static size_t put_string(uint8_t *to, const char *string)
{
    size_t size = strlen(string) + 1;

    memcpy(to, string, size);
    return size;
}

/* A site's bytes from its head and arguments; names and texts are made up. */
__attribute__((unused)) static size_t make_site(uint8_t *bytes, struct shmlog_site head,
                                                const struct shmlog_site_arg *arg,
                                                const char *format)
{
    size_t size = sizeof(head) + head.args * sizeof(*arg);
    char name[16];

    if (head.args)
        memcpy(bytes + sizeof(head), arg, head.args * sizeof(*arg));
    size += put_string(bytes + size, format);
    size += put_string(bytes + size, "orders.c");
    size += put_string(bytes + size, "send_order");
    size += put_string(bytes + size, "trade");
    for (unsigned i = 0; i < head.args; i++) {
        snprintf(name, sizeof(name), "arg%u", i);
        size += put_string(bytes + size, name);
    }
    head.size = (uint16_t)size;
    memcpy(bytes, &head, sizeof(head));
    return size;
}

/* A printf-style site with these types, laid out as producers do. */
__attribute__((unused)) static size_t make_format_site(uint8_t *bytes, unsigned level,
                                                       unsigned args, const uint8_t *types,
                                                       const char *format)
{
    struct shmlog_site head = {.kind = SHMLOG_SITE_PRINTF, .level = (uint8_t)level, .line = 42};
    struct shmlog_site_arg arg[FILE_SITE_ARGS_MAX] = {{0}};
    uint32_t end = SHMLOG_PAYLOAD_ARGS;

    head.args = (uint8_t)args;
    for (unsigned i = 0; i < args; i++) {
        unsigned size = file_type_size(types[i]);

        arg[i].type = types[i];
        arg[i].size = (uint16_t)size;
        arg[i].offset = (uint16_t)((end + size - 1) / size * size);
        end = arg[i].offset + size;
    }
    return make_site(bytes, head, arg, format);
}

__attribute__((unused)) static size_t make_printf_site(uint8_t *bytes, unsigned level,
                                                       unsigned args, const uint8_t *types)
{
    return make_format_site(bytes, level, args, types, "some %d format");
}

__attribute__((unused)) static size_t random_arguments_site(uint8_t *bytes)
{
    uint8_t types[SHMLOG_ARGS_MAX];
    unsigned args = (unsigned)rng_below(SHMLOG_ARGS_MAX + 1);

    for (unsigned i = 0; i < args; i++)
        types[i] = (uint8_t)(1 + rng_below(SHMLOG_TYPE_BYTES));
    return make_printf_site(bytes, (unsigned)rng_below(6), args, types);
}

__attribute__((unused)) static size_t random_raw_site(uint8_t *bytes)
{
    struct shmlog_site head = {.kind = SHMLOG_SITE_RAW, .level = (uint8_t)rng_below(6)};
    struct shmlog_site_arg arg[FILE_SITE_ARGS_MAX] = {{0}};

    head.record_size = (uint32_t)(16 + rng_below(rng_below(4) ? 200 : 3553));
    head.args = (uint8_t)rng_below(SHMLOG_RAW_FIELDS_MAX + 1);
    for (unsigned i = 0; i < head.args; i++) {
        unsigned type = (unsigned)(1 + rng_below(SHMLOG_TYPE_POINTER));
        unsigned size = file_type_size(type);

        if (!rng_below(4)) {
            type = SHMLOG_TYPE_TEXT;
            size = (unsigned)(1 + rng_below(rng_below(2) ? 16 : head.record_size));
        }
        arg[i].type = (uint8_t)type;
        arg[i].size = (uint16_t)size;
        arg[i].offset = (uint16_t)rng_below(head.record_size - size + 1);
    }
    return make_site(bytes, head, arg, "a struct");
}

/* ---- Records ---- */

/* A record as it went in: its payload in one piece. */
struct original {
    uint64_t seq;
    uint64_t time;
    uint32_t site;
    uint32_t producer;
    uint32_t slots;
    uint8_t payload[SHMLOG_RECORD_PAYLOAD];
    uint32_t payload_size; /* of all slots */
};

__attribute__((unused)) static uint64_t random_bits(unsigned type)
{
    static const double doubles[] = {0.0, -0.0, 1.5, 1e300, -1e-300, 58710.20, 0.1, 1e15};
    static const float floats[] = {0.0f, -0.0f, 1.25f, 3e38f, 0.01f, 100.5f};
    uint64_t bits;
    double d;
    float f;

    if (type == SHMLOG_TYPE_F64 && rng_below(4)) {
        d = doubles[rng_below(8)];
        if (!rng_below(8))
            d = rng_below(2) ? __builtin_nan("") : -__builtin_inf();
        memcpy(&bits, &d, sizeof(bits));
        return bits;
    }
    if (type == SHMLOG_TYPE_F32 && rng_below(4)) {
        f = rng_below(8) ? floats[rng_below(6)] : __builtin_nanf("");
        bits = 0;
        memcpy(&bits, &f, sizeof(f));
        return bits;
    }
    switch (rng_below(6)) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX;
    case 2:
        return (uint64_t)INT64_MIN;
    case 3:
        return (uint64_t)INT64_MAX;
    case 4:
        return rng_below(100);
    default:
        return rng();
    }
}

/* The length word of a string that may have up to `most` bytes. */
__attribute__((unused)) static uint32_t random_length(uint32_t most)
{
    uint32_t size = (uint32_t)rng_below(rng_below(4) ? 20 : most + 1);

    if (!rng_below(6))
        return SHMLOG_LENGTH_NULL;
    size = size < most ? size : most;
    return rng_below(6) ? size : size | SHMLOG_LENGTH_CUT;
}

/* Fill in the payload of a record of this site; bytes that mean nothing are garbage. Returns how
 * many mean something. */
__attribute__((unused)) static uint32_t fill_payload(const struct file_site *site,
                                                     struct original *record)
{
    uint32_t base = site->kind == SHMLOG_SITE_RAW ? SHMLOG_PAYLOAD_RAW : 0;
    uint32_t size = SHMLOG_PAYLOAD_ARGS + site->fixed_size;
    bool garbage = rng_below(2);

    for (uint32_t i = 0; i < sizeof(record->payload); i++)
        record->payload[i] = garbage ? (uint8_t)rng() : 0;
    memcpy(record->payload + SHMLOG_PAYLOAD_TIME, &record->time, 8);
    memcpy(record->payload + SHMLOG_PAYLOAD_PRODUCER, &record->producer, 4);
    for (unsigned i = 0; i < site->args; i++) {
        const struct shmlog_site_arg *arg = &site->arg[i];
        uint64_t bits = random_bits(arg->type);

        if (arg->type == SHMLOG_TYPE_STRING || arg->type == SHMLOG_TYPE_BYTES) {
            uint32_t word = random_length(SHMLOG_RECORD_PAYLOAD - size);

            if (word != SHMLOG_LENGTH_NULL) {
                for (uint32_t b = word & ~SHMLOG_LENGTH_CUT; b; b--)
                    record->payload[size++] = (uint8_t)rng();
            }
            bits = word;
        }
        if (arg->type == SHMLOG_TYPE_TEXT)
            snprintf((char *)record->payload + base + arg->offset, arg->size, "%llx",
                     (unsigned long long)bits);
        else
            memcpy(record->payload + base + arg->offset, &bits, arg->size);
    }
    return size;
}

/* Spread a record over slots from `to` on. */
__attribute__((unused)) static void put_slots(const struct original *record, struct shmlog_slot *to)
{
    for (uint32_t s = 0; s < record->slots; s++) {
        to[s].seq = (uint32_t)record->seq;
        to[s].site = record->site | (s ? 0 : record->slots << SHMLOG_SITE_SLOTS_SHIFT);
        memcpy(to[s].payload, record->payload + s * SHMLOG_SLOT_PAYLOAD, SHMLOG_SLOT_PAYLOAD);
    }
}

/* Is `got` what went in as `want`? By value for a known site, byte for byte for others. */
__attribute__((unused)) static bool same_record(const struct file_sites *sites,
                                                const struct original *want,
                                                const struct file_record *got)
{
    const struct file_site *site = file_sites_get(sites, want->site);
    struct file_value a[FILE_SITE_ARGS_MAX], b[FILE_SITE_ARGS_MAX];
    int r;

    if (got->seq != want->seq || got->time != want->time || got->site != want->site ||
        got->producer != want->producer || got->slots != want->slots)
        return false;
    r = site ? file_site_values(site, want->payload, want->payload_size, a) : -1;
    if (r < 0)
        return got->payload_size == want->payload_size &&
               !memcmp(got->payload, want->payload, got->payload_size);
    if (file_site_values(site, got->payload, got->payload_size, b) < 0)
        return false;
    for (unsigned i = 0; i < site->args; i++) {
        if (a[i].type != b[i].type || a[i].is_null != b[i].is_null || a[i].cut != b[i].cut ||
            a[i].size != b[i].size || (!a[i].data != !b[i].data) ||
            (a[i].data && memcmp(a[i].data, b[i].data, a[i].size)) ||
            (!a[i].data && memcmp(&a[i].u, &b[i].u, sizeof(a[i].u))))
            return false;
    }
    return true;
}

/* ---- Files ---- */

__attribute__((unused)) static void write_file(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

    cr_assert(fd >= 0, "cannot write %s", path);
    cr_assert(write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

/* A name for a file of this test, in the build's or system's temporary directory. */
__attribute__((unused)) static const char *temp_path(const char *name)
{
    static char path[256];
    const char *dir = getenv("TMPDIR");

    snprintf(path, sizeof(path), "%s/shmlog-test-%ld-%s", dir ? dir : "/tmp", (long)getpid(), name);
    return path;
}

#endif

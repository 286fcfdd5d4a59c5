/* SPDX-License-Identifier: MIT
 *
 * Sites: their bytes taken apart and checked, and the values of their records.
 */
#include "logfile/site.h"

#include <errno.h>
#include <string.h>

static const uint8_t type_size[SHMLOG_TYPES] = {
    [SHMLOG_TYPE_BOOL] = 1,    [SHMLOG_TYPE_CHAR] = 1,   [SHMLOG_TYPE_I8] = 1,
    [SHMLOG_TYPE_U8] = 1,      [SHMLOG_TYPE_I16] = 2,    [SHMLOG_TYPE_U16] = 2,
    [SHMLOG_TYPE_I32] = 4,     [SHMLOG_TYPE_U32] = 4,    [SHMLOG_TYPE_I64] = 8,
    [SHMLOG_TYPE_U64] = 8,     [SHMLOG_TYPE_F32] = 4,    [SHMLOG_TYPE_F64] = 8,
    [SHMLOG_TYPE_POINTER] = 8, [SHMLOG_TYPE_STRING] = 4, [SHMLOG_TYPE_BYTES] = 4,
};

unsigned file_type_size(unsigned type)
{
    return type < SHMLOG_TYPES ? type_size[type] : 0;
}

static bool is_string(unsigned type)
{
    return type == SHMLOG_TYPE_STRING || type == SHMLOG_TYPE_BYTES;
}

/* An argument of a printf-style call or an event: aligned, after the one before it. */
static int check_argument(struct file_site *site, const struct shmlog_site_arg *arg)
{
    uint32_t end = SHMLOG_PAYLOAD_ARGS + site->fixed_size;
    unsigned size = file_type_size(arg->type);

    if (!size || arg->size != size || arg->offset % size || arg->offset < end ||
        arg->offset + size > SHMLOG_RECORD_PAYLOAD)
        return -EBADMSG;
    if (is_string(arg->type))
        site->strings = true;
    site->fixed_size = arg->offset + size - SHMLOG_PAYLOAD_ARGS;
    return 0;
}

/* A field of a raw record: anywhere inside the struct; a union's fields overlap. */
static int check_field(const struct file_site *site, const struct shmlog_site_arg *arg)
{
    unsigned size = file_type_size(arg->type);

    if (is_string(arg->type) || (!size && arg->type != SHMLOG_TYPE_TEXT))
        return -EBADMSG;
    if ((size && arg->size != size) || !arg->size)
        return -EBADMSG;
    return (uint32_t)arg->offset + arg->size <= site->record_size ? 0 : -EBADMSG;
}

static int parse_arguments(struct file_site *site)
{
    const uint8_t *at = site->bytes + sizeof(struct shmlog_site);
    bool raw = site->kind == SHMLOG_SITE_RAW;

    if (site->size < sizeof(struct shmlog_site) + site->args * sizeof(struct shmlog_site_arg))
        return -EBADMSG;
    site->fixed_size = 0;
    site->strings = false;
    for (unsigned i = 0; i < site->args; i++, at += sizeof(struct shmlog_site_arg)) {
        int r;

        memcpy(&site->arg[i], at, sizeof(struct shmlog_site_arg));
        r = raw ? check_field(site, &site->arg[i]) : check_argument(site, &site->arg[i]);
        if (r < 0)
            return r;
    }
    if (raw)
        site->fixed_size = SHMLOG_PAYLOAD_RAW - SHMLOG_PAYLOAD_ARGS + site->record_size;
    return 0;
}

/* The next NUL-terminated string, NULL if there is none. */
static const char *next_string(const char **at, const char *end)
{
    const char *string = *at;
    const char *nul = memchr(string, 0, (size_t)(end - string));

    if (!nul)
        return NULL;
    *at = nul + 1;
    return string;
}

static int parse_strings(struct file_site *site)
{
    const char *at = (const char *)site->bytes + sizeof(struct shmlog_site) +
                     site->args * sizeof(struct shmlog_site_arg);
    const char *end = (const char *)site->bytes + site->size;

    site->format = next_string(&at, end);
    site->file = site->format ? next_string(&at, end) : NULL;
    site->function = site->file ? next_string(&at, end) : NULL;
    site->category = site->function ? next_string(&at, end) : NULL;
    if (!site->category)
        return -EBADMSG;
    for (unsigned i = 0; i < site->args; i++) {
        site->name[i] = next_string(&at, end);
        if (!site->name[i])
            return -EBADMSG;
    }
    for (unsigned i = 0; i < site->args; i++) {
        const char *more =
            site->flags & SHMLOG_SITE_FLAG_EXPRESSIONS ? next_string(&at, end) : NULL;

        site->expression[i] = more && *more ? more : site->name[i];
    }
    return 0;
}

int file_site_parse(const uint8_t *bytes, size_t size, struct file_site *ret_site)
{
    struct shmlog_site head;
    bool raw;
    int r;

    if (size < sizeof(head) || size > SHMLOG_SITE_MAX)
        return -EBADMSG;
    memcpy(&head, bytes, sizeof(head));
    raw = head.kind == SHMLOG_SITE_RAW;
    if (head.size != size || head.level > SHMLOG_CRITICAL ||
        (!raw && head.kind != SHMLOG_SITE_PRINTF && head.kind != SHMLOG_SITE_EVENT) ||
        head.args > (raw ? SHMLOG_RAW_FIELDS_MAX : SHMLOG_ARGS_MAX) ||
        head.record_size > (raw ? SHMLOG_RECORD_PAYLOAD - SHMLOG_PAYLOAD_RAW : 0))
        return -EBADMSG;
    ret_site->kind = head.kind;
    ret_site->level = head.level;
    ret_site->flags = head.flags;
    ret_site->line = head.line;
    ret_site->record_size = head.record_size;
    ret_site->args = head.args;
    ret_site->size = size;
    memcpy(ret_site->bytes, bytes, size);
    r = parse_arguments(ret_site);
    return r < 0 ? r : parse_strings(ret_site);
}

/* An unsigned number of 1, 2, 4 or 8 bytes: each by one load, since one that gathers bytes waits
 * for all of them. */
static uint64_t read_number(const uint8_t *at, unsigned size)
{
    uint64_t u64;
    uint32_t u32;
    uint16_t u16;

    switch (size) {
    case 1:
        return *at;
    case 2:
        memcpy(&u16, at, sizeof(u16));
        return u16;
    case 4:
        memcpy(&u32, at, sizeof(u32));
        return u32;
    default:
        memcpy(&u64, at, sizeof(u64));
        return u64;
    }
}

static void read_scalar(unsigned type, const uint8_t *at, struct file_value *value)
{
    const unsigned size = type_size[type];
    const uint64_t bits = read_number(at, size);

    value->u = bits;
    if (type == SHMLOG_TYPE_F32) {
        float f;

        memcpy(&f, at, sizeof(f));
        value->f = (double)f;
    } else if (type == SHMLOG_TYPE_CHAR || type == SHMLOG_TYPE_I8 || type == SHMLOG_TYPE_I16 ||
               type == SHMLOG_TYPE_I32) {
        unsigned shift = 64 - 8 * size;

        value->i = (int64_t)(bits << shift) >> shift;
    }
}

static void read_text(const uint8_t *at, size_t size, struct file_value *value)
{
    value->data = at;
    value->size = (uint32_t)strnlen((const char *)at, size);
}

/* The bytes of a STRING or BYTES argument, from *offset on. */
static int read_string(const uint8_t *payload, size_t size, uint32_t word, uint32_t *offset,
                       struct file_value *value)
{
    if (word == SHMLOG_LENGTH_NULL) {
        value->is_null = true;
        return 0;
    }
    value->cut = (word & SHMLOG_LENGTH_CUT) != 0;
    value->size = word & ~SHMLOG_LENGTH_CUT;
    if (value->size > size - *offset)
        return -EBADMSG;
    value->data = payload + *offset;
    *offset += value->size;
    return 0;
}

int file_site_values(const struct file_site *site, const uint8_t *payload, size_t size,
                     struct file_value *ret_values)
{
    uint32_t strings = SHMLOG_PAYLOAD_ARGS + site->fixed_size;
    uint32_t base = site->kind == SHMLOG_SITE_RAW ? SHMLOG_PAYLOAD_RAW : 0;

    if (size < strings || size > SHMLOG_RECORD_PAYLOAD)
        return -EBADMSG;
    for (unsigned i = 0; i < site->args; i++) {
        const struct shmlog_site_arg *arg = &site->arg[i];
        const uint8_t *at = payload + base + arg->offset;
        struct file_value *value = &ret_values[i];

        *value = (struct file_value){.type = arg->type};
        if (arg->type == SHMLOG_TYPE_TEXT) {
            read_text(at, arg->size, value);
        } else if (is_string(arg->type)) {
            uint32_t word;
            int r;

            memcpy(&word, at, sizeof(word));
            r = read_string(payload, size, word, &strings, value);
            if (r < 0)
                return r;
        } else {
            read_scalar(arg->type, at, value);
        }
    }
    return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * Single values as text and as JSON.
 */
#include "reader/render.h"
#include "reader/decimal.h"
#include "reader/memo.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

size_t render_string_size(const struct file_value *value)
{
    if (value->is_null)
        return 0;
    if (value->type == SHMLOG_TYPE_TEXT)
        return strnlen((const char *)value->data, value->size);
    return value->size;
}

/* The shortest decimal that reads back as the same number. */
static void put_double(struct text *out, double value, bool single)
{
    char digits[40];
    int size = 0;

    if (!isfinite(value)) {
        text_puts(out, isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity");
        return;
    }
    if (decimal_put_shortest(out, value, single))
        return;
    for (int precision = single ? 6 : 15; precision <= 17; precision++) {
        size = snprintf(digits, sizeof(digits), "%.*g", precision, value);
        if (single ? strtof(digits, NULL) == (float)value : strtod(digits, NULL) == value)
            break;
    }
    text_put(out, digits, (size_t)size);
}

static bool needs_quotes(const uint8_t *data, size_t size)
{
    if (!size)
        return true;
    for (size_t i = 0; i < size; i++)
        if (data[i] <= ' ' || data[i] == '"' || data[i] == '=' || data[i] == '\\' ||
            data[i] == 0x7f)
            return true;
    return false;
}

static void put_quoted(struct text *out, const uint8_t *data, size_t size)
{
    if (!needs_quotes(data, size)) {
        text_put(out, data, size);
        return;
    }
    text_putc(out, '"');
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '"' || data[i] == '\\')
            text_putc(out, '\\');
        text_putc(out, (char)data[i]);
    }
    text_putc(out, '"');
}

void render_value(const struct file_value *value, struct text *out)
{
    char c;

    switch (value->type) {
    case SHMLOG_TYPE_BOOL:
        text_puts(out, value->u ? "true" : "false");
        break;
    case SHMLOG_TYPE_CHAR:
        c = (char)value->i;
        put_quoted(out, (const uint8_t *)&c, 1);
        break;
    case SHMLOG_TYPE_I8:
    case SHMLOG_TYPE_I16:
    case SHMLOG_TYPE_I32:
    case SHMLOG_TYPE_I64:
        text_i64(out, value->i);
        break;
    case SHMLOG_TYPE_U8:
    case SHMLOG_TYPE_U16:
    case SHMLOG_TYPE_U32:
    case SHMLOG_TYPE_U64:
        text_u64(out, value->u);
        break;
    case SHMLOG_TYPE_F32:
    case SHMLOG_TYPE_F64:
        put_double(out, value->f, value->type == SHMLOG_TYPE_F32);
        break;
    case SHMLOG_TYPE_POINTER:
        text_printf(out, "0x%" PRIx64, value->u);
        break;
    case SHMLOG_TYPE_STRING:
    case SHMLOG_TYPE_TEXT:
        if (value->is_null)
            text_puts(out, "(null)");
        else
            put_quoted(out, value->data, render_string_size(value));
        break;
    case SHMLOG_TYPE_BYTES:
        if (value->is_null) {
            text_puts(out, "(null)");
        } else {
            text_puts(out, "0x");
            text_put_hex(out, value->data, value->size);
        }
        break;
    default:
        text_printf(out, "(type %u)", value->type);
    }
}

static void put_json_number(const struct file_value *value, struct text *out)
{
    bool quote = !isfinite(value->f);

    if (quote)
        text_putc(out, '"');
    put_double(out, value->f, value->type == SHMLOG_TYPE_F32);
    if (quote)
        text_putc(out, '"');
}

void render_value_json(const struct file_value *value, struct text *out, bool *invalid)
{
    char c;

    switch (value->type) {
    case SHMLOG_TYPE_CHAR:
        c = (char)value->i;
        text_put_json(out, &c, 1, invalid);
        break;
    case SHMLOG_TYPE_F32:
    case SHMLOG_TYPE_F64:
        put_json_number(value, out);
        break;
    case SHMLOG_TYPE_POINTER:
        text_printf(out, "\"0x%" PRIx64 "\"", value->u);
        break;
    case SHMLOG_TYPE_STRING:
    case SHMLOG_TYPE_TEXT:
    case SHMLOG_TYPE_BYTES:
        if (value->is_null) {
            text_puts(out, "null");
        } else if (value->type == SHMLOG_TYPE_BYTES) {
            text_putc(out, '"');
            text_put_hex(out, value->data, value->size);
            text_putc(out, '"');
        } else {
            text_put_json(out, value->data, render_string_size(value), invalid);
        }
        break;
    default:
        if (value->type == 0 || value->type >= SHMLOG_TYPES)
            text_puts(out, "null");
        else
            render_value(value, out);
    }
}

/* ---- Keys ---- */

/* Keys of a site's arguments: its names, but for those few that have to be made. */
struct keys {
    const char *key[FILE_SITE_ARGS_MAX];
    /* All names are in SHMLOG_SITE_MAX bytes. What is put after one is at most `#32` for each key
     * that it may be the same as. */
    char text[SHMLOG_SITE_MAX + 4 * FILE_SITE_ARGS_MAX * FILE_SITE_ARGS_MAX];
    size_t used;
};

static bool is_taken(const struct keys *keys, unsigned index, const char *key)
{
    for (unsigned i = 0; i < index; i++)
        if (!((*keys->key[i] ^ *key) & ~0x20) && !strcasecmp(keys->key[i], key))
            return true;
    return false;
}

/* Set key `index`; those before it are set. */
static void set_key(struct keys *keys, const struct file_site *site, unsigned index)
{
    const char *name = site->name[index];
    char *at = keys->text + keys->used;
    size_t size;

    keys->key[index] = name;
    if (name && *name && !is_taken(keys, index, name))
        return;
    if (name && *name)
        size = (size_t)stpcpy(at, name) - (size_t)at;
    else
        size = (size_t)sprintf(at, "arg%u", index + 1);
    while (is_taken(keys, index, at))
        size += (size_t)sprintf(at + size, "#%u", index + 1);
    keys->key[index] = at;
    keys->used += size + 1;
}

/* Key `index` with what stands around it; those before it are set. */
static void put_key(struct keys *keys, const struct file_site *site, unsigned index,
                    struct text *out, bool *invalid)
{
    text_putc(out, index ? ',' : '{');
    set_key(keys, site, index);
    text_put_json(out, keys->key[index], strlen(keys->key[index]), invalid);
    text_putc(out, ':');
}

void render_fields_json(const struct file_site *site, const struct file_value *values,
                        struct text *out, bool *invalid)
{
    struct keys keys;

    keys.used = 0;
    if (!site->args)
        text_putc(out, '{');
    for (unsigned i = 0; i < site->args; i++) {
        put_key(&keys, site, i, out, invalid);
        render_value_json(&values[i], out, invalid);
    }
    text_putc(out, '}');
}

_Static_assert(FILE_SITE_ARGS_MAX <= MEMO_PIECES, "a piece for each key");

void render_keys_json(const struct file_site *site, struct memo *ret_keys)
{
    struct keys keys;

    keys.used = 0;
    for (unsigned i = 0; i < site->args; i++) {
        bool invalid = false;

        memo_begin(ret_keys, i);
        put_key(&keys, site, i, &ret_keys->text, &invalid);
        memo_end(ret_keys, i, invalid);
    }
}

void render_fields_by_keys(const struct memo *keys, unsigned count, const struct file_value *values,
                           struct text *out, bool *invalid)
{
    if (!count)
        text_putc(out, '{');
    for (unsigned i = 0; i < count; i++) {
        memo_put(keys, i, out, invalid);
        render_value_json(&values[i], out, invalid);
    }
    text_putc(out, '}');
}

int render_find_key(const struct file_site *site, const char *key)
{
    struct keys keys;

    keys.used = 0;
    for (unsigned i = 0; i < site->args; i++) {
        set_key(&keys, site, i);
        if (!strcmp(keys.key[i], key))
            return (int)i;
    }
    return -1;
}

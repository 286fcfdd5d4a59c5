/* SPDX-License-Identifier: MIT
 *
 * Single values as text and as JSON.
 */
#include "tools/render.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* A site may give several arguments one name; JSON readers keep only one of such a pair, so the
 * later ones get their number after it. */
static void put_name(const struct file_site *site, unsigned index, struct text *out, bool *invalid)
{
    const char *name = site->name[index];
    char numbered[SHMLOG_SITE_MAX + 16];

    if (!name || !*name) {
        snprintf(numbered, sizeof(numbered), "arg%u", index + 1);
        name = numbered;
    } else {
        for (unsigned i = 0; i < index; i++)
            if (site->name[i] && !strcmp(site->name[i], name)) {
                snprintf(numbered, sizeof(numbered), "%s#%u", name, index + 1);
                name = numbered;
                break;
            }
    }
    text_put_json(out, name, strlen(name), invalid);
}

void render_fields_json(const struct file_site *site, const struct file_value *values,
                        struct text *out, bool *invalid)
{
    text_putc(out, '{');
    for (unsigned i = 0; i < site->args; i++) {
        if (i)
            text_putc(out, ',');
        put_name(site, i, out, invalid);
        text_putc(out, ':');
        render_value_json(&values[i], out, invalid);
    }
    text_putc(out, '}');
}

/* SPDX-License-Identifier: MIT
 *
 * The fields of a line by name.
 */
#include "reader/field.h"
#include "reader/level.h"
#include "reader/render.h"
#include "reader/when.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
#define X(id, name) name,
    FIELDS(X)
#undef X
        [FIELD_TIME] = "time",
};
#define FIELD_NAMES (sizeof(names) / sizeof(names[0]))

void field_list_all(struct field_list *ret_list)
{
    *ret_list = (struct field_list){.count = FIELD_ALL};
    for (size_t i = 0; i < FIELD_ALL; i++)
        ret_list->field[i] = (struct field){.id = (enum field_id)i, .name = names[i]};
}

/* 0; -EINVAL: there is no such field. */
static int find(const char *name, size_t size, bool arguments, struct field *ret_field)
{
    static const char prefix[] = "fields.";
    const bool prefixed = size >= sizeof(prefix) && !memcmp(name, prefix, sizeof(prefix) - 1);
    const size_t prefix_size = prefixed ? sizeof(prefix) - 1 : 0;
    int64_t step_ns;
    char *own;

    if (size > 5 && !memcmp(name, "time:", 5)) {
        if (when_parse_duration(name + 5, size - 5, &step_ns) < 0)
            return -EINVAL;
        *ret_field =
            (struct field){.id = FIELD_TIME, .name = names[FIELD_TIME], .step_ns = step_ns};
        return 0;
    }
    for (size_t i = 0; i < FIELD_NAMES; i++)
        if (strlen(names[i]) == size && !memcmp(name, names[i], size)) {
            *ret_field = (struct field){.id = (enum field_id)i, .name = names[i]};
            return 0;
        }
    if (!size || (!prefixed && !arguments))
        return -EINVAL;
    own = strndup(name, size);
    if (!own)
        return -ENOMEM;
    *ret_field = (struct field){.id = FIELD_ARGUMENT, .name = own, .argument = own + prefix_size};
    return 0;
}

static void say_unknown(const char *name, size_t size, char *ret_message, size_t message_size)
{
    struct text text = {0};

    text_printf(&text, "'%.*s' is not a field; there are:", (int)(size < 64 ? size : 64), name);
    for (size_t i = 0; i < FIELD_NAMES; i++)
        text_printf(&text, " %s", names[i]);
    text_puts(&text, " fields.NAME time:1m");
    snprintf(ret_message, message_size, "%.*s", (int)text.size, text.data ? text.data : "");
    text_done(&text);
}

/* Keys and columns are unique. */
static bool is_there(const struct field_list *list, const char *name)
{
    for (size_t i = 0; i + 1 < list->count; i++)
        if (!strcmp(list->field[i].name, name))
            return true;
    return false;
}

static int add(struct field_list *list, const char *string, bool arguments, char *ret_message,
               size_t message_size)
{
    do {
        const size_t size = strcspn(string, ",");
        int r;

        if (list->count == FIELD_LIST_MAX) {
            snprintf(ret_message, message_size, "more than %d fields", FIELD_LIST_MAX);
            return -EINVAL;
        }
        r = find(string, size, arguments, &list->field[list->count]);
        if (r == -EINVAL)
            say_unknown(string, size, ret_message, message_size);
        if (r < 0)
            return r;
        if (is_there(list, list->field[list->count++].name)) {
            snprintf(ret_message, message_size, "'%.*s' is named twice",
                     (int)(size < 64 ? size : 64), string);
            return -EINVAL;
        }
        string += size;
    } while (*string++);
    return 0;
}

int field_list_add(struct field_list *list, const char *string, char *ret_message,
                   size_t message_size)
{
    return add(list, string, false, ret_message, message_size);
}

int field_list_add_arguments(struct field_list *list, const char *string, char *ret_message,
                             size_t message_size)
{
    return add(list, string, true, ret_message, message_size);
}

void field_list_done(struct field_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->field[i].id == FIELD_ARGUMENT)
            free((char *)(uintptr_t)list->field[i].name);
    *list = (struct field_list){0};
}

bool field_is_of(const struct field *field, enum memo_of *ret_of)
{
    switch (field->id) {
    case FIELD_LEVEL:
    case FIELD_SITE:
    case FIELD_CATEGORY:
    case FIELD_FILE:
    case FIELD_LINE:
    case FIELD_FUNCTION:
        *ret_of = MEMO_SITE;
        return true;
    case FIELD_PID:
    case FIELD_TID:
    case FIELD_PROCESS:
    case FIELD_THREAD:
        *ret_of = MEMO_PRODUCER;
        return true;
    case FIELD_CPU:
    case FIELD_RING:
    case FIELD_HOST:
    case FIELD_SEGMENT:
        *ret_of = MEMO_PLACE;
        return true;
    default:
        return false;
    }
}

static enum field_kind number(struct text *out, uint64_t value)
{
    text_u64(out, value);
    return FIELD_NUMBER;
}

static enum field_kind string(struct text *out, const char *value)
{
    if (!value || !*value)
        return FIELD_NONE;
    text_puts(out, value);
    return FIELD_STRING;
}

static enum field_kind site_field(enum field_id id, const struct file_site *site, struct text *out)
{
    if (!site)
        return FIELD_NONE;
    switch (id) {
    case FIELD_LEVEL:
        return string(out, level_name(site->level));
    case FIELD_SITE:
        return string(out, site->format);
    case FIELD_CATEGORY:
        return string(out, site->category);
    case FIELD_FILE:
        return string(out, site->file);
    case FIELD_LINE:
        return number(out, site->line);
    default:
        return string(out, site->function);
    }
}

static enum field_kind producer_field(enum field_id id, const struct shmlog_producer *producer,
                                      struct text *out)
{
    const char *name;
    size_t size;

    if (!producer)
        return FIELD_NONE;
    if (id == FIELD_PID)
        return number(out, producer->pid);
    if (id == FIELD_TID)
        return number(out, producer->tid);
    name = id == FIELD_PROCESS ? producer->process : producer->thread;
    size =
        strnlen(name, id == FIELD_PROCESS ? sizeof(producer->process) : sizeof(producer->thread));
    if (!size)
        return FIELD_NONE;
    text_put(out, name, size);
    return FIELD_STRING;
}

static enum field_kind argument_field(const char *name, struct line *line,
                                      const struct file_value **ret_value)
{
    const unsigned count = line_values(line);
    int index = count ? render_find_key(line->record.site, name) : -1;

    if (index < 0)
        return FIELD_NONE;
    *ret_value = &line->value[index];
    return FIELD_VALUE;
}

static enum field_kind fields_field(struct line *line, struct text *out, bool *invalid)
{
    const struct memo *keys;

    if (!line_values(line))
        text_puts(out, "{}");
    else if ((keys = line_keys(line)))
        render_fields_by_keys(keys, line->record.site->args, line->value, out, invalid);
    else
        render_fields_json(line->record.site, line->value, out, invalid);
    return FIELD_JSON;
}

int64_t field_time(const struct field *field, const struct line *line)
{
    const int64_t ns = line->record.time_ns, over = field->step_ns ? ns % field->step_ns : 0;

    return over < 0 ? ns - over - field->step_ns : ns - over;
}

bool field_is_number(enum field_id id)
{
    switch (id) {
    case FIELD_TIME_NS:
    case FIELD_LINE:
    case FIELD_PID:
    case FIELD_TID:
    case FIELD_CPU:
    case FIELD_RING:
    case FIELD_SEQ:
        return true;
    default:
        return false;
    }
}

static bool value_number(const struct file_value *value, double *ret_number)
{
    switch (value->type) {
    case SHMLOG_TYPE_I8:
    case SHMLOG_TYPE_I16:
    case SHMLOG_TYPE_I32:
    case SHMLOG_TYPE_I64:
        *ret_number = (double)value->i;
        return true;
    case SHMLOG_TYPE_U8:
    case SHMLOG_TYPE_U16:
    case SHMLOG_TYPE_U32:
    case SHMLOG_TYPE_U64:
    case SHMLOG_TYPE_BOOL:
        *ret_number = (double)value->u;
        return true;
    case SHMLOG_TYPE_F32:
    case SHMLOG_TYPE_F64:
        *ret_number = value->f;
        return true;
    default:
        return false;
    }
}

bool field_number(const struct field *field, struct line *line, double *ret_number)
{
    const struct cursor_record *record = &line->record;
    const struct file_value *value;

    switch (field->id) {
    case FIELD_ARGUMENT:
        return argument_field(field->argument, line, &value) == FIELD_VALUE &&
               value_number(value, ret_number);
    case FIELD_TIME_NS:
        *ret_number = (double)record->time_ns;
        return true;
    case FIELD_SEQ:
        *ret_number = (double)record->seq;
        return true;
    default:
        return false;
    }
}

enum field_kind field_get(const struct field *field, struct line *line, struct text *out,
                          const struct file_value **ret_value, bool *invalid)
{
    const struct cursor_record *record = &line->record;
    const struct text *message;

    switch (field->id) {
    case FIELD_TIME_NS:
        text_i64(out, record->time_ns);
        return FIELD_NUMBER;
    case FIELD_TIME:
        text_put_time(out, field_time(field, line), NULL);
        return FIELD_STRING;
    case FIELD_LEVEL:
    case FIELD_SITE:
    case FIELD_CATEGORY:
    case FIELD_FILE:
    case FIELD_LINE:
    case FIELD_FUNCTION:
        return site_field(field->id, record->site, out);
    case FIELD_PID:
    case FIELD_TID:
    case FIELD_PROCESS:
    case FIELD_THREAD:
        return producer_field(field->id, record->producer, out);
    case FIELD_CPU:
        return record->cpu == ~UINT32_C(0) ? FIELD_NONE : number(out, record->cpu);
    case FIELD_RING:
        return number(out, record->ring);
    case FIELD_SEQ:
        return number(out, record->seq);
    case FIELD_MESSAGE:
        message = line_message(line);
        text_put(out, message->data, message->size);
        return FIELD_STRING;
    case FIELD_HOST:
        return string(out, record->host);
    case FIELD_SEGMENT:
        return string(out, record->segment_name);
    case FIELD_FIELDS:
        return fields_field(line, out, invalid);
    case FIELD_ARGUMENT:
        return argument_field(field->argument, line, ret_value);
    }
    return FIELD_NONE;
}

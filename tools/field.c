/* SPDX-License-Identifier: MIT
 *
 * The fields of a line by name.
 */
#include "tools/field.h"
#include "tools/level.h"
#include "tools/render.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
#define X(id, name) name,
    FIELDS(X)
#undef X
};

void field_list_all(struct field_list *ret_list)
{
    *ret_list = (struct field_list){.count = FIELD_ALL};
    for (size_t i = 0; i < FIELD_ALL; i++)
        ret_list->field[i] = (struct field){.id = (enum field_id)i, .name = names[i]};
}

static bool find(const char *name, struct field *ret_field)
{
    *ret_field = (struct field){.name = name};
    for (size_t i = 0; i < FIELD_ALL; i++)
        if (!strcmp(name, names[i])) {
            ret_field->id = (enum field_id)i;
            return true;
        }
    if (!strcmp(name, "time")) {
        ret_field->id = FIELD_TIME;
        return true;
    }
    if (!strncmp(name, "fields.", 7) && name[7]) {
        ret_field->id = FIELD_ARGUMENT;
        ret_field->argument = name + 7;
        return true;
    }
    return false;
}

int field_list_parse(const char *string, struct field_list *ret_list, char *ret_message,
                     size_t message_size)
{
    struct field_list list = {.names = strdup(string)};
    char *rest = list.names, *name;

    if (!rest)
        return -ENOMEM;
    while ((name = strsep(&rest, ","))) {
        if (list.count == FIELD_LIST_MAX) {
            snprintf(ret_message, message_size, "more than %d fields", FIELD_LIST_MAX);
            goto refuse;
        }
        if (!find(name, &list.field[list.count])) {
            snprintf(ret_message, message_size,
                     "unknown field '%s'; there are: time time_ns level site category file line "
                     "function pid tid process thread cpu ring seq message fields fields.NAME",
                     name);
            goto refuse;
        }
        list.count++;
    }
    *ret_list = list;
    return 0;

refuse:
    free(list.names);
    return -EINVAL;
}

void field_list_done(struct field_list *list)
{
    free(list->names);
    *list = (struct field_list){0};
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
    unsigned count = line_values(line);

    for (unsigned i = 0; i < count; i++)
        if (line->record.site->name[i] && !strcmp(line->record.site->name[i], name)) {
            *ret_value = &line->value[i];
            return FIELD_VALUE;
        }
    return FIELD_NONE;
}

static enum field_kind fields_field(struct line *line, struct text *out, bool *invalid)
{
    if (line_values(line))
        render_fields_json(line->record.site, line->value, out, invalid);
    else
        text_puts(out, "{}");
    return FIELD_JSON;
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
        text_put_time(out, record->time_ns, NULL);
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
    case FIELD_FIELDS:
        return fields_field(line, out, invalid);
    case FIELD_ARGUMENT:
        return argument_field(field->argument, line, ret_value);
    }
    return FIELD_NONE;
}

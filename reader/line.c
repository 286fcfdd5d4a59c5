/* SPDX-License-Identifier: MIT
 *
 * Rendering a line when its values or its message are asked for.
 */
#include "reader/line.h"
#include "reader/render.h"

#include <errno.h>

void line_begin(struct line *line)
{
    line->parts = 1;
    line->unfinished = line->have_values = line->have_message = line->bad = line->cut = false;
    line->value_count = 0;
    text_clear(&line->message);
}

void line_set(struct line *line, const struct cursor_record *record)
{
    line->record = *record;
    line_begin(line);
}

void line_done(struct line *line)
{
    text_done(&line->message);
    for (unsigned i = 0; i < RENDER_PLANS; i++)
        render_plan_free(line->plans.plan[i]);
    memos_done(&line->keys);
}

unsigned line_values(struct line *line)
{
    const struct file_site *site = line->record.site;

    if (line->have_values)
        return line->value_count;
    line->have_values = true;
    if (!site)
        return 0;
    if (file_site_values(site, line->record.payload, line->record.payload_size, line->value) < 0) {
        line->bad = true;
        return 0;
    }
    line->value_count = site->args;
    for (unsigned i = 0; i < site->args; i++)
        line->cut |= line->value[i].cut;
    return line->value_count;
}

const struct memo *line_keys(struct line *line)
{
    bool is_new;
    struct memo *keys = memo_find(&line->keys, MEMO_SITE, &line->record, &is_new);

    if (keys && is_new)
        render_keys_json(line->record.site, keys);
    return keys;
}

struct text *line_message(struct line *line)
{
    const struct file_site *site = line->record.site;

    if (line->have_message)
        return &line->message;
    line->have_message = true;
    line_values(line);
    if (!site)
        text_printf(&line->message, "(record of unknown site %u, %u bytes)", line->record.site_id,
                    line->record.payload_size);
    else if (line->bad)
        text_printf(&line->message, "(damaged arguments) %s", site->format);
    else
        render_message(site, line->record.site_id, line->value, &line->plans, &line->message);
    return &line->message;
}

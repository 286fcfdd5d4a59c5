/* SPDX-License-Identifier: MIT
 *
 * Messages: walking a printf format with the values of a record.
 */
#include "reader/render.h"
#include "reader/conversion.h"

#include <stdlib.h>
#include <string.h>

/* A stretch of a format: text, then (unless `letter` is 0) a conversion of argument `index`. */
struct piece {
    uint32_t at, size; /* of the text in the format */
    unsigned index;
    uint8_t type; /* the argument's for which `way` holds */
    struct conversion_way way;
    struct conversion conversion;
};

#define PLAN_PIECES 24u

/* A format in pieces. Formats that take widths or precisions from arguments are not planned, nor
 * those of more pieces than there is room for. */
struct render_plan {
    char *format; /* a copy: what the plan is of */
    bool works;
    unsigned pieces;
    struct piece piece[PLAN_PIECES];
};

/* Put a value whose type has no plan, if there is one. */
static void put_unplanned(const struct conversion *conversion, const struct file_value *value,
                          struct text *out)
{
    conversion_put(conversion, conversion_way(conversion, value ? value->type : 0), value, out);
}

/* The conversion after a '%'; returns where the format goes on. */
static const char *put_conversion(const char *percent, struct arguments *arguments,
                                  struct text *out)
{
    struct conversion conversion;
    const struct file_value *value;
    int position;

    conversion = conversion_parse(percent + 1, arguments, &position);
    if (conversion.letter == '%') {
        text_putc(out, '%');
        return conversion.end;
    }
    if (!conversion_is_known(conversion.letter)) {
        text_put(out, percent, (size_t)(conversion.end - percent));
        return conversion.end;
    }
    value = conversion_take(arguments, position);
    if (conversion.letter == 'n')
        text_put(out, percent, (size_t)(conversion.end - percent));
    else
        put_unplanned(&conversion, value, out);
    return conversion.end;
}

static void walk_format(const struct file_site *site, const struct file_value *values,
                        struct text *out)
{
    struct arguments arguments = {.value = values, .count = site->args};
    const char *at = site->format;

    while (*at) {
        const char *percent = strchrnul(at, '%');

        text_put(out, at, (size_t)(percent - at));
        at = *percent ? put_conversion(percent, &arguments, out) : percent;
    }
}

static bool make_plan(struct render_plan *plan, const struct file_site *site)
{
    struct arguments none = {0};
    const char *const format = plan->format, *at = format;

    plan->pieces = 0;
    do {
        struct piece *piece = &plan->piece[plan->pieces];
        const char *percent = strchrnul(at, '%');
        int position;

        if (plan->pieces++ == PLAN_PIECES)
            return false;
        *piece = (struct piece){.at = (uint32_t)(at - format), .size = (uint32_t)(percent - at)};
        if (!*percent)
            return true;
        piece->conversion = conversion_parse(percent + 1, &none, &position);
        at = piece->conversion.end;
        if (memchr(percent, '*', (size_t)(at - percent)) || piece->conversion.letter == 'n')
            return false;
        if (piece->conversion.letter == '%') {
            piece->size++; /* one of the two */
            piece->conversion.letter = 0;
            if (percent + 2 != at)
                return false;
        } else if (!conversion_is_known(piece->conversion.letter)) {
            piece->size = (uint32_t)(at - format) - piece->at;
            piece->conversion.letter = 0;
        } else {
            piece->index = position > 0 ? (unsigned)position - 1 : none.next++;
            piece->type = piece->index < site->args ? site->arg[piece->index].type : 0;
            piece->way = conversion_way(&piece->conversion, piece->type);
        }
    } while (*at);
    return true;
}

static void follow_plan(const struct render_plan *plan, const struct file_site *site,
                        const struct file_value *values, struct text *out)
{
    for (unsigned i = 0; i < plan->pieces; i++) {
        const struct piece *piece = &plan->piece[i];
        const struct file_value *value;

        text_put(out, plan->format + piece->at, piece->size);
        if (!piece->conversion.letter)
            continue;
        value = piece->index < site->args ? &values[piece->index] : NULL;
        if (value && value->type == piece->type)
            conversion_put(&piece->conversion, piece->way, value, out);
        else
            put_unplanned(&piece->conversion, value, out);
    }
}

/* The plan of this format: the one that was made for it, or a new one in its place. */
static const struct render_plan *plan_of(struct render_plans *plans, const struct file_site *site,
                                         uint32_t site_id)
{
    struct render_plan **slot = &plans->plan[site_id % RENDER_PLANS];
    struct render_plan *plan = *slot;

    if (plan && !strcmp(plan->format, site->format))
        return plan;
    render_plan_free(plan);
    *slot = NULL;
    plan = calloc(1, sizeof(*plan));
    if (!plan)
        return NULL;
    plan->format = strdup(site->format);
    if (!plan->format) {
        free(plan);
        return NULL;
    }
    plan->works = make_plan(plan, site);
    *slot = plan;
    return plan;
}

void render_plan_free(struct render_plan *plan)
{
    if (plan)
        free(plan->format);
    free(plan);
}

static void render_printf(const struct file_site *site, uint32_t site_id,
                          const struct file_value *values, struct render_plans *plans,
                          struct text *out)
{
    const struct render_plan *plan = plans ? plan_of(plans, site, site_id) : NULL;

    if (plan && plan->works)
        follow_plan(plan, site, values, out);
    else
        walk_format(site, values, out);
}

void render_message(const struct file_site *site, uint32_t site_id, const struct file_value *values,
                    struct render_plans *plans, struct text *out)
{
    if (site->kind == SHMLOG_SITE_PRINTF) {
        render_printf(site, site_id, values, plans, out);
        return;
    }
    text_puts(out, site->format);
    for (unsigned i = 0; i < site->args; i++) {
        text_putc(out, ' ');
        if (site->name[i] && *site->name[i])
            text_puts(out, site->name[i]);
        else
            text_printf(out, "arg%u", i + 1);
        text_putc(out, '=');
        render_value(&values[i], out);
    }
}

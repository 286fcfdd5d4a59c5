/* SPDX-License-Identifier: MIT
 *
 * What a condition, or a part of it, is of a record; or of a site, as far as that decides alone.
 */
#include "reader/query_node.h"
#include "reader/render.h"

#include <math.h>
#include <string.h>

/* What there is to look at. */
struct look {
    const struct query_site *site;
    const struct cursor_record *record;
    struct line *line; /* NULL: there is only the site */
};

static const struct query_value none = {.kind = QUERY_NONE}, unknown = {.kind = QUERY_UNKNOWN};

static struct query_value integer(__int128 value)
{
    return (struct query_value){QUERY_INTEGER, .integer = value};
}

static struct query_value truth(bool value)
{
    return (struct query_value){QUERY_TRUTH, .integer = value};
}

static struct query_value real(double value)
{
    return (struct query_value){QUERY_FLOAT, .real = value};
}

static struct query_value bytes(const void *data, size_t size)
{
    struct query_value value = {.kind = QUERY_BYTES};

    value.data = data;
    value.size = size;
    return value;
}

static struct query_value string(const char *text)
{
    return text && *text ? bytes(text, strlen(text)) : none;
}

/* ---- Leaves ---- */

static struct query_value meta_of_site(enum query_meta meta, const struct cursor_record *record)
{
    const struct file_site *const site = record->site;

    if (meta == QUERY_META_HOST)
        return string(record->host);
    if (meta == QUERY_META_SEGMENT)
        return string(record->segment_name);
    if (!site)
        return none;
    switch (meta) {
    case QUERY_META_LEVEL:
        return integer(site->level);
    case QUERY_META_SITE:
        return string(site->format);
    case QUERY_META_CATEGORY:
        return string(site->category);
    case QUERY_META_FILE:
        return string(site->file);
    case QUERY_META_LINE:
        return integer(site->line);
    default:
        return string(site->function);
    }
}

static struct query_value meta_of_producer(enum query_meta meta,
                                           const struct shmlog_producer *producer)
{
    size_t size;

    if (!producer)
        return none;
    switch (meta) {
    case QUERY_META_PID:
        return integer(producer->pid);
    case QUERY_META_TID:
        return integer(producer->tid);
    case QUERY_META_PROCESS:
        size = strnlen(producer->process, sizeof(producer->process));
        return size ? bytes(producer->process, size) : none;
    default:
        size = strnlen(producer->thread, sizeof(producer->thread));
        return size ? bytes(producer->thread, size) : none;
    }
}

static struct query_value meta_of(enum query_meta meta, const struct look *look)
{
    const struct cursor_record *const record = look->record;
    const struct text *message;

    if (meta < QUERY_META_BY_RECORD)
        return meta_of_site(meta, record);
    if (!look->line)
        return unknown;
    switch (meta) {
    case QUERY_META_TIME:
    case QUERY_META_TIME_NS:
        return integer(record->time_ns);
    case QUERY_META_CPU:
        return record->cpu == ~UINT32_C(0) ? none : integer(record->cpu);
    case QUERY_META_RING:
        return integer(record->ring);
    case QUERY_META_SEQ:
        return integer(record->seq);
    case QUERY_META_MESSAGE:
        message = line_message(look->line);
        return bytes(message->data, message->size);
    default:
        return meta_of_producer(meta, record->producer);
    }
}

static struct query_value value_of_argument(const struct file_value *value)
{
    switch (value->type) {
    case SHMLOG_TYPE_BOOL:
        return truth(value->u != 0);
    case SHMLOG_TYPE_CHAR:
        return bytes(&value->u, 1); /* its lowest byte comes first */
    case SHMLOG_TYPE_I8:
    case SHMLOG_TYPE_I16:
    case SHMLOG_TYPE_I32:
    case SHMLOG_TYPE_I64:
        return integer(value->i);
    case SHMLOG_TYPE_U8:
    case SHMLOG_TYPE_U16:
    case SHMLOG_TYPE_U32:
    case SHMLOG_TYPE_U64:
    case SHMLOG_TYPE_POINTER:
        return integer(value->u);
    case SHMLOG_TYPE_F32:
    case SHMLOG_TYPE_F64:
        return real(value->f);
    case SHMLOG_TYPE_BYTES:
        return value->is_null ? none : bytes(value->data, value->size);
    case SHMLOG_TYPE_STRING:
    case SHMLOG_TYPE_TEXT:
        return value->is_null ? none : bytes(value->data, render_string_size(value));
    default:
        return none;
    }
}

static struct query_value argument(unsigned name, const struct look *look)
{
    const int index = look->site->index[name];

    if (index < 0)
        return none;
    if (!look->line)
        return unknown;
    return (unsigned)index < line_values(look->line) ? value_of_argument(&look->line->value[index])
                                                     : none;
}

/* ---- Arithmetic ---- */

static bool is_numeric(const struct query_value *value)
{
    return value->kind == QUERY_INTEGER || value->kind == QUERY_FLOAT || value->kind == QUERY_TRUTH;
}

static double as_real(const struct query_value *value)
{
    return value->kind == QUERY_FLOAT ? value->real : (double)value->integer;
}

static struct query_value calculate(enum query_op op, const struct query_value *a,
                                    const struct query_value *b)
{
    __int128 exact;

    if (!is_numeric(a) || !is_numeric(b))
        return none;
    if (a->kind != QUERY_FLOAT && b->kind != QUERY_FLOAT) {
        if (op == QUERY_ADD && !__builtin_add_overflow(a->integer, b->integer, &exact))
            return integer(exact);
        if (op == QUERY_SUBTRACT && !__builtin_sub_overflow(a->integer, b->integer, &exact))
            return integer(exact);
        if (op == QUERY_MULTIPLY && !__builtin_mul_overflow(a->integer, b->integer, &exact))
            return integer(exact);
        if (op == QUERY_REMAINDER) /* -1: what overflows has no remainder, too */
            return b->integer == 0    ? none
                   : b->integer == -1 ? integer(0)
                                      : integer(a->integer % b->integer);
    }
    switch (op) {
    case QUERY_ADD:
        return real(as_real(a) + as_real(b));
    case QUERY_SUBTRACT:
        return real(as_real(a) - as_real(b));
    case QUERY_MULTIPLY:
        return real(as_real(a) * as_real(b));
    case QUERY_DIVIDE:
        return as_real(b) == 0 ? none : real(as_real(a) / as_real(b));
    default:
        return as_real(b) == 0 ? none : real(fmod(as_real(a), as_real(b)));
    }
}

/* ---- Comparisons ---- */

static int order_of(__int128 a, __int128 b)
{
    return a < b ? -1 : a > b;
}

/* An integer and a floating-point number that is not NaN, without rounding either. */
static int order_with_real(__int128 a, double b)
{
    const int whole = b >= 0x1p126 ? -1 : b <= -0x1p126 ? 1 : order_of(a, (__int128)b);

    return whole ? whole : b > trunc(b) ? -1 : b < trunc(b);
}

bool query_order(const struct query_value *a, const struct query_value *b, int *ret_order)
{
    if (a->kind == QUERY_BYTES && b->kind == QUERY_BYTES) {
        const size_t size = a->size < b->size ? a->size : b->size;
        const int order = size ? memcmp(a->data, b->data, size) : 0;

        *ret_order = order ? order : a->size < b->size ? -1 : a->size > b->size;
        return true;
    }
    if (!is_numeric(a) || !is_numeric(b))
        return false;
    if ((a->kind == QUERY_FLOAT && isnan(a->real)) || (b->kind == QUERY_FLOAT && isnan(b->real)))
        return false;
    if (a->kind == QUERY_FLOAT && b->kind == QUERY_FLOAT)
        *ret_order = a->real < b->real ? -1 : a->real > b->real;
    else if (a->kind == QUERY_FLOAT)
        *ret_order = -order_with_real(b->integer, a->real);
    else if (b->kind == QUERY_FLOAT)
        *ret_order = order_with_real(a->integer, b->real);
    else
        *ret_order = order_of(a->integer, b->integer);
    return true;
}

static struct query_value compared(enum query_op op, const struct query_value *a,
                                   const struct query_value *b)
{
    int order;

    if (a->kind == QUERY_NONE || b->kind == QUERY_NONE)
        return none;
    if (a->kind == QUERY_UNKNOWN || b->kind == QUERY_UNKNOWN)
        return unknown;
    if (!query_order(a, b, &order))
        return none;
    switch (op) {
    case QUERY_EQ:
        return truth(order == 0);
    case QUERY_NE:
        return truth(order != 0);
    case QUERY_LT:
        return truth(order < 0);
    case QUERY_LE:
        return truth(order <= 0);
    case QUERY_GT:
        return truth(order > 0);
    default:
        return truth(order >= 0);
    }
}

/* ---- The tree ---- */

static struct query_value value_of(const struct query_node *node, const struct look *look);

/* As a condition: a flag that was logged is one. */
static struct query_value condition(const struct query_node *node, const struct look *look)
{
    const struct query_value value = value_of(node, look);

    return value.kind == QUERY_INTEGER                              ? truth(value.integer != 0)
           : value.kind == QUERY_FLOAT || value.kind == QUERY_BYTES ? none
                                                                    : value;
}

static bool is_truth(const struct query_value *value, bool which)
{
    return value->kind == QUERY_TRUTH && value->integer == which;
}

/* AND with `decides` false, OR with true: one side may decide alone. */
static struct query_value combined(const struct query_node *node, const struct look *look,
                                   bool decides)
{
    const struct query_value one = condition(node->left, look);
    struct query_value other;

    if (is_truth(&one, decides))
        return one;
    other = condition(node->right, look);
    if (is_truth(&other, decides) || other.kind == QUERY_UNKNOWN)
        return other;
    return one.kind == QUERY_TRUTH ? other : one;
}

static struct query_value matched(const struct query_node *node, const struct look *look)
{
    const struct query_value text = value_of(node->left, look);
    const bool wanted = node->op == QUERY_MATCH;

    if (text.kind != QUERY_BYTES)
        return text.kind == QUERY_UNKNOWN ? unknown : none;
    return truth(pattern_matches(node->pattern, text.size ? text.data : "", text.size) == wanted);
}

static struct query_value among(const struct query_node *node, const struct look *look)
{
    const struct query_value value = value_of(node->left, look);
    bool is_unknown = value.kind == QUERY_UNKNOWN;

    if (value.kind == QUERY_NONE)
        return none;
    for (const struct query_node *item = node->right; item; item = item->next) {
        const struct query_value other = value_of(item, look),
                                 same = compared(QUERY_EQ, &value, &other);

        if (is_truth(&same, true))
            return truth(node->op == QUERY_IN);
        is_unknown = is_unknown || same.kind == QUERY_UNKNOWN;
    }
    return is_unknown ? unknown : truth(node->op != QUERY_IN);
}

static struct query_value negated(const struct query_node *node, const struct look *look)
{
    const struct query_value value = condition(node->left, look);

    return value.kind == QUERY_TRUTH ? truth(!value.integer) : value;
}

static struct query_value computed(const struct query_node *node, const struct look *look)
{
    static const struct query_value zero = {QUERY_INTEGER, .integer = 0};
    const bool sign = node->op == QUERY_NEGATE;
    const struct query_value a = sign ? zero : value_of(node->left, look);
    const struct query_value b = value_of(sign ? node->left : node->right, look);

    if (a.kind == QUERY_NONE || b.kind == QUERY_NONE)
        return none;
    if (a.kind == QUERY_UNKNOWN || b.kind == QUERY_UNKNOWN)
        return unknown;
    return calculate(sign ? QUERY_SUBTRACT : node->op, &a, &b);
}

static struct query_value value_of(const struct query_node *node, const struct look *look)
{
    struct query_value a, b;

    switch (node->op) {
    case QUERY_CONSTANT:
        return node->value;
    case QUERY_META:
        return meta_of(node->meta, look);
    case QUERY_ARGUMENT:
        return argument(node->name, look);
    case QUERY_HAS:
        return truth(look->site->index[node->name] >= 0);
    case QUERY_NOT:
        return negated(node, look);
    case QUERY_AND:
        return combined(node, look, false);
    case QUERY_OR:
        return combined(node, look, true);
    case QUERY_NEGATE:
    case QUERY_ADD:
    case QUERY_SUBTRACT:
    case QUERY_MULTIPLY:
    case QUERY_DIVIDE:
    case QUERY_REMAINDER:
        return computed(node, look);
    case QUERY_MATCH:
    case QUERY_NO_MATCH:
        return matched(node, look);
    case QUERY_IN:
    case QUERY_NOT_IN:
        return among(node, look);
    default:
        a = value_of(node->left, look);
        b = value_of(node->right, look);
        return compared(node->op, &a, &b);
    }
}

struct query_value query_computed(const struct query_node *node)
{
    return value_of(node, NULL);
}

struct query_value query_value_of(const struct query_node *node, const struct query_site *site,
                                  const struct cursor_record *record, struct line *line)
{
    const struct look look = {site, record, line};

    return condition(node, &look);
}

struct query_value query_operand(const struct query_node *node, const struct query_site *site,
                                 const struct cursor_record *like)
{
    const struct look look = {site, like, NULL};

    return value_of(node, &look);
}

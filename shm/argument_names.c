/* SPDX-License-Identifier: MIT
 *
 * From a call's text to names; see argument_names.h.
 */
#include "shm/argument_names.h"
#include "shm/call_text.h"

#include <stdio.h>
#include <string.h>

#define PARTS_MAX (2 * SHMLOG_ARGS_MAX) /* an event's: names and values */
#define NESTING_MAX 4u                  /* brackets around an expression that are opened */

/* ---- The name of an argument ---- */

/* A piece of text; `at` is NULL if there is none. */
struct piece {
    const char *at;
    size_t size;
};

static bool is_text(const struct call_text *text, const struct token *token, const char *word)
{
    return strlen(word) == token_size(token) &&
           memcmp(text->bytes + token->at, word, token_size(token)) == 0;
}

static bool is_one_of(const struct call_text *text, const struct token *token,
                      const char *const *words)
{
    while (*words && !is_text(text, token, *words))
        words++;
    return *words;
}

/* Read of an operand so far: its name, and the brackets that may be the operand. */
struct operand {
    const struct token *name;
    struct call_part brackets;
    bool begun;
    bool cast; /* its last word is one, and the brackets that follow are the operand */
};

static void take_word(const struct call_text *text, const struct token *token,
                      struct operand *operand)
{
    static const char *const constants[] = {"true", "false", "NULL", "nullptr", NULL};
    static const char *const casts[] = {"static_cast", "dynamic_cast",
                                        "const_cast",  "reinterpret_cast",
                                        "bool",        "char",
                                        "short",       "int",
                                        "long",        "float",
                                        "double",      "unsigned",
                                        "signed",      NULL};

    operand->begun = true;
    if (is_one_of(text, token, constants))
        return;
    operand->cast = is_one_of(text, token, casts);
    operand->name = operand->cast ? NULL : token;
    operand->brackets = (struct call_part){0, 0};
}

/* The bracket at `i`; returns where it goes on. */
static unsigned take_bracket(const struct call_text *text, const struct call_part *part, unsigned i,
                             struct operand *operand)
{
    const char kind = text->token[i].kind;
    unsigned next = call_text_behind(text, part, i);

    if (kind == '[' && !operand->begun) {
        /* a lambda: what follows are its parts */
        while (call_text_kind(text, part, next) == '(' || call_text_kind(text, part, next) == '{')
            next = call_text_behind(text, part, next);
    } else if (!operand->name && (kind == '(' || operand->cast)) {
        operand->brackets = call_text_inside(text, part, i); /* those before them were a cast */
        operand->cast = false;
    }
    operand->begun = true;
    return next;
}

/* The name of an expression, NULL if it has none. */
static const struct token *name_of(const struct call_text *text, struct call_part part,
                                   unsigned nesting)
{
    struct operand operand = {0};
    const struct token *found = NULL;
    unsigned i = part.at, next;

    for (;; i = next) {
        const char kind = call_text_kind(text, &part, i);

        next = i + 1;
        if (kind == TOKEN_WORD) {
            take_word(text, &text->token[i], &operand);
        } else if (kind == TOKEN_LITERAL) {
            operand.begun = true;
        } else if (token_opens(kind)) {
            next = take_bracket(text, &part, i, &operand);
        } else if (kind == '<' && (operand.name || operand.cast) &&
                   call_text_behind_angles(text, &part, i)) {
            next = call_text_behind_angles(text, &part, i);
        } else if (kind != TOKEN_MEMBER && operand.begun) { /* the operand ends */
            const struct token *name = operand.name;

            if (!name && nesting > 0)
                name = name_of(text, operand.brackets, nesting - 1);
            if (name && found &&
                (token_size(name) != token_size(found) ||
                 memcmp(text->bytes + name->at, text->bytes + found->at, token_size(name)) != 0))
                return NULL;
            found = name ? name : found;
            operand = (struct operand){0};
        }
        if (kind == TOKEN_NONE)
            return found;
    }
}

/* Is it SHMLOG_NAMED(), or what that expands to: ((void)"" "name", (value))? Then its name, and
 * what it is the name of. */
static bool given_name(const struct call_text *text, struct call_part part, struct piece *ret_name,
                       struct call_part *ret_value)
{
    const char kind = call_text_kind(text, &part, part.at);
    struct piece name = {NULL, 0};
    struct call_part parts[2];

    if (call_text_kind(text, &part, part.at + 1) != '(')
        return false;
    if (kind == TOKEN_WORD && is_text(text, &text->token[part.at], "SHMLOG_NAMED")) {
        part.at += 2;
    } else {
        const struct call_part type = call_text_inside(text, &part, part.at + 1);

        if (kind != '(' || type.end - type.at != 1 || !is_text(text, &text->token[type.at], "void"))
            return false;
        part.at = call_text_behind(text, &part, part.at + 1);
    }
    if (part.at >= part.end || text->token[part.end - 1].kind != ')')
        return false;
    part.end--; /* the bracket that closes it */
    if (call_text_split(text, part, true, parts, 2) != 2)
        return false;
    for (unsigned i = parts[0].at; i < parts[0].end; i++) {
        const struct token *const token = &text->token[i];

        if (token->kind != TOKEN_LITERAL)
            return false;
        if (text->bytes[token->at] == '"' && token_size(token) > 2)
            name = (struct piece){text->bytes + token->at + 1, token_size(token) - 2};
    }
    if (!name.at)
        return false;
    *ret_name = name;
    *ret_value = parts[1];
    return true;
}

/* The name of an event's field, one or more string literals, is put together in `buffer`. */
static struct piece literal_name(const struct call_text *text, struct call_part part, char *buffer)
{
    const struct piece none = {NULL, 0};
    size_t size = 0;

    if (part.at >= part.end)
        return none;
    for (unsigned i = part.at; i < part.end; i++) {
        const char *p = text->bytes + text->token[i].at;
        const char *const end = text->bytes + text->token[i].end;

        if (*p++ != '"')
            return none;
        for (; p < end && *p != '"'; p++) {
            const char next = *p == '\\' && p + 1 < end ? p[1] : 0;

            if (next == '"' || next == '\\' || next == 'n') {
                buffer[size++] = next == 'n' ? '\n' : next;
                p++;
            } else {
                buffer[size++] = *p;
            }
        }
        if (p == end)
            return none; /* the literal was cut */
    }
    return (struct piece){buffer, size};
}

/* ---- Sites ---- */

/* A site that is put together; what does not fit is left out, but for terminators. */
struct blob {
    size_t size;
    uint8_t bytes[SHMLOG_SITE_MAX];
};

/* Add a string made of two. It ends before `limit`, if it is not empty. */
static void add_string(struct blob *blob, size_t limit, struct piece a, struct piece b)
{
    const struct piece *const pieces[2] = {&a, &b};

    for (unsigned i = 0; i < 2; i++) {
        const size_t room = limit > blob->size + 1 ? limit - blob->size - 1 : 0;
        const size_t size = pieces[i]->size < room ? pieces[i]->size : room;

        if (size)
            memcpy(blob->bytes + blob->size, pieces[i]->at, size);
        blob->size += size;
    }
    blob->bytes[blob->size++] = 0;
}

/* Is there such a name among those from byte `first` on? */
static bool is_taken(const struct blob *blob, size_t first, struct piece name, struct piece suffix)
{
    const char *at = (const char *)blob->bytes + first;
    const char *const end = (const char *)blob->bytes + blob->size;

    for (; at < end; at += strlen(at) + 1)
        if (strlen(at) == name.size + suffix.size && memcmp(at, name.at, name.size) == 0 &&
            memcmp(at + name.size, suffix.at, suffix.size) == 0)
            return true;
    return false;
}

static void add_name(struct blob *blob, size_t first, size_t limit, struct piece name)
{
    char text[8] = "";
    struct piece suffix = {text, 0};

    /* one more than there are arguments: not all are taken */
    for (unsigned n = 2; is_taken(blob, first, name, suffix) && n <= SHMLOG_ARGS_MAX + 1; n++)
        suffix.size = (size_t)snprintf(text, sizeof(text), "_%u", n);
    add_string(blob, limit, name, suffix);
}

/* Split a call's text into so many parts; false: it is of another number. Of a site of the most
 * bytes it may be cut: then those parts are empty that are not whole. */
static bool split_call(const struct call_text *text, unsigned count, bool cut,
                       struct call_part *ret_parts)
{
    const struct call_part whole = {0, text->count};
    unsigned found = call_text_split(text, whole, false, ret_parts, count);

    if (found != count)
        found = call_text_split(text, whole, true, ret_parts, count);
    if (found < count && cut) {
        for (found--; found < count; found++)
            ret_parts[found] = (struct call_part){0, 0};
    }
    return found == count;
}

static struct piece text_of(const struct call_text *text, struct call_part part)
{
    size_t at;

    if (part.at >= part.end)
        return (struct piece){"", 0};
    at = text->token[part.at].at;
    return (struct piece){text->bytes + at, text->token[part.end - 1].end - at};
}

/* Add what the source says of each value, where that is not its name; false: nowhere. */
static bool add_expressions(struct blob *blob, size_t first, const struct call_text *text,
                            const struct call_part *values, unsigned args)
{
    struct piece expression[SHMLOG_ARGS_MAX];
    const char *name = (const char *)blob->bytes + first;
    bool any = false;

    for (unsigned i = 0; i < args; i++, name += strlen(name) + 1) {
        expression[i] = text_of(text, values[i]);
        if (strlen(name) == expression[i].size &&
            memcmp(name, expression[i].at, expression[i].size) == 0)
            expression[i].size = 0;
        any = any || expression[i].size > 0;
    }
    for (unsigned i = 0; any && i < args; i++)
        add_string(blob, SHMLOG_SITE_MAX - (args - 1 - i), expression[i], (struct piece){"", 0});
    return any;
}

/* Add the names of a call's values and, of a message, the expressions; returns the site's further
 * flags. There is room for a terminator of each name. */
static uint16_t add_names(struct blob *blob, const struct call_text *text, bool event,
                          unsigned args, bool cut)
{
    const size_t first = blob->size;
    struct call_part parts[PARTS_MAX];
    const bool whole = split_call(text, event ? 2 * args : args, cut, parts);
    /* none where strings that no producer writes leave no room for their terminators */
    const bool expressions = whole && !event && first + 2 * args <= SHMLOG_SITE_MAX;
    char number[8], literal[SHMLOG_SITE_MAX];

    for (unsigned i = 0; i < args; i++) {
        struct piece name = {NULL, 0};

        if (whole && event) {
            name = literal_name(text, parts[2 * i], literal);
        } else if (whole && !given_name(text, parts[i], &name, &parts[i])) {
            const struct token *const token = name_of(text, parts[i], NESTING_MAX);

            if (token)
                name = (struct piece){text->bytes + token->at, token_size(token)};
        }
        if (!name.at) {
            name.at = number;
            name.size = (size_t)snprintf(number, sizeof(number), "arg%u", i + 1);
        }
        /* keep room for the terminators of those that follow */
        add_name(blob, first, SHMLOG_SITE_MAX - (args - 1 - i) - (expressions ? args : 0), name);
    }
    return expressions && add_expressions(blob, first, text, parts, args)
               ? SHMLOG_SITE_FLAG_EXPRESSIONS
               : 0;
}

/* Find the text of a site, which is the fifth string, and where it begins: the names come there. */
static bool find_text(const uint8_t *raw, size_t size, const struct shmlog_site *head,
                      size_t *ret_at, size_t *ret_size)
{
    size_t at = sizeof(*head) + head->args * sizeof(struct shmlog_site_arg);
    const uint8_t *nul;

    for (unsigned i = 0; i < 5; i++) {
        if (at >= size)
            return false;
        nul = memchr(raw + at, 0, size - at);
        if (!nul)
            return false;
        *ret_at = at;
        *ret_size = (size_t)(nul - raw) - at;
        at += *ret_size + 1;
    }
    return true;
}

void shm_argument_names(const uint8_t *raw, size_t size, uint8_t *ret_site, size_t *ret_size)
{
    struct shmlog_site head = {0};
    struct blob blob;
    struct call_text text;
    size_t at, text_size;

    if (size >= sizeof(head))
        memcpy(&head, raw, sizeof(head));
    if (!(head.flags & SHMLOG_SITE_FLAG_TEXT) || head.size != size ||
        (head.kind != SHMLOG_SITE_PRINTF && head.kind != SHMLOG_SITE_EVENT) ||
        head.args > SHMLOG_ARGS_MAX || !find_text(raw, size, &head, &at, &text_size) ||
        at + head.args > SHMLOG_SITE_MAX) {
        memcpy(ret_site, raw, size);
        *ret_size = size;
        return;
    }
    memcpy(blob.bytes, raw, at);
    blob.size = at;
    call_text_init(&text, (const char *)raw + at, text_size);
    head.flags &= (uint16_t) ~(SHMLOG_SITE_FLAG_TEXT | SHMLOG_SITE_FLAG_EXPRESSIONS);
    head.flags |=
        add_names(&blob, &text, head.kind == SHMLOG_SITE_EVENT, head.args, size == SHMLOG_SITE_MAX);
    head.size = (uint16_t)blob.size;
    memcpy(blob.bytes, &head, sizeof(head));
    memcpy(ret_site, blob.bytes, blob.size);
    *ret_size = blob.size;
}

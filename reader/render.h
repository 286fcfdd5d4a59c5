/* SPDX-License-Identifier: MIT
 *
 * From a record's typed binary values to text: the format of a printf-style call, or the name and
 * fields of an event.
 *
 * Formats come from shared memory and files, so none is ever handed to printf as it is: each
 * conversion is parsed, and a specification made here from its checked parts is. Whatever the
 * format and the values are, a rendering ends, is bounded and takes no argument that is not there.
 */
#ifndef READER_RENDER_H
#define READER_RENDER_H

#include "logfile/site.h"
#include "reader/text.h"

#define RENDER_WIDTH_MAX 4096 /* of a field; wider ones, and precisions, are cut to it */

/* Formats taken apart once for many records, by site id; zeroed at first. A plan serves only the
 * format it was made of, whatever site has its place. */
#define RENDER_PLANS 1024u
struct render_plan;
struct render_plans {
    struct render_plan *plan[RENDER_PLANS];
};
void render_plan_free(struct render_plan *plan);

/* The message of a record: what printf() would have written, or `name field=value ...`. `plans` may
 * be NULL; then `site_id` is not looked at.
 *
 * An argument is taken with the type it was stored with, and where the conversion does not fit that
 * type it is written as in an event. A missing argument shows as <missing>; %n and unknown
 * conversions show as they stand. */
void render_message(const struct file_site *site, uint32_t site_id, const struct file_value *values,
                    struct render_plans *plans, struct text *out);

/* One value as in an event: strings are quoted where that is needed to tell where they end. */
void render_value(const struct file_value *value, struct text *out);
/* One value as JSON; *invalid (may be NULL) as of text_put_json(). */
void render_value_json(const struct file_value *value, struct text *out, bool *invalid);
/* {"name":value,...}. The keys are the names that the site has. An argument without a name is
 * called arg1, arg2, ... by its number; one whose name is a key already, upper and lower case being
 * the same, has `#` and its number after it. So keys are unique, and no two differ in case alone.
 */
void render_fields_json(const struct file_site *site, const struct file_value *values,
                        struct text *out, bool *invalid);

/* The same in two steps, for many records of a site: its keys, each a piece of the (empty) memo
 * with what stands before it and its colon, and an object of these and the `count` values of a
 * record. */
struct memo;
void render_keys_json(const struct file_site *site, struct memo *ret_keys);
void render_fields_by_keys(const struct memo *keys, unsigned count, const struct file_value *values,
                           struct text *out, bool *invalid);

/* Index of the argument that has this key, -1: none. */
int render_find_key(const struct file_site *site, const char *key);

/* Bytes of a STRING, BYTES or TEXT value; TEXT ends at its first NUL. */
size_t render_string_size(const struct file_value *value);

#endif

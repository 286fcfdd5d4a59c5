/* SPDX-License-Identifier: MIT
 *
 * A call site, parsed: what a site's bytes (struct shmlog_site and what follows) say, checked.
 */
#ifndef LOGFILE_SITE_H
#define LOGFILE_SITE_H

#include "producer/segment_tables.h"

#include <stdbool.h>

#define FILE_SITE_ARGS_MAX 32 /* the larger of SHMLOG_ARGS_MAX and SHMLOG_RAW_FIELDS_MAX */

struct file_site {
    uint8_t kind, level;
    uint16_t flags;
    uint32_t line;
    uint32_t record_size; /* RAW */
    unsigned args;
    struct shmlog_site_arg arg[FILE_SITE_ARGS_MAX];
    uint32_t fixed_size; /* payload bytes from SHMLOG_PAYLOAD_ARGS to the end of the last value in
                            the fixed area, or to the end of the RAW struct; strings begin there */
    bool strings;        /* has STRING or BYTES arguments */
    /* into `bytes` */
    const char *format, *file, *function, *category;
    const char *name[FILE_SITE_ARGS_MAX];
    const char *expression[FILE_SITE_ARGS_MAX]; /* in the source; the name, if there is no other */
    size_t size;
    uint8_t bytes[SHMLOG_SITE_MAX]; /* last: tables allocate only the first `size` of them, so
                                       never copy a whole struct file_site */
};

/* Bytes of a value of this SHMLOG_TYPE_* in the fixed area; 0: unknown, or TEXT, which varies. */
unsigned file_type_size(unsigned type);

/* Parse and check a site's bytes: sizes, types, offsets (aligned, inside the payload, in order, not
 * overlapping for other kinds than RAW), strings terminated. -EBADMSG if anything is off; what is
 * in ret_site is undefined then. */
int file_site_parse(const uint8_t *bytes, size_t size, struct file_site *ret_site);

/* Sites by id, in pages, for producers choose ids by hash: few sites are far apart. */
#define FILE_SITES_PAGE 256u
#define FILE_SITES_PAGES ((SHMLOG_SITE_ID_MASK + 1) / FILE_SITES_PAGE)
struct file_sites_page {
    struct file_site *site[FILE_SITES_PAGE]; /* NULL unknown */
};
struct file_sites {
    struct file_sites_page *
        *page; /* FILE_SITES_PAGES of them; NULL: no site of the page is known */
};

/* NULL: unknown. The pointer is good until file_sites_done(). */
const struct file_site *file_sites_get(const struct file_sites *sites, uint32_t id);
/* The next known id after this one; 0: there is none. */
uint32_t file_sites_next(const struct file_sites *sites, uint32_t id);
/* Add a site. 0 also if it is there already; -EEXIST if the id has another one, which is kept;
 * -EBADMSG if the bytes are not a site's. */
int file_sites_put(struct file_sites *sites, uint32_t id, const uint8_t *bytes, size_t size);
void file_sites_done(struct file_sites *sites);

/* One argument's value within a record's payload (bytes from payload offset 0 = the time). */
struct file_value {
    uint8_t type; /* SHMLOG_TYPE_* */
    bool is_null; /* a NULL string */
    bool cut;
    union {
        uint64_t u;
        int64_t i;
        double f;
    };
    const uint8_t *data; /* STRING, BYTES, TEXT */
    uint32_t size;
};

/* Take the values of a record apart: `ret_values` gets site->args of them. -EBADMSG if the payload
 * is too short or its length words go beyond it. */
int file_site_values(const struct file_site *site, const uint8_t *payload, size_t size,
                     struct file_value *ret_values);

#endif

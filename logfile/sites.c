/* SPDX-License-Identifier: MIT
 *
 * The table of sites by id. An id means one site for as long as its segment lives, so an entry is
 * never replaced: pointers into the table stay good until file_sites_done().
 */
#include "logfile/site.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_last(uint32_t id)
{
    return id >= SHMLOG_SITE_INLINE && id <= SHMLOG_SITE_ID_MASK;
}

const struct file_site *file_sites_get(const struct file_sites *sites, uint32_t id)
{
    if (id < sites->count)
        return sites->site[id];
    return is_last(id) ? sites->last[id - SHMLOG_SITE_INLINE] : NULL;
}

static int grow(struct file_sites *sites, uint32_t id)
{
    uint32_t count = sites->count ? sites->count : 64;
    struct file_site **site;

    if (id < sites->count || is_last(id))
        return 0;
    while (count <= id)
        count *= 2;
    if (count > SHMLOG_SITE_INLINE)
        count = SHMLOG_SITE_INLINE; /* those from there on are not here */
    site = realloc(sites->site, count * sizeof(*site));
    if (!site)
        return -ENOMEM;
    memset(site + sites->count, 0, (count - sites->count) * sizeof(*site));
    sites->site = site;
    sites->count = count;
    return 0;
}

int file_sites_put(struct file_sites *sites, uint32_t id, const uint8_t *bytes, size_t size)
{
    const struct file_site *known = file_sites_get(sites, id);
    struct file_site *site;
    int r;

    if (id > SHMLOG_SITE_ID_MASK || size > SHMLOG_SITE_MAX)
        return -EBADMSG;
    if (known)
        return known->size == size && !memcmp(known->bytes, bytes, size) ? 0 : -EEXIST;
    /* `bytes` is last in the struct: take no more of it than this site has. */
    site = malloc(offsetof(struct file_site, bytes) + size);
    if (!site)
        return -ENOMEM;
    r = file_site_parse(bytes, size, site);
    if (r == 0)
        r = grow(sites, id);
    if (r < 0) {
        free(site);
        return r;
    }
    if (is_last(id))
        sites->last[id - SHMLOG_SITE_INLINE] = site;
    else
        sites->site[id] = site;
    return 0;
}

void file_sites_done(struct file_sites *sites)
{
    if (!sites)
        return;
    for (uint32_t i = 0; i < sites->count; i++)
        free(sites->site[i]);
    for (size_t i = 0; i < sizeof(sites->last) / sizeof(sites->last[0]); i++)
        free(sites->last[i]);
    free(sites->site);
    *sites = (struct file_sites){0};
}

/* SPDX-License-Identifier: MIT
 *
 * The table of sites by id. An id means one site for as long as its segment lives, so an entry is
 * never replaced: pointers into the table stay good until file_sites_done().
 */
#include "logfile/site.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct file_site *file_sites_get(const struct file_sites *sites, uint32_t id)
{
    const struct file_sites_page *page;

    if (!sites->page || id > SHMLOG_SITE_ID_MASK)
        return NULL;
    page = sites->page[id / FILE_SITES_PAGE];
    return page ? page->site[id % FILE_SITES_PAGE] : NULL;
}

uint32_t file_sites_next(const struct file_sites *sites, uint32_t id)
{
    for (id++; sites->page && id <= SHMLOG_SITE_ID_MASK; id++) {
        if (!sites->page[id / FILE_SITES_PAGE])
            id |= FILE_SITES_PAGE - 1; /* the last one of its page */
        else if (sites->page[id / FILE_SITES_PAGE]->site[id % FILE_SITES_PAGE])
            return id;
    }
    return 0;
}

/* Where the site of an id goes. NULL: no memory. */
static struct file_site **place_of(struct file_sites *sites, uint32_t id)
{
    struct file_sites_page **page;

    if (!sites->page)
        sites->page = calloc(FILE_SITES_PAGES, sizeof(struct file_sites_page *));
    if (!sites->page)
        return NULL;
    page = &sites->page[id / FILE_SITES_PAGE];
    if (!*page)
        *page = calloc(1, sizeof(**page));
    return *page ? &(*page)->site[id % FILE_SITES_PAGE] : NULL;
}

int file_sites_put(struct file_sites *sites, uint32_t id, const uint8_t *bytes, size_t size)
{
    const struct file_site *known = file_sites_get(sites, id);
    struct file_site *site, **place;
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
    place = r == 0 ? place_of(sites, id) : NULL;
    if (!place) {
        free(site);
        return r < 0 ? r : -ENOMEM;
    }
    *place = site;
    return 0;
}

static void free_page(struct file_sites_page *page)
{
    for (uint32_t i = 0; i < FILE_SITES_PAGE; i++)
        if (page->site[i]) /* few are */
            free(page->site[i]);
    free(page);
}

void file_sites_done(struct file_sites *sites)
{
    if (!sites)
        return;
    for (uint32_t i = 0; sites->page && i < FILE_SITES_PAGES; i++)
        if (sites->page[i])
            free_page(sites->page[i]);
    free(sites->page);
    *sites = (struct file_sites){0};
}

/* SPDX-License-Identifier: MIT
 *
 * Listing instructions with objdump; see places.h.
 *
 * The ways out of a sequence are behind some other function's code: they are found from the
 * sequence's descriptor, and end where they jump back. Descriptors lie among the program's
 * relocated constants; the signature before an abort's target tells them from anything else there.
 */
#include "tests/death/places.h"

#include "tests/death/calls.h"
#include "tests/kit/kit.h"

#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Jumps back: aborted; given up, for whatever reason. */
#define WAYS_OUT 2

/* struct rseq_cs */
struct descriptor {
    uint32_t version, flags;
    uint64_t start, size, abort;
};
#define SIGNATURE 0x53053053u

struct line {
    uint64_t address;
    char symbol[SYMBOL_MAX];
    bool padding;
    bool jump; /* always */
};

static bool is_wanted(const char *symbol)
{
    return strncmp(symbol, "victim_", 7) == 0 || strncmp(symbol, "shmlog_", 7) == 0;
}

static bool is_padding(const char *text)
{
    static const char *const word[] = {"nop", "data16", "cs nop", "xchg   %ax,%ax", "ud1", "int3"};

    for (size_t i = 0; i < sizeof(word) / sizeof(word[0]); i++)
        if (strncmp(text, word[i], strlen(word[i])) == 0)
            return true;
    return false;
}

/* The compiler makes variants of functions: "name.isra.0", "name.cold". */
static void cut_variant(char *symbol)
{
    if (strncmp(symbol, "shmlog_", 7) == 0)
        symbol[strcspn(symbol, ".")] = 0;
}

/* All instructions of the program, at the addresses that they have now. */
static struct line *read_lines(size_t *ret_count, uint64_t *ret_moved)
{
    char buffer[512], symbol[SYMBOL_MAX] = "";
    uint64_t marked = 0;
    struct line *lines = NULL;
    size_t count = 0, room = 0;
    FILE *f = popen(kit_text("objdump -d --no-show-raw-insn /proc/%d/exe", (int)getpid()), "r");

    KIT_CHECK(f != NULL);
    while (fgets(buffer, sizeof(buffer), f)) {
        uint64_t address;
        char name[SYMBOL_MAX];
        int at = 0;

        if (sscanf(buffer, "%" SCNx64 " <%47[^>]>:", &address, name) == 2) {
            cut_variant(name);
            memcpy(symbol, name, sizeof(symbol));
            if (strcmp(name, "mark") == 0)
                marked = address;
        } else if (sscanf(buffer, " %" SCNx64 ":%n", &address, &at) == 1 && at) {
            if (count == room) {
                room = room ? room * 2 : 16384;
                lines = realloc(lines, room * sizeof(*lines));
                KIT_CHECK(lines != NULL);
            }
            while (buffer[at] == '\t' || buffer[at] == ' ')
                at++;
            lines[count].address = address;
            lines[count].padding = is_padding(buffer + at);
            lines[count].jump = strncmp(buffer + at, "jmp", 3) == 0;
            memcpy(lines[count++].symbol, symbol, sizeof(symbol));
        }
    }
    pclose(f);
    KIT_COMPARE(marked, !=, 0);
    *ret_moved = (uint64_t)(uintptr_t)mark - marked;
    for (size_t i = 0; i < count; i++)
        lines[i].address += *ret_moved;
    *ret_count = count;
    return lines;
}

static int by_address(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static const struct line *find_line(const struct line *lines, size_t count, uint64_t address)
{
    return bsearch(&address, lines, count, sizeof(*lines), by_address);
}

static void add(struct places *p, uint64_t address, const char *symbol)
{
    struct place *const place = &p->place[p->count++];

    memset(place, 0, sizeof(*place));
    place->address = address;
    snprintf(place->symbol, sizeof(place->symbol), "%s", symbol);
    place->sequence = -1;
    for (size_t i = 0; i < p->sequences; i++)
        if (address - p->sequence[i].start < p->sequence[i].size)
            place->sequence = (int)i;
}

static bool is_descriptor(const struct descriptor *d, const struct line *lines, size_t count)
{
    uint32_t signature;

    if (d->version || d->flags || !find_line(lines, count, d->start) ||
        !find_line(lines, count, d->start + d->size) || !find_line(lines, count, d->abort))
        return false;
    memcpy(&signature, (const void *)(uintptr_t)(d->abort - sizeof(signature)), sizeof(signature));
    return signature == SIGNATURE;
}

/* Where the program, the first of the objects, has its relocated constants. */
static int find_constants(struct dl_phdr_info *info, size_t size, void *ret_segment)
{
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        ElfW(Phdr) segment = info->dlpi_phdr[i];

        if (segment.p_type != PT_GNU_RELRO)
            continue;
        segment.p_vaddr += info->dlpi_addr;
        memcpy(ret_segment, &segment, sizeof(segment));
    }
    return 1;
}

static void read_sequences(struct places *p, const struct line *lines, size_t count)
{
    const struct descriptor *from, *end;
    ElfW(Phdr) segment = {0};

    dl_iterate_phdr(find_constants, &segment);
    from = (const void *)((segment.p_vaddr + sizeof(*from) - 1) & ~(sizeof(*from) - 1));
    end = (const void *)((segment.p_vaddr + segment.p_memsz) & ~(sizeof(*from) - 1));
    p->sequence = calloc((size_t)(end - from) + 1, sizeof(*p->sequence));
    KIT_CHECK(p->sequence != NULL);
    for (const struct descriptor *d = from; d < end; d++) {
        struct sequence *const sequence = &p->sequence[p->sequences];
        const struct line *line;

        if (!is_descriptor(d, lines, count))
            continue;
        line = find_line(lines, count, d->start);
        *sequence = (struct sequence){.start = d->start, .size = d->size, .abort = d->abort};
        memcpy(sequence->symbol, line->symbol, sizeof(line->symbol));
        p->sequences++;
    }
    KIT_CHECK(p->sequences > 0);
}

void places_open(struct places *p)
{
    struct line *lines;
    size_t count;

    memset(p, 0, sizeof(*p));
    if (!kit_have_command("objdump"))
        kit_skip("there is no objdump to list instructions with");
    lines = read_lines(&count, &p->moved);
    qsort(lines, count, sizeof(*lines), by_address);
    read_sequences(p, lines, count);
    p->place = calloc(count + 1, sizeof(*p->place));
    KIT_CHECK(p->place != NULL);
    for (size_t i = 0; i < count; i++) {
        const bool out = lines[i].padding || !is_wanted(lines[i].symbol);

        if (!out)
            add(p, lines[i].address, lines[i].symbol);
    }
    for (size_t i = 0; i < p->sequences; i++) {
        const struct line *line = find_line(lines, count, p->sequence[i].abort);

        KIT_CHECK(line != NULL);
        for (int n = 0; is_wanted(p->sequence[i].symbol) && n < WAYS_OUT; n += line++->jump)
            if (places_find(p, line->address) < 0)
                add(p, line->address, p->sequence[i].symbol);
        qsort(p->place, p->count, sizeof(*p->place), by_address);
    }
    free(lines);
}

void places_close(struct places *p)
{
    free(p->place);
    free(p->sequence);
}

long places_find(const struct places *p, uint64_t address)
{
    const struct place *const found =
        bsearch(&address, p->place, p->count, sizeof(*p->place), by_address);

    return found ? found - p->place : -1;
}

uint64_t places_function(const struct places *p, const char *symbol)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->place[i].symbol, symbol) == 0)
            return p->place[i].address;
    KIT_FAIL("no function %s in this program", symbol);
}

uint64_t places_commit(const struct places *p, const struct sequence *sequence)
{
    uint64_t last = 0;

    for (size_t i = 0; i < p->count; i++)
        if (p->place[i].address - sequence->start < sequence->size)
            last = p->place[i].address;
    KIT_COMPARE(last, !=, 0);
    return last;
}

/* What addr2line says of an address: "file.h:line", without the folders. */
static void print_line(const struct places *p, uint64_t address)
{
    char text[512] = "";
    const char *name;
    FILE *f =
        popen(kit_text("addr2line -e /proc/%d/exe %" PRIx64, (int)getpid(), address - p->moved),
              "r");

    if (f && fgets(text, sizeof(text), f))
        text[strcspn(text, " \n")] = 0;
    if (f)
        pclose(f);
    name = strrchr(text, '/');
    printf(" %s", name ? name + 1 : text);
}

size_t places_unreached(const struct places *p, const char *symbol)
{
    size_t unreached = 0;

    for (size_t i = 0; i < p->count; i++)
        unreached += !p->place[i].reached && strcmp(p->place[i].symbol, symbol) == 0;
    return unreached;
}

void places_print_unreached(const struct places *p, const char *symbol)
{

    for (size_t i = 0; i < p->count; i++) {
        const struct place *const place = &p->place[i];

        if (place->reached || strcmp(place->symbol, symbol) != 0)
            continue;
        printf("    not reached: %s + 0x%" PRIx64, place->symbol,
               place->address - places_function(p, place->symbol));
        print_line(p, place->address);
        printf("\n");
    }
}

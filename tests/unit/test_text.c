/* SPDX-License-Identifier: MIT
 *
 * Strings are put many bytes at a time: wherever a byte stands, it comes out as it does alone.
 */
#include "reader/text.h"

#include "tests/unit/file_kit.h"

#define LONGEST 40u

static struct text got, want;

/* What one ASCII character, or a byte that is none, is in each way: the rules of text.h. */
static void want_plain(uint8_t byte, const char *kept)
{
    char escape[8];

    if (byte && strchr(kept, byte))
        sprintf(escape, "%c", byte);
    else if (byte == '\n' || byte == '\t' || byte == '\r')
        sprintf(escape, "\\%c", byte == '\n' ? 'n' : byte == '\t' ? 't' : 'r');
    else
        sprintf(escape, byte >= 0x20 && byte < 0x7f ? "%c" : "\\x%02x", byte);
    text_puts(&want, escape);
}

static void want_json(uint8_t byte)
{
    char escape[8];

    if (byte == '"' || byte == '\\')
        sprintf(escape, "\\%c", byte);
    else if (byte == '\n' || byte == '\t' || byte == '\r')
        sprintf(escape, "\\%c", byte == '\n' ? 'n' : byte == '\t' ? 't' : 'r');
    else
        sprintf(escape,
                byte >= 0x80                  ? "\\\\x%02x"
                : byte >= 0x20 && byte < 0x7f ? "%c"
                                              : "\\u%04x",
                byte);
    text_puts(&want, escape);
}

static void want_csv(uint8_t byte)
{
    if (byte == '"')
        text_putc(&want, '"');
    want_plain(byte, "\n\r\t");
}

static void same(const char *what, const uint8_t *data, size_t size)
{
    cr_assert(got.size == want.size && !memcmp(got.data, want.data, got.size),
              "%s of %zu bytes that end in %02x: '%.*s', not '%.*s'", what, size,
              size ? data[size - 1] : 0, (int)got.size, got.data, (int)want.size, want.data);
    text_clear(&got);
    text_clear(&want);
}

/* The string in memory of just its size, so that ASan sees a look beyond it. */
static void check(const uint8_t *string, size_t size)
{
    uint8_t *const data = malloc(size ? size : 1);
    bool invalid = false, is_invalid = false, quoted = false;

    memcpy(data, string, size);
    text_put_plain(&got, data, size);
    for (size_t i = 0; i < size; i++)
        want_plain(data[i], "");
    same("plain", data, size);

    text_put_json(&got, data, size, &invalid);
    text_putc(&want, '"');
    for (size_t i = 0; i < size; i++) {
        want_json(data[i]);
        is_invalid |= data[i] >= 0x80;
    }
    text_putc(&want, '"');
    same("JSON", data, size);
    cr_assert_eq(invalid, is_invalid);

    text_put_csv(&got, data, size);
    for (size_t i = 0; i < size; i++)
        quoted |= data[i] && strchr("\",\r\n", data[i]);
    if (quoted)
        text_putc(&want, '"');
    for (size_t i = 0; i < size; i++)
        want_csv(data[i]);
    if (quoted)
        text_putc(&want, '"');
    same("CSV", data, size);
    free(data);
}

Test(text, each_byte_at_each_place)
{
    uint8_t string[LONGEST];

    memset(string, '~', sizeof(string));
    for (size_t size = 0; size <= 24; size++)
        for (size_t at = 0; at < size; at++)
            for (unsigned byte = 0; byte < 256; byte++) {
                string[at] = (uint8_t)byte;
                check(string, size);
                string[at] = '~';
            }
}

/* No two bytes from 0x80 on stand together, so that none of them is a part of a character. */
Test(text, many_at_once)
{
    static const uint8_t special[] = "\"\\,\n\r\t\0\x1f\x7f\x80\xff ~\"\"\"\\\\";

    rng_seed(1);
    for (unsigned round = 0; round < 200000; round++) {
        const size_t size = rng_below(LONGEST + 1);
        uint8_t string[LONGEST];

        for (size_t i = 0; i < size; i++) {
            string[i] = rng() % 3 ? (uint8_t)(' ' + rng_below(95))
                                  : special[rng_below(sizeof(special) - 1)];
            if (i && string[i] >= 0x80 && string[i - 1] >= 0x80)
                string[i] = 'x';
        }
        check(string, size);
    }
}

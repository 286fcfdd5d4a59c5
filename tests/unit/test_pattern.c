/* SPDX-License-Identifier: MIT
 *
 * Regular expressions: egrep's, over any bytes, in linear time.
 */
#include "reader/pattern.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

TestSuite(pattern, .timeout = 120);

static struct pattern *open_pattern(const char *text)
{
    struct pattern *pattern = NULL;
    char message[128] = "";

    cr_assert_eq(pattern_open(text, &pattern, message, sizeof(message)), 0, "%s: %s", text,
                 message);
    return pattern;
}

static bool matches(const char *text, const char *in)
{
    struct pattern *const pattern = open_pattern(text);
    const bool found = pattern_matches(pattern, in, strlen(in));

    pattern_close(pattern);
    return found;
}

Test(pattern, as_egrep)
{
    cr_expect(matches("47[0-9]+ sent$", "order 4711 sent"));
    cr_expect(!matches("^sent", "order 4711 sent"));
    cr_expect(matches("(buy|sell) {2}[[:digit:]]+", "sell  7"));
    cr_expect(matches("a{2,3}b?$", "xaaa"));
    cr_expect(!matches("a{4}", "aaa"));
    cr_expect(matches("\\bpx=\\d+\\s\\w", "px=12 q"));
    cr_expect(matches("", "anything") && matches("", ""));
    cr_expect(matches("a.b", "a\nb") == false, "a dot is not the end of a line");
}

Test(pattern, any_bytes)
{
    struct pattern *const pattern = open_pattern("\xc3\xb6.\xff$");

    cr_expect(pattern_matches(pattern, "\0\xc3\xb6\x80\xff", 5));
    cr_expect(pattern_matches(pattern, "\xc3\xb6\0\xff", 4), "NUL is a byte as any other");
    cr_expect(!pattern_matches(pattern, "\xc3\xb6\0\xff", 3));
    pattern_close(pattern);
    pattern_close(NULL);
}

Test(pattern, refused)
{
    static const char *const wrong[] = {"(", "[a", "a{2,1}", "*", "a\\1", "(((a{100}){100}){100})"};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct pattern *pattern = NULL;
        char message[128] = "";

        cr_expect_eq(pattern_open(wrong[i], &pattern, message, sizeof(message)), -EINVAL, "%s",
                     wrong[i]);
        cr_expect_null(pattern);
        cr_expect(message[0], "%s", wrong[i]);
    }
}

/* Each takes a matcher that tries again from every byte minutes or years. */
Test(pattern, linear)
{
    static const char *const text[] = {"a.*b", "(x+x+)+y", "(a|aa)+$", "(.*)(.*)(.*)(.*)[0-9]z",
                                       "^(a?){50}a{50}b"};
    const size_t size = 1000000;
    char *const in = malloc(size);

    cr_assert_not_null(in);
    for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
        struct pattern *const pattern = open_pattern(text[i]);

        memset(in, i == 1 ? 'x' : 'a', size);
        in[size - 1] = '!';
        cr_expect(!pattern_matches(pattern, in, size), "%s", text[i]);
        pattern_close(pattern);
    }
    free(in);
}

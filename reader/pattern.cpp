/* SPDX-License-Identifier: MIT
 *
 * Regular expressions by RE2: see pattern.h.
 */
#include "reader/pattern.h"

#include <cerrno>
#include <cstdio>
#include <new>
#include <re2/re2.h>

struct pattern {
    explicit pattern(const char *text, const RE2::Options &options) : re(text, options)
    {
    }
    RE2 re;
};

static RE2::Options egrep()
{
    RE2::Options options;

    options.set_encoding(RE2::Options::EncodingLatin1); /* messages are bytes, mostly UTF-8 */
    options.set_posix_syntax(true);
    options.set_perl_classes(true);
    options.set_word_boundary(true);
    options.set_log_errors(false);
    return options;
}

int pattern_open(const char *text, struct pattern **ret_pattern, char *ret_message,
                 size_t message_size)
{
    struct pattern *const p = new (std::nothrow) pattern(text, egrep());

    if (!p)
        return -ENOMEM;
    if (!p->re.ok()) {
        snprintf(ret_message, message_size, "%s", p->re.error().c_str());
        delete p;
        return -EINVAL;
    }
    *ret_pattern = p;
    return 0;
}

void pattern_close(struct pattern *pattern)
{
    delete pattern;
}

bool pattern_matches(const struct pattern *pattern, const char *text, size_t size)
{
    return RE2::PartialMatch(re2::StringPiece(text, size), pattern->re);
}

/* SPDX-License-Identifier: MIT
 *
 * Moments: from a command line, and into text.
 */
#include "reader/when.h"
#include "reader/text.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)

int64_t when_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

uint64_t when_monotonic(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Exactly `count` digits. */
static bool take_number(const char **at, unsigned count, int *ret_value)
{
    int value = 0;

    for (unsigned i = 0; i < count; i++) {
        char c = (*at)[i];

        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *at += count;
    *ret_value = value;
    return true;
}

static bool take_char(const char **at, char c)
{
    if (**at != c)
        return false;
    ++*at;
    return true;
}

/* `.` and up to nine digits; more digits are beyond a nanosecond and refused. */
static bool take_fraction(const char **at, int64_t *ret_ns)
{
    int64_t ns = 0;
    int digits = 0;

    for (; **at >= '0' && **at <= '9'; ++*at, digits++) {
        if (digits == 9)
            return false;
        ns = ns * 10 + (**at - '0');
    }
    if (!digits)
        return false;
    for (; digits < 9; digits++)
        ns *= 10;
    *ret_ns = ns;
    return true;
}

static bool take_unsigned(const char **at, int64_t *ret_value)
{
    int64_t value = 0;
    const char *start = *at;

    for (; **at >= '0' && **at <= '9'; ++*at)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, **at - '0', &value))
            return false;
    if (*at == start)
        return false;
    *ret_value = value;
    return true;
}

int64_t when_unit_ns(const char *name, size_t size)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"ns", 1},
                 {"us", 1000},
                 {"ms", 1000000},
                 {"s", NS_PER_S},
                 {"m", 60 * NS_PER_S},
                 {"h", 3600 * NS_PER_S},
                 {"d", 86400 * NS_PER_S}};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strlen(units[i].name) == size && !memcmp(units[i].name, name, size))
            return units[i].ns;
    return 0;
}

static int parse_relative(const char *at, int64_t now_ns, int64_t *ret_ns)
{
    int64_t count, unit, ns;

    if (!take_unsigned(&at, &count))
        return -EINVAL;
    unit = strcmp(at, "min") ? when_unit_ns(at, strlen(at)) : 60 * NS_PER_S;
    if (!unit)
        return -EINVAL;
    if (__builtin_mul_overflow(count, unit, &ns) || __builtin_sub_overflow(now_ns, ns, &ns))
        return -ERANGE;
    *ret_ns = ns;
    return 0;
}

static int parse_epoch(const char *at, int64_t *ret_ns)
{
    int64_t seconds, ns, fraction = 0;

    if (!take_unsigned(&at, &seconds))
        return -EINVAL;
    if (take_char(&at, '.') && !take_fraction(&at, &fraction))
        return -EINVAL;
    if (*at)
        return -EINVAL;
    if (__builtin_mul_overflow(seconds, NS_PER_S, &ns) || __builtin_add_overflow(ns, fraction, &ns))
        return -ERANGE;
    *ret_ns = ns;
    return 0;
}

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month] + (month == 1 && leap);
}

static bool take_date(const char **at, struct tm *tm)
{
    if (!take_number(at, 4, &tm->tm_year) || !take_char(at, '-') ||
        !take_number(at, 2, &tm->tm_mon) || !take_char(at, '-') ||
        !take_number(at, 2, &tm->tm_mday))
        return false;
    if (tm->tm_mon < 1 || tm->tm_mon > 12 || tm->tm_mday < 1 || tm->tm_mday > 31)
        return false;
    tm->tm_year -= 1900;
    tm->tm_mon -= 1;
    return true;
}

static bool take_clock(const char **at, struct tm *tm, int64_t *ret_fraction)
{
    if (!take_number(at, 2, &tm->tm_hour) || !take_char(at, ':') ||
        !take_number(at, 2, &tm->tm_min))
        return false;
    if (take_char(at, ':') && !take_number(at, 2, &tm->tm_sec))
        return false;
    if (take_char(at, '.') && !take_fraction(at, ret_fraction))
        return false;
    return tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec <= 60;
}

/* Nothing, Z, or +hh:mm: seconds east of Greenwich. */
static bool take_zone(const char **at, int64_t *ret_east)
{
    int sign, hours, minutes;

    if (take_char(at, 'Z') || !**at)
        return true;
    sign = **at == '-' ? -1 : 1;
    if (!take_char(at, '+') && !take_char(at, '-'))
        return false;
    if (!take_number(at, 2, &hours))
        return false;
    take_char(at, ':');
    if (!take_number(at, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_east = sign * (hours * 3600 + minutes * 60);
    return true;
}

int when_parse_duration(const char *string, size_t size, int64_t *ret_ns)
{
    size_t digits = 0;
    int64_t number = 0, unit;

    for (; digits < size && string[digits] >= '0' && string[digits] <= '9'; digits++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, string[digits] - '0', &number))
            return -EINVAL;
    unit = when_unit_ns(string + digits, size - digits);
    return !number || !unit || __builtin_mul_overflow(number, unit, ret_ns) ? -EINVAL : 0;
}

int when_parse(const char *string, int64_t now_ns, int64_t *ret_ns)
{
    const char *at = string;
    struct tm tm = {0};
    int64_t fraction = 0, east = 0, ns;

    if (*at == '-')
        return parse_relative(at + 1, now_ns, ret_ns);
    if (*at == '@')
        return parse_epoch(at + 1, ret_ns);
    if (!take_date(&at, &tm))
        return -EINVAL;
    if ((take_char(&at, 'T') || take_char(&at, ' ')) && !take_clock(&at, &tm, &fraction))
        return -EINVAL;
    if (!take_zone(&at, &east) || *at)
        return -EINVAL;
    if (tm.tm_mday > month_days(tm.tm_year + 1900, tm.tm_mon))
        return -EINVAL; /* timegm() would silently go on to the next month */
    ns = timegm(&tm) - east;
    if (__builtin_mul_overflow(ns, NS_PER_S, &ns) || __builtin_add_overflow(ns, fraction, &ns))
        return -ERANGE;
    *ret_ns = ns;
    return 0;
}

/* Days since 1970 to a date, proleptic Gregorian: counted in eras of 400 years that begin on 1
 * March, so that the leap day is the last of its year. */
static void civil_date(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    unsigned day_of_era = (unsigned)(shifted - era * 146097);
    unsigned year =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * day_of_year + 2) / 153;

    *ret_day = day_of_year - (153 * month + 2) / 5 + 1;
    *ret_month = month < 10 ? month + 3 : month - 9;
    *ret_year = (int64_t)year + era * 400 + (*ret_month <= 2);
}

void text_put_time(struct text *text, int64_t time_ns, struct text_second *last)
{
    int64_t seconds = time_ns / NS_PER_S, fraction = time_ns % NS_PER_S;
    const size_t start = text->size;
    int64_t days, year;
    unsigned month, day, second;

    if (fraction < 0) {
        fraction += NS_PER_S;
        seconds--;
    }
    if (last && last->text[0] && last->second == seconds) {
        text_put(text, last->text, sizeof(last->text));
    } else {
        days = seconds / 86400;
        if (seconds % 86400 < 0)
            days--;
        second = (unsigned)(seconds - days * 86400);
        civil_date(days, &year, &month, &day); /* 1677 .. 2262: four digits */
        text_put_digits(text, 4, (uint64_t)year);
        text_putc(text, '-');
        text_put_digits(text, 2, month);
        text_putc(text, '-');
        text_put_digits(text, 2, day);
        text_putc(text, 'T');
        text_put_digits(text, 2, second / 3600);
        text_putc(text, ':');
        text_put_digits(text, 2, second / 60 % 60);
        text_putc(text, ':');
        text_put_digits(text, 2, second % 60);
        text_putc(text, '.');
        if (last && text->size == start + sizeof(last->text)) {
            last->second = seconds;
            memcpy(last->text, text->data + start, sizeof(last->text));
        }
    }
    text_put_digits(text, 9, (uint64_t)fraction);
    text_putc(text, 'Z');
}

/* SPDX-License-Identifier: MIT
 *
 * What a call becomes in C++: a static site and the call of a function template, of which there is
 * one for each list of types, out of line; it puts the values into words. So a call site is small
 * and quick to compile. What is no class is passed by value, so that bit-fields and constants
 * without a definition will do; if a class is among the arguments, all are taken by reference first
 * and made what they are logged as.
 */
#ifdef __cplusplus
template <bool shmlog_b_, class shmlog_t_ = int> struct shmlog_if_ {
};
template <class shmlog_t_> struct shmlog_if_<true, shmlog_t_> {
    typedef shmlog_t_ type;
};

/* The code of a type that is logged as it is; 0: it is not. */
template <class shmlog_t_, bool shmlog_enum_> struct shmlog_plain_ {
    static constexpr uint8_t code = 0;
};
template <class shmlog_t_>
struct shmlog_plain_<shmlog_t_, true> : shmlog_plain_<__underlying_type(shmlog_t_), false> {
};
template <class shmlog_t_> struct shmlog_plain_<shmlog_t_ *, false> {
    static constexpr uint8_t code = SHMLOG_TYPE_POINTER;
};
/* X(type, code) */
#define SHMLOG_PLAIN_TYPES_(X)                                               \
    X(bool, SHMLOG_TYPE_BOOL)                                                \
    X(char, SHMLOG_TYPE_CHAR)                                                \
    X(signed char, SHMLOG_TYPE_I8)                                           \
    X(unsigned char, SHMLOG_TYPE_U8)                                         \
    X(short, SHMLOG_TYPE_I16)                                                \
    X(unsigned short, SHMLOG_TYPE_U16)                                       \
    X(int, SHMLOG_TYPE_I32)                                                  \
    X(unsigned int, SHMLOG_TYPE_U32)                                         \
    X(long, SHMLOG_TYPE_I64)                                                 \
    X(unsigned long, SHMLOG_TYPE_U64)                                        \
    X(long long, SHMLOG_TYPE_I64)                                            \
    X(unsigned long long, SHMLOG_TYPE_U64)                                   \
    X(char16_t, SHMLOG_TYPE_U16)                                             \
    X(char32_t, SHMLOG_TYPE_U32)                                             \
    X(wchar_t, (wchar_t)-1 < (wchar_t)0 ? SHMLOG_TYPE_I32 : SHMLOG_TYPE_U32) \
    X(float, SHMLOG_TYPE_F32)                                                \
    X(double, SHMLOG_TYPE_F64)                                               \
    X(decltype(nullptr), SHMLOG_TYPE_POINTER)                                \
    X(const char *, SHMLOG_TYPE_STRING)                                      \
    X(char *, SHMLOG_TYPE_STRING)                                            \
    X(struct shmlog_text_value, SHMLOG_TYPE_STRING | SHMLOG_COUNTED_)        \
    X(struct shmlog_bytes_value, SHMLOG_TYPE_BYTES | SHMLOG_COUNTED_)
#define SHMLOG_X_(type_, code_)                      \
    template <> struct shmlog_plain_<type_, false> { \
        static constexpr uint8_t code = (code_);     \
    };
SHMLOG_PLAIN_TYPES_(SHMLOG_X_)
#undef SHMLOG_X_
template <class shmlog_t_> struct shmlog_code_ : shmlog_plain_<shmlog_t_, __is_enum(shmlog_t_)> {
};

/* Into what a class converts, if it is one of those types alone. */
#define SHMLOG_X_(type_, code_) type_ shmlog_converted_(type_);
SHMLOG_PLAIN_TYPES_(SHMLOG_X_)
#undef SHMLOG_X_
const volatile void *shmlog_converted_(const volatile void *);

template <class shmlog_t_> struct shmlog_bare_ {
    typedef shmlog_t_ type;
};
template <class shmlog_t_> struct shmlog_bare_<const shmlog_t_> : shmlog_bare_<shmlog_t_> {
};
template <class shmlog_t_> struct shmlog_bare_<volatile shmlog_t_> : shmlog_bare_<shmlog_t_> {
};
template <class shmlog_t_> struct shmlog_bare_<const volatile shmlog_t_> : shmlog_bare_<shmlog_t_> {
};
template <class shmlog_t_> shmlog_t_ &shmlog_make_(); /* in unevaluated operands */
/* The type that a value has when it is passed. What cannot be const is a function. */
template <class shmlog_t_> struct shmlog_const_ {
    static constexpr bool value = false;
};
template <class shmlog_t_> struct shmlog_const_<const shmlog_t_> {
    static constexpr bool value = true;
};
template <class shmlog_t_, bool shmlog_object_ = shmlog_const_<const shmlog_t_>::value>
struct shmlog_passed_ : shmlog_bare_<shmlog_t_> {
};
template <class shmlog_t_> struct shmlog_passed_<shmlog_t_, false> {
    typedef shmlog_t_ *type;
};
template <class shmlog_t_, size_t shmlog_n_> struct shmlog_passed_<shmlog_t_[shmlog_n_], true> {
    typedef shmlog_t_ *type;
};
template <class shmlog_t_, size_t shmlog_n_>
struct shmlog_passed_<const shmlog_t_[shmlog_n_], true> {
    typedef const shmlog_t_ *type;
};

/* A value, as what it is logged as. The last parameter ranks those that may do. */
template <class shmlog_t_, typename shmlog_if_<shmlog_code_<shmlog_t_>::code != 0>::type = 0>
SHMLOG_INLINE_ shmlog_t_ shmlog_value_(shmlog_t_ x, int)
{
    return x;
}
template <class shmlog_t_>
SHMLOG_INLINE_ auto shmlog_value_(const shmlog_t_ &x, int)
    -> decltype(shmlog_text(x.data(), x.size()))
{
    return shmlog_text(x.data(), x.size());
}
template <class shmlog_t_>
SHMLOG_INLINE_ auto shmlog_value_(const shmlog_t_ &x, int) /* a duration, in nanoseconds */
    -> decltype(static_cast<long>(x.count() * shmlog_t_::period::num / shmlog_t_::period::den))
{
    return static_cast<long>(x.count() *
                             (shmlog_t_::period::num * 1000000000 / shmlog_t_::period::den));
}
template <class shmlog_t_>
SHMLOG_INLINE_ auto shmlog_value_(const shmlog_t_ &x, int)
    -> decltype(shmlog_value_(x.time_since_epoch(), 0))
{
    return shmlog_value_(x.time_since_epoch(), 0);
}
template <class shmlog_t_, typename shmlog_if_<__is_class(shmlog_t_)>::type = 0>
SHMLOG_INLINE_ auto shmlog_value_(const shmlog_t_ &x, long) -> decltype(shmlog_converted_(x))
{
    return x;
}
template <class shmlog_t_> SHMLOG_INLINE_ int shmlog_value_(const shmlog_t_ &, ...)
{
    static_assert(sizeof(shmlog_t_) == 0, SHMLOG_NOT_LOGGED_);
    return 0;
}

template <class shmlog_t_>
constexpr uint32_t shmlog_width_of_ = SHMLOG_IS_TEXT_(shmlog_code_<shmlog_t_>::code)
                                          ? 4u
                                          : static_cast<uint32_t>(sizeof(shmlog_t_));

/* Where a value goes: `at` is the place behind the one before. */
template <class shmlog_t_>
SHMLOG_INLINE_ void shmlog_pack_(uint64_t *words, uint32_t &at, shmlog_t_ x)
{
    constexpr uint8_t code = shmlog_code_<shmlog_t_>::code;
    constexpr uint32_t width = shmlog_width_of_<shmlog_t_>;
    uint64_t bits = 0;

    at = (at + width - 1) & ~(width - 1);
    if constexpr (!SHMLOG_IS_TEXT_(code) && code != 0)
        memcpy(&bits, &x, sizeof(x));
    words[at / 8] |= bits << at % 8 * 8;
    at += width;
}
template <class shmlog_t_>
SHMLOG_INLINE_ void shmlog_add_text_(struct shmlog_text_value *&to, const shmlog_t_ &x)
{
    if constexpr (shmlog_code_<shmlog_t_>::code == SHMLOG_TYPE_STRING)
        *to++ = shmlog_text(x, SHMLOG_TO_NUL_);
    else if constexpr (SHMLOG_IS_TEXT_(shmlog_code_<shmlog_t_>::code))
        *to++ = shmlog_text(static_cast<const char *>(x.data), x.size);
}
template <class... shmlog_t_> constexpr uint32_t shmlog_area_()
{
    uint32_t at = 4;

    ((at = (at + shmlog_width_of_<shmlog_t_> - 1) / shmlog_width_of_<shmlog_t_> *
               shmlog_width_of_<shmlog_t_> +
           shmlog_width_of_<shmlog_t_>),
     ...);
    return at;
}

/* When: now, or at the caller's time. */
struct shmlog_now_ {
    static constexpr bool timed = false;
    static constexpr uint64_t ticks = 0;
};
struct shmlog_ticks_ {
    static constexpr bool timed = true;
    uint64_t ticks;
};

template <class shmlog_w_, class... shmlog_t_>
__attribute__((noinline, visibility("hidden"))) inline auto
shmlog_send_(struct shmlog *log, struct shmlog_site_ *site, shmlog_w_ when, shmlog_t_... x) ->
    typename shmlog_if_<((shmlog_code_<shmlog_t_>::code != 0) && ...), void>::type
{
    static_assert(sizeof...(shmlog_t_) <= SHMLOG_ARGS_MAX, SHMLOG_AT_MOST_16_);
    static constexpr uint8_t types[] = {sizeof...(shmlog_t_), shmlog_code_<shmlog_t_>::code...};
    constexpr bool texts = (SHMLOG_IS_TEXT_(shmlog_code_<shmlog_t_>::code) || ...);
    constexpr uint32_t size = shmlog_area_<shmlog_t_...>(), count = SHMLOG_WORDS_(size, texts);
    const uint64_t *const ticks = shmlog_w_::timed ? &when.ticks : nullptr;
    uint64_t words[count] = {};
    uint32_t at = 4;

    if (!__atomic_load_n(&site->types, __ATOMIC_RELAXED))
        __atomic_store_n(&site->types, &types[0], __ATOMIC_RELAXED);
    (shmlog_pack_(words, at, x), ...);
    (void)at;
    if constexpr (texts) {
        struct shmlog_text_value text[sizeof...(shmlog_t_)], *to = text;
        (shmlog_add_text_(to, x), ...);
        shmlog_put_texts_(log, site, words, count, text, ticks);
    } else if constexpr (count > 4) {
        shmlog_put_words_(log, site, words, count, ticks);
    } else if constexpr (shmlog_w_::timed) {
        shmlog_put4_at_(log, site, words[0], words[1], words[2], words[3], when.ticks);
    } else {
        shmlog_put4_(log, site, words[0], words[1], words[2], words[3]);
    }
}
template <class shmlog_w_, class... shmlog_t_>
SHMLOG_INLINE_ auto shmlog_send_(struct shmlog *log, struct shmlog_site_ *site, shmlog_w_ when,
                                 const shmlog_t_ &...x) ->
    typename shmlog_if_<
        !((shmlog_code_<typename shmlog_passed_<shmlog_t_>::type>::code != 0) && ...), void>::type
{
    shmlog_send_(log, site, when, shmlog_value_(x, 0)...);
}

/* An event: names and values in turn. Each round takes a name away, its value goes to the end. */
template <size_t shmlog_left_, class shmlog_w_, class shmlog_n_, class shmlog_x_,
          class... shmlog_t_>
SHMLOG_INLINE_ auto shmlog_send_fields_(struct shmlog *log, struct shmlog_site_ *site,
                                        shmlog_w_ when, const shmlog_n_ &, const shmlog_x_ &value,
                                        const shmlog_t_ &...rest)
{
    static_assert(shmlog_code_<typename shmlog_passed_<shmlog_n_>::type>::code ==
                      SHMLOG_TYPE_STRING,
                  "shmlog_event: the name of a field is a string literal");
    if constexpr (shmlog_left_ == 1)
        shmlog_send_(log, site, when, rest..., value);
    else
        shmlog_send_fields_<shmlog_left_ - 1>(log, site, when, rest..., value);
}
template <class shmlog_w_, class... shmlog_t_>
SHMLOG_INLINE_ auto shmlog_send_event_(struct shmlog *log, struct shmlog_site_ *site,
                                       shmlog_w_ when, const shmlog_t_ &...x) ->
    typename shmlog_if_<
        !((shmlog_code_<typename shmlog_passed_<shmlog_t_>::type>::code != 0) && ...), void>::type
{
    static_assert(sizeof...(x) % 2 == 0, SHMLOG_IN_PAIRS_);
    if constexpr (sizeof...(x) % 2 == 0)
        shmlog_send_fields_<sizeof...(x) / 2>(log, site, when, x...);
}
template <class shmlog_w_, class... shmlog_t_>
SHMLOG_INLINE_ auto shmlog_send_event_(struct shmlog *log, struct shmlog_site_ *site,
                                       shmlog_w_ when, shmlog_t_... x) ->
    typename shmlog_if_<((shmlog_code_<shmlog_t_>::code != 0) && ...), void>::type
{
    static_assert(sizeof...(x) % 2 == 0, SHMLOG_IN_PAIRS_);
    if constexpr (sizeof...(x) == 0)
        shmlog_send_(log, site, when);
    else if constexpr (sizeof...(x) % 2 == 0)
        shmlog_send_fields_<sizeof...(x) / 2>(log, site, when, x...);
}

/* A message: `check` is not called, it lets the compiler check the format against what the values
 * are logged as. */
template <class shmlog_t_> SHMLOG_INLINE_ auto shmlog_checked_(shmlog_t_ x)
{
    if constexpr (__is_enum(shmlog_t_))
        return +static_cast<__underlying_type(shmlog_t_)>(x);
    else if constexpr (shmlog_code_<shmlog_t_>::code == (SHMLOG_TYPE_STRING | SHMLOG_COUNTED_))
        return x.data;
    else
        return x;
}
template <class shmlog_w_, class shmlog_f_, class... shmlog_t_>
SHMLOG_INLINE_ auto shmlog_message_(struct shmlog *log, struct shmlog_site_ *site, shmlog_w_ when,
                                    const shmlog_f_ &check, shmlog_t_... x) ->
    typename shmlog_if_<((shmlog_code_<shmlog_t_>::code != 0) && ...), void>::type
{
    if (0)
        check(shmlog_checked_(x)...);
    shmlog_send_(log, site, when, x...);
}
template <class shmlog_w_, class shmlog_f_, class... shmlog_t_>
SHMLOG_INLINE_ auto shmlog_message_(struct shmlog *log, struct shmlog_site_ *site, shmlog_w_ when,
                                    const shmlog_f_ &check, const shmlog_t_ &...x) ->
    typename shmlog_if_<
        !((shmlog_code_<typename shmlog_passed_<shmlog_t_>::type>::code != 0) && ...), void>::type
{
    shmlog_message_(log, site, when, check, shmlog_value_(x, 0)...);
}

/* What is wrong with a format beyond what the compiler looks at? '$': positional arguments, 'm':
 * %m, 0: nothing. */
constexpr char shmlog_format_fault_(const char *f)
{
    while (*f) {
        if (*f++ != '%')
            continue;
        while ((*f >= ' ' && *f <= '9' && *f != '%' && *f != '$') || *f == 'I')
            f++;
        if (*f == '$' || *f == 'm')
            return *f;
        if (*f == '%')
            f++;
    }
    return 0;
}

template <size_t shmlog_n_> struct shmlog_static_site_ {
    struct shmlog_site_ site;
    char strings[shmlog_n_];
};
/* An argument appears once, or a mistake in it would be reported more than once. */
#define SHMLOG_SEND_(kind_, log_, level_, category_, text_, f_, ...)                             \
    do {                                                                                         \
        shmlog *const shmlog_l_ = (log_);                                                        \
        if (shmlog_enabled(shmlog_l_, (level_))) {                                               \
            SHMLOG_CHECK_LEVEL_(level_);                                                         \
            static shmlog_static_site_<sizeof(f_ "\0" text_ "\0" category_)> shmlog_s_           \
                __attribute__((aligned(8))) = {{0, __FILE__, __func__, nullptr, __LINE__, kind_, \
                                                level_, 0},                                      \
                                               f_ "\0" text_ "\0" category_};                    \
            __VA_ARGS__;                                                                         \
        }                                                                                        \
    } while (0)
#define SHMLOG_WHEN_0_(ticks_) shmlog_now_()
#define SHMLOG_WHEN_1_(ticks_) \
    shmlog_ticks_              \
    {                          \
        (ticks_)               \
    }
#define SHMLOG_MESSAGE_(log_, level_, category_, timed_, ticks_, format_, ...)               \
    SHMLOG_SEND_(SHMLOG_SITE_PRINTF, log_, level_, category_, #__VA_ARGS__, format_,         \
                 SHMLOG_CHECK_FORMAT_(format_) shmlog_message_(                              \
                     shmlog_l_, &shmlog_s_.site, SHMLOG_WHEN_##timed_##_(ticks_),            \
                     [](auto... shmlog_x_) { shmlog_check_format_(format_, shmlog_x_...); }, \
                     ##__VA_ARGS__))
/* The text of an event is expanded once, so that a macro that names a field is seen as its name. */
#define SHMLOG_EVENT_(log_, level_, category_, timed_, ticks_, name_, ...)                       \
    SHMLOG_SEND_(SHMLOG_SITE_EVENT, log_, level_, category_, SHMLOG_STRING_(__VA_ARGS__), name_, \
                 shmlog_send_event_(shmlog_l_, &shmlog_s_.site, SHMLOG_WHEN_##timed_##_(ticks_), \
                                    ##__VA_ARGS__))
#define SHMLOG_STRING_(...) #__VA_ARGS__
#define SHMLOG_CHECK_FORMAT_(f_)                                           \
    static_assert(shmlog_format_fault_("" f_) != '$', SHMLOG_POSITIONAL_); \
    static_assert(shmlog_format_fault_("" f_) != 'm', SHMLOG_ERRNO_);

/* A field's type: as above, but a char array is text, and a char * only an address. */
template <class shmlog_t_>
constexpr uint8_t shmlog_field_code_of_ = shmlog_code_<shmlog_t_>::code == SHMLOG_TYPE_STRING
                                              ? SHMLOG_TYPE_POINTER
                                          : __is_enum(shmlog_t_) || __is_class(shmlog_t_)
                                              ? 0
                                              : shmlog_code_<shmlog_t_>::code;
template <size_t shmlog_n_>
constexpr uint8_t shmlog_field_code_of_<char[shmlog_n_]> = SHMLOG_TYPE_TEXT;
#define SHMLOG_MEMBER_(type_, member_) shmlog_make_<type_>().member_
#define SHMLOG_FIELD_CODE_(type_, member_) \
    shmlog_field_code_of_<shmlog_bare_<decltype(SHMLOG_MEMBER_(type_, member_))>::type>

template <class shmlog_t_> struct shmlog_record_ {
    struct shmlog_record_site_ record;
};
#define SHMLOG_RECORD_OF_(type_) shmlog_record_<type_>
#define SHMLOG_RECORD_END_
struct shmlog_time_ {
    uint64_t ticks;
    operator const uint64_t *() const
    {
        return &ticks;
    }
};
#define SHMLOG_TIME_(ticks_) \
    shmlog_time_             \
    {                        \
        (ticks_)             \
    }
/* The type is the record's alone: `data` has to be a pointer to it, or convert to one. */
template <class shmlog_t_>
SHMLOG_INLINE_ void
shmlog_put_record_(struct shmlog *log, struct shmlog_record_<shmlog_t_> *record,
                   typename shmlog_if_<true, const volatile shmlog_t_ *>::type data, size_t count,
                   const uint64_t *times)
{
    shmlog_put_records_(log, &record->record, const_cast<const shmlog_t_ *>(data), count, times);
}
#define SHMLOG_PUT_RECORD_(log_, record_, data_, count_, times_)                   \
    do {                                                                           \
        shmlog *const shmlog_l_ = (log_);                                          \
        auto *const shmlog_r_ = (record_);                                         \
        if (shmlog_enabled(shmlog_l_, shmlog_r_->record.site.level))               \
            shmlog_put_record_(shmlog_l_, shmlog_r_, (data_), (count_), (times_)); \
    } while (0)
#endif

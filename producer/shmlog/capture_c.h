/* SPDX-License-Identifier: MIT
 *
 * What a call becomes in C: each argument in a local of its own; its type's code and its place in
 * the fixed area as constants, from _Generic and a struct that is never made; the fixed area in
 * words; the site as a static struct; one call. What depends on the number of arguments is made by
 * the rows at the end, from n down to 1.
 */
/* clang-format off */
#ifndef __cplusplus
/* What has no type of those here, by its class for gcc and clang: 5 is that of pointers, 1 that of
 * integers: gcc's bit-fields, which have types of their own. */
#define SHMLOG_CODE_(x)                                                                            \
    _Generic((x), _Bool: 1, char: 2, signed char: 3, unsigned char: 4, short: 5,                   \
             unsigned short: 6, int: 7, unsigned: 8, long: 9, unsigned long: 10, long long: 9,     \
             unsigned long long: 10, float: 11, double: 12, char *: 14, const char *: 14,          \
             struct shmlog_text_value: SHMLOG_TYPE_STRING | SHMLOG_COUNTED_,                       \
             struct shmlog_bytes_value: SHMLOG_TYPE_BYTES | SHMLOG_COUNTED_,                       \
             default: SHMLOG_CLASS_(x) == 5                     ? SHMLOG_TYPE_POINTER              \
                      : SHMLOG_CLASS_(x) == 1 && sizeof(x) <= 8 ? SHMLOG_BIT_FIELD_                \
                                                                : 0)
#define SHMLOG_CLASS_(x) __builtin_classify_type(_Generic((x), float: 0, default: (x)))
#define SHMLOG_BIT_FIELD_ (SHMLOG_TYPE_I64 | SHMLOG_COUNTED_)

/* What is no literal is reported once, not wherever it is used. */
#define SHMLOG_LITERAL_(x) __builtin_choose_expr(__builtin_constant_p(x), x, "")

/* A value in a local of its own, of the type that arrays and functions decay to. */
#define SHMLOG_HOLD_(i) __extension__ __auto_type shmlog_a##i##_ = ((void)0, (
#define SHMLOG_HELD_ ));
#define SHMLOG_RECORD_END_ , SHMLOG_NULL_
#define SHMLOG_CHECK_FORMAT_(...) SHMLOG_CHECK_FORMAT_X_(__VA_ARGS__)
#ifdef __clang__
#define SHMLOG_CHECK_FORMAT_X_(f, ...) \
    if (0)                             \
        shmlog_check_format_(f, ##__VA_ARGS__);
#else
#define SHMLOG_CHECK_FORMAT_X_(f, ...)                                                           \
    _Static_assert(!__builtin_strstr(SHMLOG_LITERAL_(f), "%1$") ||                               \
                       __builtin_strstr(SHMLOG_LITERAL_(f), "%%1$"), SHMLOG_POSITIONAL_);        \
    _Static_assert(!__builtin_strstr(SHMLOG_LITERAL_(f), "%m") ||                                \
                       __builtin_strstr(SHMLOG_LITERAL_(f), "%%m"), SHMLOG_ERRNO_);              \
    if (0)                                                                                       \
        shmlog_check_format_(f, ##__VA_ARGS__);
/* Where a value is wrong gcc does not declare its local; these keep it from more errors. */
enum shmlog_wrong_ {
    shmlog_a1_ = 1, shmlog_a2_, shmlog_a3_, shmlog_a4_, shmlog_a5_, shmlog_a6_, shmlog_a7_, shmlog_a8_,
    shmlog_a9_, shmlog_a10_, shmlog_a11_, shmlog_a12_, shmlog_a13_, shmlog_a14_, shmlog_a15_, shmlog_a16_
};
#endif
/* What is put into the fixed area: of a text, room for its length. */
#define SHMLOG_PLAIN_(i)                                                                      \
    __extension__ __auto_type shmlog_p##i##_ = __builtin_choose_expr(                          \
        SHMLOG_IS_TEXT_(shmlog_t##i##_), 0u,                                                   \
        __builtin_choose_expr(                                                                 \
            shmlog_t##i##_ == SHMLOG_BIT_FIELD_,                                               \
            __builtin_choose_expr(shmlog_t##i##_ == SHMLOG_BIT_FIELD_, shmlog_a##i##_, 0) + 0LL, \
            shmlog_a##i##_));
#define SHMLOG_CODE_OF_(i) , shmlog_t##i##_ = SHMLOG_CODE_(shmlog_a##i##_)
#define SHMLOG_TYPE_OF_(i) , shmlog_t##i##_
#define SHMLOG_MEMBER_OF_(i) __typeof__(shmlog_p##i##_) v##i;
#define SHMLOG_PLUS_ONE_(i) +1
#define SHMLOG_PASS_(i) , shmlog_a##i##_
#define SHMLOG_AND_LOGGED_(i) && (shmlog_t##i##_ != 0)
#define SHMLOG_OR_TEXT_(i) || SHMLOG_IS_TEXT_(shmlog_t##i##_)
#define SHMLOG_PACK_(i)                                                                       \
    {                                                                                         \
        uint64_t shmlog_b_ = 0;                                                               \
        __builtin_memcpy(&shmlog_b_, &shmlog_p##i##_, SHMLOG_UP_TO_(8, shmlog_p##i##_));    \
        shmlog_w_[offsetof(shmlog_r_, v##i) / 8] |= shmlog_b_ << offsetof(shmlog_r_, v##i) % 8 * 8; \
    }
#define SHMLOG_TEXT_OF_(i)                                                               \
    if (SHMLOG_IS_TEXT_(shmlog_t##i##_))                                                 \
        __builtin_memcpy(&shmlog_x_[shmlog_n_++], &shmlog_a##i##_,                       \
                         SHMLOG_UP_TO_(sizeof(*shmlog_x_), shmlog_a##i##_));
#define SHMLOG_UP_TO_(n, x) (sizeof(x) < (n) ? sizeof(x) : (n))
#define SHMLOG_TO_NUL_OF_(i) {0, SHMLOG_TO_NUL_},

/* A call is BEGIN, the row that holds its values, SEND. */
#define SHMLOG_BEGIN_(log_, level_)                                                           \
    do {                                                                                      \
        struct shmlog *const shmlog_l_ = (log_);                                              \
        if (shmlog_enabled(shmlog_l_, (level_))) {
#define SHMLOG_SEND_(n, check_, kind_, level_, category_, timed_, ticks_, text_, f_)          \
            SHMLOG_CHECK_LEVEL_(level_);                                                      \
            _Static_assert(__builtin_constant_p(f_), SHMLOG_NO_LITERAL_);                     \
            _Static_assert(__builtin_constant_p(category_), SHMLOG_NO_LITERAL_);              \
            enum { shmlog_t0_ = 0 SHMLOG_EACH_##n##_(SHMLOG_PLUS_ONE_) SHMLOG_EACH_##n##_(SHMLOG_CODE_OF_) }; \
            _Static_assert(1 SHMLOG_EACH_##n##_(SHMLOG_AND_LOGGED_), SHMLOG_NOT_LOGGED_);     \
            SHMLOG_EACH_##n##_(SHMLOG_PLAIN_)                                                 \
            typedef struct {                                                                  \
                uint32_t producer;                                                            \
                SHMLOG_EACH_##n##_(SHMLOG_MEMBER_OF_)                                         \
            } shmlog_r_;                                                                      \
            static struct {                                                                   \
                struct shmlog_site_ site;                                                     \
                uint8_t types[shmlog_t0_ + 1];                                                         \
                char format[sizeof(SHMLOG_LITERAL_(f_))];                                     \
                char text[sizeof(text_)];                                                     \
                char category[sizeof(SHMLOG_LITERAL_(category_))];                            \
            } shmlog_s_ __attribute__((aligned(8))) = {{0, __FILE__, __func__, SHMLOG_NULL_, __LINE__, kind_, level_, 0}, \
                           {shmlog_t0_ SHMLOG_EACH_##n##_(SHMLOG_TYPE_OF_)},                           \
                           SHMLOG_LITERAL_(f_), text_, SHMLOG_LITERAL_(category_)};           \
            uint64_t shmlog_w_[SHMLOG_WORDS_(sizeof(shmlog_r_), 0 SHMLOG_EACH_##n##_(SHMLOG_OR_TEXT_))] = {0}; \
            const uint64_t shmlog_k_ = (ticks_);                                              \
            check_(f_ SHMLOG_EACH_##n##_(SHMLOG_PASS_))                                       \
            SHMLOG_EACH_##n##_(SHMLOG_PACK_)                                                  \
            if (0 SHMLOG_EACH_##n##_(SHMLOG_OR_TEXT_)) {                                      \
                struct shmlog_text_value shmlog_x_[shmlog_t0_ + 1] = {                                 \
                    SHMLOG_EACH_##n##_(SHMLOG_TO_NUL_OF_){0, 0}};                             \
                uint32_t shmlog_n_ __attribute__((unused)) = 0;                               \
                SHMLOG_EACH_##n##_(SHMLOG_TEXT_OF_)                                           \
                shmlog_put_texts_(shmlog_l_, (struct shmlog_site_ *)(void *)&shmlog_s_, shmlog_w_, \
                                  sizeof(shmlog_w_) / 8, shmlog_x_,                           \
                                  (timed_) ? &shmlog_k_ : SHMLOG_NULL_);                      \
            } else if (sizeof(shmlog_r_) > 32) {                                              \
                shmlog_put_words_(shmlog_l_, (struct shmlog_site_ *)(void *)&shmlog_s_, shmlog_w_, \
                                  sizeof(shmlog_w_) / 8, (timed_) ? &shmlog_k_ : SHMLOG_NULL_); \
            } else if (timed_) {                                                              \
                shmlog_put4_at_(shmlog_l_, (struct shmlog_site_ *)(void *)&shmlog_s_, shmlog_w_[0], \
                                shmlog_w_[1], shmlog_w_[2], shmlog_w_[3], shmlog_k_);         \
            } else {                                                                          \
                shmlog_put4_(shmlog_l_, (struct shmlog_site_ *)(void *)&shmlog_s_, shmlog_w_[0], \
                             shmlog_w_[1], shmlog_w_[2], shmlog_w_[3]);                       \
            }                                                                                 \
        }                                                                                     \
    } while (0)

/* Each macro that an argument passes through costs three lines in a message about it. */
#define SHMLOG_MESSAGE_(log_, level_, category_, timed_, ticks_, format_, ...)                \
    SHMLOG_BEGIN_(log_, level_)                                                               \
    SHMLOG_ROW_(SHMLOG_VALUES_, SHMLOG_COUNT_(format_, ##__VA_ARGS__))(__VA_ARGS__)           \
    SHMLOG_SEND_X_(SHMLOG_COUNT_(format_, ##__VA_ARGS__), SHMLOG_CHECK_FORMAT_,               \
                   SHMLOG_SITE_PRINTF, level_, category_, timed_, ticks_, #__VA_ARGS__, format_)
/* The text of an event is expanded once, so that a macro that names a field is seen as its name. */
#define SHMLOG_EVENT_(log_, level_, category_, timed_, ticks_, name_, ...)                    \
    SHMLOG_BEGIN_(log_, level_)                                                               \
    SHMLOG_ROW_(SHMLOG_FIELDS_, SHMLOG_COUNT_PAIRS_(name_, ##__VA_ARGS__))(__VA_ARGS__)       \
    SHMLOG_SEND_X_(SHMLOG_COUNT_PAIRS_(name_, ##__VA_ARGS__), SHMLOG_NOTHING_,                \
                   SHMLOG_SITE_EVENT, level_, category_, timed_, ticks_,                      \
                   SHMLOG_STRING_(__VA_ARGS__), name_)
#define SHMLOG_SEND_X_(n, ...) SHMLOG_SEND_(n, __VA_ARGS__)
#define SHMLOG_ROW_(table_, n) SHMLOG_ROW_X_(table_, n)
#define SHMLOG_ROW_X_(table_, n) table_##n##_
#define SHMLOG_STRING_(...) #__VA_ARGS__
#define SHMLOG_NOTHING_(...)

/* Rows, by the number of arguments; the last two are for mistakes. */
#define SHMLOG_EACH_0_(M)
#define SHMLOG_EACH_ODD_(M)
#define SHMLOG_EACH_MANY_(M)
#define SHMLOG_EACH_1_(M) M(1)
#define SHMLOG_EACH_2_(M) M(2) SHMLOG_EACH_1_(M)
#define SHMLOG_EACH_3_(M) M(3) SHMLOG_EACH_2_(M)
#define SHMLOG_EACH_4_(M) M(4) SHMLOG_EACH_3_(M)
#define SHMLOG_EACH_5_(M) M(5) SHMLOG_EACH_4_(M)
#define SHMLOG_EACH_6_(M) M(6) SHMLOG_EACH_5_(M)
#define SHMLOG_EACH_7_(M) M(7) SHMLOG_EACH_6_(M)
#define SHMLOG_EACH_8_(M) M(8) SHMLOG_EACH_7_(M)
#define SHMLOG_EACH_9_(M) M(9) SHMLOG_EACH_8_(M)
#define SHMLOG_EACH_10_(M) M(10) SHMLOG_EACH_9_(M)
#define SHMLOG_EACH_11_(M) M(11) SHMLOG_EACH_10_(M)
#define SHMLOG_EACH_12_(M) M(12) SHMLOG_EACH_11_(M)
#define SHMLOG_EACH_13_(M) M(13) SHMLOG_EACH_12_(M)
#define SHMLOG_EACH_14_(M) M(14) SHMLOG_EACH_13_(M)
#define SHMLOG_EACH_15_(M) M(15) SHMLOG_EACH_14_(M)
#define SHMLOG_EACH_16_(M) M(16) SHMLOG_EACH_15_(M)
#define SHMLOG_VALUES_0_(...)
#define SHMLOG_VALUES_1_(x1) SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_2_(x2, x1) SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_3_(x3, x2, x1) SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_4_(x4, x3, x2, x1) SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_5_(x5, x4, x3, x2, x1) SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_6_(x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_7_(x7, x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_8_(x8, x7, x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_9_(x9, x8, x7, x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_10_(x10, x9, x8, x7, x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_11_(x11, x10, x9, x8, x7, x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_12_(x12, x11, x10, x9, x8, x7, x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_13_(x13, x12, x11, x10, x9, x8, x7, x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_14_(x14, x13, x12, x11, x10, x9, x8, x7, x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(14) x14 SHMLOG_HELD_ SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_15_(x15, x14, x13, x12, x11, x10, x9, x8, x7, x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(15) x15 SHMLOG_HELD_ SHMLOG_HOLD_(14) x14 SHMLOG_HELD_ SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_16_(x16, x15, x14, x13, x12, x11, x10, x9, x8, x7, x6, x5, x4, x3, x2, x1) SHMLOG_HOLD_(16) x16 SHMLOG_HELD_ SHMLOG_HOLD_(15) x15 SHMLOG_HELD_ SHMLOG_HOLD_(14) x14 SHMLOG_HELD_ SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_VALUES_MANY_(...) _Static_assert(0, SHMLOG_AT_MOST_16_); _Pragma("GCC diagnostic ignored \"-Wformat\"")
#define SHMLOG_FIELDS_0_(...)
#define SHMLOG_FIELDS_1_(n1, x1) (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_2_(n2, x2, n1, x1) (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_3_(n3, x3, n2, x2, n1, x1) (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_4_(n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_5_(n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_6_(n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_7_(n7, x7, n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n7); SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_8_(n8, x8, n7, x7, n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n8); SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ (void)("" n7); SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_9_(n9, x9, n8, x8, n7, x7, n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n9); SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ (void)("" n8); SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ (void)("" n7); SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_10_(n10, x10, n9, x9, n8, x8, n7, x7, n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n10); SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ (void)("" n9); SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ (void)("" n8); SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ (void)("" n7); SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_11_(n11, x11, n10, x10, n9, x9, n8, x8, n7, x7, n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n11); SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ (void)("" n10); SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ (void)("" n9); SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ (void)("" n8); SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ (void)("" n7); SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_12_(n12, x12, n11, x11, n10, x10, n9, x9, n8, x8, n7, x7, n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n12); SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ (void)("" n11); SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ (void)("" n10); SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ (void)("" n9); SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ (void)("" n8); SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ (void)("" n7); SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_13_(n13, x13, n12, x12, n11, x11, n10, x10, n9, x9, n8, x8, n7, x7, n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n13); SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ (void)("" n12); SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ (void)("" n11); SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ (void)("" n10); SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ (void)("" n9); SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ (void)("" n8); SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ (void)("" n7); SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_14_(n14, x14, n13, x13, n12, x12, n11, x11, n10, x10, n9, x9, n8, x8, n7, x7, n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n14); SHMLOG_HOLD_(14) x14 SHMLOG_HELD_ (void)("" n13); SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ (void)("" n12); SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ (void)("" n11); SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ (void)("" n10); SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ (void)("" n9); SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ (void)("" n8); SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ (void)("" n7); SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_15_(n15, x15, n14, x14, n13, x13, n12, x12, n11, x11, n10, x10, n9, x9, n8, x8, n7, x7, n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n15); SHMLOG_HOLD_(15) x15 SHMLOG_HELD_ (void)("" n14); SHMLOG_HOLD_(14) x14 SHMLOG_HELD_ (void)("" n13); SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ (void)("" n12); SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ (void)("" n11); SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ (void)("" n10); SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ (void)("" n9); SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ (void)("" n8); SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ (void)("" n7); SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_16_(n16, x16, n15, x15, n14, x14, n13, x13, n12, x12, n11, x11, n10, x10, n9, x9, n8, x8, n7, x7, n6, x6, n5, x5, n4, x4, n3, x3, n2, x2, n1, x1) (void)("" n16); SHMLOG_HOLD_(16) x16 SHMLOG_HELD_ (void)("" n15); SHMLOG_HOLD_(15) x15 SHMLOG_HELD_ (void)("" n14); SHMLOG_HOLD_(14) x14 SHMLOG_HELD_ (void)("" n13); SHMLOG_HOLD_(13) x13 SHMLOG_HELD_ (void)("" n12); SHMLOG_HOLD_(12) x12 SHMLOG_HELD_ (void)("" n11); SHMLOG_HOLD_(11) x11 SHMLOG_HELD_ (void)("" n10); SHMLOG_HOLD_(10) x10 SHMLOG_HELD_ (void)("" n9); SHMLOG_HOLD_(9) x9 SHMLOG_HELD_ (void)("" n8); SHMLOG_HOLD_(8) x8 SHMLOG_HELD_ (void)("" n7); SHMLOG_HOLD_(7) x7 SHMLOG_HELD_ (void)("" n6); SHMLOG_HOLD_(6) x6 SHMLOG_HELD_ (void)("" n5); SHMLOG_HOLD_(5) x5 SHMLOG_HELD_ (void)("" n4); SHMLOG_HOLD_(4) x4 SHMLOG_HELD_ (void)("" n3); SHMLOG_HOLD_(3) x3 SHMLOG_HELD_ (void)("" n2); SHMLOG_HOLD_(2) x2 SHMLOG_HELD_ (void)("" n1); SHMLOG_HOLD_(1) x1 SHMLOG_HELD_
#define SHMLOG_FIELDS_ODD_(...) _Static_assert(0, SHMLOG_IN_PAIRS_);
#define SHMLOG_FIELDS_MANY_(...) _Static_assert(0, SHMLOG_AT_MOST_16_);
#define SHMLOG_COUNT_(...) SHMLOG_PICK_(__VA_ARGS__, MANY, MANY, MANY, MANY, MANY, MANY, MANY, \
    MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, \
    MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, 16, 15, 14, 13, 12, 11, \
    10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0)
#define SHMLOG_COUNT_PAIRS_(...) SHMLOG_PICK_(__VA_ARGS__, MANY, MANY, MANY, MANY, MANY, MANY, \
    MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, 16, ODD, 15, ODD, 14, \
    ODD, 13, ODD, 12, ODD, 11, ODD, 10, ODD, 9, ODD, 8, ODD, 7, ODD, 6, ODD, 5, ODD, 4, ODD, 3, \
    ODD, 2, ODD, 1, ODD, 0, 0)
#define SHMLOG_PICK_(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, \
    a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, a33, a34, \
    a35, a36, a37, a38, a39, a40, a41, a42, a43, a44, a45, a46, a47, a48, a49, pick, ...) pick

/* A field's type: as above, but a char array is text, and a char * only an address. */
#define SHMLOG_MEMBER_(type_, member_) (((const type_ *)0)->member_)
#define SHMLOG_FIELD_CODE_(type_, member_)                                                       \
    _Generic(&((type_ *)0)->member_,                                                             \
        char(*)[sizeof(((type_ *)0)->member_)]: SHMLOG_TYPE_TEXT,                                \
        const char(*)[sizeof(((type_ *)0)->member_)]: SHMLOG_TYPE_TEXT,                          \
        default: SHMLOG_CODE_(SHMLOG_MEMBER_(type_, member_)) == SHMLOG_TYPE_STRING              \
            ? SHMLOG_TYPE_POINTER                                                                \
        : SHMLOG_CODE_(SHMLOG_MEMBER_(type_, member_)) != SHMLOG_TYPE_POINTER                    \
            ? SHMLOG_CODE_(SHMLOG_MEMBER_(type_, member_)) & 15                                  \
        /* arrays decay to pointers; but then their type is another */                           \
        : __builtin_types_compatible_p(__typeof__(((type_ *)0)->member_),                        \
                                       __typeof__(((void)0, ((type_ *)0)->member_)))             \
            ? SHMLOG_TYPE_POINTER                                                                \
            : 0)

#define SHMLOG_RECORD_OF_(type_)                    \
    struct {                                        \
        struct shmlog_record_site_ record;          \
        type_ *type; /* never read */               \
    }
#define SHMLOG_TIME_(ticks_) (&(const uint64_t){(ticks_)})
#define SHMLOG_PUT_RECORD_(log_, record_, data_, count_, times_)                                 \
    do {                                                                                         \
        struct shmlog *const shmlog_l_ = (log_);                                                 \
        __extension__ __auto_type shmlog_r_ = (record_);                                         \
        if (shmlog_enabled(shmlog_l_, shmlog_r_->record.site.level)) {                           \
            __extension__ __auto_type shmlog_d_ = ((void)0, (data_));                            \
            _Static_assert(SHMLOG_POINTS_TO_(shmlog_d_, __typeof__(*shmlog_r_->type)),           \
                           SHMLOG_OTHER_STRUCT_);                                                \
            shmlog_put_records_(shmlog_l_, &shmlog_r_->record,                                   \
                                (const void *)(uintptr_t)shmlog_d_, (count_), (times_));         \
        }                                                                                        \
    } while (0)
#define SHMLOG_POINTS_TO_(x_, type_)                                   \
    (__builtin_types_compatible_p(__typeof__(x_), type_ *) ||          \
     __builtin_types_compatible_p(__typeof__(x_), const type_ *) ||    \
     __builtin_types_compatible_p(__typeof__(x_), volatile type_ *) || \
     __builtin_types_compatible_p(__typeof__(x_), const volatile type_ *))
#endif
/* clang-format on */

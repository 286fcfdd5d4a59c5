/* SPDX-License-Identifier: MIT
 *
 * What the calls of C and C++ have in common.
 */
#define SHMLOG_COUNTED_ 16u /* beside a type's code: no char *, or not as it is */
#define SHMLOG_IS_TEXT_(code_) (((code_)&15u) >= SHMLOG_TYPE_STRING)
/* Words that a call gives room to, for a fixed area of so many bytes: one slot's if they do. */
#define SHMLOG_WORDS_(size_, texts_) \
    ((size_) <= 32 && !(texts_) ? 4 : (size_) <= 48 ? 6 : ((size_) + 7) / 8)

#define SHMLOG_NOT_LOGGED_ \
    "shmlog: an argument is not a number, a pointer or a string that can be logged"
#define SHMLOG_NO_LITERAL_ "shmlog: a format, a name and a category are string literals"
#define SHMLOG_AT_MOST_16_ "shmlog: at most 16 arguments"
#define SHMLOG_IN_PAIRS_ "shmlog_event: every field needs a name and a value"
#define SHMLOG_POSITIONAL_ "shmlog: no positional arguments (%1$d) in a format"
#define SHMLOG_ERRNO_ "shmlog: no %m in a format; log errno with %d"
#define SHMLOG_OTHER_STRUCT_ \
    "shmlog_record: the data is not a pointer to the struct that the record was declared with"
#define SHMLOG_CHECK_LEVEL_(level_)                    \
    SHMLOG_STATIC_ASSERT_((level_) <= SHMLOG_CRITICAL, \
                          "the level is a constant, SHMLOG_TRACE .. SHMLOG_CRITICAL")

/* Lets the compiler check a format against its arguments; never called. */
#if defined(__clang__) && !defined(__cplusplus)
/* The first four conversions. */
#define SHMLOG_AT_1_(f) __builtin_strchr(f, '%')
#define SHMLOG_AFTER_(at) ((at) ? __builtin_strchr((at) + 1 + ((at)[1] == '%'), '%') : 0)
#define SHMLOG_AT_2_(f) SHMLOG_AFTER_(SHMLOG_AT_1_(f))
#define SHMLOG_AT_3_(f) SHMLOG_AFTER_(SHMLOG_AT_2_(f))
#define SHMLOG_AT_4_(f) SHMLOG_AFTER_(SHMLOG_AT_3_(f))
#define SHMLOG_IS_M_(at) ((at) && (at)[1] == 'm')
#define SHMLOG_REFUSE_(f)                                                                          \
    __attribute__((diagnose_if(SHMLOG_AT_1_(f) && SHMLOG_AT_1_(f)[1] == '1' &&                     \
                                   SHMLOG_AT_1_(f)[2] == '$',                                      \
                               SHMLOG_POSITIONAL_, "error"),                                       \
                   diagnose_if(SHMLOG_IS_M_(SHMLOG_AT_1_(f)) || SHMLOG_IS_M_(SHMLOG_AT_2_(f)) ||   \
                                   SHMLOG_IS_M_(SHMLOG_AT_3_(f)) || SHMLOG_IS_M_(SHMLOG_AT_4_(f)), \
                               SHMLOG_ERRNO_, "error")))
#else
#define SHMLOG_REFUSE_(f)
#endif
__attribute__((format(printf, 1, 2), unused)) SHMLOG_STATIC_INLINE_ void
shmlog_check_format_(const char *format, ...) SHMLOG_REFUSE_(format);
SHMLOG_STATIC_INLINE_ void shmlog_check_format_(const char *format, ...)
{
    (void)format;
}

/* Not each time: `turn_` says when, and how many calls were skipped before. */
#define SHMLOG_SOME_(turn_, n_, log_, level_, format_, ...)                               \
    do {                                                                                  \
        SHMLOG_STRUCT_ shmlog *const shmlog_m_ = (log_);                                  \
        if (shmlog_enabled(shmlog_m_, (level_))) {                                        \
            static uint64_t shmlog_some_[2];                                              \
            unsigned long shmlog_skipped_;                                                \
            if (turn_(shmlog_some_, (n_), &shmlog_skipped_))                              \
                SHMLOG_MESSAGE_(shmlog_m_, level_, "", 0, 0, format_ " (%lu skipped)",    \
                                ##__VA_ARGS__, SHMLOG_NAMED("skipped", shmlog_skipped_)); \
        }                                                                                 \
    } while (0)

/* A raw record. */
#define SHMLOG_RECORD_(var_, type_, level_, category_, name_, ...)                     \
    SHMLOG_CHECK_LEVEL_(level_);                                                       \
    static const SHMLOG_STRUCT_ shmlog_field_ var_##_fields_[] = {__VA_ARGS__};        \
    SHMLOG_STATIC_ASSERT_(sizeof(var_##_fields_) / sizeof(var_##_fields_[0]) <=        \
                              SHMLOG_RAW_FIELDS_MAX,                                   \
                          "at most 32 fields");                                        \
    SHMLOG_STATIC_ASSERT_(sizeof(type_) <= SHMLOG_RECORD_PAYLOAD - SHMLOG_PAYLOAD_RAW, \
                          "at most 3,568 bytes");                                      \
    static SHMLOG_RECORD_OF_(type_) var_ __attribute__((unused)) = {                   \
        {{0, __FILE__, "", SHMLOG_NULL_, __LINE__, SHMLOG_SITE_RAW, level_, 0},        \
         "" name_,                                                                     \
         "" category_,                                                                 \
         var_##_fields_,                                                               \
         sizeof(var_##_fields_) / sizeof(var_##_fields_[0]),                           \
         sizeof(type_)} SHMLOG_RECORD_END_}
#define SHMLOG_FIELD_(type_, member_)                                               \
    {                                                                               \
#member_, offsetof(type_, member_), sizeof(SHMLOG_MEMBER_(type_, member_)), \
            sizeof(char[SHMLOG_FIELD_OK_(type_, member_) ? 1 : -1]) *               \
                SHMLOG_FIELD_CODE_(type_, member_)                                  \
    }
/* Is this the type of a field, and of the size that readers expect? Not so: long double, enums of a
 * size of their own, arrays of anything but char, structs. */
#define SHMLOG_FIELD_OK_(type_, member_)                       \
    (SHMLOG_FIELD_CODE_(type_, member_) == SHMLOG_TYPE_TEXT || \
     (SHMLOG_FIELD_CODE_(type_, member_) != 0 &&               \
      sizeof(SHMLOG_MEMBER_(type_, member_)) ==                \
          SHMLOG_WIDTH_OF_(SHMLOG_FIELD_CODE_(type_, member_))))
#define SHMLOG_WIDTH_OF_(code_)                                      \
    ((code_) <= SHMLOG_TYPE_U8                                  ? 1u \
     : (code_) <= SHMLOG_TYPE_U16                               ? 2u \
     : (code_) <= SHMLOG_TYPE_U32 || (code_) == SHMLOG_TYPE_F32 ? 4u \
                                                                : 8u)

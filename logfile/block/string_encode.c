/* SPDX-License-Identifier: MIT
 *
 * String arguments with few different values (symbols, venues, reasons): each of them once, and
 * for each record an index. The indices serve as keys for the values of the group, see
 * column_relate.c.
 */
#include "logfile/block/encoder.h"
#include "logfile/block/record.h"
#include "logfile/ranges.h"

#define STRING_MAX 64u    /* longer ones are hardly a choice of few */
#define STRING_SAMPLE 64u /* records, of which STRING_NEW may be new */
#define STRING_NEW 48u
#define TABLE 1024u

struct string_entry {
    uint32_t word; /* the length word */
    uint64_t tag;  /* its bytes, if these are 8 at most; else a hash */
    uint8_t bytes[STRING_MAX];
};

struct string_dict {
    struct string_entry entry[COLUMN_DICT_MAX];
    uint32_t entries;
    uint16_t slot[TABLE]; /* 1 + index */
};

static uint64_t short_string(const struct shmlog_slot *first, uint32_t offset, uint32_t size)
{
    uint8_t bytes[8] = {0};

    if (!size)
        return 0;
    if (offset % SHMLOG_SLOT_PAYLOAD <= SHMLOG_SLOT_PAYLOAD - 8)
        return load64(payload_at(first, offset)) & UINT64_MAX >> (64 - 8 * size);
    copy_payload(bytes, first, offset, size);
    return load64(bytes);
}

/* The index of a string, which is added if it is new; -1 if there is no place for it. */
static inline int find_string(struct string_dict *dict, const struct shmlog_slot *first,
                              uint32_t word, uint32_t offset)
{
    const uint32_t size = string_size(word);
    uint8_t bytes[STRING_MAX];
    uint64_t tag;
    uint32_t h;

    if (size > STRING_MAX)
        return -1;
    if (size <= 8) {
        tag = short_string(first, offset, size);
    } else {
        copy_payload(bytes, first, offset, size);
        tag = XXH64(bytes, size, 0);
    }
    h = (uint32_t)(tag * UINT64_C(0x9e3779b97f4a7c15) >> 54);
    for (; dict->slot[h]; h = (h + 1) & (TABLE - 1)) {
        const struct string_entry *entry = &dict->entry[dict->slot[h] - 1];

        if (entry->word == word && entry->tag == tag &&
            (size <= 8 || memcmp(entry->bytes, bytes, size) == 0))
            return dict->slot[h] - 1;
    }
    if (dict->entries == COLUMN_DICT_MAX)
        return -1;
    dict->entry[dict->entries].word = word;
    dict->entry[dict->entries].tag = tag;
    memcpy(dict->entry[dict->entries].bytes, size <= 8 ? (const uint8_t *)&tag : bytes, size);
    dict->slot[h] = (uint16_t)++dict->entries;
    return (int)dict->entries - 1;
}

/* The index of each record's string, into `ret_index`; false if they are too many. */
static bool build_dict(struct string_dict *dict, const struct encode *e,
                       const struct encode_group *group, uint32_t field_offset, uint8_t *ret_index)
{
    const uint32_t *const string_at = e->encoder->string_at;

    dict->entries = 0;
    memset(dict->slot, 0, sizeof(dict->slot));
    for (size_t i = 0; i < group->count; i++) {
        const struct shmlog_slot *first = e->slots + group->order[i];
        const int index =
            find_string(dict, first, load32(payload_at(first, field_offset)), string_at[i]);

        if (index < 0 || (i == STRING_SAMPLE && dict->entries > STRING_NEW))
            return false;
        ret_index[i] = (uint8_t)index;
    }
    return dict->entries <= group->count / 4;
}

static int put_dict(struct encode *e, const struct string_dict *dict, const uint8_t *index,
                    size_t count)
{
    struct file_buffer *out = &e->encoder->content;
    int r = file_buffer_reserve(out, 2 + dict->entries * (size_t)(FILE_VARINT_MAX + STRING_MAX));
    uint8_t *to;

    if (r < 0)
        return r;
    column_put_head(out, COLUMN_STRINGS, 0);
    to = out->data + out->size;
    *to++ = (uint8_t)(dict->entries - 1);
    for (uint32_t i = 0; i < dict->entries; i++) {
        const struct string_entry *entry = &dict->entry[i];

        to = bytes_put_varint(to, entry->word);
        memcpy(to, entry->bytes, string_size(entry->word));
        to += string_size(entry->word);
    }
    out->size = (size_t)(to - out->data);
    for (size_t i = 0; i < count; i++)
        e->encoder->value[i] = index[i];
    return file_encode_column(e, count);
}

void file_encode_strings_start(struct encode *e, const struct encode_group *group, uint32_t end)
{
    for (size_t i = 0; i < group->count; i++)
        e->encoder->string_at[i] = end;
}

void file_encode_strings_step(struct encode *e, const struct encode_group *group,
                              uint32_t field_offset)
{
    for (size_t i = 0; i < group->count; i++)
        e->encoder->string_at[i] +=
            string_size(load32(payload_at(e->slots + group->order[i], field_offset)));
}

static uint64_t bits_of(const struct string_dict *dict)
{
    uint64_t bits = 0;

    for (uint32_t i = 0; i < dict->entries; i++)
        bits |= file_string_bit(dict->entry[i].bytes, string_size(dict->entry[i].word));
    return bits;
}

int file_encode_string_dict(struct encode *e, struct encode_group *group, unsigned argument,
                            unsigned field, uint32_t field_offset)
{
    struct file_encoder *encoder = e->encoder;
    struct string_dict dict;
    /* The first argument's indices are kept, as keys; others' are needed here only. */
    uint8_t *index =
        group->key_count > 1 ? encoder->index : encoder->key + (group->order - encoder->order);
    int r;

    if (argument >= COLUMN_KEY_ARGUMENTS || !build_dict(&dict, e, group, field_offset, index))
        return 0;
    r = put_dict(e, &dict, index, group->count);
    if (r < 0)
        return r;
    file_encode_note_strings(e, group, field, bits_of(&dict));
    group->dicts |= 1u << argument;
    if (group->key_count <= 1) {
        group->key_count = dict.entries;
        group->key_argument = argument;
    }
    return 1;
}

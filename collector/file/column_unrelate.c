/* SPDX-License-Identifier: MIT
 *
 * Columns told from others of their group, back to values. Hostile bytes, as in column_decode.c;
 * the indices of `relatives` have been checked.
 */
#include "collector/file/column.h"

#include <errno.h>

int file_columns_get_keyed(struct bytes_in *in, unsigned argument, size_t count, uint64_t *ret_v,
                           const struct column_relatives *relatives)
{
    uint64_t last[COLUMN_DICT_MAX];
    const uint8_t *key;
    int r;

    if (!relatives || argument >= COLUMN_KEY_ARGUMENTS || !relatives->keys[argument])
        return -EBADMSG;
    key = relatives->key[argument];
    for (uint32_t k = 0; k < relatives->keys[argument]; k++)
        last[k] = bytes_svarint(in);
    r = file_columns_get_integers(in, count, 8, ret_v);
    for (size_t i = 0; r == 0 && i < count; i++)
        ret_v[i] = last[key[i]] += ret_v[i];
    return r;
}

int file_columns_get_reference(struct bytes_in *in, size_t count, uint64_t *ret_v,
                               const struct column_relatives *relatives)
{
    int r;

    if (!relatives || !relatives->has_reference)
        return -EBADMSG;
    r = file_columns_get_integers(in, count, 8, ret_v);
    for (size_t i = 0; r == 0 && i < count; i++)
        ret_v[i] += relatives->reference[i];
    return r;
}

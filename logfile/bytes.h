/* SPDX-License-Identifier: MIT
 *
 * Reading and writing the small things inside a block's content: bounded, one byte after the other.
 *
 * A reader that ran out or met a bad number has `bad` set, gives zeros from then on, and never
 * moves past its end, so one check after a group of reads is enough.
 */
#ifndef LOGFILE_BYTES_H
#define LOGFILE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FILE_VARINT_MAX 10

struct bytes_in {
    const uint8_t *at, *end;
    bool bad;
};

static inline uint8_t bytes_u8(struct bytes_in *in)
{
    if (in->at == in->end) {
        in->bad = true;
        return 0;
    }
    return *in->at++;
}

static inline uint16_t bytes_u16(struct bytes_in *in)
{
    uint16_t low = bytes_u8(in);

    return (uint16_t)(low | bytes_u8(in) << 8);
}

/* LEB128: seven bits a byte, low ones first. */
static inline uint64_t bytes_varint(struct bytes_in *in)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = bytes_u8(in);

        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            if (shift == 63 && byte > 1)
                break;
            return v;
        }
    }
    in->bad = true;
    return 0;
}

static inline uint64_t bytes_svarint(struct bytes_in *in)
{
    uint64_t v = bytes_varint(in);

    return v >> 1 ^ -(v & 1);
}

/* The next `size` bytes in place, NULL (and bad) if there are not as many. */
static inline const uint8_t *bytes_take(struct bytes_in *in, uint64_t size)
{
    const uint8_t *at = in->at;

    if (in->bad || size > (uint64_t)(in->end - in->at)) {
        in->bad = true;
        return NULL;
    }
    in->at += size;
    return at;
}

static inline uint8_t *bytes_put_varint(uint8_t *to, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *to++ = (uint8_t)(v | 0x80);
    *to++ = (uint8_t)v;
    return to;
}

static inline uint8_t *bytes_put_svarint(uint8_t *to, uint64_t v)
{
    return bytes_put_varint(to, v << 1 ^ -(v >> 63));
}

#endif

/* What the parts that read protobuf share. */

#ifndef DLPROF_PROTOBUF_H
#define DLPROF_PROTOBUF_H

#include "native.h"

#define EVENT_TAG 0x22       /* XLine.events */
#define LONGEST (1ULL << 48) /* event_windows.sizes: no file has a text of that size */

/* Kinds of a stat's value: field numbers of XStat's oneof. */
enum stat_kind { KIND_DOUBLE = 2, KIND_UINT64, KIND_INT64, KIND_STR, KIND_BYTES, KIND_REF };

/* Behind the varint at p, its value in `value`; NULL where it does not end before `end` or has more than ten bytes. */
static inline const uint8_t *varint(const uint8_t *p, const uint8_t *end, uint64_t *value) {
    if (p < end && *p < 0x80) {
        *value = *p;
        return p + 1;
    }
    uint64_t found = 0;
    for (int shift = 0; shift < 70 && p < end; shift += 7) {
        uint8_t byte = *p++;
        found |= (uint64_t)(byte & 0x7f) << shift; /* of the tenth byte one bit is left */
        if (byte < 0x80) {
            *value = found;
            return p;
        }
    }
    return NULL;
}

#endif

/* XPlane events as columns: the extents of a run of XEvent messages, and their fields and stats, out of one window of bytes.

   What this reader accepts it reads exactly as the Python reader does (dlprof/ingest/protobuf/chain.py, event_windows.py); whatever is
   not plain it does not judge: it answers NOT_PLAIN, and the Python reader takes the window, which then says what is wrong. Not plain
   are a field that xplane.proto does not have, a tag of more than one byte, a varint of more than ten bytes, and all that does not fit
   what is around it.

   No memory is allocated, nothing recurses, and every byte is read behind a comparison with the end of what holds it. Field numbers:
   tsl/profiler/protobuf/xplane.proto. */

#include "protobuf.h"

/* Tags of XEvent and XStat, number << 3 | wire type. */
enum event_tag { METADATA_ID = 0x08, OFFSET_PS = 0x10, DURATION_PS = 0x18, STATS = 0x22, NUM_OCCURRENCES = 0x28 };
enum stat_tag {
    STAT_ID = 0x08, STAT_DOUBLE = 0x11, STAT_UINT64 = 0x18, STAT_INT64 = 0x20, STAT_STR = 0x2A, STAT_BYTES = 0x32, STAT_REF = 0x38
};

/* What the caller gives, and what it gets back. */
struct window {
    /* the bytes, and the extents of the bodies of `count` events in them */
    const uint8_t *data;
    int64_t size;
    const int64_t *starts;
    const int64_t *ends;
    int64_t count;
    /* a number an event */
    int64_t *metadata_id;
    int64_t *offset_ps;
    int64_t *duration_ps;
    int64_t *occurrences;
    uint8_t *aggregated;
    /* a number a stat, those of an event together; room for `capacity` */
    int64_t capacity;
    int64_t *stat_event;
    int64_t *stat_id;
    uint8_t *stat_kind;
    uint64_t *stat_value;
    int64_t *stat_at;
    /* whether stats of each id below `ids` are noted: NULL for all; others are only read */
    const uint8_t *wanted;
    int64_t ids;
    /* results */
    int64_t stats;
    int64_t odd; /* 1: a text that was not noted has a byte beyond ASCII */
};

/* Whether one of `size` bytes is beyond ASCII. */
static bool beyond_ascii(const uint8_t *p, uint64_t size) {
    uint64_t word, found = 0;
    for (; size >= 8; size -= 8, p += 8) {
        memcpy(&word, p, 8);
        found |= word;
    }
    for (; size; size--) found |= *p++;
    return found & 0x8080808080808080ULL;
}

/* Notes the stat at [p, end) of an event; false where it is not plain, or finds no room. One without a value is left out. */
static bool read_stat(struct window *window, const uint8_t *p, const uint8_t *end, int64_t event) {
    uint64_t id = 0, bits = 0, value;
    uint8_t kind = 0;
    int64_t at = 0;
    while (p < end) {
        uint8_t tag = *p++;
        switch (tag) {
        case STAT_ID:
            if (!(p = varint(p, end, &id))) return false;
            break;
        case STAT_DOUBLE:
            if (end - p < 8) return false;
            bits = 0;
            for (int byte = 7; byte >= 0; byte--) bits = bits << 8 | p[byte];
            p += 8;
            kind = STAT_DOUBLE >> 3;
            at = p - window->data;
            break;
        case STAT_UINT64:
        case STAT_INT64:
        case STAT_REF:
            if (!(p = varint(p, end, &bits))) return false;
            kind = tag >> 3;
            at = p - window->data;
            break;
        case STAT_STR:
        case STAT_BYTES:
            if (!(p = varint(p, end, &value)) || value >= LONGEST || (int64_t)value > end - p) return false;
            kind = tag >> 3;
            bits = value;
            at = p - window->data;
            p += value;
            break;
        default:
            return false;
        }
    }
    if (!kind) return true;
    if (window->wanted && (id >= (uint64_t)window->ids || !window->wanted[id])) {
        if (kind == KIND_STR && beyond_ascii(window->data + at, bits)) window->odd = 1;
        return true;
    }
    int64_t row = window->stats;
    if (row == window->capacity) return false;
    window->stat_event[row] = event;
    window->stat_id[row] = (int64_t)id;
    window->stat_kind[row] = kind;
    window->stat_value[row] = bits;
    window->stat_at[row] = at;
    window->stats++;
    return true;
}

/* Notes the event at [p, end); false where it is not plain. */
static bool read_xevent(struct window *window, const uint8_t *p, const uint8_t *end, int64_t event) {
    uint64_t id = 0, offset = 0, duration = 0, occurrences = 0, size;
    bool aggregated = false;
    while (p < end) {
        switch (*p++) {
        case METADATA_ID:
            if (!(p = varint(p, end, &id))) return false;
            break;
        case OFFSET_PS:
            if (!(p = varint(p, end, &offset))) return false;
            break;
        case DURATION_PS:
            if (!(p = varint(p, end, &duration))) return false;
            break;
        case NUM_OCCURRENCES:
            if (!(p = varint(p, end, &occurrences))) return false;
            aggregated = true;
            break;
        case STATS:
            if (!(p = varint(p, end, &size)) || size >= LONGEST || (int64_t)size > end - p) return false;
            if (!read_stat(window, p, p + size, event)) return false;
            p += size;
            break;
        default:
            return false;
        }
    }
    window->metadata_id[event] = (int64_t)id;
    window->offset_ps[event] = (int64_t)offset;
    window->duration_ps[event] = (int64_t)duration;
    window->occurrences[event] = aggregated ? (int64_t)occurrences : 1;
    window->aggregated[event] = aggregated;
    return true;
}

/* Reads the events of a window; 0, or NOT_PLAIN, and then what the arrays hold means nothing. */
EXPORT int32_t dlprof_read_xevents(struct window *window) {
    window->stats = window->odd = 0;
    for (int64_t event = 0; event < window->count; event++) {
        int64_t start = window->starts[event], end = window->ends[event];
        if (start < 0 || start > end || end > window->size) return NOT_PLAIN;
        if (!read_xevent(window, window->data + start, window->data + end, event)) return NOT_PLAIN;
    }
    return 0;
}

/* Where the events of a run begin, by their tags, from `at` on: each where the one before it ends; room for `capacity` starts.

   `stop` is where the run stops: at another field, at an event that is cut by `end`, or at `end`. Returns how many there are, or
   NOT_PLAIN for a length that is no varint, or where there is no room. */
EXPORT int64_t dlprof_event_starts(
    const uint8_t *data, int64_t at, int64_t end, int64_t *starts, int64_t capacity, int64_t *stop) {
    int64_t count = 0;
    while (at + 1 < end && data[at] == EVENT_TAG) {
        uint64_t size;
        const uint8_t *body = varint(data + at + 1, data + end, &size);
        if (!body) {
            if (end - at < 12) break; /* cut within its length, as every byte to the end says that another follows */
            return NOT_PLAIN;
        }
        if (size > (uint64_t)(data + end - body)) break;
        if (count == capacity) return NOT_PLAIN;
        starts[count++] = at;
        at = body - data + (int64_t)size;
    }
    *stop = at;
    return count;
}

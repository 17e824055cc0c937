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

#define EVERY_FIRST_BIT 0x8080808080808080ULL /* of the bytes of a word */

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
    uint64_t eight, found = 0;
    for (; size >= 8; size -= 8, p += 8) {
        memcpy(&eight, p, 8);
        found |= eight;
    }
    for (; size; size--) found |= *p++;
    return found & EVERY_FIRST_BIT;
}

/* The eight bytes at p, the first one lowest. */
static inline uint64_t word(const uint8_t *p) {
    uint64_t found = 0;
    for (int byte = 7; byte >= 0; byte--) found = found << 8 | p[byte];
    return found;
}

/* Behind the field at p, which is a number with this tag, or p where another one stands there; NULL where it is not plain. */
static inline const uint8_t *field(const uint8_t *p, const uint8_t *end, uint8_t tag, uint64_t *value) {
    return p < end && *p == tag ? varint(p + 1, end, value) : p;
}

/* Notes the stat at [p, end) of an event; false where it is not plain, or finds no room. One without a value is left out. */
static inline bool read_stat(struct window *window, const uint8_t *p, const uint8_t *end, int64_t event) {
    uint64_t id = 0, bits = 0, value;
    uint8_t kind = 0;
    int64_t at = 0;
    if (!(p = field(p, end, STAT_ID, &id))) return false;
    while (p < end) {
        uint8_t tag = *p++;
        if (tag == STAT_INT64 || tag == STAT_UINT64 || tag == STAT_REF) {
            if (!(p = varint(p, end, &bits))) return false;
            at = p - window->data;
        } else if (tag == STAT_ID) {
            if (!(p = varint(p, end, &id))) return false;
            continue;
        } else if (tag == STAT_DOUBLE) {
            if (end - p < 8) return false;
            bits = word(p);
            p += 8;
            at = p - window->data;
        } else if (tag == STAT_STR || tag == STAT_BYTES) {
            if (!(p = varint(p, end, &value)) || value >= LONGEST || (int64_t)value > end - p) return false;
            bits = value;
            at = p - window->data;
            p += value;
        } else {
            return false;
        }
        kind = tag >> 3;
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

/* Whether the stat at [p, end) is seen at once to be plain, and a number that nobody asks for: an id, and then a varint or a double that
   ends where the stat does. */
static inline bool passed_over(const struct window *window, const uint8_t *p, const uint8_t *end) {
    int64_t size = end - p, room = window->data + window->size - p;
    if (size < 4 || size > 11 || room < 11 || p[0] != STAT_ID || p[1] >= 0x80) return false;
    if (p[1] < window->ids && window->wanted[p[1]]) return false;
    if (p[2] == STAT_DOUBLE) return size == 11;
    if (p[2] != STAT_UINT64 && p[2] != STAT_INT64 && p[2] != STAT_REF) return false;
    uint64_t behind = 8 * (uint64_t)(11 - size); /* bits behind the stat */
    /* All bytes of a varint but the last one say that another follows. */
    return (word(p + 3) & EVERY_FIRST_BIT) << behind == ((EVERY_FIRST_BIT << behind) ^ (1ULL << 63));
}

/* Notes the event at [p, end); false where it is not plain. some: whether stats of some ids alone are noted. */
static inline bool read_xevent(struct window *window, const uint8_t *p, const uint8_t *end, int64_t event, bool some) {
    uint64_t id = 0, offset = 0, duration = 0, occurrences = 0, size;
    bool aggregated = false;
    /* As profilers write them, in which no branch is hard to foretell; and then whatever is left. */
    if (!(p = field(p, end, METADATA_ID, &id)) || !(p = field(p, end, OFFSET_PS, &offset))) return false;
    if (!(p = field(p, end, DURATION_PS, &duration))) return false;
    while (p < end) {
        uint8_t tag = *p++;
        if (tag == STATS) {
            if (!(p = varint(p, end, &size)) || size >= LONGEST || (int64_t)size > end - p) return false;
            if (!(some && passed_over(window, p, p + size)) && !read_stat(window, p, p + size, event)) return false;
            p += size;
            continue;
        }
        uint64_t *number = tag == METADATA_ID       ? &id
                           : tag == OFFSET_PS       ? &offset
                           : tag == DURATION_PS     ? &duration
                           : tag == NUM_OCCURRENCES ? &occurrences
                                                    : NULL;
        if (!number || !(p = varint(p, end, number))) return false;
        aggregated |= tag == NUM_OCCURRENCES;
    }
    window->metadata_id[event] = (int64_t)id;
    window->offset_ps[event] = (int64_t)offset;
    window->duration_ps[event] = (int64_t)duration;
    window->occurrences[event] = aggregated ? (int64_t)occurrences : 1;
    window->aggregated[event] = aggregated;
    return true;
}

/* Reads the events of a window; 0, or NOT_PLAIN, and then what the arrays hold means nothing. */
EXPORT int32_t dlprof_read_xevents(struct window *given) {
    struct window copy = *given, *window = &copy; /* of its own, so that nothing that is written can be a part of it */
    window->stats = window->odd = 0;
    for (int64_t event = 0; event < window->count; event++) {
        int64_t start = window->starts[event], end = window->ends[event];
        if (start < 0 || start > end || end > window->size) return NOT_PLAIN;
        const uint8_t *first = window->data + start, *behind = window->data + end;
        if (!(window->wanted ? read_xevent(window, first, behind, event, true) : read_xevent(window, first, behind, event, false)))
            return NOT_PLAIN;
    }
    given->stats = window->stats;
    given->odd = window->odd;
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

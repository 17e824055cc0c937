/* The stats of an XPlane's events that no column takes, as one JSON object an event.

   The texts are those of the reader in Python (dlprof/ingest/xplane/other_stats.py), byte for byte. It takes the window where this
   one answers NOT_PLAIN: for a text that is not UTF-8, which it counts. Names of stats come as JSON strings, and so do numbers with a
   fraction, since the shortest text of a double is a matter of its own.

   No memory is allocated, nothing recurses, and every byte is read and written behind a comparison with the end of what holds it. */

#include "protobuf.h"

#define NO_ROOM (-2) /* the answer where `target` is too small */
#define MEMO 64
#define PIECE 16

/* What the caller gives, and what it gets back. */
struct objects {
    /* the bytes of the window, and its stats, those of an event together */
    const uint8_t *data;
    int64_t size;
    int64_t stats;
    const int64_t *stat_event;
    const int64_t *stat_id;
    const uint8_t *stat_kind;
    const uint64_t *stat_value;
    const int64_t *stat_at;
    /* what stats are called: ids in order; ends of their JSON strings in `texts`; whether a column takes the stat */
    int64_t names;
    const int64_t *name_id;
    const int64_t *name_end;
    const uint8_t *name_taken;
    const uint8_t *texts;
    /* the doubles among the stats as JSON, one behind the other: `doubles` of them, and one more offset than that */
    int64_t doubles;
    const int32_t *double_at;
    const uint8_t *double_text;
    /* what is written: for each event the size of its object, -1 for none; the objects, one behind the other */
    int64_t events;
    int32_t *lengths;
    int64_t capacity;
    uint8_t *target;
    /* result */
    int64_t used;
};

/* The state of one call. */
struct renderer {
    const struct objects *objects;
    uint8_t *at, *end;
    int64_t next_double;
    int64_t memo[MEMO]; /* places of names that were looked up, by the lowest bits of their ids */
};

/* Appends a piece of text; false where there is no room. Most are short: sixteen bytes are copied at once where they are there. */
static inline bool put(struct renderer *out, const uint8_t *text, const uint8_t *text_end, int64_t size) {
    if (out->end - out->at >= PIECE && text_end - text >= PIECE && size <= PIECE) {
        memcpy(out->at, text, PIECE);
    } else {
        if (out->end - out->at < size) return false;
        memcpy(out->at, text, (size_t)size);
    }
    out->at += size;
    return true;
}

/* Appends a byte. */
static inline bool put_byte(struct renderer *out, uint8_t byte) {
    if (out->at == out->end) return false;
    *out->at++ = byte;
    return true;
}

/* Appends a text of the program. */
static bool put_text(struct renderer *out, const char *text) {
    int64_t size = (int64_t)strlen(text);
    return put(out, (const uint8_t *)text, (const uint8_t *)text + size, size);
}

/* Appends a number in decimal digits. */
static bool put_number(struct renderer *out, uint64_t value, bool negative) {
    uint8_t digits[24], *first = digits + sizeof digits;
    do *--first = (uint8_t)('0' + value % 10);
    while (value /= 10);
    if (negative) *--first = '-';
    return put(out, first, digits + sizeof digits, digits + sizeof digits - first);
}

/* The same of a signed one. */
static bool put_signed(struct renderer *out, int64_t value) {
    return put_number(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, value < 0);
}

/* Behind the UTF-8 sequence at p, whose first byte is not ASCII; NULL where it is none. */
static const uint8_t *sequence(const uint8_t *p, const uint8_t *end) {
    uint8_t first = *p, low = 0x80, high = 0xbf;
    int more = first >= 0xc2 && first <= 0xdf ? 1 : first >= 0xe0 && first <= 0xef ? 2 : first >= 0xf0 && first <= 0xf4 ? 3 : 0;
    if (!more || end - p <= more) return NULL;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
    if (p[1] < low || p[1] > high) return NULL;
    for (int byte = 2; byte <= more; byte++)
        if (p[byte] < 0x80 || p[byte] > 0xbf) return NULL;
    return p + more + 1;
}

/* Behind the bytes at p that a JSON string holds as they are; NULL for what is not UTF-8. */
static const uint8_t *unchanged(const uint8_t *p, const uint8_t *end) {
    const uint64_t ones = 0x0101010101010101ULL, highs = 0x8080808080808080ULL;
    for (;;) {
        while (end - p >= 8) {
            uint64_t word, quote, slash;
            memcpy(&word, p, 8);
            quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
            if ((word | ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & highs) break;
            p += 8;
        }
        while (p < end && *p < 0x80 && *p >= 0x20 && *p != '"' && *p != '\\') p++;
        if (p == end || *p < 0x80) return p;
        if (!(p = sequence(p, end))) return NULL;
    }
}

/* Appends the text at [p, end) as a JSON string, as Python's json.dumps has it; 0, NO_ROOM or NOT_PLAIN. */
static int32_t put_string(struct renderer *out, const uint8_t *p, const uint8_t *end) {
    const uint8_t *data_end = out->objects->data + out->objects->size;
    if (!put_byte(out, '"')) return NO_ROOM;
    for (;;) {
        const uint8_t *stop = unchanged(p, end);
        if (!stop) return NOT_PLAIN;
        if (!put(out, p, data_end, stop - p)) return NO_ROOM;
        if (stop == end) return put_byte(out, '"') ? 0 : NO_ROOM;
        uint8_t byte = *stop, letter = 0;
        switch (byte) {
        case '"': case '\\': letter = byte; break;
        case '\b': letter = 'b'; break;
        case '\f': letter = 'f'; break;
        case '\n': letter = 'n'; break;
        case '\r': letter = 'r'; break;
        case '\t': letter = 't'; break;
        default: break;
        }
        if (letter ? !put_byte(out, '\\') || !put_byte(out, letter)
                   : !put_text(out, "\\u00") || !put_byte(out, (uint8_t)('0' + (byte >> 4))) ||
                         !put_byte(out, (uint8_t) "0123456789abcdef"[byte & 15]))
            return NO_ROOM;
        p = stop + 1;
    }
}

/* Appends bytes as hexadecimal digits between quotes; false where there is no room. */
static bool put_hex(struct renderer *out, const uint8_t *p, const uint8_t *end) {
    if ((out->end - out->at) / 2 <= end - p) return false;
    *out->at++ = '"';
    for (; p < end; p++) {
        *out->at++ = (uint8_t) "0123456789abcdef"[*p >> 4];
        *out->at++ = (uint8_t) "0123456789abcdef"[*p & 15];
    }
    return put_byte(out, '"');
}

/* The place of the name of an id, -1 where it has none. */
static inline int64_t name_of(struct renderer *out, int64_t id) {
    const struct objects *objects = out->objects;
    int64_t *memo = &out->memo[(uint64_t)id % MEMO], low = 0, high = objects->names;
    if (*memo < objects->names && objects->name_id[*memo] == id) return *memo;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (objects->name_id[middle] < id) low = middle + 1;
        else high = middle;
    }
    if (low == objects->names || objects->name_id[low] != id) return -1;
    return *memo = low;
}

/* Appends the JSON string of a name. */
static inline bool put_name(struct renderer *out, int64_t place) {
    const struct objects *objects = out->objects;
    int64_t begin = place ? objects->name_end[place - 1] : 0;
    return put(out, objects->texts + begin, objects->texts + objects->name_end[objects->names - 1], objects->name_end[place] - begin);
}

/* Appends the value of a stat; 0, NO_ROOM or NOT_PLAIN. */
static int32_t put_value(struct renderer *out, int64_t stat) {
    const struct objects *objects = out->objects;
    uint64_t value = objects->stat_value[stat];
    int64_t at = objects->stat_at[stat], place;
    bool done;
    switch (objects->stat_kind[stat]) {
    case KIND_INT64:
        return put_signed(out, (int64_t)value) ? 0 : NO_ROOM;
    case KIND_UINT64:
        return put_number(out, value, false) ? 0 : NO_ROOM;
    case KIND_DOUBLE:
        at = objects->double_at[out->next_double];
        place = objects->double_at[out->next_double + 1];
        return put(out, objects->double_text + at, objects->double_text + objects->double_at[objects->doubles], place - at) ? 0 : NO_ROOM;
    case KIND_REF:
        place = value > INT64_MAX ? -1 : name_of(out, (int64_t)value);
        done = place < 0 ? put_text(out, "\"ref#") && put_number(out, value, false) && put_byte(out, '"') : put_name(out, place);
        return done ? 0 : NO_ROOM;
    case KIND_STR:
    case KIND_BYTES:
        if (at < 0 || at > objects->size || value > (uint64_t)(objects->size - at)) return NOT_PLAIN;
        if (objects->stat_kind[stat] == KIND_STR) return put_string(out, objects->data + at, objects->data + at + value);
        return put_hex(out, objects->data + at, objects->data + at + value) ? 0 : NO_ROOM;
    default:
        return NOT_PLAIN;
    }
}

/* Appends a stat to the object of its event, which `begun` says to hold others; 0, NO_ROOM or NOT_PLAIN. */
static int32_t put_stat(struct renderer *out, int64_t stat, bool begun) {
    int64_t id = out->objects->stat_id[stat], place = name_of(out, id);
    if (place >= 0 && out->objects->name_taken[place]) return 0;
    if (!put_byte(out, begun ? ',' : '{')) return NO_ROOM;
    if (place >= 0 ? !put_name(out, place) : !put_text(out, "\"stat#") || !put_signed(out, id) || !put_byte(out, '"'))
        return NO_ROOM;
    return put_byte(out, ':') ? put_value(out, stat) : NO_ROOM;
}

/* Writes the objects; 0, NO_ROOM or NOT_PLAIN, and then what the arrays hold means nothing. */
EXPORT int32_t dlprof_render_stats(struct objects *objects) {
    struct renderer out = {.objects = objects, .at = objects->target, .end = objects->target + objects->capacity};
    int64_t stat = 0;
    for (int64_t event = 0; event < objects->events; event++) {
        uint8_t *first = out.at;
        for (; stat < objects->stats && objects->stat_event[stat] == event; stat++) {
            bool real = objects->stat_kind[stat] == KIND_DOUBLE;
            if (real && out.next_double >= objects->doubles) return NOT_PLAIN;
            int32_t answer = put_stat(&out, stat, out.at != first);
            if (answer) return answer;
            out.next_double += real;
        }
        if (out.at != first && !put_byte(&out, '}')) return NO_ROOM;
        if (out.at - first > INT32_MAX) return NOT_PLAIN;
        objects->lengths[event] = out.at == first ? -1 : (int32_t)(out.at - first);
    }
    objects->used = out.at - objects->target;
    return stat == objects->stats ? 0 : NOT_PLAIN;
}

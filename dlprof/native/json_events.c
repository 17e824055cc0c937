/* Chrome trace events as columns: one block of JSON text in, typed columns out of its events that stand for themselves: complete
   ones ("ph": "X"), instants and counters, and where asked for the two ends of spans. Of all others it says where they are.

   The text is the inside of a list of events, cut behind an event: `{…}, {…}, {…}`, perhaps with the bracket that ends the
   list. What this reader accepts it reads exactly as the Python reader does (dlprof/ingest/json/elements.py); whatever is not
   plain it does not judge: it answers NOT_PLAIN, and the Python reader takes the whole block, which then says what is wrong.
   Not plain are, on purpose, all things that are rare: an exponent or more than six places in a time, an integer beyond int64,
   null where a number belongs, an escape in a key, half of a surrogate pair, bytes that are no UTF-8, a key twice in one event,
   nesting deeper than 60.

   No memory is allocated: all that is written lies in arrays of the caller, whose sizes are checked. Nothing recurses. Every
   byte is read behind a comparison with the end of the text. Strings are only told apart here, by their bytes; the caller
   decodes each distinct one once. Plain C11, no headers but the standard ones, no state between calls. */

#include "json_values.h"

#define ODD (INT64_MIN + 1) /* what blocks.ODD says */
#define NO_ID (-1)
#define PROBES 64
#define PS_PER_US 1000000
#define LIMIT_US (INT64_MAX / PS_PER_US)
#define DOUBLE_SAFE_US 2147483648ULL /* elements.DOUBLE_SAFE_US */

/* Columns of numbers, and of ids of distinct texts: the order is that of dlprof/ingest/json/blocks.py. */
enum number { START, DURATION, CORRELATION, EXTERNAL, BYTES, FLOPS, SEQUENCE, FORWARD, ARGS_AT, ARGS_SIZE, MEMORY_KIND, MEMORY_PLACE,
              NUMBERS };
enum text { NAME, CATEGORY, PROCESS, THREAD, DEVICE, STREAM, DIMS, TYPES, MODULES, STACK, ID, TEXTS };

/* What the caller gives, and what it gets back. */
struct block {
    /* the text, what times are relative to, whether arguments are read as those of Kineto */
    const uint8_t *text;
    int64_t size;
    int64_t origin_us;
    int64_t arguments;
    /* whether events that open or close a span are rows; then a block ends before the first span that is open at its end */
    int64_t spans;
    /* a bit for each column of texts that nobody asks for: its ids are those of no text */
    int64_t unasked;
    /* arrays: `capacity` events; `slots` a power of two; `distinct` texts */
    int64_t capacity;
    int64_t *numbers;    /* NUMBERS × capacity */
    int32_t *ids;        /* TEXTS × capacity */
    uint8_t *phases;     /* capacity: the letter of every event, row or not */
    int64_t *others;     /* 2 × capacity: first byte and end of each event that is no row */
    int64_t slots;
    uint32_t *table;     /* 2 × slots: stamp, and place among the distinct texts */
    int64_t distinct;
    int64_t *places;     /* 2 × distinct: first byte and size of each distinct text */
    int32_t *columns;    /* 2 × distinct: its column, and its id in that column */
    uint32_t stamp;      /* of this call, never 0, never used before with this table */
    /* results */
    uint32_t lost;       /* 1: a time with a fraction that a double does not hold exactly */
    int64_t events;
    int64_t rows;
    int64_t used;        /* bytes; less than `size` where the list ends in the text */
    int64_t closed;      /* 1: the list ends in the text */
    int64_t found;       /* distinct texts */
};

/* The state of one call. */
struct reader {
    struct block *block;
    const uint8_t *end;
    int32_t counts[TEXTS]; /* distinct texts of each column */
    int64_t last[TEXTS];   /* the text that was met last in each column: mostly the next one too */
    const uint8_t *open;   /* the event that opened a span since which none was closed; NULL where there is none */
    int64_t open_events, open_rows; /* events and rows before it */
};

/* One event. */
struct event {
    uint32_t seen;
    uint8_t phase;
    bool told; /* its arguments are read */
    int64_t start, duration;
    struct range name, category, process, thread, id, args;
    struct arguments of;
};

/* Bits of `event.seen`. */
enum { PH = 1, NAMED = 2, CAT = 4, TS = 8, DUR = 16, PID = 32, TID = 64, IDENTITY = 128, ARGS = 256 };

/* Behind the time at p, in µs, its ps from `origin_us` in `ps`; NULL where it is not plain or too far from there. */
static const uint8_t *moment(struct reader *reader, const uint8_t *p, int64_t origin_us, int64_t *ps) {
    const uint8_t *end = reader->end;
    bool negative = p < end && *p == '-';
    uint64_t whole = 0;
    int64_t part = 0;
    p += negative;
    const uint8_t *first = p;
    while (p < end && *p >= '0' && *p <= '9' && p - first < 18) whole = whole * 10 + (uint64_t)(*p++ - '0');
    if (p == first || (*first == '0' && p - first > 1)) return NULL;
    if (p < end && *p == '.') {
        int64_t unit = PS_PER_US;
        first = ++p;
        while (p < end && *p >= '0' && *p <= '9' && unit > 1) part += (*p++ - '0') * (unit /= 10);
        if (p == first) return NULL;
        if (whole >= DOUBLE_SAFE_US) reader->block->lost = 1;
    }
    int64_t relative = (negative ? -(int64_t)whole : (int64_t)whole) - origin_us;
    if (relative >= LIMIT_US || relative <= -LIMIT_US) return NULL;
    *ps = relative * PS_PER_US + (negative ? -part : part);
    return p; /* a digit, a dot or an exponent that follows is no end of a value, which the caller finds */
}

/* Whether events of a phase open a span, or close one. */
static inline bool opens(uint8_t phase) { return phase == 'B' || phase == 'b' || phase == '('; }
static inline bool closes(uint8_t phase) { return phase == 'E' || phase == 'e' || phase == ')'; }

/* Whether events of a phase are rows: complete ones, instants and counters, as in dlprof/ingest/json/walk.py. */
static inline bool is_row(const struct block *block, uint8_t phase) {
    return phase == 'X' || phase == 'i' || phase == 'I' || phase == 'n' || phase == 'R' || phase == 'C' ||
           (block->spans && (opens(phase) || closes(phase)));
}

/* Behind the `args` at p: read where they are those of a row and wanted, else only checked. */
static const uint8_t *read_args(struct reader *reader, const uint8_t *p, struct event *event) {
    const uint8_t *behind;
    event->told = is_row(reader->block, event->phase) && reader->block->arguments;
    behind = event->told ? read_arguments(p, reader->end, &event->of) : value_end(p, reader->end);
    if (behind) event->args = (struct range){p, behind - p};
    return behind;
}

/* Whether this is the first time that an event has the key of this bit. */
static inline bool first(struct event *event, uint32_t bit) {
    bool new = !(event->seen & bit);
    event->seen |= bit;
    return new;
}

/* Behind the value at p of a member of an event; NULL where it is not what belongs there, or is there twice. */
static const uint8_t *member(struct reader *reader, const uint8_t *p, struct range key, struct event *event) {
    const uint8_t *k = key.at, *end = reader->end;
    if (p >= end) return NULL;
    switch (key.size) {
    case 2:
        if (is(k, "ph", 2)) {
            if (!first(event, PH) || end - p < 3 || p[0] != '"' || p[2] != '"') return NULL;
            event->phase = p[1];
            return p[1] < 0x21 || p[1] > 0x7e || p[1] == '\\' || p[1] == '"' ? NULL : p + 3;
        }
        if (is(k, "ts", 2))
            return first(event, TS) ? moment(reader, p, reader->block->origin_us, &event->start) : NULL;
        if (is(k, "id", 2)) {
            if (!first(event, IDENTITY)) return NULL;
            return *p == 'n' ? scalar_end(p, end) : place(p, end, &event->id);
        }
        break;
    case 3:
        if (is(k, "dur", 3)) return first(event, DUR) ? moment(reader, p, 0, &event->duration) : NULL;
        if (is(k, "pid", 3)) return first(event, PID) ? place(p, end, &event->process) : NULL;
        if (is(k, "tid", 3)) return first(event, TID) ? place(p, end, &event->thread) : NULL;
        if (is(k, "cat", 3)) {
            if (!first(event, CAT)) return NULL;
            return *p == 'n' ? scalar_end(p, end) : string(p, end, &event->category);
        }
        break;
    case 4:
        if (is(k, "name", 4)) return first(event, NAMED) ? string(p, end, &event->name) : NULL;
        if (is(k, "args", 4)) return first(event, ARGS) ? read_args(reader, p, event) : NULL;
        break;
    default:
        break;
    }
    return value_end(p, end);
}

/* A hash of a text of some column. */
static uint32_t hash_of(struct range text, int column) {
    const uint64_t factor = 0x9E3779B97F4A7C15ULL;
    uint64_t hash = ((uint64_t)text.size * TEXTS + (uint64_t)column + 1) * factor, word;
    const uint8_t *p = text.at;
    int64_t left = text.size;
    for (; left >= 8; left -= 8, p += 8) {
        memcpy(&word, p, 8);
        hash = (hash ^ word) * factor;
        hash ^= hash >> 32;
    }
    word = 0;
    memcpy(&word, p, (size_t)left);
    hash = (hash ^ word) * factor;
    return (uint32_t)(hash >> 32) ^ (uint32_t)hash;
}

/* Whether the distinct text at `place` is this text of this column. */
static inline bool same(const struct block *block, int64_t place, struct range text, int column) {
    const int64_t *at = block->places + 2 * place;
    return block->columns[2 * place] == column && at[1] == text.size &&
           memcmp(block->text + at[0], text.at, (size_t)text.size) == 0;
}

/* The id of a text in its column, NO_ID for none; made on first sight. False where the tables are full, or so many texts
   share a slot that somebody must have meant it. */
static bool intern(struct reader *reader, int column, struct range text, int32_t *id) {
    struct block *block = reader->block;
    int64_t place = reader->last[column];
    *id = NO_ID;
    if (!text.at) return true;
    if (place < 0 || !same(block, place, text, column)) {
        uint32_t slot = hash_of(text, column) & (uint32_t)(block->slots - 1);
        int probes = 0;
        while (block->table[2 * slot] == block->stamp && !same(block, block->table[2 * slot + 1], text, column)) {
            if (++probes == PROBES) return false;
            slot = (slot + 1) & (uint32_t)(block->slots - 1);
        }
        if (block->table[2 * slot] != block->stamp) {
            place = block->found;
            if (place == block->distinct) return false;
            block->found++;
            block->places[2 * place] = text.at - block->text;
            block->places[2 * place + 1] = text.size;
            block->columns[2 * place] = column;
            block->columns[2 * place + 1] = reader->counts[column]++;
            block->table[2 * slot] = block->stamp;
            block->table[2 * slot + 1] = (uint32_t)place;
        }
        place = block->table[2 * slot + 1];
        reader->last[column] = place;
    }
    *id = block->columns[2 * place + 1];
    return true;
}

/* Writes the row of an event. False where something that it must have is missing, or its texts find no room. */
static bool write_row(struct reader *reader, struct event *event) {
    struct block *block = reader->block;
    int64_t row = block->rows, capacity = block->capacity;
    struct arguments *of = &event->of;
    uint32_t needed = event->phase == 'X' ? NAMED | TS | DUR : NAMED | TS;
    if ((event->seen & needed) != needed) return false;
    if (!event->args.at || !block->arguments) {
        const uint8_t empty[] = "{}";
        read_arguments(empty, empty + 2, of);
    } else if (!event->told && !read_arguments(event->args.at, reader->end, of)) {
        return false;
    }
    int64_t numbers[NUMBERS] = {
        [START] = event->start,
        [DURATION] = event->phase == 'X' ? event->duration : 0,
        [CORRELATION] = of->correlation,
        [EXTERNAL] = of->external == NO_INT ? of->external_old : of->external,
        [BYTES] = of->bytes == NO_INT ? of->size : of->bytes,
        [FLOPS] = of->flops,
        [SEQUENCE] = of->sequence,
        [FORWARD] = of->forward,
        [ARGS_AT] = event->args.at ? event->args.at - block->text : 0,
        [ARGS_SIZE] = event->args.at ? event->args.size : -1,
        [MEMORY_KIND] = of->odd ? ODD : of->memory_kind,
        [MEMORY_PLACE] = of->memory_place,
    };
    struct range texts[TEXTS] = {
        [NAME] = event->name,
        [CATEGORY] = event->category,
        [PROCESS] = event->process,
        [THREAD] = event->thread,
        [DEVICE] = of->device,
        [STREAM] = of->stream,
        [DIMS] = of->dims.at ? of->dims : of->dims_old,
        [TYPES] = of->types,
        [MODULES] = of->modules,
        [STACK] = of->stack,
        [ID] = event->id,
    };
    for (int column = 0; column < NUMBERS; column++) block->numbers[column * capacity + row] = numbers[column];
    for (int column = 0; column < TEXTS; column++) {
        int32_t *id = &block->ids[column * capacity + row];
        *id = NO_ID;
        if (!(block->unasked >> column & 1) && !intern(reader, column, texts[column], id)) return false;
    }
    block->rows++;
    return true;
}

/* Notes where the first span was opened since one was closed. */
static void note_open(struct reader *reader, const uint8_t *begin, uint8_t phase) {
    if (closes(phase)) {
        reader->open = NULL;
    } else if (opens(phase) && !reader->open) {
        reader->open = begin;
        reader->open_events = reader->block->events;
        reader->open_rows = reader->block->rows;
    }
}

/* Behind the event at p, which is noted; NULL where it is not plain. */
static const uint8_t *read_event(struct reader *reader, const uint8_t *p) {
    struct block *block = reader->block;
    const uint8_t *begin = p, *end = reader->end;
    struct event event; /* but for its arguments, which are set where they are read */
    event.seen = 0, event.phase = 0, event.told = false, event.start = event.duration = 0;
    event.name = event.category = event.process = event.thread = event.id = event.args = (struct range){NULL, 0};
    if (p >= end || *p != '{' || block->events == block->capacity) return NULL;
    p = skip_space(p + 1, end);
    for (;;) {
        struct range key;
        if (!(p = read_key(p, end, &key)) || !(p = member(reader, p, key, &event))) return NULL;
        p = skip_space(p, end);
        if (p >= end) return NULL;
        if (*p == '}') break;
        if (*p != ',') return NULL;
        p = skip_space(p + 1, end);
    }
    p++;
    if (!(event.seen & PH)) return NULL;
    block->phases[block->events] = event.phase;
    if (block->spans) note_open(reader, begin, event.phase);
    if (is_row(block, event.phase)) {
        if (!write_row(reader, &event)) return NULL;
    } else {
        int64_t *other = block->others + 2 * (block->events - block->rows);
        other[0] = begin - block->text;
        other[1] = p - block->text;
    }
    block->events++;
    return p;
}

/* Reads a block; 0, or NOT_PLAIN, and then what the arrays hold means nothing. */
EXPORT int32_t dlprof_read_events(struct block *block) {
    struct reader reader = {.block = block, .end = block->text + block->size};
    const uint8_t *p = skip_space(block->text, reader.end);
    for (int column = 0; column < TEXTS; column++) reader.last[column] = -1;
    block->lost = 0;
    block->events = block->rows = block->used = block->closed = block->found = 0;
    for (;;) {
        if (!(p = read_event(&reader, p))) return NOT_PLAIN;
        p = skip_space(p, reader.end);
        if (p == reader.end) break;
        if (*p == ']') {
            block->closed = 1;
            p++;
            break;
        }
        if (*p != ',') return NOT_PLAIN;
        p = skip_space(p + 1, reader.end);
    }
    block->used = p - block->text;
    if (reader.open && reader.open_events && !block->closed) {
        block->events = reader.open_events;
        block->rows = reader.open_rows;
        block->used = reader.open - block->text;
    }
    return 0;
}

/* Copies pieces of a text of `size` bytes one behind the other: `places` has the first byte of each of `count`, `lengths` its length,
   of which one below 1 is no piece. 0, or NOT_PLAIN where a piece is not within the text, or `room` bytes do not hold them. */
EXPORT int32_t dlprof_gather(
    const uint8_t *text, int64_t size, const int64_t *places, const int32_t *lengths, int64_t count, uint8_t *target, int64_t room) {
    for (int64_t piece = 0; piece < count; piece++) {
        int64_t at = places[piece], length = lengths[piece];
        if (length < 1) continue;
        if (at < 0 || at > size || length > size - at || length > room) return NOT_PLAIN;
        memcpy(target, text + at, (size_t)length);
        target += length;
        room -= length;
    }
    return 0;
}

/* What this library and its caller must agree on. */
EXPORT int32_t dlprof_interface(void) { return INTERFACE; }

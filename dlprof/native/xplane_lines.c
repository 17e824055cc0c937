/* The lines of an XPlane that lie in one window: what each says of itself, and where its events are.

   What this reader accepts it reads exactly as the Python reader does (dlprof/ingest/protobuf/small_lines.py); for whatever is not
   plain it answers NOT_PLAIN, and the Python reader takes the lines. Not plain are a tag of more than one byte, a field that is
   neither a varint nor has a length, and all that does not fit what is around it.

   No memory is allocated, nothing recurses, and every byte is read behind a comparison with the end of what holds it. Field numbers:
   tsl/profiler/protobuf/xplane.proto. */

#include "protobuf.h"

/* Wire types. */
enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

/* Fields of XLine. */
enum { LINE_ID = 1, LINE_NAME = 2, LINE_TIMESTAMP_NS = 3, LINE_DISPLAY_NAME = 11 };

/* Columns of a run of events: the order is that of dlprof/ingest/protobuf/compiled.py. */
enum run { RUN_LINE, RUN_EVENTS, RUN_ID, RUN_TIME, RUN_NAME_AT, RUN_NAME_SIZE, RUNS };

/* What the caller gives, and what it gets back. */
struct lines {
    /* the bytes, and the extents of `count` lines in them: first byte and end of each */
    const uint8_t *data;
    int64_t size;
    const int64_t *extents;
    int64_t count;
    /* events of one line that lie side by side, and what the line has said before them; room for `room` runs */
    int64_t room;
    int64_t *runs; /* RUNS × room */
    /* bodies of all events; room for `capacity` */
    int64_t capacity;
    int64_t *starts;
    int64_t *ends;
    /* first byte and size of every name; room for `name_room` */
    int64_t name_room;
    int64_t *names; /* 2 × name_room */
    /* results */
    int64_t run_count;
    int64_t events;
    int64_t name_count;
};

/* Notes the run of events at p; behind it, or NULL where an event does not fit, or finds no room. */
static const uint8_t *read_run(struct lines *lines, const uint8_t *p, const uint8_t *end) {
    while (p < end && *p == EVENT_TAG) {
        uint64_t size;
        if (!(p = varint(p + 1, end, &size)) || size > (uint64_t)(end - p) || lines->events == lines->capacity) return NULL;
        lines->starts[lines->events] = p - lines->data;
        p += size;
        lines->ends[lines->events++] = p - lines->data;
    }
    return p;
}

/* Reads the line at [p, end); false where it is not plain. */
static bool read_line(struct lines *lines, const uint8_t *p, const uint8_t *end, int64_t number) {
    int64_t id = 0, time = 0, name_at = 0, name_size = 0, room = lines->room;
    uint64_t value;
    while (p < end) {
        if (*p == EVENT_TAG) {
            int64_t run = lines->run_count, before = lines->events;
            if (run == room || !(p = read_run(lines, p, end))) return false;
            const int64_t columns[RUNS] = {
                [RUN_LINE] = number, [RUN_EVENTS] = lines->events - before, [RUN_ID] = id, [RUN_TIME] = time,
                [RUN_NAME_AT] = name_at, [RUN_NAME_SIZE] = name_size,
            };
            for (int column = 0; column < RUNS; column++) lines->runs[column * room + run] = columns[column];
            lines->run_count++;
            continue;
        }
        uint8_t tag = *p++, field = tag >> 3, wire = tag & 7;
        if (tag >= 0x80 || !field || (wire != WIRE_VARINT && wire != WIRE_BYTES)) return false;
        if (!(p = varint(p, end, &value))) return false;
        if (wire == WIRE_VARINT) {
            if (field == LINE_ID) id = (int64_t)value;
            if (field == LINE_TIMESTAMP_NS) time = (int64_t)value;
            continue;
        }
        if (value >= LONGEST || (int64_t)value > end - p) return false;
        if (field == LINE_NAME || (field == LINE_DISPLAY_NAME && !name_size)) {
            if (lines->name_count == lines->name_room) return false;
            name_at = p - lines->data;
            name_size = (int64_t)value;
            lines->names[2 * lines->name_count] = name_at;
            lines->names[2 * lines->name_count++ + 1] = name_size;
        }
        p += value;
    }
    return true;
}

/* Reads lines; 0, or NOT_PLAIN, and then what the arrays hold means nothing. */
EXPORT int32_t dlprof_read_lines(struct lines *lines) {
    lines->run_count = lines->events = lines->name_count = 0;
    for (int64_t number = 0; number < lines->count; number++) {
        int64_t start = lines->extents[2 * number], end = lines->extents[2 * number + 1];
        if (start < 0 || start > end || end > lines->size) return NOT_PLAIN;
        if (!read_line(lines, lines->data + start, lines->data + end, number)) return NOT_PLAIN;
    }
    return 0;
}

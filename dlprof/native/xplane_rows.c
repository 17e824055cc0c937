/* Rows of a thread from an XPlane's events: what each is called, when it ran, on which track, and which operator it executed.

   What dlprof/ingest/xplane/rows.py, event_names.py, eager_ops.py and dlprof/ingest/protobuf/valid_times.py find with NumPy, pass after
   pass, in one loop. For what is counted or left out there (an id without a name, a time that cannot be real) the answer is NOT_PLAIN,
   and NumPy takes the rows. Nothing is allocated; every array is the caller's, of the stated length. */

#include "native.h"

/* What the caller gives, and what it gets back. */
struct rows {
    /* events, and the runs of lines that they are in: of each its line, its number of events, where the line begins in time (ps), track */
    int64_t count;
    const int64_t *metadata_id;
    const int64_t *offset_ps;
    const int64_t *duration_ps;
    int64_t runs;
    const int64_t *line;
    const int64_t *events;
    const int64_t *base_ps;
    const int32_t *track_of;
    int64_t furthest; /* no time lies further from 0, at most 2^61 */
    /* of each id from -1 on the place of its name, and of each name what it is; a place of `names` is of an id without a name */
    int64_t ids;
    const int64_t *place_of;
    int64_t names;
    const int32_t *name_of;
    const int8_t *level_of;
    const int32_t *lookup_of;
    const int32_t *path_of;
    /* of each name whether it is an execution, or dispatches an operator, and the code of that; NULL where none is both there */
    const uint8_t *executes;
    const uint8_t *dispatches;
    const int32_t *dispatched;
    int64_t op;   /* the level of an operator */
    int64_t last; /* the operator that was dispatched before the first event, and with the last one */
    /* of each code in `lookup` that in `kernel`; the last one is for none */
    int64_t lookups;
    const int32_t *kernel_of;
    /* what is written, of each event */
    int64_t *place;
    int32_t *name;
    int8_t *level;
    int32_t *lookup;
    int32_t *path;
    int32_t *kernel;
    int64_t *start_ps;
    int32_t *track;
};

/* Where and when event i ran; false where that cannot be real. */
static inline bool place_in_time(struct rows *rows, int64_t i, int64_t base) {
    int64_t offset = rows->offset_ps[i], length = rows->duration_ps[i], most = rows->furthest;
    if (offset < -2 * most || offset > 2 * most || length < 0 || length > most) return false;
    int64_t start = base + offset; /* at most 3 * 2^61 */
    if (start < -most || start > most) return false;
    rows->start_ps[i] = start;
    return true;
}

/* What event i is by its name, with `operator` as the last one that was dispatched before it on its line; false for no name. */
static inline bool name_event(struct rows *rows, int64_t i, int32_t *operator) {
    int64_t id = rows->metadata_id[i];
    if (id < -1 || id >= rows->ids - 1) return false;
    int64_t place = rows->place_of[id + 1];
    if (place < 0 || place >= rows->names) return false;
    int32_t lookup = rows->lookup_of[place];
    int8_t level = rows->level_of[place];
    if (rows->executes) {
        if (rows->dispatches[place]) *operator = rows->dispatched[place];
        if (rows->executes[place] && *operator != NO_TEXT) lookup = *operator, level = (int8_t)rows->op;
    }
    if (lookup < NO_TEXT || lookup >= rows->lookups - 1) return false;
    rows->place[i] = place;
    rows->name[i] = rows->name_of[place];
    rows->level[i] = level;
    rows->lookup[i] = lookup;
    rows->path[i] = rows->path_of[place];
    rows->kernel[i] = rows->kernel_of[lookup == NO_TEXT ? rows->lookups - 1 : lookup];
    return true;
}

/* Reads the rows; 0, or NOT_PLAIN, and then what the arrays hold means nothing. */
EXPORT int32_t dlprof_host_rows(struct rows *given) {
    struct rows copy = *given, *rows = &copy; /* of its own, so that nothing that is written can be a part of it */
    int64_t i = 0, most = rows->furthest, before = -1; /* the run before */
    int32_t operator = (int32_t)rows->last;
    if (most < 0 || most > (1LL << 61)) return NOT_PLAIN;
    for (int64_t run = 0; run < rows->runs; run++) {
        int64_t base = rows->base_ps[run], events = rows->events[run];
        if (events < 0 || events > rows->count - i || base < -most || base > most) return NOT_PLAIN;
        if (!events) continue;
        if (before >= 0 && rows->line[run] != rows->line[before]) operator = (int32_t)rows->last;
        before = run;
        for (int64_t end = i + events; i < end; i++) {
            if (!place_in_time(rows, i, base) || !name_event(rows, i, &operator)) return NOT_PLAIN;
            rows->track[i] = rows->track_of[run];
        }
    }
    if (i != rows->count) return NOT_PLAIN;
    given->last = operator;
    return 0;
}

/* Runs the C part of the trace readers on mutated texts, built with AddressSanitizer and UndefinedBehaviorSanitizer: each text
   is given to the reader of JSON and, as lines and as a run of events, to those of XPlane; what they find of stats is written as JSON.

   sanitized SECONDS SEED FILE…: the files are seeds. Text and arrays lie in blocks of exactly their size, so that a byte read or
   written outside of them ends the program with a report. What the reader answers is checked: counts within the arrays, places
   within the text, ids below their number. Beside each text some intervals and rows are drawn, nested and added up. Prints how many texts were tried
   and how many were read. */

#include "../../dlprof/native/json_events.c"
#include "../../dlprof/native/xplane_events.c"
#include "../../dlprof/native/xplane_lines.c"
#include "../../dlprof/native/xplane_args.c"
#include "../../dlprof/native/nesting.c"
#include "../../dlprof/native/sums.c"
#include "../../dlprof/native/xplane_rows.c"
#include "../../dlprof/native/groups.c"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LARGEST 4096

static uint64_t state;

/* The next number of a xorshift sequence, below `limit`. */
static uint64_t below(uint64_t limit) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return limit ? state % limit : 0;
}

/* Ends the program where something does not hold. */
static void must(bool holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "does not hold: %s\n", what);
    abort();
}

static const char *const TOKENS[] = {
    "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u12", "\\ud800", "\\u00e9", "\\\"", "\xc3\xa9", "\xe2\x82", "\xf0\x9f\x98\x80", "null", "true", "-", "0", "-0", "01", "1e9", "1.5",
    "1.1234567", "9223372036854775807", "9223372036854775808", "09223372036854775808", "99999999999999999999", "\"ph\":\"i\"", "\"ph\":\"X\"", "\"ph\":\"B\"", "\"ph\":\"E\"", "18446744073709551615", "18446744073709551616", "\"args\":{",
    "\"ts\":", "\"dur\":-3", "\"External id\":5,", "\"stream\":\"7\"", "\"Input Dims\":[[1]]", "[[[[[[[[[[", "{\"a\":{\"a\":{\"a\":",
    "},{", "\"cat\":null", "\x01", "\xff", " \n\t",
    "\x22", "\x22\x02\x08", "\x22\x80\x01", "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    "\x12\x03", "\x18\x05", "\x5a\x02", "\x08\x07", "\x22\x04\x08\x01\x20\x05", "\x2a\x03\n\"\\", "\xc3\xa9", "\xed\xa0\x80", "\x2a\x03", "\x32\x7f", "\x11\x22\x22\x22\x22\x22\x22\x22\x22", "\x38\x01", "\x22\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
};

/* One change of a text of `size` bytes, which is at most LARGEST. */
static int64_t mutate(uint8_t *text, int64_t size) {
    uint64_t at = below((uint64_t)size + 1);
    const char *token = TOKENS[below(sizeof TOKENS / sizeof *TOKENS)];
    int64_t length = (int64_t)strlen(token), rest = size - (int64_t)at, gone;
    switch (below(6)) {
    case 0: /* a byte */
        if (rest) text[at] = (uint8_t)below(256);
        return size;
    case 1: /* a token more */
        if (size + length > LARGEST) return size;
        memmove(text + at + length, text + at, (size_t)rest);
        memcpy(text + at, token, (size_t)length);
        return size + length;
    case 2: /* a token in place of what stands there */
        if (length <= rest) memcpy(text + at, token, (size_t)length);
        return size;
    case 3: /* a piece gone */
        gone = (int64_t)below(40);
        if (gone > rest) gone = rest;
        memmove(text + at, text + at + gone, (size_t)(rest - gone));
        return size - gone;
    case 4: /* a piece twice */
        gone = (int64_t)below(200);
        if (gone > rest || size + gone > LARGEST) return size;
        memmove(text + at + gone, text + at, (size_t)rest);
        return size + gone;
    default: /* cut off */
        return below(20) ? size : (int64_t)at;
    }
}

/* Reads a text with arrays of some sizes; whether it was plain. */
static bool run(const uint8_t *text, int64_t size) {
    int64_t capacity = 1 + (int64_t)below(60), distinct = 1 + (int64_t)below(200), slots = 1 << (below(4) ? 9 : below(9));
    const int64_t origins[] = {0, 0, 1751410836000000, (int64_t)below(1ULL << 56)};
    uint8_t *copy = malloc((size_t)size ? (size_t)size : 1);
    memcpy(copy, text, (size_t)size);
    struct block block = {
        .text = copy, .size = size, .origin_us = origins[below(4)], .arguments = (int64_t)below(2), .spans = (int64_t)below(2), .unasked = below(3) ? 0 : (int64_t)below(1 << TEXTS),
        .capacity = capacity, .slots = slots, .distinct = distinct, .stamp = 7,
        .numbers = malloc(sizeof(int64_t) * NUMBERS * (size_t)capacity), .ids = malloc(sizeof(int32_t) * TEXTS * (size_t)capacity),
        .phases = malloc((size_t)capacity), .others = malloc(sizeof(int64_t) * 2 * (size_t)capacity),
        .table = calloc((size_t)slots * 2, sizeof(uint32_t)), .places = malloc(sizeof(int64_t) * 2 * (size_t)distinct),
        .columns = malloc(sizeof(int32_t) * 2 * (size_t)distinct),
    };
    bool plain = dlprof_read_events(&block) == 0;
    if (plain) {
        must(block.rows <= block.events && block.events <= capacity, "rows, events, capacity");
        must(block.used > 0 && block.used <= size && block.found <= distinct, "used, found");
        for (int64_t at = 0; at < block.events - block.rows; at++)
            must(block.others[2 * at] >= 0 && block.others[2 * at] < block.others[2 * at + 1] && block.others[2 * at + 1] <= size,
                 "others");
        for (int64_t at = 0; at < block.found; at++)
            must(block.places[2 * at] >= 0 && block.places[2 * at] + block.places[2 * at + 1] <= size, "places");
        for (int64_t row = 0; row < block.rows; row++)
            for (int column = 0; column < TEXTS; column++) {
                int32_t id = block.ids[column * capacity + row];
                must(id >= NO_ID && id < block.found, "ids");
            }
        int64_t total = 0, *places = block.numbers + ARGS_AT * capacity;
        int32_t *lengths = malloc(sizeof(int32_t) * (size_t)(block.rows + 1));
        for (int64_t row = 0; row < block.rows; row++) {
            lengths[row] = (int32_t)block.numbers[ARGS_SIZE * capacity + row];
            total += lengths[row] < 0 ? 0 : lengths[row];
        }
        bool odd = block.rows && !below(8);
        if (odd) places[below((uint64_t)block.rows)] = (int64_t)below((uint64_t)size + 20) - 5;
        if (odd) lengths[below((uint64_t)block.rows)] = (int32_t)below((uint64_t)size + 20) - 5;
        uint8_t *target = malloc((size_t)total ? (size_t)total : 1);
        int32_t answer = dlprof_gather(copy, size, places, lengths, block.rows, target, total);
        must(!answer || (odd && answer == NOT_PLAIN), "an answer of gathering");
        free(target), free(lengths);
    }
    free(copy), free(block.numbers), free(block.ids), free(block.phases), free(block.others), free(block.table);
    free(block.places), free(block.columns);
    return plain;
}

/* A block of exactly this size. */
static void *held(int64_t size) {
    void *block = malloc((size_t)size ? (size_t)size : 1);
    if (!block) abort();
    return block;
}

/* Reads a text, cut into a few extents, as lines, with arrays of some sizes; whether it was plain. */
static bool run_lines(const uint8_t *text, int64_t size) {
    int64_t count = (int64_t)below(4), room = (int64_t)below(12), names = (int64_t)below(12), edge = 0;
    int64_t capacity = below(4) ? size / 2 + 1 : (int64_t)below(20);
    uint8_t *copy = memcpy(held(size), text, (size_t)size);
    int64_t *extents = held(16 * count);
    for (int64_t line = 0; line < count; line++) {
        extents[2 * line] = edge;
        edge = below(3) ? size : edge + (int64_t)below((uint64_t)(size - edge) + 1);
        extents[2 * line + 1] = edge;
    }
    if (count && !below(8)) extents[below((uint64_t)(2 * count))] = (int64_t)below((uint64_t)size + 20) - 5;
    struct lines lines = {
        .data = copy, .size = size, .extents = extents, .count = count, .room = room, .runs = held(8 * RUNS * room),
        .capacity = capacity, .starts = held(8 * capacity), .ends = held(8 * capacity), .name_room = names, .names = held(16 * names),
    };
    bool plain = dlprof_read_lines(&lines) == 0;
    if (plain) {
        int64_t events = 0;
        must(lines.run_count <= room && lines.events <= capacity && lines.name_count <= names, "runs, events, names");
        for (int64_t run = 0; run < lines.run_count; run++) {
            const int64_t *of = lines.runs + run;
            events += of[RUN_EVENTS * room];
            must(of[RUN_LINE * room] >= 0 && of[RUN_LINE * room] < count && of[RUN_EVENTS * room] > 0, "a run");
            must(of[RUN_NAME_AT * room] >= 0 && of[RUN_NAME_SIZE * room] >= 0, "its name");
            must(of[RUN_NAME_SIZE * room] <= size - of[RUN_NAME_AT * room], "its name's end");
        }
        must(events == lines.events, "events of runs");
        for (int64_t event = 0; event < events; event++)
            must(lines.starts[event] > 0 && lines.starts[event] <= lines.ends[event] && lines.ends[event] <= size, "bodies");
        for (int64_t name = 0; name < lines.name_count; name++)
            must(lines.names[2 * name] > 0 && lines.names[2 * name + 1] <= size - lines.names[2 * name], "names");
    }
    plain = plain && lines.events;
    free(copy), free(extents), free(lines.runs), free(lines.starts), free(lines.ends), free(lines.names);
    return plain;
}

/* Writes stats as JSON, with names and room of some sizes, and what is left of one or other made up; whether all found room. */
static bool run_objects(const struct window *window) {
    static const char *const called[] = {"\"a\"", "\"a longer name of a stat\"", "\"\"", "\"\\u0001\""};
    int64_t stats = window->stats, names = (int64_t)below(6), doubles = 0, capacity = (int64_t)below(below(3) ? 20000 : 60), texts = 0;
    int64_t *id = held(8 * names), *end = held(8 * names);
    uint8_t *taken = held(names), *kinds = memcpy(held(stats), window->stat_kind, (size_t)stats), *text = held(40 * names);
    int64_t *at = memcpy(held(8 * stats), window->stat_at, 8 * (size_t)stats), *event = memcpy(held(8 * stats), window->stat_event, 8 * (size_t)stats);
    if (stats && !below(4)) at[below((uint64_t)stats)] = (int64_t)below((uint64_t)window->size + 20) - 5;
    if (stats && !below(4)) kinds[below((uint64_t)stats)] = (uint8_t)below(9);
    if (stats && !below(8)) event[below((uint64_t)stats)] = (int64_t)below((uint64_t)window->count + 4) - 2;
    for (int64_t name = 0; name < names; name++) {
        const char *word = called[below(4)];
        id[name] = (name ? id[name - 1] + 1 : 0) + (int64_t)below(3);
        memcpy(text + texts, word, strlen(word));
        end[name] = texts += (int64_t)strlen(word);
        taken[name] = (uint8_t)!below(4);
    }
    uint8_t *exact = memcpy(held(texts), text, (size_t)texts);
    for (int64_t stat = 0; stat < stats; stat++) doubles += kinds[stat] == KIND_DOUBLE;
    if (doubles && !below(8)) doubles--;
    int32_t *double_at = held(4 * (doubles + 1));
    uint8_t *double_text = held(3 * doubles);
    memset(double_text, '1', (size_t)(3 * doubles));
    for (int64_t number = 0; number <= doubles; number++) double_at[number] = (int32_t)(3 * number);
    struct objects objects = {
        .data = window->data, .size = window->size, .stats = stats, .stat_event = event, .stat_id = window->stat_id,
        .stat_kind = kinds, .stat_value = window->stat_value, .stat_at = at, .names = names, .name_id = id, .name_end = end,
        .name_taken = taken, .texts = exact, .doubles = doubles, .double_at = double_at, .double_text = double_text,
        .events = window->count, .lengths = held(4 * window->count), .capacity = capacity, .target = held(capacity),
    };
    int32_t answer = dlprof_render_stats(&objects);
    must(answer == 0 || answer == NOT_PLAIN || answer == NO_ROOM, "an answer of objects");
    if (!answer) {
        int64_t total = 0;
        for (int64_t row = 0; row < window->count; row++) {
            must(objects.lengths[row] == -1 || objects.lengths[row] >= 2, "lengths");
            if (objects.lengths[row] < 0) continue;
            must(objects.target[total] == '{' && objects.target[total + objects.lengths[row] - 1] == '}', "objects");
            total += objects.lengths[row];
        }
        must(total == objects.used && total <= capacity, "objects' sum");
    }
    free(id), free(end), free(taken), free(kinds), free(text), free(at), free(event), free(exact), free(double_at), free(double_text);
    free(objects.lengths), free(objects.target);
    return !answer && objects.used;
}

static long long rendered;

/* Reads a text as a run of XPlane's events, with arrays of some sizes; whether any was plain. */
static bool run_planes(const uint8_t *text, int64_t size) {
    int64_t room = below(4) ? size / 2 + 1 : (int64_t)below(20), capacity = below(4) ? size / 4 + 1 : (int64_t)below(20), stop = -1;
    uint8_t *copy = malloc((size_t)size ? (size_t)size : 1);
    memcpy(copy, text, (size_t)size);
    int64_t *starts = malloc(sizeof(int64_t) * (size_t)(room + 1)), *ends = malloc(sizeof(int64_t) * (size_t)(room + 1));
    int64_t count = dlprof_event_starts(copy, 0, size, starts, room, &stop);
    bool whole = count > 0;
    if (count < 0) {
        must(count == NOT_PLAIN, "an answer");
        count = 0;
    } else {
        must(count <= room && stop >= 0 && stop <= size, "starts, stop");
    }
    for (int64_t event = 0; event < count; event++) {
        must(starts[event] >= 0 && starts[event] < (event + 1 < count ? starts[event + 1] : stop), "starts in order");
        ends[event] = event + 1 < count ? starts[event + 1] : stop;
        starts[event] += 2; /* of a longer length the body begins with the rest of it, which is as good as any other */
    }
    if (count && !below(8)) ends[below((uint64_t)count)] = (int64_t)below((uint64_t)size + 20) - 5;
    struct window window = {
        .data = copy, .size = size, .starts = starts, .ends = ends, .count = count, .capacity = capacity,
        .metadata_id = malloc(sizeof(int64_t) * (size_t)(count + 1)), .offset_ps = malloc(sizeof(int64_t) * (size_t)(count + 1)),
        .duration_ps = malloc(sizeof(int64_t) * (size_t)(count + 1)), .occurrences = malloc(sizeof(int64_t) * (size_t)(count + 1)),
        .aggregated = malloc((size_t)count + 1), .stat_event = malloc(sizeof(int64_t) * (size_t)(capacity + 1)),
        .stat_id = malloc(sizeof(int64_t) * (size_t)(capacity + 1)), .stat_kind = malloc((size_t)capacity + 1),
        .stat_value = malloc(sizeof(uint64_t) * (size_t)(capacity + 1)), .stat_at = malloc(sizeof(int64_t) * (size_t)(capacity + 1)),
    };
    bool some = !below(3); /* stats of some ids are noted, as where sums alone are asked for */
    uint8_t *wanted = NULL;
    if (some) {
        window.ids = (int64_t)below(12);
        window.wanted = wanted = held(window.ids);
        for (int64_t id = 0; id < window.ids; id++) wanted[id] = (uint8_t)below(2);
    }
    bool plain = dlprof_read_xevents(&window) == 0;
    if (plain) {
        must(window.odd == 0 || (window.odd == 1 && some), "a text beyond ASCII");
        must(window.stats >= 0 && window.stats <= capacity, "stats");
        for (int64_t stat = 0; stat < window.stats; stat++) {
            must(window.stat_event[stat] >= 0 && window.stat_event[stat] < count, "events of stats");
            must(!stat || window.stat_event[stat - 1] <= window.stat_event[stat], "stats in order");
            must(window.stat_kind[stat] >= 2 && window.stat_kind[stat] <= 7, "kinds");
            uint64_t id = (uint64_t)window.stat_id[stat];
            must(!some || (id < (uint64_t)window.ids && wanted[id]), "wanted stats");
            bool text_ = window.stat_kind[stat] == 5 || window.stat_kind[stat] == 6;
            must(window.stat_at[stat] >= 0 && window.stat_at[stat] <= size, "places of stats");
            must(!text_ || window.stat_value[stat] <= (uint64_t)(size - window.stat_at[stat]), "texts of stats");
        }
        rendered += run_objects(&window);
    }
    free(copy), free(starts), free(ends), free(window.metadata_id), free(window.offset_ps), free(window.duration_ps);
    free(window.occurrences), free(window.aggregated), free(window.stat_event), free(window.stat_id), free(window.stat_kind);
    free(window.stat_value), free(window.stat_at), free(wanted);
    return whole && plain;
}

/* Nests intervals of a few tracks that are drawn, now and then unsorted and of any length, in arrays of exactly their size. */
static void run_nesting(void) {
    int64_t count = (int64_t)below(24), at = 0, bytes = 8 * count, wide = below(16) ? 8 : INT64_MAX;
    int64_t *track = held(bytes), *start = held(bytes), *end = held(bytes), *parent = held(bytes), *total = held(bytes);
    int64_t *up = held(bytes), *stack = held(bytes), *owner = held(2 * bytes), *low = held(2 * bytes), *high = held(2 * bytes);
    uint8_t *across = held(count);
    for (int64_t row = 0; row < count; row++) {
        track[row] = row && below(5) ? track[row - 1] : row;
        start[row] = at = wide == 8 ? at + (int64_t)below(4) : (int64_t)below((uint64_t)wide) - (int64_t)below((uint64_t)wide);
        end[row] = wide == 8 ? at + (int64_t)below(12) : (int64_t)below((uint64_t)wide);
    }
    must(dlprof_in_order(count, below(2) ? track : NULL, start, below(2) ? end : NULL) < 3, "whether they are in order");
    dlprof_parents(count, start, end, parent, across);
    for (int64_t row = 0; row < count; row++) must(parent[row] >= -1 && parent[row] < row && across[row] < 2, "a parent");
    dlprof_child_time(count, parent, end, total);
    dlprof_nearest(count, parent, across, up);
    for (int64_t row = 0; row < count; row++) must(up[row] >= -1 && up[row] < row && (up[row] < 0 || across[up[row]]), "what is around");
    int64_t pieces = dlprof_leaves(count, track, start, end, stack, owner, low, high);
    must(pieces >= 0 && pieces <= 2 * count, "pieces");
    int64_t head = (int64_t)below((uint64_t)count + 1), counts[2], *own = held(bytes - 8 * head), *around = held(bytes - 8 * head);
    dlprof_nest(count, head, start, end, across, track, at, parent, up, own, around, stack, counts);
    must(counts[0] >= 0 && counts[0] <= count - head && counts[1] >= 0 && counts[1] <= count, "what overlaps, what is open");
    for (int64_t one = 0; one < counts[1]; one++) must(stack[one] >= 0 && stack[one] < count && end[stack[one]] >= at, "an open one");
    free(own), free(around);
    for (int64_t one = 0; one < pieces; one++) must(owner[one] >= 0 && owner[one] < count && low[one] < high[one], "a piece");
    free(track), free(start), free(end), free(parent), free(total), free(up), free(stack), free(owner), free(low), free(high);
    free(across);
}

/* A code below `limit`, or now and then one that lies outside. */
static int64_t code_below(int64_t limit) { return below(40) ? (int64_t)below((uint64_t)limit) : (int64_t)below((uint64_t)limit + 4) - 2; }

/* Draws rows and finds their levels, and passes some of them over. */
static void run_rows(void) {
    int64_t count = (int64_t)below(24), names = 1 + (int64_t)below(6), lookups = 1 + (int64_t)below(4), levels = 7, seen;
    int32_t *name = held(4 * count), *lookup = below(2) ? held(4 * count) : NULL;
    int8_t *hint = held(count), *table = held((names + lookups) * 8), *level = held(count);
    uint8_t *markers = held(names), *told = held(8), *of_names = held(2 * names), *of_lookups = held(2 * lookups), *needed = held(levels);
    int64_t *self = held(8 * count), *at = held(8 * count), *rows = held(8 * levels), *times = held(8 * levels), *own = held(8 * levels);
    for (int64_t one = 0; one < (names + lookups) * 8; one++) table[one] = (int8_t)below((uint64_t)levels);
    for (int64_t one = 0; one < names; one++) markers[one] = (uint8_t)!below(4);
    for (int64_t one = 0; one < levels; one++) needed[one] = (uint8_t)below(2);
    for (int64_t row = 0; row < count; row++) {
        name[row] = (int32_t)code_below(names), hint[row] = (int8_t)(code_below(8) - 1);
        self[row] = (int64_t)(below(1ULL << 63) * 2 + below(2));
        if (lookup) lookup[row] = (int32_t)code_below(lookups + 1) - 1;
    }
    must(dlprof_marked(count, name, markers, names, at) <= count && dlprof_rows_in_order(count, name, self) < 2, "marked rows");
    memset(told, 0, 8), memset(of_names, 0, (size_t)(2 * names)), memset(of_lookups, 0, (size_t)(2 * lookups));
    dlprof_note_levels(count, name, lookup, hint, markers, names, names, lookups, 5, 1, 8, told, of_names, of_lookups);
    if (!dlprof_levels(count, name, lookup, names, hint, table, names + lookups, 8, markers, names, 5, level)) {
        if (count && !below(8)) level[below((uint64_t)count)] = (int8_t)code_below(levels);
        seen = dlprof_pass_over(count, level, levels, needed, below(2) ? NULL : memset(hint, 1, (size_t)count), self, below(2) ? NULL : self,
                                at, rows, times, own);
        must(seen == NOT_PLAIN || (seen >= !!count && seen <= count), "rows seen");
        for (int64_t one = 0; one < levels && seen >= 0; one++) must(rows[one] >= 0 && rows[one] <= count - seen, "rows passed over");
    }
    free(name), free(lookup), free(hint), free(table), free(level), free(markers), free(told), free(of_names), free(of_lookups);
    free(needed), free(self), free(at), free(rows), free(times), free(own);
}

/* A block of `count` codes below `limit`, or now and then one that lies outside. */
static int32_t *codes(int64_t count, int64_t limit) {
    int32_t *made = held(4 * count);
    for (int64_t one = 0; one < count; one++) made[one] = (int32_t)code_below(limit);
    return made;
}

/* Draws events of a thread and tables of names, and makes rows of them. */
static void run_host_rows(void) {
    int64_t count = (int64_t)below(24), runs = (int64_t)below(6), ids = 1 + (int64_t)below(8), names = (int64_t)below(5), left = count;
    int64_t lookups = 1 + (int64_t)below(4), far = below(8) ? 1LL << 61 : (int64_t)below(1ULL << 62);
    int64_t *id = held(8 * count), *offset = held(8 * count), *length = held(8 * count), *place_of = held(8 * ids);
    int64_t *line = held(8 * runs), *events = held(8 * runs), *base = held(8 * runs);
    uint8_t *executes = below(2) ? held(names) : NULL, *dispatches = held(names);
    for (int64_t row = 0; row < count; row++) {
        id[row] = below(60) ? code_below(ids) - 1 : below(2) ? INT64_MAX : (int64_t)(below(1ULL << 63) * 2);
        offset[row] = below(60) ? (int64_t)below(1ULL << 50) : (int64_t)(below(1ULL << 63) * 2);
        length[row] = below(60) ? (int64_t)below(1ULL << 40) : (int64_t)(below(1ULL << 63) * 2);
    }
    for (int64_t one = 0; one < ids; one++) place_of[one] = code_below(names);
    for (int64_t run = 0; run < runs; run++) {
        line[run] = run && below(2) ? line[run - 1] : run;
        events[run] = run + 1 < runs ? (int64_t)below((uint64_t)left + 1) : left;
        left -= events[run];
        if (!below(40)) events[run] = (int64_t)below(60) - 30;
        base[run] = below(40) ? (int64_t)below(1ULL << 60) : (int64_t)(below(1ULL << 63) * 2);
    }
    for (int64_t name = 0; name < names; name++) {
        dispatches[name] = (uint8_t)below(2);
        if (executes) executes[name] = (uint8_t)below(2);
    }
    struct rows rows = {
        .count = count, .metadata_id = id, .offset_ps = offset, .duration_ps = length, .runs = runs, .line = line, .events = events,
        .base_ps = base, .track_of = codes(runs, 9), .furthest = far, .ids = ids, .place_of = place_of, .names = names,
        .name_of = codes(names, 9), .level_of = held(names), .lookup_of = codes(names, lookups), .path_of = codes(names, 9),
        .executes = executes, .dispatches = dispatches, .dispatched = codes(names, lookups), .op = 1, .last = code_below(lookups),
        .lookups = lookups, .kernel_of = codes(lookups, 9), .place = held(8 * count), .name = held(4 * count), .level = held(count),
        .lookup = held(4 * count), .path = held(4 * count), .kernel = held(4 * count), .start_ps = held(8 * count),
        .track = held(4 * count),
    };
    memset((void *)rows.level_of, 1, (size_t)names);
    int32_t answer = dlprof_host_rows(&rows);
    must(answer == 0 || answer == NOT_PLAIN, "an answer of rows");
    for (int64_t row = 0; row < count && !answer; row++) {
        must(rows.start_ps[row] >= -far && rows.start_ps[row] <= far && length[row] >= 0 && length[row] <= far, "times of rows");
        must(rows.place[row] >= 0 && rows.place[row] < names, "names of rows");
        must(rows.lookup[row] >= NO_TEXT && rows.lookup[row] < lookups, "operators of rows");
    }
    free(id), free(offset), free(length), free(place_of), free(line), free(events), free(base), free(executes), free(dispatches);
    free((void *)rows.track_of), free((void *)rows.name_of), free((void *)rows.level_of), free((void *)rows.lookup_of);
    free((void *)rows.path_of), free((void *)rows.dispatched), free((void *)rows.kernel_of), free(rows.place), free(rows.name);
    free(rows.level), free(rows.lookup), free(rows.path), free(rows.kernel), free(rows.start_ps), free(rows.track);
}

/* Draws rows with codes, groups them by these and adds them up. */
static void run_groups(void) {
    int64_t count = (int64_t)below(24), keys = 1 + (int64_t)below(3), size = 1, bytes = 8 * count, sums = 1 + (int64_t)below(5);
    int64_t *of[3], low[3], span[3], *inverse = held(bytes), *first = held(bytes), *total = held(8 * sums), *high = held(8 * sums);
    for (int64_t key = 0; key < keys; key++) {
        of[key] = held(bytes);
        low[key] = (int64_t)below(9) - 4;
        size *= span[key] = 1 + (int64_t)below(5);
        for (int64_t row = 0; row < count; row++) of[key][row] = low[key] + (below(60) ? (int64_t)below((uint64_t)span[key]) : code_below(9));
    }
    if (!below(20)) size = 1 + (int64_t)below((uint64_t)size);
    int64_t *place = held(8 * size), groups;
    memset(place, 0, (size_t)(8 * size)), memset(total, 0, (size_t)(8 * sums)), memset(high, 0, (size_t)(8 * sums));
    groups = dlprof_group(count, keys, (const int64_t *const *)of, low, span, size, place, inverse, first);
    must(groups == NOT_PLAIN || (groups >= !!count && groups <= count), "groups");
    for (int64_t row = 0; row < count && groups >= 0; row++) must(inverse[row] >= 0 && inverse[row] < groups, "a row's group");
    for (int64_t group = 0; group < groups; group++) must(inverse[first[group]] == group, "a group's first row");
    if (groups < 0) memset(inverse, 0, (size_t)bytes);
    int32_t answer = dlprof_add_up(count, inverse, of[0], sums, total);
    must(answer == 0 || answer == NOT_PLAIN, "an answer of adding up");
    must(dlprof_reach(count, inverse, of[0], of[keys - 1], sums, total, high) == answer, "the same answer of reaches");
    free(inverse), free(first), free(total), free(high), free(place);
    for (int64_t key = 0; key < keys; key++) free(of[key]);
}

/* Draws work, and makes pieces of what may be its leaves. */
static void run_pieces(void) {
    int64_t count = (int64_t)below(24), rows = 1 + (int64_t)below(12), before = (int64_t)below(2), at = 0, *work[5], *made[5];
    int64_t *owner = held(8 * count), *low = held(8 * count), *high = held(8 * count);
    for (int column = 0; column < 5; column++) {
        work[column] = held(8 * rows), made[column] = held(8 * (count + before));
        for (int64_t row = 0; row < rows; row++) work[column][row] = column ? (int64_t)below(3) : (at += !below(4));
        if (before) made[column][0] = 0;
    }
    for (int64_t leaf = 0; leaf < count; leaf++) {
        owner[leaf] = below(60) ? leaf * rows / count : code_below(rows);
        low[leaf] = below(60) ? leaf : (int64_t)below(1ULL << 63) - (1LL << 62);
        high[leaf] = low[leaf] + (int64_t)below(3);
    }
    const struct work given = {work[0], work[1], work[2], work[3], work[4]}, found = {made[0], made[1], made[2], made[3], made[4]};
    int64_t pieces = dlprof_pieces(count, owner, low, high, rows, &given, (int64_t)below(3), (int64_t)below(20), at, 20, before, &found);
    must(pieces == NOT_PLAIN || (pieces >= before && pieces <= count + before), "pieces of leaves");
    for (int64_t one = before; one < pieces; one++) must(found.start[one] < found.end[one], "a piece of leaves");
    for (int column = 0; column < 5; column++) free(work[column]), free(made[column]);
    free(owner), free(low), free(high);
}

/* Draws intervals, cuts them to windows, and shares time among them. */
static void run_shares(void) {
    int64_t count = (int64_t)below(16), windows = (int64_t)below(8), edge = -20, groups = 1 + (int64_t)below(4);
    int64_t capacity = (int64_t)below(40), *start = held(8 * count), *end = held(8 * count), *from = held(8 * windows), *to = held(8 * windows);
    int64_t *index = held(8 * capacity), *low = held(8 * capacity), *high = held(8 * capacity);
    for (int64_t row = 0; row < count; row++) {
        start[row] = below(16) ? (int64_t)below(60) - 30 : (int64_t)below(1ULL << 63) - (1LL << 62);
        end[row] = below(16) ? (start[row] < 1000 ? start[row] + (int64_t)below(40) : start[row]) : INT64_MAX;
    }
    for (int64_t window = 0; window < windows; window++) {
        from[window] = edge += (int64_t)below(8);
        to[window] = edge += 1 + (int64_t)below(8);
    }
    int64_t pieces = dlprof_clip(count, start, end, windows, from, to, capacity, index, low, high);
    must(pieces >= 0 && pieces <= count * windows, "pieces in windows");
    if (pieces > capacity) pieces = capacity;
    int64_t *order = held(16 * pieces), *group = held(8 * pieces), *whole = held(8 * groups), *part = held(8 * groups);
    for (int64_t piece = 0; piece < pieces; piece++) {
        must(index[piece] >= 0 && index[piece] < count && low[piece] < high[piece], "a piece in a window");
        group[piece] = code_below(groups);
    }
    for (int64_t place = 0; place < 2 * pieces; place++) order[place] = place;
    for (int64_t done = 1; below(8) && done < 2 * pieces; done++)
        for (int64_t place = done; place; place--) {
            int64_t one = order[place - 1], two = order[place];
            if ((one < pieces ? low[one] : high[one - pieces]) <= (two < pieces ? low[two] : high[two - pieces])) break;
            order[place - 1] = two, order[place] = one;
        }
    if (pieces && !below(8)) order[below((uint64_t)(2 * pieces))] = code_below(2 * pieces);
    memset(whole, 0, (size_t)(8 * groups)), memset(part, 0, (size_t)(8 * groups));
    int32_t answer = dlprof_shares(pieces, order, low, high, group, groups, (int64_t)below(34), whole, part);
    must(answer == 0 || answer == NOT_PLAIN, "an answer of shares");
    free(start), free(end), free(from), free(to), free(index), free(low), free(high), free(order), free(group), free(whole), free(part);
}

int main(int count, char **words) {
    static uint8_t seeds[1024][LARGEST], text[LARGEST];
    static int64_t sizes[1024];
    int seed = 0;
    if (count < 4) return 2;
    time_t end = time(NULL) + atol(words[1]);
    state = strtoull(words[2], NULL, 10) * 2654435761ULL + 1;
    for (int word = 3; word < count && seed < 1024; word++) {
        FILE *file = fopen(words[word], "rb");
        if (!file) return 2;
        sizes[seed] = (int64_t)fread(seeds[seed], 1, LARGEST, file);
        fclose(file);
        seed++;
    }
    long long tried = 0, plain = 0, planes = 0, lines = 0;
    while (tried % 1024 || time(NULL) < end) {
        uint64_t which = below((uint64_t)seed);
        int64_t size = sizes[which];
        memcpy(text, seeds[which], (size_t)size);
        for (uint64_t changes = below(6); changes; changes--) size = mutate(text, size);
        plain += run(text, size);
        planes += run_planes(text, size);
        lines += run_lines(text, size);
        run_nesting();
        run_rows();
        run_host_rows();
        run_groups();
        run_pieces();
        run_shares();
        tried++;
    }
    printf("done: %lld inputs, %lld of them plain, %lld plain runs of events, %lld plain lines, %lld with objects\n", tried, plain, planes,
           lines, rendered);
    return 0;
}

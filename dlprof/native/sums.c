/*
 * From rows of events to sums, for who stores none of them: of which level a row is, which rows have to be seen and what the others
 * amount to, and how much of each instant each group has.
 *
 * What dlprof/ingest/finish/meaning.py, levels.py and passing.py and dlprof/analysis/intervals.py and trace/pieces.py find with NumPy,
 * pass after pass, in one loop each. Nothing is allocated; every array is the caller's, of the stated length, and a code that lies
 * outside of a table is NOT_PLAIN: NumPy then says what is wrong. Sums are of unsigned numbers, which wrap as NumPy's do.
 */

#include "native.h"

/* A row of a table of `rows`, of which -1 is the last, as NumPy has it; -1 where there is none. */
static inline int64_t row_of(int64_t code, int64_t rows) {
    if (code < 0) code += rows;
    return code < 0 || code >= rows ? -1 : code;
}

/*
 * The levels of n rows (Meaning.level): that of a marker's name is `marker`, any other one's stands in `table`, of `rows` names or
 * what is looked up in their place, by what the row says, -1 and up to `hints` - 2. lookup: NULL for none. 0 or NOT_PLAIN.
 */
EXPORT int32_t dlprof_levels(int64_t n, const int32_t *name, const int32_t *lookup, int64_t first_lookup, const int8_t *hint,
                             const int8_t *table, int64_t rows, int64_t hints, const uint8_t *markers, int64_t names, int8_t marker,
                             int8_t *level) {
    for (int64_t i = 0; i < n; i++) {
        int64_t code = name[i], mark = row_of(code, names);
        if (lookup && lookup[i] != NO_TEXT) code = lookup[i] + first_lookup;
        int64_t row = row_of(code, rows), column = (int64_t)hint[i] + 1;
        if (row < 0 || mark < 0 || column < 0 || column >= hints) return NOT_PLAIN;
        level[i] = markers[mark] ? marker : table[row * hints + column];
    }
    return 0;
}

/*
 * Which levels n rows may have (Levels.look): `told` of level + 1 for those that are said, and for the two that names decide, -1 and
 * `op`, the names (`names` of each, -1's first) and what is looked up in their place (`lookups` of each). markers: of `marked` names.
 * lookup, level: NULL for none. 0 or NOT_PLAIN; then some may have been noted, each rightly.
 */
EXPORT int32_t dlprof_note_levels(int64_t n, const int32_t *name, const int32_t *lookup, const int8_t *level, const uint8_t *markers,
                                  int64_t marked, int64_t names, int64_t lookups, int8_t marker, int8_t op, int64_t levels, uint8_t *told,
                                  uint8_t *of_names, uint8_t *of_lookups) {
    for (int64_t i = 0; i < n; i++) {
        if (name[i] < 0 || name[i] >= names || name[i] >= marked) return NOT_PLAIN;
        int8_t own = markers[name[i]] ? marker : level ? level[i] : NO_TEXT;
        if (own < NO_TEXT || own + 1 >= levels) return NOT_PLAIN;
        told[own + 1] = 1;
        if (own != NO_TEXT && own != op) continue;
        if (!lookup || lookup[i] == NO_TEXT) {
            of_names[(own == op ? names : 0) + name[i]] = 1;
            continue;
        }
        if (lookup[i] < 0 || lookup[i] >= lookups) return NOT_PLAIN;
        of_lookups[(own == op ? lookups : 0) + lookup[i]] = 1;
    }
    return 0;
}

/* Which of n rows have a marker's name (MarkerLog.look); at: of n. Returns how many, or NOT_PLAIN. */
EXPORT int64_t dlprof_marked(int64_t n, const int32_t *name, const uint8_t *markers, int64_t names, int64_t *at) {
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++) {
        if (name[i] < 0 || name[i] >= names) return NOT_PLAIN;
        if (markers[name[i]]) at[found++] = i;
    }
    return found;
}

/*
 * Where the rows are that have to be seen (Passing.seen): those of a level that is needed, those kept for another reason (`keep`, NULL for
 * none), and the first; and of the others, by level, how many there are, their executions (occurrences: NULL, and then none are added
 * up) and their self time. at: of n; count, executions, own: of `levels`. Returns how many are seen, or NOT_PLAIN.
 */
EXPORT int64_t dlprof_pass_over(int64_t n, const int8_t *level, int64_t levels, const uint8_t *needed, const uint8_t *keep,
                                const int64_t *self_ps, const int64_t *occurrences, int64_t *at, int64_t *count, int64_t *executions,
                                int64_t *own) {
    int64_t seen = 0;
    for (int64_t one = 0; one < levels; one++) count[one] = executions[one] = own[one] = 0;
    for (int64_t i = 0; i < n; i++) {
        int8_t one = level[i];
        if (one < 0 || one >= levels) return NOT_PLAIN;
        if (!i || needed[one] || (keep && keep[i])) {
            at[seen++] = i;
            continue;
        }
        count[one]++;
        own[one] = (int64_t)((uint64_t)own[one] + (uint64_t)self_ps[i]);
        if (occurrences) executions[one] = (int64_t)((uint64_t)executions[one] + (uint64_t)occurrences[i]);
    }
    return seen;
}

/* The first of `count` ends, which are in order, behind `time`; looked for from `near` on, where it mostly is. */
static inline int64_t first_behind(const int64_t *ends, int64_t count, int64_t time, int64_t near) {
    if (near > 0 && ends[near - 1] > time) near = 0;
    int64_t step = 1, low = near, high = near;
    while (high < count && ends[high] <= time) low = high + 1, high += step, step *= 2;
    if (high > count) high = count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (ends[middle] <= time) low = middle + 1;
        else high = middle;
    }
    return low;
}

/*
 * The pieces of n intervals that lie in `windows` (intervals.clip), which are apart and in order: which interval, from when to when.
 * index, low, high: of `capacity`. Returns how many pieces there are; where that is more, those that found room are there.
 */
EXPORT int64_t dlprof_clip(int64_t n, const int64_t *start, const int64_t *end, int64_t windows, const int64_t *from, const int64_t *to,
                           int64_t capacity, int64_t *index, int64_t *low, int64_t *high) {
    int64_t found = 0, window = 0;
    for (int64_t i = 0; i < n; i++) {
        window = first_behind(to, windows, start[i], window);
        for (int64_t at = window; at < windows && from[at] < end[i]; at++) {
            int64_t first = start[i] > from[at] ? start[i] : from[at], last = end[i] < to[at] ? end[i] : to[at];
            if (first >= last) continue;
            if (found < capacity) index[found] = i, low[found] = first, high[found] = last;
            found++;
        }
    }
    return found;
}

/*
 * Adds to each group the length of its intervals, every instant shared equally among those that hold it (pieces._shared): whole ps, and
 * parts of 2^-`bits` ps. order: of 2 n, starts and, from n on, ends in order of time, starts before ends; whole, part: of `groups`. 0 or
 * NOT_PLAIN; then what was added means nothing.
 */
EXPORT int32_t dlprof_shares(int64_t n, const int64_t *order, const int64_t *start, const int64_t *end, const int64_t *group, int64_t groups,
                             int64_t bits, int64_t *whole, int64_t *part) {
    uint64_t all = 0, rest = 0; /* since the first start: of each instant what one of those that hold it has */
    int64_t active = 0, before = 0;
    if (bits < 0 || bits > 32) return NOT_PLAIN;
    for (int64_t i = 0; i < 2 * n; i++) {
        int64_t one = order[i];
        if (one < 0 || one >= 2 * n) return NOT_PLAIN;
        bool ends = one >= n;
        if (ends) one -= n;
        int64_t time = ends ? end[one] : start[one], which = group[one];
        if (which < 0 || which >= groups || (i && time < before)) return NOT_PLAIN;
        if (active > 0) {
            uint64_t span = (uint64_t)time - (uint64_t)before, among = (uint64_t)active, each = among == 1 ? span : span / among;
            all += each;
            if (among > 1) rest += ((span - each * among) << bits) / among;
        }
        uint64_t more = ends ? all : 0 - all, parts = ends ? rest : 0 - rest;
        whole[which] = (int64_t)((uint64_t)whole[which] + more);
        part[which] = (int64_t)((uint64_t)part[which] + parts);
        active += ends ? -1 : 1;
        before = time;
    }
    return 0;
}

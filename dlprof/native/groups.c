/*
 * Sums of rows by group, and what each track is busy with.
 *
 * What dlprof/analysis/columns.py, trace/groups.py and trace/pieces.py find with NumPy, pass after pass, in one loop each. Nothing is
 * allocated; every array is the caller's, of the stated length, and a code that lies outside of its table is NOT_PLAIN: NumPy then
 * takes the rows. Sums are of unsigned numbers, which wrap as NumPy's do.
 */

#include "native.h"

/*
 * Groups n rows by equal keys, numbered in order of the keys (columns.group). of: of `keys` keys the address of each one's n values;
 * low, span: the lowest value of each and how many there may be from it on; size: all spans multiplied. place: of `size`, holds 0;
 * inverse: of n, the group of each row; first: of n, the first row of each group. Returns how many groups there are, or NOT_PLAIN.
 */
EXPORT int64_t dlprof_group(int64_t n, int64_t keys, const int64_t *const *of, const int64_t *low, const int64_t *span, int64_t size,
                            int64_t *place, int64_t *inverse, int64_t *first) {
    for (int64_t i = 0; i < n; i++) {
        uint64_t at = 0;
        for (int64_t key = 0; key < keys; key++) {
            uint64_t code = (uint64_t)of[key][i] - (uint64_t)low[key];
            if (code >= (uint64_t)span[key]) return NOT_PLAIN;
            at = at * (uint64_t)span[key] + code;
        }
        if (at >= (uint64_t)size) return NOT_PLAIN;
        inverse[i] = (int64_t)at;
        if (!place[at]) place[at] = i + 1;
    }
    int64_t groups = 0;
    for (int64_t at = 0; at < size; at++) {
        if (!place[at]) continue;
        if (groups == n) return NOT_PLAIN;
        first[groups] = place[at] - 1;
        place[at] = groups++;
    }
    for (int64_t i = 0; i < n; i++) inverse[i] = place[inverse[i]];
    return groups;
}

/* Adds the values of n rows to the total of the code of each, below `size`. 0 or NOT_PLAIN; then some may have been added. */
EXPORT int32_t dlprof_add_up(int64_t n, const int64_t *code, const int64_t *value, int64_t size, int64_t *total) {
    for (int64_t i = 0; i < n; i++) {
        if (code[i] < 0 || code[i] >= size) return NOT_PLAIN;
        total[code[i]] = (int64_t)((uint64_t)total[code[i]] + (uint64_t)value[i]);
    }
    return 0;
}

/* Of n rows the lowest start and the highest end of each code, below `size`, and of what is there. 0 or NOT_PLAIN; then some rows may
   have been looked at. */
EXPORT int32_t dlprof_reach(int64_t n, const int64_t *code, const int64_t *start, const int64_t *end, int64_t size, int64_t *low,
                            int64_t *high) {
    for (int64_t i = 0; i < n; i++) {
        int64_t one = code[i];
        if (one < 0 || one >= size) return NOT_PLAIN;
        if (start[i] < low[one]) low[one] = start[i];
        if (end[i] > high[one]) high[one] = end[i];
    }
    return 0;
}

/* Rows of which one is the innermost of its track: columns of equal length. */
struct work {
    int64_t *track;
    int64_t *start;
    int64_t *end;
    int64_t *group;
    int64_t *place;
};

/*
 * Makes pieces of leaves (dlprof_leaves): touching ones of a track and group are one (Pieces._advance and _put). owner, low, high: of n,
 * the row of each, and from when to when; work: `rows` rows. Leaves of track `carried` begin at `since`, those of track `last` end at
 * `cut`. found: `count` pieces that are there, and room for n more. Returns how many there are, or NOT_PLAIN where they are not in order
 * of track and start.
 */
EXPORT int64_t dlprof_pieces(int64_t n, const int64_t *owner, const int64_t *low, const int64_t *high, int64_t rows,
                             const struct work *work, int64_t carried, int64_t since, int64_t last, int64_t cut, int64_t count,
                             const struct work *found) {
    for (int64_t i = 0; i < n; i++) {
        int64_t row = owner[i], from = low[i], to = high[i], before = count - 1;
        if (row < 0 || row >= rows) return NOT_PLAIN;
        int64_t track = work->track[row], group = work->group[row];
        if (track == carried && from < since) from = since;
        if (track == last && to > cut) to = cut;
        if (to <= from) continue;
        if (count) {
            bool same = track == found->track[before];
            if (track < found->track[before] || (same && from < found->start[before])) return NOT_PLAIN;
            if (same && from == found->end[before] && group == found->group[before]) {
                found->end[before] = to;
                continue;
            }
        }
        found->track[count] = track;
        found->start[count] = from;
        found->end[count] = to;
        found->group[count] = group;
        found->place[count++] = work->place[row];
    }
    return count;
}

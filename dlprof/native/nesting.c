/*
 * Intervals of threads, sorted by start and longest first: which lies inside which, and which is the innermost at each instant.
 *
 * What dlprof/ingest/finish/nesting.py, enclosing.py and dlprof/analysis/intervals.py find with NumPy, pass after pass, in one loop
 * each. Nothing is allocated; every array is the caller's, of the stated length.
 */

#include "native.h"

/*
 * Whether intervals are in order: of track (NULL: all are of one), start, and longest first (end: NULL where that does not count).
 * 0 where they are not, 1 where they are, 2 where besides two that follow each other are the same.
 */
EXPORT int32_t dlprof_in_order(int64_t n, const int64_t *track, const int64_t *start, const int64_t *end) {
    int32_t answer = 1;
    for (int64_t i = 1; i < n; i++) {
        if (track && track[i] != track[i - 1]) {
            if (track[i] < track[i - 1]) return 0;
            continue;
        }
        if (start[i] > start[i - 1]) continue;
        if (start[i] < start[i - 1] || (end && end[i] > end[i - 1])) return 0;
        if (!end || end[i] == end[i - 1]) answer = 2;
    }
    return answer;
}

/* Whether rows are in order of track and start, as 1, else 0. */
EXPORT int32_t dlprof_rows_in_order(int64_t n, const int32_t *track, const int64_t *start) {
    for (int64_t i = 1; i < n; i++)
        if (track[i] < track[i - 1] || (track[i] == track[i - 1] && start[i] < start[i - 1])) return 0;
    return 1;
}

/* The innermost interval that holds each one, -1 for none, and which begin inside an earlier one and end after it. All of n. */
EXPORT void dlprof_parents(int64_t n, const int64_t *start, const int64_t *end, int64_t *parent, uint8_t *across) {
    for (int64_t i = 0; i < n; i++) {
        int64_t at = i - 1;
        across[i] = 0;
        while (at >= 0 && end[at] < end[i]) {
            across[i] |= end[at] > start[i];
            at = parent[at];
        }
        parent[i] = at;
    }
}

/* The time of the direct children of each. All of n; a parent stands before its children. */
EXPORT void dlprof_child_time(int64_t n, const int64_t *parent, const int64_t *duration, int64_t *total) {
    memset(total, 0, (size_t)n * sizeof *total);
    for (int64_t i = 0; i < n; i++)
        if (parent[i] >= 0 && parent[i] < i)
            total[parent[i]] = (int64_t)((uint64_t)total[parent[i]] + (uint64_t)duration[i]);
}

/* The innermost interval around each that is wanted, -1 for none. All of n; a parent stands before its children. */
EXPORT void dlprof_nearest(int64_t n, const int64_t *parent, const uint8_t *wanted, int64_t *up) {
    for (int64_t i = 0; i < n; i++) {
        int64_t at = parent[i];
        up[i] = at < 0 || at >= i ? -1 : wanted[at] ? at : up[at];
    }
}

/*
 * What a thread's intervals have from each other, in one loop: `parent` and `across` as dlprof_parents finds them; of those from `head`
 * on, which begin here, their own time (`own`) and the id of the innermost interval around that is wanted (`around`, -1 for none);
 * which of all end at `last` or later (`open`). parent, up, open: of n; own, around: of n - head. counts: how many from `head` on
 * begin inside an earlier one and end after it, and how many are open.
 */
EXPORT void dlprof_nest(int64_t n, int64_t head, const int64_t *start, const int64_t *end, const uint8_t *wanted, const int64_t *id,
                        int64_t last, int64_t *parent, int64_t *up, int64_t *own, int64_t *around, int64_t *open, int64_t *counts) {
    int64_t overlapping = 0, left = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = i - 1;
        bool across = false;
        while (at >= 0 && end[at] < end[i]) {
            across |= end[at] > start[i];
            at = parent[at];
        }
        parent[i] = at;
        up[i] = at < 0 ? -1 : wanted[at] ? at : up[at];
        if (end[i] >= last) open[left++] = i;
        if (i < head) continue;
        uint64_t length = (uint64_t)end[i] - (uint64_t)start[i];
        own[i - head] = (int64_t)length;
        if (at >= head) own[at - head] = (int64_t)((uint64_t)own[at - head] - length);
        around[i - head] = up[i] < 0 ? -1 : id[up[i]];
        overlapping += across;
    }
    counts[0] = overlapping;
    counts[1] = left;
}

/*
 * Pieces in which one interval is the latest that began of its track: which, and from when to when. Returns how many.
 *
 * track, start, end, stack: of n, by track, then start, then longest first. owner, low, high: of 2 n. An interval of no length has
 * no piece. What begins last lies on top, so that intervals that overlap without nesting need no other way.
 */
EXPORT int64_t dlprof_leaves(int64_t n, const int64_t *track, const int64_t *start, const int64_t *end, int64_t *stack,
                             int64_t *owner, int64_t *low, int64_t *high) {
    int64_t found = 0, depth = 0, now = 0;
    for (int64_t i = 0; i <= n; i++) {
        bool last = i == n || (i > 0 && track[i] != track[i - 1]);
        if (i < n && end[i] <= start[i] && !last)
            continue;
        while (depth > 0) {
            int64_t top = stack[depth - 1], until = end[top];
            if (!last && until > start[i])
                until = start[i];
            if (until > now) {
                owner[found] = top, low[found] = now, high[found++] = until;
                now = until;
            }
            if (!last && end[top] > start[i])
                break;
            depth--;
        }
        if (i < n && end[i] > start[i]) {
            stack[depth++] = i;
            now = start[i];
        }
    }
    return found;
}

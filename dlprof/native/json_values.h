/* The values of a Chrome trace event that have a column: numbers, strings, and the arguments that PyTorch writes. */

#ifndef DLPROF_JSON_VALUES_H
#define DLPROF_JSON_VALUES_H

#include "json_text.h"

#define NO_INT INT64_MIN

/* What the arguments of one event say that has a column. */
struct arguments {
    int64_t correlation, external, external_old, bytes, size, flops, sequence, forward, memory_kind, memory_place;
    bool odd; /* what belongs to a record of memory is not a plain number */
    struct range device, stream, dims, dims_old, types, modules, stack;
};

/* Behind the integer at p, its value in `value`; NULL where there is none or int64 does not hold it. */
static const uint8_t *integer(const uint8_t *p, const uint8_t *end, int64_t *value) {
    bool negative = p < end && *p == '-';
    uint64_t found = 0;
    p += negative;
    const uint8_t *first = p;
    while (p < end && *p >= '0' && *p <= '9' && p - first < 19) found = found * 10 + (uint64_t)(*p++ - '0');
    if (p == first || (*first == '0' && p - first > 1) || found > INT64_MAX) return NULL;
    if (p < end && *p >= '0' && *p <= '9') return NULL;
    *value = negative ? -(int64_t)found : (int64_t)found;
    return p;
}

/* Behind the integer or string at p, the whole of it in `token`; NULL where there is neither. */
static const uint8_t *integer_or_string(const uint8_t *p, const uint8_t *end, struct range *token) {
    const uint8_t *behind;
    int64_t value;
    bool escaped = false;
    if (p < end && *p == '"') {
        behind = string_end(p + 1, end, &escaped);
        behind = behind ? behind + 1 : NULL;
    } else {
        behind = integer(p, end, &value);
    }
    if (behind) *token = (struct range){p, behind - p};
    return behind;
}

/* The same of a process, a thread or an id, which may be an integer of 64 bits without a sign. */
static const uint8_t *place(const uint8_t *p, const uint8_t *end, struct range *token) {
    const uint8_t *behind = integer_or_string(p, end, token), *first = p;
    uint64_t value = 0;
    if (behind) return behind;
    if (p < end && *p == '0') return NULL;
    while (p < end && *p >= '0' && *p <= '9' && p - first < 20) {
        uint64_t digit = (uint64_t)(*p++ - '0');
        if (value > (UINT64_MAX - digit) / 10) return NULL;
        value = value * 10 + digit;
    }
    if (value <= INT64_MAX) return NULL;
    *token = (struct range){first, p - first};
    return p; /* a digit that follows is no end of a value, which the caller finds */
}

/* Behind the string at p, what stands between its quotes in `text`; NULL where there is none. */
static const uint8_t *string(const uint8_t *p, const uint8_t *end, struct range *text) {
    bool escaped = false;
    if (p >= end || *p != '"') return NULL;
    const uint8_t *close = string_end(p + 1, end, &escaped);
    if (!close) return NULL;
    *text = (struct range){p + 1, close - p - 1};
    return close + 1;
}

/* Behind the value of any kind at p, the whole of it in `raw`; NULL where it is not valid. */
static const uint8_t *raw_value(const uint8_t *p, const uint8_t *end, struct range *raw) {
    const uint8_t *behind = value_end(p, end);
    if (behind) *raw = (struct range){p, behind - p};
    return behind;
}

/* Behind the value at p of a record of memory, noted where it is an integer and else called odd. */
static const uint8_t *of_memory(const uint8_t *p, const uint8_t *end, int64_t *value, struct arguments *of) {
    const uint8_t *behind = integer(p, end, value), *next = value_end(p, end);
    if (behind != next) {
        *value = NO_INT;
        of->odd = true;
    }
    return next;
}

/* Behind the value at p of an argument; those of kineto_args.Args are noted. NULL where it is not what belongs there. */
static const uint8_t *argument(const uint8_t *p, const uint8_t *end, struct range key, struct arguments *of) {
    const uint8_t *k = key.at;
    switch (key.size) {
    case 4:
        if (is(k, "size", 4)) return integer(p, end, &of->size);
        break;
    case 5:
        if (is(k, "bytes", 5)) return integer(p, end, &of->bytes);
        if (is(k, "flops", 5)) return integer(p, end, &of->flops);
        break;
    case 6:
        if (is(k, "device", 6)) return integer_or_string(p, end, &of->device);
        if (is(k, "stream", 6)) return integer_or_string(p, end, &of->stream);
        break;
    case 9:
        if (is(k, "Device Id", 9)) return of_memory(p, end, &of->memory_place, of);
        break;
    case 10:
        if (is(k, "Input Dims", 10)) return raw_value(p, end, &of->dims);
        if (is(k, "Input dims", 10)) return raw_value(p, end, &of->dims_old);
        if (is(k, "Input type", 10)) return raw_value(p, end, &of->types);
        if (is(k, "Call stack", 10)) return string(p, end, &of->stack);
        break;
    case 11:
        if (is(k, "correlation", 11)) return integer(p, end, &of->correlation);
        if (is(k, "External id", 11)) return integer(p, end, &of->external);
        if (is(k, "external id", 11)) return integer(p, end, &of->external_old);
        if (is(k, "Device Type", 11)) return of_memory(p, end, &of->memory_kind, of);
        break;
    case 13:
        if (is(k, "Fwd thread id", 13)) return integer(p, end, &of->forward);
        break;
    case 15:
        if (is(k, "Sequence number", 15)) return integer(p, end, &of->sequence);
        if (is(k, "Total Allocated", 15) && p < end && strchr("{[tf", *p)) of->odd = true;
        break;
    case 16:
        if (is(k, "Module Hierarchy", 16)) return string(p, end, &of->modules);
        break;
    default:
        break;
    }
    return value_end(p, end);
}

/* Behind the object at p, its arguments in `of`; NULL where it is none. Of a key that stands twice the last value counts. */
static const uint8_t *read_arguments(const uint8_t *p, const uint8_t *end, struct arguments *of) {
    *of = (struct arguments){.correlation = NO_INT, .external = NO_INT, .external_old = NO_INT, .bytes = NO_INT,
                             .size = NO_INT, .flops = NO_INT, .sequence = NO_INT, .forward = 0, .memory_kind = NO_INT,
                             .memory_place = NO_INT};
    if (p >= end || *p != '{') return NULL;
    p = skip_space(p + 1, end);
    if (p < end && *p == '}') return p + 1;
    for (;;) {
        struct range key;
        if (!(p = read_key(p, end, &key)) || !(p = argument(p, end, key, of))) return NULL;
        p = skip_space(p, end);
        if (p >= end) return NULL;
        if (*p == '}') return p + 1;
        if (*p != ',') return NULL;
        p = skip_space(p + 1, end);
    }
}

#endif

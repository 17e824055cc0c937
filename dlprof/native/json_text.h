/* JSON text: where its strings, numbers and values end, and whether they are valid. Every byte is read behind a comparison with the
   end of the text; nothing recurses. */

#ifndef DLPROF_JSON_TEXT_H
#define DLPROF_JSON_TEXT_H

#include "native.h"

#define DEEPEST 60 /* levels of nesting that are read */

/* A piece of the text; `at` is NULL for none. */
struct range {
    const uint8_t *at;
    int64_t size;
};
/* Whether the text at p is `word`, of `size` bytes. */
static inline bool is(const uint8_t *p, const char *word, size_t size) { return memcmp(p, word, size) == 0; }

/* The value of a hexadecimal digit, -1 for another byte. */
static inline int hex(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Behind the escape whose backslash is at p; NULL where it is none, or half of a surrogate pair. */
static const uint8_t *escape(const uint8_t *p, const uint8_t *end) {
    if (end - p < 2) return NULL;
    if (p[1] != 'u') return p[1] != 0 && strchr("\"\\/bfnrt", p[1]) ? p + 2 : NULL;
    if (end - p < 6) return NULL;
    int code = 0;
    for (int digit = 2; digit < 6; digit++) {
        int value = hex(p[digit]);
        if (value < 0) return NULL;
        code = code * 16 + value;
    }
    return code >= 0xD800 && code <= 0xDFFF ? NULL : p + 6;
}

/* Behind the character at p, whose first byte is above 0x7f; NULL where it is not valid UTF-8: cut short, longer than it need be,
   half of a surrogate pair, or above U+10FFFF. */
static const uint8_t *character_end(const uint8_t *p, const uint8_t *end) {
    const int size = *p < 0xC2 ? 0 : *p < 0xE0 ? 2 : *p < 0xF0 ? 3 : *p < 0xF5 ? 4 : 0;
    const uint8_t low = *p == 0xE0 ? 0xA0 : *p == 0xF0 ? 0x90 : 0x80, high = *p == 0xED ? 0x9F : *p == 0xF4 ? 0x8F : 0xBF;
    if (!size || end - p < size || p[1] < low || p[1] > high) return NULL;
    for (int at = 2; at < size; at++)
        if (p[at] < 0x80 || p[at] > 0xBF) return NULL;
    return p + size;
}

/* How many bytes from p on are ASCII and neither quote, backslash nor control character, within the next RUN bytes: the first one
   that ends a run of text, RUN where none does. SSE2 and NEON are part of every x86-64 and AArch64 processor, so nothing is to be
   asked when the program runs; elsewhere eight bytes are looked at as one number. `-DDLPROF_SCALAR` builds that everywhere. */
#if defined(__SSE2__) && !defined(DLPROF_SCALAR)
#include <emmintrin.h>
#define RUN 16
static inline int run_of_text(const uint8_t *p) {
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    const __m128i other = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)); /* as signed numbers: control characters, and above 0x7f */
    const unsigned ends = (unsigned)_mm_movemask_epi8(_mm_or_si128(other, _mm_or_si128(quote, slash)));
    return ends ? __builtin_ctz(ends) : RUN;
}
/* How many bytes from p on are white space, within the next RUN bytes. */
static inline int run_of_space(const uint8_t *p) {
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    const __m128i blank = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(' ')), line = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n'));
    const __m128i back = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\r')), tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
    const unsigned space = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(blank, line), _mm_or_si128(back, tab)));
    return __builtin_ctz(~space); /* the bits above RUN are not set in `space` */
}
#elif defined(__ARM_NEON) && defined(__aarch64__) && !defined(DLPROF_SCALAR)
#include <arm_neon.h>
#define RUN 16
static inline int run_of_text(const uint8_t *p) {
    const uint8x16_t bytes = vld1q_u8(p);
    const uint8x16_t ends = vorrq_u8(vcltq_s8(vreinterpretq_s8_u8(bytes), vdupq_n_s8(0x20)), /* and those above 0x7f */
                                     vorrq_u8(vceqq_u8(bytes, vdupq_n_u8('"')), vceqq_u8(bytes, vdupq_n_u8('\\'))));
    /* four bits of each byte, the first byte's lowest */
    const uint64_t nibbles = vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(ends), 4)), 0);
    return nibbles ? __builtin_ctzll(nibbles) / 4 : RUN;
}
static inline int run_of_space(const uint8_t *p) {
    const uint8x16_t bytes = vld1q_u8(p);
    const uint8x16_t space = vorrq_u8(vorrq_u8(vceqq_u8(bytes, vdupq_n_u8(' ')), vceqq_u8(bytes, vdupq_n_u8('\n'))),
                                      vorrq_u8(vceqq_u8(bytes, vdupq_n_u8('\r')), vceqq_u8(bytes, vdupq_n_u8('\t'))));
    const uint64_t other = ~vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(space), 4)), 0);
    return other ? __builtin_ctzll(other) / 4 : RUN;
}
#else
#define RUN 8
static inline int run_of_text(const uint8_t *p) {
    const uint64_t ones = 0x0101010101010101ULL, highs = 0x8080808080808080ULL;
    uint64_t word, quote, slash;
    memcpy(&word, p, 8);
    quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
    if (!((word | ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & highs)) return RUN;
    int count = 0;
    while (p[count] != '"' && p[count] != '\\' && p[count] >= 0x20 && p[count] < 0x80) count++;
    return count;
}
static inline int run_of_space(const uint8_t *p) {
    int count = 0;
    while (count < RUN && (p[count] == ' ' || p[count] == '\n' || p[count] == '\r' || p[count] == '\t')) count++;
    return count;
}
#endif

/* Behind the white space at p: mostly there is none, or one blank, or a new line and what indents it. */
static inline const uint8_t *skip_space(const uint8_t *p, const uint8_t *end) {
    if (p < end && *p > ' ') return p;
    if (end - p >= 2 && *p == ' ' && p[1] > ' ') return p + 1;
    while (end - p >= RUN) {
        int space = run_of_space(p);
        p += space;
        if (space < RUN) return p;
    }
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

/* The closing quote of the string whose first byte behind the opening quote is p; NULL where it is not valid. `escaped` is
   set where it holds an escape. */
static inline const uint8_t *string_end(const uint8_t *p, const uint8_t *end, bool *escaped) {
    for (;;) {
        while (end - p >= RUN) {
            int text = run_of_text(p);
            p += text;
            if (text < RUN) break;
        }
        while (p < end && *p != '"' && *p != '\\' && *p >= 0x20 && *p < 0x80) p++;
        if (p >= end || *p < 0x20) return NULL;
        if (*p == '"') return p;
        if (*p >= 0x80) {
            if (!(p = character_end(p, end))) return NULL;
            continue;
        }
        *escaped = true;
        if (!(p = escape(p, end))) return NULL;
    }
}

/* Behind the JSON number at p; NULL where there is none. */
static const uint8_t *number_end(const uint8_t *p, const uint8_t *end) {
    if (p < end && *p == '-') p++;
    if (p >= end || *p < '0' || *p > '9') return NULL;
    if (*p++ != '0')
        while (p < end && *p >= '0' && *p <= '9') p++;
    if (p < end && *p == '.') {
        const uint8_t *first = ++p;
        while (p < end && *p >= '0' && *p <= '9') p++;
        if (p == first) return NULL;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        const uint8_t *first = p;
        while (p < end && *p >= '0' && *p <= '9') p++;
        if (p == first || p - first > 2) return NULL; /* 1e400 is no number to everybody */
    }
    return p;
}

/* Behind a key and its colon; p is at the opening quote. NULL where it is not valid, or has an escape. */
static inline const uint8_t *read_key(const uint8_t *p, const uint8_t *end, struct range *key) {
    bool escaped = false;
    if (p >= end || *p != '"') return NULL;
    const uint8_t *close = string_end(p + 1, end, &escaped);
    if (!close || escaped) return NULL;
    *key = (struct range){p + 1, close - p - 1};
    p = skip_space(close + 1, end);
    return p < end && *p == ':' ? skip_space(p + 1, end) : NULL;
}

/* Behind the value at p that is neither object nor array; NULL where it is not valid. */
static const uint8_t *scalar_end(const uint8_t *p, const uint8_t *end) {
    bool escaped = false;
    if (p >= end) return NULL;
    if (*p == '"') {
        const uint8_t *close = string_end(p + 1, end, &escaped);
        return close ? close + 1 : NULL;
    }
    if (*p == 't') return end - p >= 4 && is(p, "true", 4) ? p + 4 : NULL;
    if (*p == 'f') return end - p >= 5 && is(p, "false", 5) ? p + 5 : NULL;
    if (*p == 'n') return end - p >= 4 && is(p, "null", 4) ? p + 4 : NULL;
    return number_end(p, end);
}

/* Behind the value of any kind at p; NULL where it is not valid JSON, or nested too deeply. `objects` has a bit for each
   level that is open: 1 an object, 0 an array. */
static const uint8_t *value_end(const uint8_t *p, const uint8_t *end) {
    uint64_t objects = 0;
    int depth = 0;
    for (;;) {
        /* p is at a value */
        if (p >= end) return NULL;
        if (*p == '{' || *p == '[') {
            bool object = *p == '{';
            if (++depth > DEEPEST) return NULL;
            objects = objects << 1 | object;
            p = skip_space(p + 1, end);
            if (p >= end) return NULL;
            if (*p != (object ? '}' : ']')) {
                struct range key;
                if (object && !(p = read_key(p, end, &key))) return NULL;
                continue;
            }
        } else {
            if (!(p = scalar_end(p, end))) return NULL;
            if (depth == 0) return p;
            p = skip_space(p, end);
        }
        /* p is at what follows a value inside of an object or array */
        for (;;) {
            if (p >= end) return NULL;
            bool object = objects & 1;
            if (*p == ',') {
                struct range key;
                p = skip_space(p + 1, end);
                if (object && !(p = read_key(p, end, &key))) return NULL;
                break;
            }
            if (*p != (object ? '}' : ']')) return NULL;
            objects >>= 1;
            p++;
            if (--depth == 0) return p;
            p = skip_space(p, end);
        }
    }
}

#endif

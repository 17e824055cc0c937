/* Runs the C part of the trace readers on mutated texts, built with AddressSanitizer and UndefinedBehaviorSanitizer.

   sanitized SECONDS SEED FILE…: the files are seeds. Text and arrays lie in blocks of exactly their size, so that a byte read or
   written outside of them ends the program with a report. What the reader answers is checked: counts within the arrays, places
   within the text, ids below their number. Prints how many texts were tried and how many were read. */

#include "../../dlprof/native/json_events.c"

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
    "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u12", "\\ud800", "\\u00e9", "\\\"", "null", "true", "-", "0", "-0", "01", "1e9", "1.5",
    "1.1234567", "9223372036854775807", "9223372036854775808", "99999999999999999999", "\"ph\":\"i\"", "\"ph\":\"X\"", "\"args\":{",
    "\"ts\":", "\"dur\":-3", "\"External id\":5,", "\"stream\":\"7\"", "\"Input Dims\":[[1]]", "[[[[[[[[[[", "{\"a\":{\"a\":{\"a\":",
    "},{", "\"cat\":null", "\x01", "\xff", " \n\t",
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
        .text = copy, .size = size, .origin_us = origins[below(4)], .arguments = (int64_t)below(2),
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
        int64_t total = 0;
        for (int64_t row = 0; row < block.rows; row++) {
            int64_t length = block.numbers[ARGS_SIZE * capacity + row];
            total += length < 0 ? 0 : length;
        }
        uint8_t *target = malloc((size_t)total ? (size_t)total : 1);
        dlprof_gather(copy, block.numbers + ARGS_AT * capacity, block.numbers + ARGS_SIZE * capacity, block.rows, target);
        free(target);
    }
    free(copy), free(block.numbers), free(block.ids), free(block.phases), free(block.others), free(block.table);
    free(block.places), free(block.columns);
    return plain;
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
    long long tried = 0, plain = 0;
    while (tried % 1024 || time(NULL) < end) {
        uint64_t which = below((uint64_t)seed);
        int64_t size = sizes[which];
        memcpy(text, seeds[which], (size_t)size);
        for (uint64_t changes = below(6); changes; changes--) size = mutate(text, size);
        plain += run(text, size);
        tried++;
    }
    printf("done: %lld inputs, %lld of them plain\n", tried, plain);
    return 0;
}

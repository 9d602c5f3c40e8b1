/* SPDX-License-Identifier: MIT
 *
 * Memory ends somewhere: every transcript is played with the n-th allocation and all behind it
 * failing, for every n. What comes is what comes otherwise, or ends in an error that says so;
 * nothing crashes or leaks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec_memory.h"
#include "transcript.h"

#define CALLS_MAX 40 /* a transcript that allocates more often is sampled up to here */
#define INPUT_MAX 3000

static size_t calls, failing_call;

static void *fail_from(void *memory, size_t size) {
    calls++;
    return calls >= failing_call ? NULL : realloc(memory, size);
}

/* Its last line is the error of a codec that has no memory. */
static bool says_so(const struct bytes *log) {
    static const char *const lines[] = {"error 1011\n", "error 500\n", "refuse 500\n",
                                        "error no-memory\n"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        size_t len = strlen(lines[i]);
        if (log->len >= len && memcmp(log->data + log->len - len, lines[i], len) == 0)
            return true;
    }
    return false;
}

/* 1: played without a failure; 0: with one, rightly; -1: wrongly. */
static int play(const struct transcript *transcript, size_t size) {
    struct bytes log = {0};
    calls = 0;
    player_run(transcript->player, &transcript->settings, transcript->input.data,
               transcript->input.len, (struct cutting){.size = size}, &log);
    bool has_failed = calls >= failing_call;
    bool is_same = log.len == transcript->expected.len &&
                   memcmp(log.data, transcript->expected.data, log.len) == 0;
    int result = !has_failed ? (is_same ? 1 : -1) : (is_same || says_so(&log)) ? 0 : -1;
    if (result < 0)
        printf("%s: call %zu\n--- expected\n%.1000s--- came\n%.1000s\n", transcript->name,
               failing_call, transcript->expected.data, log.data);
    bytes_done(&log);
    return result;
}

static bool survives(const struct transcript *transcript, size_t *runs) {
    static const size_t sizes[] = {0, 1};
    for (size_t i = 0; i < 2; i++) {
        int result = 0;
        for (failing_call = 1; result == 0 && failing_call < CALLS_MAX; failing_call++) {
            result = play(transcript, sizes[i]);
            *runs += result == 0;
        }
        if (result < 0)
            return false;
    }
    return true;
}

int main(void) {
    size_t failed = 0, runs = 0;
    const char *path;
    codec_memory_replace(fail_from);
    for (size_t i = 0; (path = transcript_file(i)) != NULL; i++) {
        struct transcript_reader reader;
        struct transcript transcript;
        transcript_open(&reader, path);
        while (transcript_next(&reader, &transcript)) {
            if (transcript.input.len <= INPUT_MAX && !survives(&transcript, &runs)) {
                printf("in %s\n", path);
                failed++;
            }
            transcript_done(&transcript);
        }
        transcript_close(&reader);
    }
    codec_memory_replace(NULL);
    printf("%zu failures survived, %zu cases failed\n", runs, failed);
    return failed > 0 || runs == 0;
}

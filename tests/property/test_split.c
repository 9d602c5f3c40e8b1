/* SPDX-License-Identifier: MIT
 *
 * Where the network cuts a stream changes nothing: every case of every transcript, cut in two
 * at every byte, in single bytes, and at random, makes the same events as whole.
 */
#include <stdio.h>
#include <string.h>

#include "transcript.h"

#define EVERY_CUT_MAX 3000 /* longer inputs are cut in two at their ends, and at random */
#define ENDS          200
#define RANDOM_RUNS   20

static size_t runs;

static bool agrees(const struct transcript *transcript, const struct settings *settings,
                   struct cutting cutting) {
    struct bytes log = {0};
    player_run(transcript->player, settings, transcript->input.data, transcript->input.len,
               cutting, &log);
    bool is_same = log.len == transcript->expected.len &&
                   memcmp(log.data, transcript->expected.data, log.len) == 0;
    if (!is_same)
        printf(
            "line %d: %s: first %zu size %zu seed %u\n--- expected\n%.2000s--- came\n%.2000s\n",
            transcript->line, transcript->name, cutting.first, cutting.size, cutting.seed,
            transcript->expected.data, log.data);
    bytes_done(&log);
    runs++;
    return is_same;
}

static bool is_near_an_end(size_t at, size_t len) {
    return at < ENDS || at + ENDS > len;
}

static bool agrees_in_two(const struct transcript *transcript) {
    size_t len = transcript->input.len;
    for (size_t at = 1; at < len; at++)
        if ((len <= EVERY_CUT_MAX || is_near_an_end(at, len)) &&
            !agrees(transcript, &transcript->settings, (struct cutting){.first = at}))
            return false;
    return true;
}

static bool agrees_at_random(const struct transcript *transcript,
                             const struct settings *settings) {
    static const size_t sizes[] = {3, 20, 300, 40000};
    for (unsigned seed = 1; seed <= RANDOM_RUNS; seed++)
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
            if (sizes[i] < transcript->input.len * 4 &&
                !agrees(transcript, settings, (struct cutting){.size = sizes[i], .seed = seed}))
                return false;
    return true;
}

static bool agrees_everywhere(const struct transcript *transcript) {
    struct settings direct = transcript->settings;
    settings_put(&direct, "direct", "1"); /* through ws_decoder_want(), where there is one */
    return agrees_in_two(transcript) &&
           agrees(transcript, &transcript->settings, (struct cutting){.size = 1}) &&
           agrees_at_random(transcript, &transcript->settings) &&
           agrees_at_random(transcript, &direct);
}

int main(void) {
    size_t failed = 0;
    const char *path;
    for (size_t i = 0; (path = transcript_file(i)) != NULL; i++) {
        struct transcript_reader reader;
        struct transcript transcript;
        transcript_open(&reader, path);
        while (transcript_next(&reader, &transcript)) {
            if (!agrees_everywhere(&transcript)) {
                printf("in %s\n", path);
                failed++;
            }
            transcript_done(&transcript);
        }
        transcript_close(&reader);
    }
    printf("%zu runs, %zu cases failed\n", runs, failed);
    return failed > 0 || runs == 0;
}

/* SPDX-License-Identifier: MIT
 *
 * Every case of every transcript, its input in one piece. Prints a line for each that differs.
 */
#include <stdio.h>
#include <string.h>

#include "transcript.h"

static bool plays_as_written(const struct transcript *transcript, const char *path) {
    struct bytes log = {0};
    player_run(transcript->player, &transcript->settings, transcript->input.data,
               transcript->input.len, (struct cutting){0}, &log);
    bool is_same = log.len == transcript->expected.len &&
                   memcmp(log.data, transcript->expected.data, log.len) == 0;
    if (!is_same)
        printf("%s:%d: %s\n--- expected\n%.2000s--- came\n%.2000s\n", path, transcript->line,
               transcript->name, transcript->expected.data, log.data);
    bytes_done(&log);
    return is_same;
}

int main(void) {
    size_t cases = 0, failed = 0;
    const char *path;
    for (size_t i = 0; (path = transcript_file(i)) != NULL; i++) {
        struct transcript_reader reader;
        struct transcript transcript;
        transcript_open(&reader, path);
        while (transcript_next(&reader, &transcript)) {
            failed += !plays_as_written(&transcript, path);
            cases++;
            transcript_done(&transcript);
        }
        transcript_close(&reader);
    }
    printf("%zu cases, %zu failed\n", cases, failed);
    return failed > 0 || cases == 0;
}

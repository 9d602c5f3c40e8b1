/* SPDX-License-Identifier: MIT
 *
 * Transcripts: what a peer sends and what must come of it, in files that people read beside the
 * RFC. The form is described in transcripts/README.md.
 */
#ifndef CREWMAN_TESTS_TRANSCRIPT_H
#define CREWMAN_TESTS_TRANSCRIPT_H

#include "player.h"

struct transcript {
    char name[160];
    int line; /* in its file */
    const struct player *player;
    struct settings settings;
    struct bytes input, expected;
};

/* Reads the cases of one file one after the other. */
struct transcript_reader {
    const char *path;
    char *text, *next;
    char *held; /* a line that was read and belongs to the next case */
    int line;
    const struct player *player;
    struct settings settings; /* of the file */
};

/* A file that cannot be read or is not well formed ends the program with a message. */
void transcript_open(struct transcript_reader *reader, const char *path);
void transcript_close(struct transcript_reader *reader);

/* False at the end. Give *out_case to transcript_done(). */
bool transcript_next(struct transcript_reader *reader, struct transcript *out_case);
void transcript_done(struct transcript *transcript);

/* Every file of tests/conformance/transcripts, one after the other; `index` from 0. NULL at the
 * end. */
const char *transcript_file(size_t index);

#endif

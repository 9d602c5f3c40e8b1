/* SPDX-License-Identifier: MIT
 *
 * What the fan load puts on the wire and finds there: templates, masked frames, and the marker
 * that each message begins with, so that a delivery that is missing, doubled or in the wrong
 * room is counted and not guessed. No sockets.
 *
 * A template knows no server: %r is the room and %i the subscriber, six digits each, %m the
 * message, %l its length, %% a percent sign; \r \n \xNN as in C.
 */
#ifndef CREWMAN_BENCH_FAN_WIRE_H
#define CREWMAN_BENCH_FAN_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#define WIRE_MESSAGE_MIN 16u
#define WIRE_MESSAGE_MAX 60000u
#define WIRE_SIZE        (WIRE_MESSAGE_MAX + 8192u) /* of what a template may become */
#define WIRE_FRAME_SIZE  (WIRE_SIZE + 8u)

struct wire_words {
    unsigned room, subscriber;
    const char *message; /* with a NUL behind it */
};

/* A message of `size` bytes with the marker of `round`, and a NUL. */
void wire_make_message(char *out, unsigned size, unsigned round);

/* Expand `template` into at most `room` bytes with a NUL behind them; answers the length, or 0
 * if it does not fit. */
size_t wire_expand(const char *template, const struct wire_words *words, char *out,
                   size_t room);

/* A masked frame of `len` bytes, at most 65535; answers its length. */
size_t wire_frame(int opcode, const char *data, size_t len, char *out);

/* The next marker in `len` bytes: its round, and where the rest begins; NULL: there is none. */
const char *wire_find_marker(const char *data, size_t len, unsigned *out_round);

/* How many bytes at the end may be the beginning of a marker. */
size_t wire_marker_rest(size_t len);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The shared page of one service: a line a worker process, written by that worker only, read by
 * its siblings (fair accepts) and by the master (status of a stuck worker, obituary). Plain
 * relaxed atomics, no locks. Whatever is read from another's line is a number that may be
 * wrong: never a pointer, an index or a length without a check. The memfd is made and sealed
 * (no shrink, no grow) by the master, so that no worker can take the memory away under the
 * others. A reload can bring a worker of a newer version under this master: whoever changes the
 * layout or the meaning of a line raises MESSAGE_VERSION, and such a reload is refused.
 */
#ifndef CREWMAN_SCOREBOARD_H
#define CREWMAN_SCOREBOARD_H

#include <stdatomic.h>
#include <stdint.h>

/* Two lines a slot (old and new process during a reload), 512 slots at most. */
#define SCOREBOARD_LINES 1024u

enum scoreboard_state {
    SCORE_FREE = 0,
    SCORE_STARTING = 1,
    SCORE_ACCEPTING = 2, /* takes part in the fair shares */
    SCORE_FULL = 3, /* at max_connections or out of descriptors: not accepting for the moment */
    SCORE_DRAINING = 4
};

/* The callbacks that a worker can be in; SCORE_IN_NONE: in the loop. */
#define SCORE_CALLBACKS(X)                                                                     \
    X(NONE, "none")                                                                            \
    X(LOAD, "loading the app")                                                                 \
    X(WORKER_START, "on_worker_start")                                                         \
    X(WORKER_STOP, "on_worker_stop")                                                           \
    X(WORKER_DRAIN, "on_worker_drain")                                                         \
    X(CONNECT, "on_connect")                                                                   \
    X(HANDSHAKE, "on_handshake")                                                               \
    X(OPEN, "on_open")                                                                         \
    X(MESSAGE, "on_message")                                                                   \
    X(REQUEST, "on_request")                                                                   \
    X(CLOSE, "on_close")                                                                       \
    X(ERROR, "on_error")                                                                       \
    X(BUFFER_FULL, "on_buffer_full")                                                           \
    X(BUFFER_DRAIN, "on_buffer_drain")                                                         \
    X(PING, "on_ping")                                                                         \
    X(PONG, "on_pong")                                                                         \
    X(PROTOCOL, "a crew_protocol function")                                                    \
    X(TIMER, "a timer")                                                                        \
    X(VISIT, "a crew_conn_each visitor")                                                       \
    X(DESTRUCTOR, "a destructor")

enum score_callback {
#define SCORE_CALLBACK_MEMBER(id, name) SCORE_IN_##id,
    SCORE_CALLBACKS(SCORE_CALLBACK_MEMBER)
#undef SCORE_CALLBACK_MEMBER
        SCORE_IN_COUNT
};

struct score_line {
    _Alignas(64) _Atomic uint32_t pid;
    _Atomic uint32_t state; /* enum scoreboard_state */
    _Atomic uint32_t connections;
    _Atomic uint32_t callback; /* enum score_callback */
    _Atomic uint64_t tick_at;  /* last loop iteration, ms, CLOCK_MONOTONIC */
    _Atomic uint64_t ticks;    /* loop iterations */
    _Atomic uint64_t accepted, messages_in, messages_out, send_failures, reaped;
    _Atomic uint64_t bytes_in, bytes_out;
};

struct scoreboard {
    struct score_line lines[SCOREBOARD_LINES];
};

/* Master: a new sealed memfd, close-on-exec. A descriptor, or a negative errno number. */
int scoreboard_create(void);

/* Map it. NULL when the descriptor is not a scoreboard of this size. */
struct scoreboard *scoreboard_open(int fd);
void scoreboard_close(struct scoreboard *board);

/* Clear one line before another process gets it. */
void score_line_clear(struct score_line *line);

/* The name of a callback number read from a line; "unknown" when out of range. */
const char *score_callback_name(uint32_t callback);

#define score_set(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)
#define score_get(field)        atomic_load_explicit(&(field), memory_order_relaxed)

#endif

/* SPDX-License-Identifier: MIT
 *
 * The scoreboard: one page of shared memory for each child process, written by that child
 * alone, read by the master (status, obituary) and by its siblings (fair accepts). Plain
 * relaxed atomics, no locks. Whatever is read from another's page is a number that may be
 * wrong: never a pointer, an index or a length without a check. The master makes the memfd and
 * fixes its size, so that no child can take the memory away under the others; once the child
 * has mapped its own nobody can map it writable or write to it any more.
 */
#ifndef CREWMAN_SCOREBOARD_H
#define CREWMAN_SCOREBOARD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "counters.h"

#define SCORE_MAGIC     0x43524557u /* "CREW" */
#define SCORE_VERSION   1u /* raised when rows change their meaning; not when one is added */
#define SCORE_PAGE_SIZE 4096u

enum score_state {
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

/* A field for each row of the table, in its order. */
struct score_line {
#define SCORE_FIELD(id, name, kind, help) _Atomic uint64_t name;
    COUNTERS(SCORE_FIELD)
#undef SCORE_FIELD
};

/* Whose code a frame is in. */
enum score_module {
    SCORE_MODULE_OTHER,
    SCORE_MODULE_APP,
    SCORE_MODULE_WORKER,
    SCORE_MODULE_LIBC,
    SCORE_MODULE_COUNT
};

#define SCORE_FRAMES      12
#define SCORE_OFFSET_BITS 48 /* of a frame: above them the module */

/* Where its process was when a fault ended it, the innermost first. */
struct score_crash {
    _Atomic uint64_t signal, count, frames[SCORE_FRAMES];
};

/* There, however many rows are appended. */
#define SCORE_HEAD     64u
#define SCORE_CRASH_AT 3072u

struct score_page {
    _Atomic uint32_t magic, version, rows, size; /* of the one who writes it */
    _Alignas(SCORE_HEAD) struct score_line line;
    unsigned char rows_to_come[SCORE_CRASH_AT - SCORE_HEAD - sizeof(struct score_line)];
    struct score_crash crash;
};

/* Master: a new memfd of mode 0600 and fixed size, close-on-exec. A descriptor, or a negative
 * errno number. */
int scoreboard_create(void);

/* Master, once the child has mapped it: nobody writes to it but through the mapping that there
 * is. A negative errno number when that cannot be had: the child has sealed it before us. */
int scoreboard_seal(int fd);

/* Master: a descriptor of the same page that can only be read, or a negative errno number. */
int scoreboard_reopen(int fd);

/* Child: map its own page, writable, and begin it: all rows 0. NULL when the descriptor is no
 * page. */
struct score_page *scoreboard_open(int fd);

/* Map another's page to read it. NULL when the descriptor is no page. */
const struct score_page *scoreboard_view(int fd);

/* Unmap either. NULL is allowed. */
void scoreboard_close(const struct score_page *page);

/* One row of a page that may hold anything: 0 when its writer does not have that row, or is
 * none of ours. */
uint64_t scoreboard_read(const struct score_page *page, enum counter_id id);

/* What tells one row of services from another: begin with 0 and add each name, in order. */
uint64_t score_services(uint64_t services, const char *name);

struct score_frame {
    enum score_module module;
    uint64_t offset; /* from where that is loaded; of SCORE_MODULE_OTHER its address */
};

/* The frames of a crash, from a page that may hold anything. Their number, 0 without one. */
size_t scoreboard_frames(const struct score_page *page,
                         struct score_frame out_frames[SCORE_FRAMES]);

/* The name of a callback number read from a page; "unknown" when out of range. */
const char *score_callback_name(uint64_t callback);

/* A field of one's own page. */
#define score_set(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)
#define score_get(field)        atomic_load_explicit(&(field), memory_order_relaxed)

#endif

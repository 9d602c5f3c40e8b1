/* SPDX-License-Identifier: MIT
 *
 * What an exchange needs of the version of HTTP that it came by. The exchange (intake.c,
 * exchange.c, reply.c, reply_file.c, cookie_session.c) decides what becomes of a request and
 * what is answered, and knows no byte of it; each version is one table of these functions, and
 * calls the exchange with what it has read. Those that send answer like a send: CREW_SENT,
 * CREW_QUEUED or a negative error.
 */
#ifndef CREWMAN_HTTP_WIRE_H
#define CREWMAN_HTTP_WIRE_H

#include <stddef.h>
#include <stdint.h>

struct crew_request;
struct source;

enum reply_framing {
    REPLY_LENGTH, /* the body has `len` bytes */
    REPLY_PIECES, /* it ends with send_end() */
    REPLY_NO_BODY /* by its status */
};

/* What the head says; the fields that the app has added are with the request. */
struct reply_head {
    int status;
    const char *type; /* NULL: none */
    enum reply_framing framing;
    uint64_t len;
};

struct http_wire {
    /* Tell the app (`error`: CREW_E… or a negative errno); answer with this error unless it
     * has answered then, and read no more of the request. */
    void (*refuse)(struct crew_request *request, int status, int error, const char *text);

    /* Can it be sent? 0, CREW_EINVAL, CREW_ETOOBIG. */
    int (*check_head)(struct crew_request *request, const struct reply_head *head);

    /* The head, and in one piece with it the whole body, unless that is NULL. Never CREW_EFULL:
     * the next request waits until the queue is short. */
    int (*send_head)(struct crew_request *request, const struct reply_head *head,
                     const void *body, size_t len);

    /* Of a body in pieces: CREW_EFULL when too much waits. And its end. */
    int (*send_piece)(struct crew_request *request, const void *data, size_t len);
    int (*send_end)(struct crew_request *request);

    /* Of a body whose length the head has told, never CREW_EFULL: bytes, and runs of a file;
     * `flush` behind the last. */
    int (*send_bytes)(struct crew_request *request, const void *data, size_t len);
    int (*send_file)(struct crew_request *request, struct source *source, uint64_t offset,
                     size_t len);
    int (*flush)(struct crew_request *request);

    /* What the head has announced cannot be kept, or memory is short: no answer comes. */
    void (*abandon)(struct crew_request *request, int error);

    /* The answer is complete; the request is over. */
    void (*ended)(struct crew_request *request);
};

#endif

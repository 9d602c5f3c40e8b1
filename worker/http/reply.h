/* SPDX-License-Identifier: MIT
 *
 * The answer of an exchange: its state, its head, the session that is stored with it. How it
 * goes to the client is the wire's (http_wire.h). Called by the crew_reply… functions and by
 * what the server answers of its own: files, folders.
 */
#ifndef CREWMAN_REPLY_H
#define CREWMAN_REPLY_H

#include "http_wire.h"
#include "request.h"

/* 0 if the answer to the request (NULL: CREW_ENOENT) is at `state`, or the error to answer. */
int reply_check(const struct crew_request *request, enum reply_state state);

/* 0 if it waits for a whole answer, or the error. An opening handshake does not: it is answered
 * by what on_handshake returns. */
int reply_check_whole(const struct crew_request *request);

/* Store the session and send the head, with the whole body unless `body` is NULL. */
int reply_send_head(struct crew_request *request, const struct reply_head *head,
                    const void *body, size_t len);

/* As crew_reply(), crew_reply_redirect(), crew_reply_begin(), _write(), _end(). */
int reply_whole(struct crew_request *request, int status, const char *type, const void *body,
                size_t len);
int reply_redirect(struct crew_request *request, int status, const char *location);
int reply_begin(struct crew_request *request, int status, const char *type);
int reply_write(struct crew_request *request, const void *data, size_t len);
int reply_end(struct crew_request *request);

/* The last bytes of an answer were written with this result, and with the request REPLY_DONE:
 * it is over, or if that failed, in the state that it had before. Answers `result`. */
int reply_ended(struct crew_request *request, int result, enum reply_state before);

#endif

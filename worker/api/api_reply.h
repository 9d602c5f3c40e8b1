/* SPDX-License-Identifier: MIT
 *
 * What the files that make answers share of api_reply.c: fields, and the head of an answer of
 * known length.
 */
#ifndef CREWMAN_API_REPLY_H
#define CREWMAN_API_REPLY_H

#include <stdint.h>

#include "request.h"

/* The request that waits for `state`, or NULL with the error to answer. */
struct crew_request *api_reply_waiting(struct crew_conn *conn, enum reply_state state,
                                       int *out_error);

/* The request that waits for a whole answer, or NULL as above. An opening handshake does not:
 * it is answered by what on_handshake returns. */
struct crew_request *api_reply_answerable(struct crew_conn *conn, int *out_error);

/* As crew_reply_header(), without a look at whose field it is. */
int api_reply_add_field(struct crew_request *request, const char *name, const char *value,
                        size_t len);

/* The last bytes of an answer were written with this result, and with the request REPLY_DONE:
 * give the request back, or if that failed, the state that it had before. Answers `result`. */
int api_reply_ended(struct crew_conn *conn, struct crew_request *request, int result,
                    enum reply_state before);

/* Send the head of an answer whose body, if its status has one, is of `len` bytes, to be
 * written next by the caller. `type` NULL: none. */
int api_reply_send_head(struct crew_conn *conn, struct crew_request *request, int status,
                        const char *type, uint64_t len);

#endif

/* SPDX-License-Identifier: MIT
 *
 * One exchange: a request, and the answer as far as it has been made. While its callback runs
 * the head lies in the buffer that it was received into; request_keep() copies it when the
 * answer comes later.
 */
#ifndef CREWMAN_REQUEST_H
#define CREWMAN_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "codec_memory.h"
#include "crewman.h"
#include "guard.h"
#include "handler.h"
#include "http_body.h"
#include "http_head.h"
#include "http_target.h"
#include "list.h"

/* The largest head of an answer. */
#define REQUEST_REPLY_HEAD_MAX 16384u

struct cookie_session;
struct crew_conn;
struct http_wire;
struct upload;

enum reply_state {
    REPLY_NONE,      /* not begun */
    REPLY_STREAMING, /* its head is sent, its body comes in pieces */
    REPLY_DONE
};

struct form_pair {
    const char *name, *value;
    size_t value_len;
    struct form_pair *next;
};

struct crew_request {
    struct guard_held held; /* first; once it is over, see exchange_free() */
    struct crew_conn *conn;
    const struct http_wire *wire;
    uint64_t id; /* 0: nobody has asked for it */
    struct app_data app_data;
    struct http_head head;
    struct http_field *fields; /* as many as the configuration allows */
    size_t field_capacity;
    const char *head_data; /* where the head lies */
    size_t head_len;
    char *kept; /* our own copy of it, or NULL */
    struct http_target target;
    struct arena arena;
    const char *path; /* decoded; made when it is asked for */
    struct form_pair *query_pairs, *form_pairs;
    bool has_query_pairs, has_form_pairs;
    bool is_parsed; /* the head and its target are, and may be asked for */
    int form_error; /* CREW_ETOOBIG when it has too many fields for pairs */

    struct codec_buffer *gathered; /* a body that came in pieces */
    const char *body_data;         /* the whole body, when it is there */
    size_t body_len;
    bool has_body, is_body_over, is_body_kept, is_dispatched, is_streaming_body;
    bool owes_last_piece;           /* without a body, and on_body has not been told so */
    struct upload *upload;          /* of a form with parts: it takes the body */
    struct http_head *trailers;     /* fields alone, in the arena; NULL: none came */
    struct cookie_session *cookies; /* NULL: not asked for yet */
    bool is_handshake;              /* answered by what on_handshake returns */
    bool is_counted;                /* as one of its client's: see admission.h */

    enum reply_state reply;
    bool is_over;                      /* no connection waits for its answer any more */
    struct codec_buffer *reply_fields; /* name, NUL, value, NUL of each that was added */
    bool is_head_only, is_chunked, closes_after, has_type;
    const char *subprotocol; /* chosen in on_handshake */
    int failed;              /* the error of the first attempt to answer that failed, or 0 */
    struct list in_failed;   /* with `failed`: see failed_answer.h */

    struct http_body body; /* the decoder of HTTP/1, if it has_body; last: it is not cleared */
};

/* With room for that many fields. NULL without memory. */
struct crew_request *request_new(size_t field_capacity);
void request_free(struct crew_request *request);

/* Ready for the next use; keeps the room for fields. */
void request_reset(struct crew_request *request);

/* The memory of it and all that hangs on it, but the session. */
size_t request_held(const struct crew_request *request);

/* Copy what still lies in a buffer of others. CREW_ENOMEM: the request must be given up. */
int request_keep(struct crew_request *request);

/* The same of its body alone; CREW_ENOMEM: it stays where it is. */
int request_keep_body(struct crew_request *request);

/* Does all of it lie in memory of its own? */
bool request_is_kept(const struct crew_request *request);

/* Add a field to the answer. CREW_EINVAL, CREW_ETOOBIG, CREW_ENOMEM. */
int request_add_reply_field(struct crew_request *request, const char *name, const char *value,
                            size_t len);

/* The name of the field behind that with the name `before` (NULL: the first), or NULL. */
const char *request_next_reply_field(const struct crew_request *request, const char *before,
                                     const char **out_value);

/* Keep a field that came behind the body. 0, or the status to refuse with: 431, 500. */
int request_add_trailer(struct crew_request *request, const struct http_field *trailer);

/* Is the whole body an urlencoded form? */
bool request_has_form(const struct crew_request *request, struct http_slice *out_form);

#endif

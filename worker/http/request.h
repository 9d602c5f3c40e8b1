/* SPDX-License-Identifier: MIT
 *
 * One exchange: a request, and the answer as far as it has been made. While its callback runs
 * the head lies in the buffer that it was received into; request_keep() copies it when the
 * answer comes later. A connection has one at a time.
 */
#ifndef CREWMAN_REQUEST_H
#define CREWMAN_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "codec_memory.h"
#include "crewman.h"
#include "http_body.h"
#include "http_head.h"
#include "http_target.h"

struct cookie_session;
struct crew_conn;
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
    struct crew_conn *conn;
    struct http_head head;
    struct http_field *fields; /* as many as the configuration allows */
    size_t field_capacity;
    const char *head_data; /* where the head lies */
    size_t head_len;
    char *kept;     /* our own copy of it, or NULL */
    bool is_parsed; /* the head and its target are, and may be asked for */
    struct http_target target;
    struct arena arena;
    const char *path; /* decoded; made when it is asked for */
    struct form_pair *query_pairs, *form_pairs;
    bool has_query_pairs, has_form_pairs;
    int form_error; /* CREW_ETOOBIG when it has too many fields for pairs */

    struct http_body body;
    struct codec_buffer *gathered; /* a body that came in pieces */
    const char *body_data;         /* the whole body, when it is there */
    size_t body_len;
    bool has_body, is_body_over, is_body_kept, is_dispatched, is_streaming_body;
    bool owes_last_piece;           /* without a body, and on_body has not been told so */
    struct upload *upload;          /* of a form with parts: it takes the body */
    struct cookie_session *cookies; /* NULL: not asked for yet */
    bool is_handshake;              /* answered by what on_handshake returns */

    enum reply_state reply;
    struct codec_buffer *reply_fields; /* lines that the app has added, each ended by CR LF */
    bool is_head_only, is_chunked, closes_after, has_type, has_date;
    const char *subprotocol; /* chosen in on_handshake */
};

/* With room for that many fields. NULL without memory. */
struct crew_request *request_new(size_t field_capacity);
void request_free(struct crew_request *request);

/* Ready for the next use; keeps the room for fields. */
void request_reset(struct crew_request *request);

/* Copy what still lies in a buffer of others. CREW_ENOMEM: the request must be given up. */
int request_keep(struct crew_request *request);

/* The same of its body alone; CREW_ENOMEM: it stays where it is. */
int request_keep_body(struct crew_request *request);

/* Does all of it lie in memory of its own? */
bool request_is_kept(const struct crew_request *request);

/* Is the whole body an urlencoded form? */
bool request_has_form(const struct crew_request *request, struct http_slice *out_form);

#endif

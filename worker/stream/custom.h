/* SPDX-License-Identifier: MIT
 *
 * The functions of an app's own framing (struct crew_protocol of crewman.h), called safely, and
 * what a connection keeps for them in one allocation: what came of an unfinished package, and
 * the protocol's own state. For protocol_custom.c (streams) and protocol_udp.c (datagrams).
 */
#ifndef CREWMAN_CUSTOM_H
#define CREWMAN_CUSTOM_H

#include <stddef.h>

#include "crewman.h"

struct crew_conn;

struct custom {
    char *buffer; /* packages that are not delivered yet; NULL: none */
    size_t start, len, capacity;
    size_t need; /* the length that input answered for the first package, 0: not known */
    _Alignas(max_align_t) char state[];
};

/* Zeroed, with room for the protocol's state. NULL without memory. */
struct custom *custom_new(const struct crew_protocol *protocol);
void custom_free(struct custom *custom);

/* Give up what came of an unfinished package. */
void custom_drop(struct custom *custom);

/* Can this service be framed by this protocol? CREW_EINVAL with a line for people. */
struct config_service;
int custom_check(const struct crew_protocol *protocol, const struct config_service *config,
                 char *out_why, size_t size);

/* Decode one whole package and deliver it, unless decode drops it. CREW_EPROTO when decode
 * refuses it. */
int custom_deliver(struct crew_conn *conn, char *package, size_t len);

/* The send of a protocol: encode, then conn_write(). */
int custom_send(struct crew_conn *conn, const void *data, size_t len, enum crew_msg_type type);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The door to the app: what happened on a connection goes up through this table, and nothing
 * below knows whose code it reaches. worker/app_handler.c fills it in for services in C; the
 * tests of this folder have one of their own. Every function is there. Each may send to, pause,
 * close or destroy any connection; none frees one.
 */
#ifndef CREWMAN_HANDLER_H
#define CREWMAN_HANDLER_H

#include <stdbool.h>

#include "crewman.h"

struct endpoint;

/* A pointer that the app has hung on a connection or a request, and how it wants it back. */
struct app_data {
    void *data;
    void (*destructor)(void *data); /* NULL: none */
};

struct handler {
    void (*connect)(struct crew_conn *conn);
    void (*open)(struct crew_conn *conn);
    void (*message)(struct crew_conn *conn, const crew_msg *msg);
    void (*ping)(struct crew_conn *conn, const crew_msg *payload);
    void (*pong)(struct crew_conn *conn, const crew_msg *payload);
    void (*buffer_full)(struct crew_conn *conn);
    void (*buffer_drain)(struct crew_conn *conn);
    void (*error)(struct crew_conn *conn, int error, const char *text);
    void (*close)(struct crew_conn *conn, int reason);

    /* The app's own pointer, which crew_conn_set_data() has kept, is given back. */
    void (*drop_data)(struct crew_conn *conn);

    /* Around the messages of one read, which have next to nothing between them. `end_row` only
     * where `begin_row` answered true. */
    bool (*begin_row)(struct endpoint *endpoint);
    void (*end_row)(struct endpoint *endpoint);
};

#endif

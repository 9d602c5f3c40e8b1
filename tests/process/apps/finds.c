/* SPDX-License-Identifier: MIT
 *
 * An app with a library beside it, found by $ORIGIN in its run path: it answers every message
 * with the number that the library gives.
 */
#include "crewman.h"

int beside_number(void);

static void on_message(crew_conn *conn, const crew_msg *msg) {
    (void)msg;
    crew_conn_sendf(conn, "beside %d", beside_number());
}

CREW_APP({.name = "probe", .on_message = on_message})

/* SPDX-License-Identifier: MIT
 *
 * Who is really there, when a proxy stands between: from Forwarded, X-Forwarded-For and
 * X-Real-IP of a request, or from the PROXY protocol. Only what a trusted proxy says counts.
 */
#ifndef CREWMAN_PROXIES_H
#define CREWMAN_PROXIES_H

#include <stdbool.h>

#include "session.h"

struct crew_conn;
struct http_head;

/* Let conn->client be whom the fields of this request name, if its peer is a trusted proxy.
 * Without memory it ends the connection and answers false. */
bool proxies_read_head(struct crew_conn *conn, const struct http_head *head);

/* Reads the PROXY header, then hands over to the session of the service. */
extern const struct session session_proxy;

#endif

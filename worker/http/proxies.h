/* SPDX-License-Identifier: MIT
 *
 * Who is really there, when a proxy stands between: from Forwarded, X-Forwarded-For and
 * X-Real-IP of a request, or from the PROXY protocol. Only what a trusted proxy says counts.
 */
#ifndef CREWMAN_PROXIES_H
#define CREWMAN_PROXIES_H

#include <stdbool.h>

#include "protocol.h"

struct crew_conn;
struct http_head;

/* Where there are trusted proxies: let conn->client be whom the fields of this request name, if
 * its peer is a trusted proxy. Without memory it ends the connection and answers false. */
bool proxies_read_head(struct crew_conn *conn, const struct http_head *head);

/* The PROXY header in front of a connection: who it says is conn->peer from then on. */
extern const struct preface proxies_preface;

#endif

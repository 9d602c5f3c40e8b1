/* SPDX-License-Identifier: MIT
 *
 * What the fields of a request head say about the message: where its body ends, whether the
 * connection goes on, whose host is meant. Called by http_head only, with the fields parsed.
 */
#ifndef CREWMAN_HTTP_FRAMING_H
#define CREWMAN_HTTP_FRAMING_H

#include "http_head.h"

/* Sets host, content_length and the flags of *head. 0, or minus the status to refuse with and
 * head->error. */
int http_framing_judge(struct http_head *head);

#endif

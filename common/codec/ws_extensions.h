/* SPDX-License-Identifier: MIT
 *
 * Negotiation of permessage-deflate (RFC 7692 section 7.1), the server's side: which of the
 * client's offers is taken, and what is answered.
 */
#ifndef CREWMAN_WS_EXTENSIONS_H
#define CREWMAN_WS_EXTENSIONS_H

#include "http_head.h"

#define WS_EXTENSIONS_RESPONSE_MAX 160u

/* What the server wants. */
struct ws_deflate_policy {
    bool server_keeps_context; /* false: saves a compressor a connection */
    bool client_keeps_context; /* false: saves an inflater a connection */
    int server_bits;           /* 9 to 15 */
    int client_bits;           /* 8 to 15; only asked of clients that say they can */
};

/* What both agreed on. */
struct ws_deflate_terms {
    bool server_keeps_context, client_keeps_context;
    int server_bits, client_bits;
};

/* The length of the value of Sec-WebSocket-Extensions to answer with, written to out_response
 * without a NUL; 0: no offer can be taken, answer without it; -400: the request is malformed
 * (RFC 6455 section 9.1). Only a positive answer sets *out_terms. */
int ws_extensions_negotiate(const struct http_head *head,
                            const struct ws_deflate_policy *policy,
                            struct ws_deflate_terms *out_terms,
                            char out_response[WS_EXTENSIONS_RESPONSE_MAX]);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Who is behind the proxies: Forwarded (RFC 7239) and X-Forwarded-For. These fields are written
 * by anybody: only what a trusted proxy has added, at their end, counts.
 */
#ifndef CREWMAN_FORWARDED_H
#define CREWMAN_FORWARDED_H

#include "http_head.h"

struct forwarded_address {
    uint8_t bytes[16]; /* IPv4: the first four */
    bool is_ipv6;
    uint16_t port; /* 0: not said */
};

/* 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1], [2001:db8::1]:80. False: anything else,
 * such as "unknown" or a name made up ("_hidden"). */
bool forwarded_parse_address(struct http_slice text, struct forwarded_address *out_address);

typedef bool (*forwarded_is_trusted)(void *context, const struct forwarded_address *address);

/* What the nearest proxies say of the client; slices of the head, or of length 0. */
struct forwarded_client {
    struct forwarded_address address;
    struct http_slice proto,
        host; /* of Forwarded, of the same element; still escaped if quoted */
};

/* Walk the addresses from the last to the first, over those that are trusted, to the first that
 * is not; if all are, the first of all. X-Forwarded-For, which nearly every proxy writes, is
 * looked at before Forwarded, which those proxies pass on as the client wrote it, and that
 * before X-Real-IP. The caller has seen that the peer itself is trusted. False: no field, or
 * the one that would count is no address. */
bool forwarded_find_client(const struct http_head *head, forwarded_is_trusted is_trusted,
                           void *context, struct forwarded_client *out_client);

#endif

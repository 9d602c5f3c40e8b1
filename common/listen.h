/* SPDX-License-Identifier: MIT
 *
 * A listen address as written in an app or a config, parsed: "<protocol>://<host>:<port>",
 * "<protocol>://unix:/path", "unix:///path" (raw bytes). Pure.
 */
#ifndef CREWMAN_LISTEN_H
#define CREWMAN_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#define LISTEN_PROTOCOLS(X)                                                                    \
    X(TCP, "tcp")                                                                              \
    X(TEXT, "text")                                                                            \
    X(FRAME, "frame")                                                                          \
    X(WEBSOCKET, "websocket")                                                                  \
    X(HTTP, "http")                                                                            \
    X(UDP, "udp")                                                                              \
    X(UDP_TEXT, "udp+text")                                                                    \
    X(UDP_FRAME, "udp+frame")

enum listen_protocol {
    LISTEN_NONE = 0, /* no listener */
#define LISTEN_PROTOCOL_MEMBER(id, word) LISTEN_##id,
    LISTEN_PROTOCOLS(LISTEN_PROTOCOL_MEMBER)
#undef LISTEN_PROTOCOL_MEMBER
};

struct listen_address {
    enum listen_protocol protocol;
    bool is_unix;
    bool is_any; /* "*": IPv4 alone where the kernel has no IPv6 */
    socklen_t len;
    struct sockaddr_storage addr; /* big enough for sockaddr_un */
};

/* "" gives LISTEN_NONE. Hosts are numeric ("0.0.0.0", "[::]" which is dual stack, "localhost" =
 * 127.0.0.1, "*" = [::]). -EINVAL with a line for people, "expected …" (and the nearest
 * protocol). */
int listen_parse(const char *text, struct listen_address *out_address, char *out_why,
                 size_t size);

/* True when the kernel would refuse to bind both: the same path, or the same port with equal
 * hosts or a wildcard that covers the other ("[::]" covers every IPv4 host too). */
bool listen_overlaps(const struct listen_address *a, const struct listen_address *b);

/* Datagrams in place of connections. */
bool listen_is_datagram(enum listen_protocol protocol);

/* A socket bound to an address that is not a unix path, non-blocking and close-on-exec, dual
 * stack where it can be; streams do not listen yet. `is_shared`: others may bind it too
 * (SO_REUSEPORT). A descriptor, or a negative errno number. */
int listen_bind(const struct listen_address *address, bool is_shared);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Parses listen addresses. Never resolves a name: an address in a config must mean the same
 * today and at the next boot.
 */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "nearest.h"
#include "unix_socket.h"

#define SCHEME_MAX 32

static const char *const protocol_names[] = {"none",
#define LISTEN_PROTOCOL_NAME(id, word) word,
                                             LISTEN_PROTOCOLS(LISTEN_PROTOCOL_NAME)
#undef LISTEN_PROTOCOL_NAME
};

#define PROTOCOL_COUNT (sizeof(protocol_names) / sizeof(*protocol_names))

bool listen_is_datagram(enum listen_protocol protocol) {
    return protocol == LISTEN_UDP || protocol == LISTEN_UDP_TEXT ||
           protocol == LISTEN_UDP_FRAME;
}

static int refuse_protocol(const char *scheme, char *out_why, size_t size) {
    char known[128] = "";
    size_t used = 0;
    struct nearest nearest;
    nearest_init(&nearest, scheme);
    for (size_t i = 1; i < PROTOCOL_COUNT; i++) {
        int n = snprintf(known + used, sizeof(known) - used, "%s%s",
                         i == 1                   ? ""
                         : i + 1 < PROTOCOL_COUNT ? ", "
                                                  : " or ",
                         protocol_names[i]);
        used += n > 0 && (size_t)n < sizeof(known) - used ? (size_t)n : 0;
        nearest_offer(&nearest, protocol_names[i]);
    }
    if (nearest.best)
        snprintf(out_why, size, "expected the protocol %s; did you mean \"%s\"?", known,
                 nearest.best);
    else
        snprintf(out_why, size, "expected the protocol %s", known);
    return -EINVAL;
}

/* Answers the protocol; 0 and a reason when there is none of that name. "unix" is raw bytes. */
static enum listen_protocol parse_scheme(const char *text, size_t len, char *out_why,
                                         size_t size) {
    char scheme[SCHEME_MAX + 1];
    snprintf(scheme, sizeof(scheme), "%.*s", len > SCHEME_MAX ? SCHEME_MAX : (int)len, text);
    if (strcmp(scheme, "unix") == 0)
        return LISTEN_TCP;
    for (size_t i = 1; i < PROTOCOL_COUNT; i++)
        if (strcmp(scheme, protocol_names[i]) == 0)
            return (enum listen_protocol)i;
    refuse_protocol(scheme, out_why, size);
    return LISTEN_NONE;
}

static int parse_unix(const char *path, struct listen_address *address, char *out_why,
                      size_t size) {
    struct sockaddr_un *un = (struct sockaddr_un *)&address->addr;
    if (path[0] != '/' || path[1] == '\0') {
        snprintf(out_why, size, "expected an absolute path after \"unix:\"");
        return -EINVAL;
    }
    if (unix_socket_address(path, un) != 0) {
        snprintf(out_why, size, "expected a socket path of at most %zu bytes",
                 sizeof(un->sun_path) - 1);
        return -EINVAL;
    }
    address->is_unix = true;
    address->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
    return 0;
}

static int parse_port(const char *text, in_port_t *out_port) {
    unsigned port = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return -EINVAL;
    for (size_t i = 0; i < digits; i++)
        port = port * 10 + (unsigned)(text[i] - '0');
    if (port == 0 || port > 65535)
        return -EINVAL;
    *out_port = htons((uint16_t)port);
    return 0;
}

static int fill_ipv6(const char *host, in_port_t port, struct listen_address *address) {
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->addr;
    if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
        return -EINVAL;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = port;
    address->len = sizeof(*in6);
    return 0;
}

static int fill_ipv4(const char *host, in_port_t port, struct listen_address *address) {
    struct sockaddr_in *in = (struct sockaddr_in *)&address->addr;
    if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
        return -EINVAL;
    in->sin_family = AF_INET;
    in->sin_port = port;
    address->len = sizeof(*in);
    return 0;
}

static int fill_host(const char *text, size_t len, in_port_t port,
                     struct listen_address *address) {
    char host[INET6_ADDRSTRLEN];
    bool is_bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    if (is_bracketed) {
        text++;
        len -= 2;
    }
    if (len >= sizeof(host))
        return -EINVAL;
    memcpy(host, text, len);
    host[len] = '\0';
    if (is_bracketed)
        return fill_ipv6(host, port, address);
    address->is_any = strcmp(host, "*") == 0;
    if (address->is_any)
        return fill_ipv6("::", port, address);
    return fill_ipv4(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port, address);
}

static int parse_host_port(const char *text, struct listen_address *address, char *out_why,
                           size_t size) {
    in_port_t port;
    const char *colon = strrchr(text, ':');
    if (!colon || strchr(colon, ']')) {
        snprintf(out_why, size, "expected \":\" and a port after the host");
        return -EINVAL;
    }
    if (memchr(text, ':', (size_t)(colon - text)) && text[0] != '[') {
        snprintf(out_why, size, "expected an IPv6 address in brackets, like [::1]:8282");
        return -EINVAL;
    }
    if (parse_port(colon + 1, &port) < 0) {
        snprintf(out_why, size, "expected a port from 1 to 65535");
        return -EINVAL;
    }
    if (fill_host(text, (size_t)(colon - text), port, address) < 0) {
        snprintf(out_why, size,
                 "expected a numeric host like 0.0.0.0, 127.0.0.1 or [::], or \"localhost\" "
                 "or \"*\"");
        return -EINVAL;
    }
    return 0;
}

int listen_parse(const char *text, struct listen_address *out_address, char *out_why,
                 size_t size) {
    struct listen_address address = {.protocol = LISTEN_NONE};
    int rc;
    if (*text == '\0') {
        *out_address = address;
        return 0;
    }
    const char *colon = strstr(text, "://");
    if (!colon) {
        snprintf(out_why, size,
                 "expected \"<protocol>://<host>:<port>\" or \"<protocol>://unix:/path\"");
        return -EINVAL;
    }
    address.protocol = parse_scheme(text, (size_t)(colon - text), out_why, size);
    if (address.protocol == LISTEN_NONE)
        return -EINVAL;
    const char *rest = colon + 3;
    if (listen_is_datagram(address.protocol) && strncmp(rest, "unix:", 5) == 0) {
        snprintf(out_why, size, "expected a host and a port, as udp has no unix sockets");
        return -EINVAL;
    }
    if (strncmp(text, "unix:", 5) == 0)
        rc = parse_unix(rest, &address, out_why, size);
    else if (strncmp(rest, "unix:", 5) == 0)
        rc = parse_unix(rest + 5, &address, out_why, size);
    else
        rc = parse_host_port(rest, &address, out_why, size);
    if (rc == 0)
        *out_address = address;
    return rc;
}

static in_port_t port_of(const struct listen_address *address) {
    /* sin_port and sin6_port lie at the same place. */
    return ((const struct sockaddr_in *)&address->addr)->sin_port;
}

static bool is_any6(const struct listen_address *address) {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->addr;
    return in6->sin6_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);
}

static bool is_any4(const struct listen_address *address) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)&address->addr;
    return in->sin_family == AF_INET && in->sin_addr.s_addr == htonl(INADDR_ANY);
}

bool listen_overlaps(const struct listen_address *a, const struct listen_address *b) {
    if (a->protocol == LISTEN_NONE || b->protocol == LISTEN_NONE)
        return false;
    if (a->is_unix || b->is_unix)
        return a->is_unix && b->is_unix && memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0;
    if (listen_is_datagram(a->protocol) != listen_is_datagram(b->protocol))
        return false;
    if (port_of(a) != port_of(b))
        return false;
    if (is_any6(a) || is_any6(b))
        return true;
    if (a->addr.ss_family != b->addr.ss_family)
        return false;
    return is_any4(a) || is_any4(b) || memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0;
}

static int bind_to(const struct listen_address *address, bool is_shared) {
    const struct sockaddr *addr = (const struct sockaddr *)&address->addr;
    int on = 1, off = 0;
    int type = listen_is_datagram(address->protocol) ? SOCK_DGRAM : SOCK_STREAM;
    int fd = socket(addr->sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    /* Of datagrams it would let another process take the port away from us. */
    if (type == SOCK_STREAM)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (is_shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (addr->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, addr, address->len) == 0)
        return fd;
    int err = errno;
    close(fd);
    return -err;
}

/* A kernel without IPv6 says the first of them, one whose interfaces have none the other. */
static bool lacks_ipv6(int err) {
    return err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL;
}

int listen_bind(const struct listen_address *address, bool is_shared) {
    struct listen_address ipv4 = {.protocol = address->protocol};
    int fd = bind_to(address, is_shared);
    if (!address->is_any || !lacks_ipv6(fd))
        return fd;
    (void)fill_ipv4("0.0.0.0", port_of(address), &ipv4);
    return bind_to(&ipv4, is_shared);
}

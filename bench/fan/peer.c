/* SPDX-License-Identifier: MIT
 *
 * See peer.h.
 */
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

void peer_fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("fan: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(2);
}

static void bind_to(int fd, const char *source) {
    struct sockaddr_in from = {.sin_family = AF_INET};
    int on = 1;
    inet_pton(AF_INET, source, &from.sin_addr);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0)
        peer_fail("bind %s: %s", source, strerror(errno));
}

int peer_connect(uint16_t port, const char *source) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (source)
        bind_to(fd, source);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 || errno == EINPROGRESS)
        return fd;
    close(fd);
    return -1;
}

static bool send_all(int fd, const char *data, size_t len) {
    return send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

bool peer_send_upgrade(const struct options *options, int fd, unsigned subscriber) {
    struct wire_words words = {subscriber % options->rooms, subscriber, ""};
    char path[1024], request[2048];
    if (wire_expand(options->path, &words, path, sizeof(path)) == 0)
        peer_fail("no usable path");
    int len = snprintf(request, sizeof(request),
                       "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
                       path, options->port,
                       options->offers_deflate
                           ? "Sec-WebSocket-Extensions: permessage-deflate; "
                             "server_no_context_takeover; client_no_context_takeover\r\n"
                           : "");
    return send_all(fd, request, (size_t)len);
}

bool peer_say(const struct options *options, int fd, const char *template, unsigned room,
              unsigned subscriber, const char *message) {
    static char text[WIRE_SIZE], wire[WIRE_FRAME_SIZE];
    struct wire_words words = {room, subscriber, message};
    size_t len = wire_expand(template, &words, text, sizeof(text));
    if (len == 0 || len > UINT16_MAX)
        peer_fail("a template is empty or too long");
    if (options->is_raw)
        return send_all(fd, text, len);
    return send_all(fd, wire, wire_frame(1, text, len, wire));
}

bool peer_join(const struct options *options, int fd, unsigned subscriber) {
    for (unsigned i = 0; i < options->joins.count; i++) {
        const char *join = options->joins.items[i];
        unsigned repeats = strstr(join, "%r") ? options->joins_each : 1;
        for (unsigned k = 0; k < repeats; k++)
            if (!peer_say(options, fd, join, (subscriber + k) % options->rooms, subscriber, ""))
                return false;
    }
    return true;
}

bool peer_pong(int fd, const char *data, uint8_t len) {
    char wire[140];
    return send_all(fd, wire, wire_frame(10, data, len, wire));
}

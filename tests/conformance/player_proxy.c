/* SPDX-License-Identifier: MIT
 *
 * Plays a PROXY protocol header. Lines: proxy "192.0.2.1" 1234 "192.0.2.2" 80, or local; then
 * rest "…"; error.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "player.h"
#include "proxy_protocol.h"

struct proxy_play {
    struct bytes input;
    bool is_read, is_over;
};

static void *proxy_open(const struct settings *settings) {
    (void)settings;
    struct proxy_play *play = calloc(1, sizeof(*play));
    if (!play)
        abort();
    return play;
}

static void proxy_close(void *state) {
    struct proxy_play *play = state;
    bytes_done(&play->input);
    free(play);
}

static void write_address(const struct forwarded_address *address, struct bytes *log) {
    char text[INET6_ADDRSTRLEN];
    if (!inet_ntop(address->is_ipv6 ? AF_INET6 : AF_INET, address->bytes, text, sizeof(text)))
        abort();
    bytes_print(log, " \"%s\" %u", text, address->port);
}

static void proxy_feed(void *state, char *data, size_t len, struct bytes *log) {
    struct proxy_play *play = state;
    bytes_add(&play->input, data, len);
    if (play->is_read || play->is_over)
        return;
    char *exact = malloc(play->input.len);
    if (!exact)
        abort();
    memcpy(exact, play->input.data, play->input.len);
    struct proxy_protocol proxy;
    int size = proxy_protocol_parse(exact, play->input.len, &proxy);
    free(exact);
    if (size == 0)
        return;
    play->is_read = size > 0;
    play->is_over = size < 0;
    bytes_print(log, size < 0 ? "error" : proxy.has_addresses ? "proxy" : "local");
    if (size > 0 && proxy.has_addresses) {
        write_address(&proxy.source, log);
        write_address(&proxy.destination, log);
    }
    bytes_print(log, "\n");
    if (size > 0)
        memmove(play->input.data, play->input.data + size, play->input.len -= (size_t)size);
}

static void proxy_end(void *state, struct bytes *log) {
    struct proxy_play *play = state;
    if (!play->is_read || play->input.len == 0)
        return;
    bytes_print(log, "rest ");
    bytes_quote(log, play->input.data, play->input.len);
    bytes_print(log, "\n");
}

const struct player player_proxy = {.codec = "proxy",
                                    .open = proxy_open,
                                    .feed = proxy_feed,
                                    .end = proxy_end,
                                    .close = proxy_close};

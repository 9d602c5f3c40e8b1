/* SPDX-License-Identifier: MIT
 *
 * The echo server of libwebsockets, for bench/run: one thread, its own poll loop, one message
 * under way on each connection. usage: bench-lws PORT
 */
#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX (64u * 1024u)

struct echo {
    size_t len;
    int is_binary;
    unsigned char room[LWS_PRE + MESSAGE_MAX];
};

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len) {
    struct echo *echo = user;
    if (reason == LWS_CALLBACK_RECEIVE && echo->len + len <= MESSAGE_MAX) {
        memcpy(echo->room + LWS_PRE + echo->len, in, len);
        echo->len += len;
        echo->is_binary = lws_frame_is_binary(wsi);
        if (lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0)
            lws_callback_on_writable(wsi);
    } else if (reason == LWS_CALLBACK_SERVER_WRITEABLE && echo->len > 0) {
        lws_write(wsi, echo->room + LWS_PRE, echo->len,
                  echo->is_binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);
        echo->len = 0;
    }
    return 0;
}

int main(int argc, char **argv) {
    static const struct lws_protocols protocols[] = {
        {"echo", on_event, sizeof(struct echo), MESSAGE_MAX, 0, NULL, 0},
        {NULL, NULL, 0, 0, 0, NULL, 0}};
    struct lws_context_creation_info info = {.port = argc > 1 ? atoi(argv[1]) : 0,
                                             .iface = "127.0.0.1",
                                             .protocols = protocols,
                                             .gid = (gid_t)-1,
                                             .uid = (uid_t)-1};
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context *context = lws_create_context(&info);
    while (context && lws_service(context, 0) >= 0)
        continue;
    return 1;
}

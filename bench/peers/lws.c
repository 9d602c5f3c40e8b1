/* SPDX-License-Identifier: MIT
 *
 * The echo server of libwebsockets, for bench/run: one thread, its own poll loop.
 * usage: bench-lws PORT
 */
#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX (64u * 1024u)

struct message {
    struct message *next;
    size_t len;
    int is_binary;
    unsigned char room[]; /* LWS_PRE bytes for its header, then the message */
};

struct echo {
    struct message *first, **end; /* to be sent, oldest first */
    size_t len;
    unsigned char room[MESSAGE_MAX]; /* the one that comes in */
};

static void queue(struct echo *echo, int is_binary) {
    struct message *message = malloc(sizeof(*message) + LWS_PRE + echo->len);
    if (!message)
        abort();
    *message = (struct message){.len = echo->len, .is_binary = is_binary};
    memcpy(message->room + LWS_PRE, echo->room, echo->len);
    echo->len = 0;
    *echo->end = message;
    echo->end = &message->next;
}

static struct message *take(struct echo *echo) {
    struct message *message = echo->first;
    if (message && !(echo->first = message->next))
        echo->end = &echo->first;
    return message;
}

static void on_receive(struct lws *wsi, struct echo *echo, const void *in, size_t len) {
    if (len > MESSAGE_MAX - echo->len)
        return;
    memcpy(echo->room + echo->len, in, len);
    echo->len += len;
    if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi) > 0)
        return;
    queue(echo, lws_frame_is_binary(wsi));
    lws_callback_on_writable(wsi);
}

static void on_writable(struct lws *wsi, struct echo *echo) {
    struct message *message;
    while (!lws_send_pipe_choked(wsi) && (message = take(echo))) {
        lws_write(wsi, message->room + LWS_PRE, message->len,
                  message->is_binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);
        free(message);
    }
    if (echo->first)
        lws_callback_on_writable(wsi);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len) {
    struct echo *echo = user;
    if (reason == LWS_CALLBACK_ESTABLISHED)
        echo->end = &echo->first;
    else if (reason == LWS_CALLBACK_RECEIVE)
        on_receive(wsi, echo, in, len);
    else if (reason == LWS_CALLBACK_SERVER_WRITEABLE)
        on_writable(wsi, echo);
    else if (reason == LWS_CALLBACK_CLOSED)
        for (struct message *message; (message = take(echo));)
            free(message);
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

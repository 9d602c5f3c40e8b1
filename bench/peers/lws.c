/* SPDX-License-Identifier: MIT
 *
 * The echo server of libwebsockets, for bench/run: one thread, its own poll loop.
 * usage: bench-lws PORT
 */
#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

#define READ_SIZE (64u * 1024u)

struct message {
    struct message *next;
    size_t len;
    int is_binary;
    unsigned char room[]; /* LWS_PRE bytes for its header, then the message */
};

struct echo {
    struct message *first, **end; /* to be sent, oldest first */
    struct message *coming;
};

static void append(struct echo *echo, const void *in, size_t len) {
    size_t have = echo->coming ? echo->coming->len : 0;
    struct message *grown = realloc(echo->coming, sizeof(*grown) + LWS_PRE + have + len);
    if (!grown)
        abort();
    memcpy(grown->room + LWS_PRE + have, in, len);
    grown->len = have + len;
    echo->coming = grown;
}

static void queue(struct echo *echo, int is_binary) {
    struct message *message = echo->coming;
    echo->coming = NULL;
    message->next = NULL;
    message->is_binary = is_binary;
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
    append(echo, in, len);
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

static void drop(struct echo *echo) {
    struct message *message;
    while ((message = take(echo)))
        free(message);
    free(echo->coming);
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
        drop(echo);
    return 0;
}

int main(int argc, char **argv) {
    static const struct lws_protocols protocols[] = {
        {"echo", on_event, sizeof(struct echo), READ_SIZE, 0, NULL, 0},
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

/* SPDX-License-Identifier: MIT
 *
 * The app of the tests of udp and of an app's own framing. A message that begins with "!" asks
 * for something, any other comes back. Service "plain" has no framing of its own, "parcel" has
 * netstrings ("5:hello,") with a few letters in front that answer every way a framing can.
 */
#include <crewman.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 12u

struct state {
    unsigned inputs;        /* calls of input */
    unsigned char room[77]; /* the size is odd */
};

static ptrdiff_t netstring(const char *data, size_t len) {
    size_t body = 0, i = 0;
    while (i < len && i < DIGITS_MAX && data[i] >= '0' && data[i] <= '9')
        body = body * 10 + (size_t)(data[i++] - '0');
    if (i == len && i < DIGITS_MAX)
        return 0;
    if (i == 0 || i == len || data[i] != ':')
        return -1;
    return (ptrdiff_t)(i + 1 + body + 1);
}

static ptrdiff_t input(crew_conn *conn, const char *data, size_t len) {
    struct state *state = crew_protocol_state(conn);
    state->inputs++;
    switch (data[0]) {
    case 'Z': /* never knows */
        return 0;
    case 'H':
        return PTRDIFF_MAX;
    case 'D': /* dropped by decode */
    case 'E': /* refused by decode */
    case 'K': /* closed by decode */
        return 2;
    case 'C':
        crew_conn_close(conn);
        return 0;
    case 'P':
        crew_conn_pause(conn);
        return 1;
    case 'L': /* one byte, but it takes two more to know that */
        return len < 3 ? 0 : 1;
    default:
        return netstring(data, len);
    }
}

static int decode(crew_conn *conn, char *package, size_t len, crew_msg *message) {
    char *body = memchr(package, ':', len);
    if (package[0] == 'K')
        crew_conn_close(conn);
    if (package[0] == 'D' || package[0] == 'E')
        return package[0] == 'D' ? 1 : -1;
    if (!body)
        return 0;
    if (package[len - 1] != ',')
        return -1;
    message->data = body + 1;
    message->len = len - 2 - (size_t)(body - package);
    message->type = CREW_MSG_TEXT;
    return 0;
}

static int encode(crew_conn *conn, const void *data, size_t len, enum crew_msg_type type,
                  crew_out *out) {
    char head[24];
    (void)conn;
    (void)type;
    if (len > 0 && *(const char *)data == '\1') /* cannot be expressed */
        return CREW_EINVAL;
    if (len > 0 && *(const char *)data == '\2') /* is nothing */
        return 0;
    int head_len = snprintf(head, sizeof(head), "%zu:", len);
    crew_out_add(out, head, (size_t)head_len);
    crew_out_add(out, data, len);
    return crew_out_add(out, ",", 1);
}

static void note(crew_conn *conn, const char *what) {
    crew_log(CREW_LOG_NOTICE, "parcel: %s %llx", what, (unsigned long long)crew_conn_id(conn));
}

static void protocol_connect(crew_conn *conn) {
    const struct state *state = crew_protocol_state(conn);
    note(conn, state->inputs == 0 && state->room[76] == 0 ? "protocol connect" : "dirty state");
}

static void free_note(void *data) {
    crew_log(CREW_LOG_NOTICE, "parcel: destructor");
    free(data);
}

/* What the connection holds may be asked for and replaced until the very end. */
static void protocol_close(crew_conn *conn) {
    note(conn, crew_protocol_state(conn) ? "protocol close" : "lost state");
    if (crew_conn_data(conn))
        crew_conn_set_data(conn, malloc(8), free_note);
}

static const struct crew_protocol netstrings = {
    .name = "netstring",
    .state_size = sizeof(struct state),
    .input = input,
    .decode = decode,
    .encode = encode,
    .on_connect = protocol_connect,
    .on_close = protocol_close,
};

static void reply(crew_conn *conn, const char *text) {
    crew_conn_send(conn, text, strlen(text));
}

static void reply_number(crew_conn *conn, long long number) {
    char text[32];
    snprintf(text, sizeof(text), "%lld", number);
    reply(conn, text);
}

static void reply_addresses(crew_conn *conn) {
    char text[300];
    struct crew_addr peer, local;
    crew_conn_peer(conn, &peer);
    crew_conn_local(conn, &local);
    snprintf(text, sizeof(text), "%d %s %u | %d %s %u", (int)peer.family, peer.text,
             (unsigned)peer.port, (int)local.family, local.text, (unsigned)local.port);
    reply(conn, text);
}

/* Tries to send so many bytes and replies what that answered. */
static void reply_big(crew_conn *conn, size_t size) {
    char *data = calloc(1, size);
    reply_number(conn, crew_conn_send(conn, data, size));
    free(data);
}

static void resume(crew_timer timer, void *arg) {
    crew_id *id = arg;
    crew_conn *conn = crew_conn_find(*id);
    (void)timer;
    if (conn)
        crew_conn_resume(conn);
    free(id);
}

static void pause_a_while(crew_conn *conn) {
    crew_id *id = malloc(sizeof(*id));
    *id = crew_conn_id(conn);
    crew_conn_pause(conn);
    crew_timer_add_once(200, resume, id);
}

static void later(crew_timer timer, void *arg) {
    crew_id *id = arg;
    crew_conn *conn = crew_conn_find(*id);
    (void)timer;
    if (conn)
        reply(conn, "later");
    free(id);
}

static void reply_later(crew_conn *conn) {
    crew_id *id = malloc(sizeof(*id));
    *id = crew_conn_id(conn);
    crew_timer_add_once(50, later, id);
}

/* Replies how often input was called, -1 without state. */
static void reply_inputs(crew_conn *conn) {
    const struct state *state = crew_protocol_state(conn);
    reply_number(conn, state ? (long long)state->inputs : -1);
}

static void run(crew_conn *conn, const char *word) {
    if (strcmp(word, "close") == 0)
        crew_conn_close(conn);
    else if (strcmp(word, "destroy") == 0)
        crew_conn_destroy(conn);
    else if (strcmp(word, "pause") == 0)
        crew_conn_pause(conn);
    else if (strcmp(word, "nap") == 0)
        pause_a_while(conn);
    else if (strcmp(word, "resume") == 0)
        crew_conn_resume(conn);
    else if (strcmp(word, "addr") == 0)
        reply_addresses(conn);
    else if (strcmp(word, "id") == 0)
        reply_number(conn, (long long)crew_conn_id(conn));
    else if (strcmp(word, "count") == 0)
        reply_number(conn, (long long)crew_conn_count());
    else if (strcmp(word, "slot") == 0)
        reply_number(conn, crew_worker_slot());
    else if (strcmp(word, "generation") == 0)
        reply_number(conn, crew_worker_generation());
    else if (strcmp(word, "inputs") == 0)
        reply_inputs(conn);
    else if (strcmp(word, "later") == 0)
        reply_later(conn);
    else if (strcmp(word, "data") == 0)
        crew_conn_set_data(conn, malloc(8), free_note);
    else if (strcmp(word, "bad") == 0)
        reply_number(conn, crew_conn_send(conn, "\1", 1));
    else if (strcmp(word, "nothing") == 0)
        reply_number(conn, crew_conn_send(conn, "\2", 1));
    else if (strncmp(word, "big ", 4) == 0)
        reply_big(conn, (size_t)strtoul(word + 4, NULL, 10));
}

static void on_message(crew_conn *conn, const crew_msg *msg) {
    char word[64];
    if (msg->data[0] == 'K')
        note(conn, "message behind a close");
    if (msg->len == 0 || msg->len >= sizeof(word) || msg->data[0] != '!') {
        crew_conn_send(conn, msg->data, msg->len);
        return;
    }
    memcpy(word, msg->data + 1, msg->len - 1);
    word[msg->len - 1] = '\0';
    run(conn, word);
}

static void on_connect(crew_conn *conn) {
    note(conn, "connect");
}

static void on_open(crew_conn *conn) {
    note(conn, "open");
}

static void on_close(crew_conn *conn, int reason) {
    crew_log(CREW_LOG_NOTICE, "parcel: close %s %d", crew_close_reason_name(reason),
             crew_conn_send(conn, "\2", 1));
}

static void on_error(crew_conn *conn, int error, const char *text) {
    (void)conn;
    crew_log(CREW_LOG_NOTICE, "parcel: error %d %s; %zu connections", error, text,
             crew_conn_count());
}

CREW_APP(
    {
        .name = "plain",
        .on_connect = on_connect,
        .on_open = on_open,
        .on_message = on_message,
        .on_close = on_close,
        .on_error = on_error,
    },
    {
        .name = "parcel",
        .protocol = &netstrings,
        .on_connect = on_connect,
        .on_open = on_open,
        .on_message = on_message,
        .on_close = on_close,
        .on_error = on_error,
    })

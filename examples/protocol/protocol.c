/* SPDX-License-Identifier: MIT
 *
 * protocol: two framings of an app's own, each on a port of its own. Both carry JSON:
 *
 *   json_line     one JSON value a line
 *   json_length   4 bytes, the length of all in network order (they count too), then the value
 *
 * They differ in where a message ends (input) and in what goes around an answer (encode); what
 * a message means (decode, on_message) is the same.
 */
#include <arpa/inet.h>
#include <crewman.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 4u

/* What a connection remembers; zeroed when it begins. */
struct talk {
    size_t scanned; /* of an unfinished line: no byte is looked at twice */
    json_t *value;  /* the message under way, parsed */
    json_int_t count;
};

static ptrdiff_t line_input(crew_conn *conn, const char *data, size_t len) {
    struct talk *talk = crew_protocol_state(conn);
    const char *end = memchr(data + talk->scanned, '\n', len - talk->scanned);

    talk->scanned = end != NULL ? 0 : len;
    return end != NULL ? end - data + 1 : 0;
}

static ptrdiff_t length_input(crew_conn *conn, const char *data, size_t len) {
    uint32_t total;

    (void)conn;
    if (len < HEADER)
        return 0;
    memcpy(&total, data, HEADER);
    total = ntohl(total);
    return total > HEADER ? (ptrdiff_t)total : -1;
}

/* The parsed value is kept for on_message, which gets the text. */
static int parse(crew_conn *conn, const char *text, size_t len) {
    struct talk *talk = crew_protocol_state(conn);
    json_error_t error;

    json_decref(talk->value);
    talk->value = json_loadb(text, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    if (talk->value == NULL)
        crew_log(CREW_LOG_INFO, "no JSON at byte %d: %s", error.position, error.text);
    return talk->value != NULL ? 0 : -1;
}

static int line_decode(crew_conn *conn, char *package, size_t len, crew_msg *message) {
    message->len = len - 1;
    message->type = CREW_MSG_TEXT;
    return parse(conn, package, message->len);
}

static int length_decode(crew_conn *conn, char *package, size_t len, crew_msg *message) {
    message->data = package + HEADER;
    message->len = len - HEADER;
    message->type = CREW_MSG_TEXT;
    return parse(conn, message->data, message->len);
}

static int line_encode(crew_conn *conn, const void *data, size_t len, enum crew_msg_type type,
                       crew_out *out) {
    (void)conn;
    (void)type;
    crew_out_add(out, data, len);
    return crew_out_add(out, "\n", 1);
}

static int length_encode(crew_conn *conn, const void *data, size_t len, enum crew_msg_type type,
                         crew_out *out) {
    uint32_t total = htonl((uint32_t)(len + HEADER));

    (void)conn;
    (void)type;
    if (len > UINT32_MAX - HEADER)
        return CREW_ETOOBIG;
    crew_out_add(out, &total, HEADER);
    return crew_out_add(out, data, len);
}

static void forget(crew_conn *conn) {
    struct talk *talk = crew_protocol_state(conn);

    json_decref(talk->value);
}

static const struct crew_protocol json_line = {
    .name = "json_line",
    .state_size = sizeof(struct talk),
    .input = line_input,
    .decode = line_decode,
    .encode = line_encode,
    .on_close = forget,
};

static const struct crew_protocol json_length = {
    .name = "json_length",
    .state_size = sizeof(struct talk),
    .input = length_input,
    .decode = length_decode,
    .encode = length_encode,
    .on_close = forget,
};

/* Answers what came, and the number of the message. */
static void on_message(crew_conn *conn, const crew_msg *msg) {
    struct talk *talk = crew_protocol_state(conn);
    json_t *answer = json_pack("{s:o, s:I}", "received", talk->value, "count", ++talk->count);
    char *text = json_dumps(answer, JSON_COMPACT);

    talk->value = NULL; /* it went into the answer */
    (void)msg;
    if (text != NULL && crew_conn_send(conn, text, strlen(text)) == CREW_QUEUED)
        crew_conn_pause(conn); /* it sends faster than it reads */
    free(text);
    json_decref(answer);
}

static void on_buffer_drain(crew_conn *conn) {
    crew_conn_resume(conn);
}

CREW_APP(
    {
        .name = "json_line",
        .listen = "tcp://0.0.0.0:1234",
        .workers = 1,
        .config = "{\"limits\": {\"max_message\": \"64k\"}}",
        .protocol = &json_line,
        .on_message = on_message,
        .on_buffer_drain = on_buffer_drain,
    },
    {
        .name = "json_length",
        .listen = "tcp://0.0.0.0:1235",
        .workers = 1,
        .config = "{\"limits\": {\"max_message\": \"64k\"}}",
        .protocol = &json_length,
        .on_message = on_message,
        .on_buffer_drain = on_buffer_drain,
    })

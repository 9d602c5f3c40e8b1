/* SPDX-License-Identifier: MIT
 *
 * telnet: a chat room over lines of text; `telnet localhost 2323` or `nc` is the client. One
 * worker, because a room is the connections of one process.
 */
#include <crewman.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 20u

struct guest {
    char name[NAME_MAX_BYTES + 1];
};

/* A room does not wait for the slowest: who does not read what is said leaves it. */
static void send_line(crew_conn *conn, const char *text, size_t len) {
    if (crew_conn_send(conn, text, len) == CREW_EFULL)
        crew_conn_close(conn);
}

/* A line for everybody but `except` (0: for everybody). */
struct announcement {
    const char *text;
    size_t len;
    crew_id except;
};

static int announce_to(crew_conn *conn, void *arg) {
    const struct announcement *line = arg;

    if (crew_conn_data(conn) != NULL && crew_conn_id(conn) != line->except)
        send_line(conn, line->text, line->len);
    return 0;
}

static void announce(crew_id except, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void announce(crew_id except, const char *format, ...) {
    char text[1200];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct announcement line = {text, (size_t)len, except};
    if (line.len >= sizeof(text))
        line.len = sizeof(text) - 1;
    crew_conn_each(announce_to, &line);
}

static void reply(crew_conn *conn, const char *text) {
    send_line(conn, text, strlen(text));
}

static int list_guest(crew_conn *conn, void *asker) {
    const struct guest *guest = crew_conn_data(conn);

    if (guest != NULL)
        reply(asker, guest->name);
    return 0;
}

static void rename_guest(crew_conn *conn, const char *name, size_t len) {
    struct guest *guest = crew_conn_data(conn);

    if (len == 0 || len > NAME_MAX_BYTES || memchr(name, ' ', len) != NULL) {
        reply(conn, "A name is one word of at most 20 bytes.");
        return;
    }
    announce(0, "* %s is now %.*s", guest->name, (int)len, name);
    memcpy(guest->name, name, len);
    guest->name[len] = '\0';
}

static void run_command(crew_conn *conn, const char *line, size_t len) {
    if (len > 6 && memcmp(line, "/name ", 6) == 0) {
        rename_guest(conn, line + 6, len - 6);
    } else if (len == 4 && memcmp(line, "/who", 4) == 0) {
        char count[40];
        crew_conn_each(list_guest, conn);
        snprintf(count, sizeof(count), "%zu here", crew_conn_count());
        reply(conn, count);
    } else if (len == 5 && memcmp(line, "/quit", 5) == 0) {
        reply(conn, "Goodbye.");
        crew_conn_close(conn);
    } else {
        reply(conn, "/name NAME, /who, /quit, /help; anything else is said to the room");
    }
}

static void on_open(crew_conn *conn) {
    struct guest *guest = calloc(1, sizeof(*guest));
    struct crew_addr peer;

    if (guest == NULL) {
        crew_conn_destroy(conn);
        return;
    }
    crew_conn_peer(conn, &peer);
    snprintf(guest->name, sizeof(guest->name), "guest-%u", (unsigned)peer.port);
    crew_conn_set_data(conn, guest, free);
    reply(conn, "Welcome. /help lists the commands.");
    announce(crew_conn_id(conn), "* %s came in", guest->name);
}

static void on_message(crew_conn *conn, const crew_msg *msg) {
    const struct guest *guest = crew_conn_data(conn);

    if (guest == NULL || msg->len == 0)
        return;
    if (msg->data[0] == '/')
        run_command(conn, msg->data, msg->len);
    else
        announce(crew_conn_id(conn), "%s: %.*s", guest->name, (int)msg->len, msg->data);
}

static void on_close(crew_conn *conn, int reason) {
    const struct guest *guest = crew_conn_data(conn);

    if (guest != NULL)
        announce(crew_conn_id(conn), "* %s left (%s)", guest->name,
                 crew_close_reason_name(reason));
}

CREW_APP({
    .name = "telnet",
    .listen = "text://[::]:2323",
    .workers = 1,
    .config = "{\"heartbeat\": {\"ping_interval\": \"0\", \"idle_timeout\": \"10m\"},"
              " \"limits\": {\"max_message\": \"1k\", \"message_rate\": 10}}",
    .on_open = on_open,
    .on_message = on_message,
    .on_close = on_close,
})

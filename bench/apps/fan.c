/* SPDX-License-Identifier: MIT
 * fan: rooms, for bench/run. "S" and six digits joins a room; "P", six digits and a text sends
 * the text to all members of the room. Members that have gone are dropped at the next text. */
#include <crewman.h>
#include <stdlib.h>

enum { ROOMS = 100000, DIGITS = 6, HEAD = 1 + DIGITS };

static struct room {
    crew_id *members;
    size_t count, size;
} rooms[ROOMS];

static struct room *room_of(const crew_msg *msg) {
    unsigned number = 0;
    for (unsigned i = 1; i < HEAD; i++)
        number = number * 10 + (unsigned)(msg->data[i] - '0');
    return &rooms[number % ROOMS];
}

static void join(struct room *room, crew_id id) {
    if (room->count == room->size) {
        size_t size = room->size ? 2 * room->size : 4;
        crew_id *members = realloc(room->members, size * sizeof(*members));
        if (!members)
            return;
        room->members = members;
        room->size = size;
    }
    room->members[room->count++] = id;
}

static void say(struct room *room, const char *text, size_t len) {
    for (size_t i = 0; i < room->count;) {
        crew_conn *member = crew_conn_find(room->members[i]);
        if (member && crew_conn_send_text(member, text, len) >= 0)
            i++;
        else
            room->members[i] = room->members[--room->count];
    }
}

static void on_message(crew_conn *conn, const crew_msg *msg) {
    if (msg->len >= HEAD && msg->data[0] == 'S')
        join(room_of(msg), crew_conn_id(conn));
    else if (msg->len > HEAD && msg->data[0] == 'P')
        say(room_of(msg), msg->data + HEAD, msg->len - HEAD);
}

CREW_APP({
    .name = "fan",
    .listen = "websocket://127.0.0.1:2348",
    .on_message = on_message,
})

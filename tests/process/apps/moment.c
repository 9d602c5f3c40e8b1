/* SPDX-License-Identifier: MIT
 *
 * The app of the tests of what lasts for a moment: texts until a callback returns, timers until
 * their connection ends; and of formatted messages and answers. A message names what to do.
 */
#include <crewman.h>
#include <crewman/json.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((int)(1024 * 1024))

/* How many texts of a MiB there are room for. */
static int fill(void) {
    int count = 0;
    while (count < 100 && crew_tmpf("%*s", MIB - 1, "x"))
        count++;
    return count;
}

static void on_tick(crew_conn *conn, crew_timer timer) {
    int *left = crew_conn_data(conn);
    crew_conn_sendf(conn, "tick %d", *left);
    if (--*left == 0)
        crew_conn_sendf(conn, "deleted %d", crew_timer_del(timer));
}

static void on_once(crew_conn *conn, crew_timer timer) {
    crew_conn_sendf(conn, "once %d", crew_timer_del(timer) == CREW_ENOENT);
}

static void on_orphan(crew_conn *conn, crew_timer timer) {
    (void)timer;
    crew_log(CREW_LOG_NOTICE, "moment: orphan of %d", crew_conn_id(conn) != 0);
}

static void set_timers(crew_conn *conn, const char *what, int count) {
    if (strcmp(what, "ticks") == 0) {
        int *left = malloc(sizeof(*left));
        if (!left)
            abort();
        *left = count;
        crew_conn_set_data(conn, left, free);
        crew_conn_timer(conn, 5, on_tick);
    } else if (strcmp(what, "once") == 0) {
        crew_conn_timer_once(conn, 0, on_once);
    } else {
        for (int i = 0; i < count; i++)
            crew_conn_timer(conn, 3600000, on_orphan);
        crew_conn_sendf(conn, "set %d",
                        crew_conn_timer(conn, 0, on_orphan) == CREW_EINVAL &&
                            crew_conn_timer_once(conn, (uint64_t)1 << 50, on_orphan) ==
                                CREW_EINVAL &&
                            crew_conn_timer(conn, 5, NULL) == CREW_EINVAL);
    }
}

/* Ends with a timer due in the very turn. */
static void end_at_once(crew_conn *conn) {
    crew_conn_timer_once(conn, 0, on_orphan);
    crew_conn_destroy(conn);
    crew_log(CREW_LOG_NOTICE, "moment: late %s",
             crew_strerror((int)crew_conn_timer(conn, 1, on_orphan)));
}

static void send_texts(crew_conn *conn) {
    const char *first = crew_tmpf("%s-%d", "one", 1), *second = crew_tmpf("%s", "two");
    crew_conn_sendf(conn, "%s %s %s [%s]", first, second,
                    crew_tmp_html("<a href='x'>\"&amp;\"</a>"), crew_tmp_html(NULL));
}

static void send_json(crew_conn *conn) {
    json_t *value = json_pack("[i,b]", 1, 1);
    crew_conn_send_pack(conn, "{s:s, s:[i,i]}", "a", "b", "c", 1, 2);
    crew_conn_sendf(conn, "%s %d %d", crew_json_text(value), crew_json_text(NULL) == NULL,
                    crew_conn_send_pack(conn, "{") == CREW_EINVAL);
    json_decref(value);
}

static void on_message(crew_conn *conn, const crew_msg *msg) {
    char what[16] = "";
    const char *text = crew_tmpf("%.*s", (int)msg->len, msg->data);
    const char *space = text ? strchr(text, ' ') : NULL;
    int count = space ? atoi(space) : 0;
    strncat(what, text ? text : "", space ? (size_t)(space - text) : sizeof(what) - 1);
    if (strcmp(what, "long") == 0)
        crew_conn_sendf(conn, "%0*d", count, 7);
    else if (strcmp(what, "texts") == 0)
        send_texts(conn);
    else if (strcmp(what, "fill") == 0)
        crew_conn_sendf(conn, "filled %d", fill());
    else if (strcmp(what, "json") == 0)
        send_json(conn);
    else if (strcmp(what, "end") == 0)
        end_at_once(conn);
    else
        set_timers(conn, what, count);
}

static void on_request(crew_conn *conn, crew_request *request) {
    const char *path = crew_request_path(request);
    (void)conn;
    if (strcmp(path, "/pack") == 0)
        crew_reply_pack(request, 201, "{s:s}", "path", path);
    else
        crew_replyf(request, 200, "text/html;charset=utf-8", "<p>%s</p>",
                    crew_tmp_html(crew_request_query(request, "name")));
}

CREW_APP({.name = "probe", .on_request = on_request, .on_message = on_message})

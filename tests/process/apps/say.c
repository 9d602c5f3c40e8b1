/* SPDX-License-Identifier: MIT
 *
 * A runtime for test_runtime.py, of a language in which an app is a list of lines "NAME LISTEN
 * TEXT…": each a service that answers every message with the text. Shows what a language needs:
 * services that are made at run time, callbacks of the runtime's own, and `data` that leads
 * from a service to what the app said of it.
 */
#include <crewman.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 16

struct line {
    char name[40], listen[80], text[200];
};

static struct line lines[LINES_MAX];
static struct crew_service services[LINES_MAX];
static struct crew_app app;
static unsigned count;

static int on_worker_start(const struct crew_service_ref *service) {
    const struct line *line = (const struct line *)service->data;
    crew_log(CREW_LOG_NOTICE, "say: %s says %s", service->name, line->text);
    return strcmp(line->text, "fail") == 0 ? CREW_ESTATE : 0;
}

static void on_message(crew_conn *conn, const crew_msg *msg) {
    const struct line *line = (const struct line *)crew_conn_service_ref(conn)->data;
    (void)msg;
    crew_conn_send(conn, line->text, strlen(line->text));
}

static int read_line(const char *text, struct line *line) {
    return sscanf(text, "%39s %79s %199[^\n]", line->name, line->listen, line->text) == 3;
}

static int load(const char *path, char *why, size_t size) {
    char text[400];
    FILE *file = fopen(path, "re");
    int number = 0, is_right = 1;
    if (!file) {
        int error = -errno;
        snprintf(why, size, "%s: %s", path, strerror(errno));
        return error;
    }
    while (is_right && count < LINES_MAX && fgets(text, sizeof(text), file)) {
        number++;
        is_right = read_line(text, &lines[count]);
        count += is_right != 0;
    }
    fclose(file);
    if (is_right)
        return 0;
    snprintf(why, size, "%s:%d: found \"%s\"; expected NAME LISTEN TEXT", path, number, text);
    return CREW_EINVAL;
}

static const struct crew_app *describe(void) {
    for (unsigned i = 0; i < count; i++) {
        services[i].name = lines[i].name;
        services[i].listen = lines[i].listen;
        services[i].workers = 1;
        services[i].data = &lines[i];
        services[i].on_worker_start = on_worker_start;
        services[i].on_message = on_message;
    }
    crew_app_init(&app, services, count);
    return count > 0 ? &app : NULL;
}

CREW_RUNTIME(load, describe)

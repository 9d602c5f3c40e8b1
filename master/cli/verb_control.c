/* SPDX-License-Identifier: MIT
 *
 * stop, reload and reopen-logs: the verbs that change a running instance and wait until it is
 * done.
 */
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "config.h"
#include "config_run_dir.h"
#include "memory.h"
#include "say.h"
#include "verbs.h"

/* A master that is alive says so each second. */
#define ANSWER_MS 5000u

static void print_errors(const struct config_errors *errors) {
    for (size_t i = 0; i < errors->count; i++)
        say_line(stderr, "%s", errors->lines[i]);
}

/* With --run-dir nothing else is needed, so that a broken config file stops nobody from
 * stopping. */
char *verb_admin_path(const struct options *options) {
    struct config *config;
    struct config_errors errors = {0};
    if (options->run_dir)
        return memory_format("%s/admin.sock", options->run_dir);
    if (config_read_run_dir(options->config_path, &config, &errors) != 0) {
        print_errors(&errors);
        config_errors_done(&errors);
        fprintf(stderr, "crewman: the instance can also be named with --run-dir DIR\n");
        return NULL;
    }
    char *path = memory_format("%s/admin.sock", config->run_dir);
    config_free(config);
    return path;
}

int verb_not_running(const char *path) {
    const char *hint = config_run_dir_hint(path);
    say_line(stderr, "crewman: not running (nobody listens on %s)", path);
    if (hint)
        say_line(stderr,
                 "crewman: %s: an instance that was started with another is found with "
                 "--run-dir DIR",
                 hint);
    return EXIT_NOT_RUNNING;
}

static bool on_answer(void *owner, const struct message *type, json_t *body, int fd) {
    (void)fd;
    (void)owner;
    if (type->id != MSG_PROGRESS)
        return true;
    say_line(stdout, "%s", json_string_value(json_object_get(body, "text")));
    fflush(stdout);
    return false;
}

static int ask(const struct options *options, enum message_id id, json_t *body, bool may_end) {
    static const struct client_events events = {on_answer};
    char *path = verb_admin_path(options);
    if (!path) {
        json_decref(body);
        return EXIT_FAILED;
    }
    int exit_code = client_ask(path, id, body, &events, NULL, may_end, ANSWER_MS);
    if (exit_code == EXIT_NOT_RUNNING)
        verb_not_running(path);
    free(path);
    return exit_code;
}

static json_t *with_graceful(const struct options *options) {
    return json_pack("{s:b}", "graceful", (int)options->is_graceful);
}

/* That it is done; what went wrong has been said. */
static int say(const struct options *options, int exit_code, const char *text) {
    if (exit_code == EXIT_DONE && !options->is_quiet)
        puts(text);
    return exit_code;
}

int verb_stop(const struct options *options) {
    return say(options, ask(options, MSG_ASK_STOP, with_graceful(options), true), "Stopped");
}

int verb_reload(const struct options *options) {
    return say(options, ask(options, MSG_ASK_RELOAD, with_graceful(options), false),
               "Reloaded");
}

int verb_reopen_logs(const struct options *options) {
    return say(options, ask(options, MSG_ASK_REOPEN_LOGS, json_object(), false),
               "Logs reopened");
}

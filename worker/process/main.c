/* SPDX-License-Identifier: MIT
 *
 * crewman-worker: one process of one service or several, started by crewman; or, with
 * --describe, a short-lived one that prints what an app declares.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app.h"
#include "copy.h"
#include "crash.h"
#include "descriptors.h"
#include "identity.h"
#include "log.h"
#include "privileges.h"
#include "process.h"
#include "runtime.h"
#include "signals.h"
#include "worker.h"

#define EXIT_USAGE 2

static const char usage[] =
    "crewman-worker is started by crewman; try: crewman start APP.so\n"
    "\n"
    "usage: crewman-worker --describe [--user USER] [--group GROUP] [--runtimes FOLDER]\n"
    "                      [--pin DESCRIPTOR] APP\n"
    "       crewman-worker --version\n";

struct arguments {
    bool describes, shows_version;
    const char *user, *group, *runtimes, *pin, *app;
};

static int read_arguments(int argc, char **argv, struct arguments *out) {
    static const struct option options[] = {{"describe", no_argument, NULL, 'd'},
                                            {"user", required_argument, NULL, 'u'},
                                            {"group", required_argument, NULL, 'g'},
                                            {"runtimes", required_argument, NULL, 'r'},
                                            {"pin", required_argument, NULL, 'p'},
                                            {"version", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'd')
            out->describes = true;
        else if (option == 'v')
            out->shows_version = true;
        else if (option == 'u')
            out->user = optarg;
        else if (option == 'g')
            out->group = optarg;
        else if (option == 'r')
            out->runtimes = optarg;
        else if (option == 'p')
            out->pin = optarg;
        else
            return -EINVAL;
    }
    out->app = argv[optind];
    int rest = argc - optind;
    return rest == (out->describes ? 1 : 0) ? 0 : -EINVAL;
}

/* For people on standard error, and for the master in place of the description. */
static int fail_describe(FILE *output, const char *why) {
    fprintf(stderr, "%s\n", why);
    if (output)
        fprintf(output, "%s\n", why);
    return LIFECYCLE_EXIT_NEVER;
}

/* What the app's functions need that need no loop. */
static void set_up_memory(struct worker *worker) {
    worker->line = worker->guard.line = &worker->own_line;
    timers_init(&worker->timers);
    protocol_http_shared_init(&worker->http);
    list_init(&worker->conns.all);
    list_init(&worker->services);
}

/* What `source` names, copied first where it is to be pinned; the script of a runtime is not.
 */
static int load_app(struct app_source *source, const char *pin, const struct crew_app **out_app,
                    char *why, size_t size) {
    if (pin && !runtime_extension(source->path)) {
        source->copy_fd = copy_make(source->path, (int)strtol(pin, NULL, 10), why, size);
        if (source->copy_fd < 0)
            return source->copy_fd;
    }
    return app_load(source, out_app, why, size);
}

static json_t *describe_app(const struct crew_app *app, const struct app_source *source,
                            char *why, size_t size) {
    json_t *description = app_describe(app, source->path, why, size);
    if (description && source->copy_fd >= 0)
        copy_describe(source->path, source->copy_fd, description);
    return description;
}

/* Whatever the app prints goes to standard error; the answer has a descriptor of its own. */
static FILE *keep_output(void) {
    int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    FILE *output = fd < 0 ? NULL : fdopen(fd, "w");
    if (output && dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        fclose(output);
        return NULL;
    }
    return output;
}

static int print(const json_t *description, FILE *output) {
    int result = json_dumpf(description, output, JSON_COMPACT);
    return result == 0 && fflush(output) == 0
               ? 0
               : fail_describe(NULL, "standard output: cannot write");
}

/* Sent to all processes of our name, they mean a reload, which is the master's to do. */
static void disregard_reloads(void) {
    signals_disregard(SIGHUP);
    signals_disregard(SIGUSR1);
    signals_disregard(SIGUSR2);
}

static void disregard_signals(void) {
    disregard_reloads();
    signals_disregard(SIGINT);
    signals_disregard(SIGQUIT);
    signals_disregard(SIGPIPE);
    signals_disregard(SIGXFSZ);
}

/* The app's constructors run in here: not before we are the user that its workers will be. */
static int describe(struct worker *worker, const struct arguments *arguments) {
    const struct crew_app *app;
    struct identity identity;
    struct app_source source = {arguments->app, -1,
                                arguments->runtimes ? arguments->runtimes : ""};
    char why[1024];
    disregard_reloads();
    signals_disregard(SIGXFSZ);
    signals_release();
    FILE *output = keep_output();
    if (!output)
        return fail_describe(NULL, "standard output: not open");
    set_up_memory(worker);
    worker->is_describing = true;
    if (identity_find(arguments->user, arguments->group, &identity, why, sizeof(why)) != 0 ||
        identity_become(&identity, why, sizeof(why)) != 0 ||
        load_app(&source, arguments->pin, &app, why, sizeof(why)) != 0)
        return fail_describe(output, why);
    json_t *description = describe_app(app, &source, why, sizeof(why));
    if (!description)
        return fail_describe(output, why);
    int result = print(description, output);
    json_decref(description);
    fclose(output);
    return result;
}

static bool is_control_pipe(int fd) {
    int type = 0;
    socklen_t len = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

static void on_term(uv_signal_t *handle, int number) {
    struct worker *worker = handle->data;
    log_notice("%s: ending; the master starts another worker", process_signal_name(number));
    lifecycle_ask_stop(worker);
}

static void on_turned(void *owner) {
    struct worker *worker = owner;
    guard_turned(&worker->guard);
    struct score_line *line = worker->line;
    score_set(line->tick_at, uv_now(&worker->loop));
    score_set(line->turns, score_get(line->turns) + 1);
}

/* The master has started us with signals held back, which are let in when all have a handler.
 */
static int set_up(struct worker *worker) {
    set_up_memory(worker);
    disregard_signals();
    if (uv_loop_init(&worker->loop) != 0)
        return CREW_ENOMEM;
    lifecycle_init(worker);
    uv_signal_init(&worker->loop, &worker->term);
    worker->term.data = worker;
    uv_signal_start(&worker->term, on_term, SIGTERM);
    signals_release();
    int err = conns_init(&worker->conns, &worker->loop, conn_ready);
    if (err)
        return err;
    settle_start(&worker->settle, &worker->conns, on_turned, worker);
    err = turn_open(&worker->turn, &worker->loop, &worker->conns.poller, settle_turn,
                    &worker->settle);
    return err ? err : control_start(worker);
}

/* Handles that the app left open must not keep the process: their memory is the app's. */
static void close_handle(uv_handle_t *handle, void *arg) {
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void tear_down(struct worker *worker) {
    settle_stop(&worker->settle);
    lifecycle_done(worker);
    turn_close(&worker->turn);
    conns_done(&worker->conns);
    protocol_http_shared_done(&worker->http);
    ws_shared_done(&worker->ws);
    timers_done(&worker->timers);
    scratch_done(&worker->scratch);
    control_stop(worker);
    uv_close((uv_handle_t *)&worker->term, NULL);
    uv_run(&worker->loop, UV_RUN_NOWAIT);
    uv_walk(&worker->loop, close_handle, NULL);
    uv_run(&worker->loop, UV_RUN_NOWAIT);
    (void)uv_loop_close(&worker->loop);
    lifecycle_free(worker);
    if (worker->control.has_plan)
        plan_done(&worker->plan);
    score_set(worker->line->state, SCORE_FREE);
    siblings_done(&worker->siblings);
    crash_forget();
    scoreboard_close(worker->page);
}

/* The master reads what we write, and nobody waits when it does not: what the pipe does not
 * take is lost. What an app prints leaves line by line, so that nothing is missing at a crash.
 */
static void set_up_output(void) {
    static char line[BUFSIZ];
    struct stat pipe;
    if (fstat(STDERR_FILENO, &pipe) == 0 && S_ISFIFO(pipe.st_mode))
        (void)fcntl(STDERR_FILENO, F_SETFL, fcntl(STDERR_FILENO, F_GETFL) | O_NONBLOCK);
    setvbuf(stdout, line, _IOLBF, sizeof(line));
    log_to_parent(STDERR_FILENO, CREW_LOG_NOTICE);
}

static int serve(struct worker *worker) {
    set_up_output();
    if (set_up(worker) != 0) {
        log_error("the event loop cannot be set up");
        return LIFECYCLE_EXIT_AGAIN;
    }
    turn_run(&worker->turn);
    int exit_code = worker->lifecycle.exit_code;
    tear_down(worker);
    return exit_code;
}

int main(int argc, char **argv) {
    static struct worker worker;
    struct arguments arguments = {0};
    signals_reset();
    if (privileges_pin() != 0) {
        perror("crewman-worker: cannot do without the rights of setuid programs");
        return LIFECYCLE_EXIT_NEVER;
    }
    worker_claim(&worker);
    /* For top and the kernel, 15 bytes at most: the name that we were executed by is a number.
     */
    (void)prctl(PR_SET_NAME, "crewman: worker");
    argv = uv_setup_args(argc, argv);
    if (read_arguments(argc, argv, &arguments) != 0) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (arguments.shows_version) {
        printf("crewman-worker %s (ABI %u)\n", CREW_VERSION, CREW_ABI);
        return 0;
    }
    if (arguments.describes)
        return describe(&worker, &arguments);
    if (argc > 1 || !is_control_pipe(DESCRIPTOR_CONTROL)) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    return serve(&worker);
}

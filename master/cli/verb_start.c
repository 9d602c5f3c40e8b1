/* SPDX-License-Identifier: MIT
 *
 * start, restart and check: the verbs that read the whole configuration.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "banner.h"
#include "config_memory.h"
#include "config_writers.h"
#include "daemon.h"
#include "instance.h"
#include "loading.h"
#include "log_file.h"
#include "master.h"
#include "program.h"
#include "rundir.h"
#include "say.h"
#include "signals.h"
#include "verbs.h"

static struct loading_source source_of(const struct options *options) {
    return (struct loading_source){.config_path = options->config_path,
                                   .run_dir = options->run_dir,
                                   .apps = options->apps,
                                   .app_count = options->app_count};
}

/* A container ends with its first process, which the daemon's parent would be. */
static bool may_become_daemon(void) {
    if (getpid() != 1)
        return true;
    fputs("crewman: start -d as process 1 would end the container: start without -d\n", stderr);
    return false;
}

int verb_start(struct options *options) {
    if (options->is_daemon && !may_become_daemon())
        return EXIT_USAGE;
    signals_hold();
    struct master_options start = {.source = source_of(options),
                                   .is_daemon = options->is_daemon,
                                   .report_fd = -1,
                                   .on_started = options->is_quiet ? NULL : banner_print};
    if (options->is_daemon) {
        start.report_fd = daemon_fork();
        if (start.report_fd < 0) {
            fprintf(stderr, "crewman: cannot become a daemon: %s\n",
                    strerror(-start.report_fd));
            return EXIT_FAILED;
        }
    }
    return master_run(&start);
}

struct checking {
    bool prints;
    int exit_code;
};

static void print_warnings(const struct config *config) {
    struct config_errors warnings = {0};
    config_memory_warn(config, &warnings);
    config_writers_warn(config, &warnings);
    for (size_t i = 0; i < warnings.count; i++)
        say_line(stderr, "warning: %s", warnings.lines[i]);
    config_errors_done(&warnings);
}

static void print_effective(const struct config *config) {
    json_t *effective = config_effective(config);
    say_json(stdout, effective, JSON_INDENT(2));
    json_decref(effective);
}

/* Names that others can change; as a start would say it. */
static bool has_good_places(const struct config *config) {
    struct trust trust;
    char why[1024];
    const char *log = config->log_file;
    instance_trust(config, &trust);
    int err = rundir_check(&trust, config->run_dir, why, sizeof(why));
    if (!err && log[0])
        err = log_file_check(&trust, log, why, sizeof(why));
    if (err)
        say_line(stderr, "crewman: %s", why);
    return !err;
}

static void on_checked(void *owner, struct config *config, const struct pins *pins,
                       const struct config_errors *errors) {
    struct checking *checking = owner;
    bool is_good = config && has_good_places(config);
    checking->exit_code = is_good ? EXIT_DONE : EXIT_FAILED;
    for (size_t i = 0; i < errors->count; i++)
        say_line(stderr, "%s", errors->lines[i]);
    if (is_good && checking->prints) {
        print_warnings(config);
        print_effective(config);
        for (size_t i = 0; i < pins->note_count; i++)
            say_line(stderr, "note: %s", pins->notes[i]);
    }
    config_free(config);
}

/* Load as a start would. */
static int check(const struct options *options, bool prints) {
    static const struct loading_done done = {on_checked};
    struct checking checking = {prints, EXIT_FAILED};
    struct programs programs;
    char why[512];
    uv_loop_t loop;
    struct spawner spawner;
    if (programs_open(&programs, why, sizeof(why)) != 0) {
        fprintf(stderr, "crewman: %s\n", why);
        return EXIT_FAILED;
    }
    int err = uv_loop_init(&loop);
    if (!err)
        err = spawner_open(&spawner, &loop);
    if (err) {
        fprintf(stderr, "crewman: cannot make an event loop: %s\n", uv_strerror(err));
        return EXIT_FAILED;
    }
    struct loading_source source = source_of(options);
    loading_start(&spawner, &source, &programs.list[PROGRAM_WORKER], &done, &checking);
    uv_run(&loop, UV_RUN_DEFAULT);
    spawner_close(&spawner);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    programs_close(&programs);
    return checking.exit_code;
}

int verb_check(const struct options *options) {
    return check(options, true);
}

/* What would not start must not stop what runs. */
int verb_restart(struct options *options) {
    int exit_code = check(options, false);
    if (exit_code != EXIT_DONE)
        return exit_code;
    exit_code = verb_stop(options);
    if (exit_code != EXIT_DONE && exit_code != EXIT_NOT_RUNNING)
        return exit_code;
    return verb_start(options);
}

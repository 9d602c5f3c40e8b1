/* SPDX-License-Identifier: MIT
 *
 * crewman: the command line, and with start the master.
 */
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "crewman.h"
#include "signals.h"
#include "verbs.h"

static int run(struct options *options) {
    switch (options->verb) {
    case VERB_START:
        return verb_start(options);
    case VERB_STOP:
        return verb_stop(options);
    case VERB_RESTART:
        return verb_restart(options);
    case VERB_RELOAD:
        return verb_reload(options);
    case VERB_STATUS:
        return verb_status(options);
    case VERB_CONNECTIONS:
        return verb_connections(options);
    case VERB_CHECK:
        return verb_check(options);
    case VERB_REOPEN_LOGS:
        return verb_reopen_logs(options);
    case VERB_VERSION:
        printf("crewman %s\n", CREW_VERSION);
        return EXIT_DONE;
    default:
        options_print_help();
        return EXIT_DONE;
    }
}

static bool is_a_deed(enum verb verb) {
    return verb == VERB_START || verb == VERB_STOP || verb == VERB_RESTART ||
           verb == VERB_RELOAD || verb == VERB_REOPEN_LOGS;
}

/* A deed stays done; of the others the answer is all, and half of one is none. */
static int end_output(enum verb verb, int exit_code) {
    bool is_lost = fflush(stdout) != 0 || ferror(stdout);
    if (!is_lost || exit_code != EXIT_DONE || is_a_deed(verb))
        return exit_code;
    fputs("crewman: standard output cannot be written: the answer is not whole\n", stderr);
    return EXIT_FAILED;
}

/* A descriptor that we open must never become somebody's standard output. */
static void fill_standard_descriptors(void) {
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/* Nothing that our caller has left open or set reaches the processes that we start. */
static void shed_what_is_inherited(void) {
    signals_reset();
    signals_release();
    fill_standard_descriptors();
    (void)close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
}

int main(int argc, char **argv) {
    struct options options;
    shed_what_is_inherited();
    int exit_code = options_read(&options, argc, argv);
    if (exit_code != 0)
        return exit_code;
    exit_code = run(&options);
    exit_code = end_output(options.verb, exit_code);
    options_done(&options);
    return exit_code;
}

/* SPDX-License-Identifier: MIT
 *
 * The command line, parsed.
 */
#ifndef CREWMAN_OPTIONS_H
#define CREWMAN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define VERBS(X)                                                                               \
    X(START, "start", "start an instance")                                                     \
    X(STOP, "stop", "stop it")                                                                 \
    X(RESTART, "restart", "stop it, then start it")                                            \
    X(RELOAD, "reload", "replace the workers by new ones, without refusing a connection")      \
    X(STATUS, "status", "show the workers")                                                    \
    X(CONNECTIONS, "connections", "show the connections")                                      \
    X(CHECK, "check", "check the configuration and print what is in force")                    \
    X(REOPEN_LOGS, "reopen-logs", "open the log file anew, after it was moved away")           \
    X(VERSION, "version", "print the version")                                                 \
    X(HELP, "help", "print this")

enum verb {
#define VERB_MEMBER(id, word, help) VERB_##id,
    VERBS(VERB_MEMBER)
#undef VERB_MEMBER
        VERB_COUNT
};

/* Exit codes of every verb. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NOT_RUNNING = 3 };

struct options {
    enum verb verb;
    bool is_daemon, is_quiet, is_graceful, watches, is_json;
    char *config_path; /* absolute, or NULL */
    char *run_dir;     /* absolute, or NULL */
    char **apps;       /* absolute */
    size_t app_count;
};

/* 0, or EXIT_USAGE with a line on standard error that names what was wrong and the nearest
 * right word. */
int options_read(struct options *out_options, int argc, char **argv);
void options_done(struct options *options);

/* What `crewman help` prints. */
void options_print_help(void);

#endif

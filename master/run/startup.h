/* SPDX-License-Identifier: MIT
 *
 * The start of an instance: from its configuration over its sockets to the moment when every
 * worker is ready for the first time, and the word to the command that waits for it. Decides
 * nothing about what follows. Used by the master, who hears how it goes.
 */
#ifndef CREWMAN_STARTUP_H
#define CREWMAN_STARTUP_H

#include <stdio.h>

#include "report.h"
#include "setup.h"

struct instance;
struct loading;
struct master_options;
struct place;

struct startup_events {
    /* Its sockets are bound and nobody serves yet: open what people ask by. 0, or a negative
     * errno number with a line for people; then it has failed. */
    int (*set_up)(void *owner, char *out_why, size_t size);
    /* `why`: NULL, or a line for people that has not been said. The instance has to stop. */
    void (*failed)(void *owner, const char *why);
    /* The command that waits for it has died. */
    void (*abandoned)(void *owner);
};

struct startup {
    struct instance *instance;
    const struct master_options *options;
    const struct startup_events *events;
    void *owner;
    struct loading *loading; /* the configuration; NULL: not yet, or done */
    struct setup setup;      /* behind that */
    struct report report;
};

/* What works without a loop: a report on what fails from here on. */
void startup_prepare(struct startup *startup, struct instance *instance,
                     const struct master_options *options);

/* 0, or a negative errno number with a line for people. */
int startup_init(struct startup *startup, const struct startup_events *events, void *owner,
                 char *out_why, size_t size);

void startup_begin(struct startup *startup);

/* The instance stops: nothing follows. */
void startup_cancel(struct startup *startup);

/* A worker is ready, or has ended before it was. Of no meaning once the start is over. */
void startup_child_ready(struct startup *startup);
void startup_child_failed(struct startup *startup, const struct place *place);

/* How it went, to the command that waits: the first word counts. Also when the loop is closed
 * already. */
void startup_report(struct startup *startup, int exit_code);

#endif

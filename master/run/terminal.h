/* SPDX-License-Identifier: MIT
 *
 * The terminal of an instance in the foreground, which sends SIGHUP when it goes away as people
 * do for a reload: tells the two apart. Never reads from it.
 */
#ifndef CREWMAN_TERMINAL_H
#define CREWMAN_TERMINAL_H

#include <stdbool.h>

struct terminal {
    int fd;            /* -1: there is none */
    bool is_outlived;  /* nohup: its end is not ours */
    bool is_told;      /* that it is gone */
    unsigned suspects; /* looks, after a SIGHUP that may have come a moment before its end */
};

enum terminal_news {
    TERMINAL_STAYS, /* or there was none: the signal is somebody's wish */
    TERMINAL_GONE,
    TERMINAL_OUTLIVED /* gone, which is to change nothing */
};

/* Before SIGHUP has a handler. */
void terminal_open(struct terminal *terminal);
void terminal_close(struct terminal *terminal);

/* At a SIGHUP. */
enum terminal_news terminal_hear(struct terminal *terminal);

/* Once a second. Shells send their jobs a SIGHUP before the terminal goes. */
enum terminal_news terminal_look(struct terminal *terminal);

#endif

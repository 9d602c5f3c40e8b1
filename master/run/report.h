/* SPDX-License-Identifier: MIT
 *
 * A daemon's word to the command that has started it and waits: signs of life, then the exit
 * code of the start, once. Notices when the command is gone before. Never waits itself.
 */
#ifndef CREWMAN_REPORT_H
#define CREWMAN_REPORT_H

#include <stdbool.h>
#include <uv.h>

struct report {
    int fd; /* -1: nobody waits, or it has been told */
    uv_poll_t reader;
    uv_timer_t life;
    void (*abandoned)(void *owner);
    void *owner;
};

/* Takes `fd` of daemon_fork(); -1: nobody waits. `abandoned`: the command has died before it
 * was told. 0 or a negative errno number. */
int report_open(struct report *report, uv_loop_t *loop, int fd, void (*abandoned)(void *owner),
                void *owner);

bool report_is_awaited(const struct report *report);

/* Also when the loop is closed already. */
void report_tell(struct report *report, int exit_code);

#endif

/* SPDX-License-Identifier: MIT
 *
 * See report.h.
 */
#include "report.h"

#include <unistd.h>

#include "daemon.h"
#include "log.h"

static void put(const struct report *report, unsigned char byte) {
    if (write(report->fd, &byte, 1) != 1)
        log_debug("the command that has started the daemon does not listen");
}

static void on_life(uv_timer_t *timer) {
    put(timer->data, DAEMON_LIVES);
}

/* Nothing can be read here: there is an event when the other end is closed. */
static void on_reader(uv_poll_t *handle, int status, int events) {
    struct report *report = handle->data;
    (void)status;
    (void)events;
    uv_poll_stop(handle);
    report->abandoned(report->owner);
}

int report_open(struct report *report, uv_loop_t *loop, int fd, void (*abandoned)(void *owner),
                void *owner) {
    *report = (struct report){.fd = fd, .abandoned = abandoned, .owner = owner};
    if (fd < 0)
        return 0;
    int err = uv_poll_init(loop, &report->reader, fd); /* it never blocks from now on */
    if (err)
        return err;
    uv_timer_init(loop, &report->life);
    report->reader.data = report->life.data = report;
    uv_timer_start(&report->life, on_life, DAEMON_LIFE_MS, DAEMON_LIFE_MS);
    return uv_poll_start(&report->reader, UV_DISCONNECT, on_reader);
}

bool report_is_awaited(const struct report *report) {
    return report->fd >= 0;
}

static void close_handle(uv_handle_t *handle) {
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void report_tell(struct report *report, int exit_code) {
    if (report->fd < 0)
        return;
    put(report, (unsigned char)exit_code);
    if (report->reader.loop) {
        close_handle((uv_handle_t *)&report->reader);
        close_handle((uv_handle_t *)&report->life);
    }
    close(report->fd);
    report->fd = -1;
}

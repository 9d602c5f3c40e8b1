/* SPDX-License-Identifier: MIT
 *
 * See terminal.h. A descriptor of our own: standard ones may lead elsewhere.
 */
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include "signals.h"

#define SUSPECT_LOOKS 10u

void terminal_open(struct terminal *terminal) {
    *terminal = (struct terminal){.fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC),
                                  .is_outlived = signals_ignores(SIGHUP)};
}

void terminal_close(struct terminal *terminal) {
    if (terminal->fd >= 0)
        close(terminal->fd);
    terminal->fd = -1;
}

static bool is_gone(const struct terminal *terminal) {
    struct termios settings;
    return terminal->fd >= 0 && tcgetattr(terminal->fd, &settings) != 0 && errno == EIO;
}

static enum terminal_news tell_end(struct terminal *terminal) {
    if (!terminal->is_outlived)
        return TERMINAL_GONE;
    enum terminal_news news = terminal->is_told ? TERMINAL_STAYS : TERMINAL_OUTLIVED;
    terminal->is_told = true;
    return news;
}

enum terminal_news terminal_hear(struct terminal *terminal) {
    if (is_gone(terminal))
        return tell_end(terminal);
    terminal->suspects = SUSPECT_LOOKS;
    return TERMINAL_STAYS;
}

enum terminal_news terminal_look(struct terminal *terminal) {
    if (terminal->suspects == 0 && !terminal->is_outlived)
        return TERMINAL_STAYS;
    if (terminal->suspects > 0)
        terminal->suspects--;
    return is_gone(terminal) ? tell_end(terminal) : TERMINAL_STAYS;
}

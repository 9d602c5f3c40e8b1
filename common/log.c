/* SPDX-License-Identifier: MIT
 *
 * See log.h. To a descriptor: one write(2) a line, so that lines of several processes do not
 * mix. What cannot be written is counted and told later.
 */
#include "log.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "printable.h"

#define LINE_MAX_BYTES  4096             /* PIPE_BUF: such a write to a pipe is not divided */
#define RELAY_MAX_BYTES (4 * 4096 + 512) /* each byte of a child's line escaped, and the head  \
                                          */

static struct {
    int fd;
    log_put put; /* in place of the descriptor, when there is one */
    void *owner;
    bool is_child; /* another process adds the head */
    enum crew_log_level level;
    char who[64];
    unsigned long lost; /* lines, since the last that could be written */
    int lost_errno;
    bool is_torn; /* the last line was written in part */
} logger = {.fd = STDERR_FILENO, .level = CREW_LOG_NOTICE, .who = "crewman"};

static const char *const names[] = {"debug", "info", "notice", "warning", "error"};

void log_setup(int fd, enum crew_log_level level, const char *who) {
    logger.fd = fd;
    logger.put = NULL;
    logger.is_child = false;
    logger.level = level;
    snprintf(logger.who, sizeof(logger.who), "%s", who);
}

void log_to_parent(int fd, enum crew_log_level level) {
    log_setup(fd, level, "");
    logger.is_child = true;
}

void log_to(log_put put, void *owner, enum crew_log_level level, const char *who) {
    log_setup(-1, level, who);
    logger.put = put;
    logger.owner = owner;
}

void log_set_level(enum crew_log_level level) {
    logger.level = level;
}

enum crew_log_level log_level(void) {
    return logger.level;
}

int log_level_parse(const char *word) {
    for (int i = 0; i <= CREW_LOG_ERROR; i++)
        if (strcmp(word, names[i]) == 0)
            return i;
    return -1;
}

const char *log_level_name(enum crew_log_level level) {
    return level <= CREW_LOG_ERROR ? names[level] : "error";
}

static size_t put_head(char *line, size_t size, enum crew_log_level level, const char *who,
                       pid_t pid) {
    struct timeval now;
    struct tm parts;
    gettimeofday(&now, NULL);
    localtime_r(&now.tv_sec, &parts);
    size_t len = strftime(line, size, "%Y-%m-%d %H:%M:%S", &parts);
    int more = snprintf(line + len, size - len, ".%03d %-7s %s[%d] ", (int)(now.tv_usec / 1000),
                        log_level_name(level), who, (int)pid);
    return len + (size_t)more;
}

/* Of sd-daemon(3): syslog's number. */
static size_t put_child_head(char *line, size_t size, enum crew_log_level level) {
    return (size_t)snprintf(line, size, "<%d>", level >= CREW_LOG_ERROR ? 3 : 7 - (int)level);
}

/* Nobody can forge a line, or an escape sequence for the reader's terminal. */
static size_t put_text(char *line, size_t size, const char *text) {
    size_t len = printable_copy(line, size - 1, text);
    line[len++] = '\n';
    return len;
}

size_t log_line(enum crew_log_level level, const char *text, char *out_line, size_t size) {
    size_t len = logger.is_child ? put_child_head(out_line, size, level)
                                 : put_head(out_line, size, level, logger.who, getpid());
    return len + put_text(out_line + len, size - len, text);
}

static int put_line(enum crew_log_level level, const char *text) {
    char line[LINE_MAX_BYTES];
    size_t len = 0;
    if (logger.is_torn)
        line[len++] = '\n';
    len += log_line(level, text, line + len, sizeof(line) - len);
    if (logger.put)
        return logger.put(logger.owner, line, len);
    ssize_t written = write(logger.fd, line, len);
    if (written < 0)
        return -errno;
    logger.is_torn = written < (ssize_t)len;
    return logger.is_torn ? -ENOSPC : 0;
}

static void tell_lost(void) {
    char text[128];
    snprintf(text, sizeof(text), "%lu log lines lost: %s", logger.lost,
             strerror(logger.lost_errno));
    if (put_line(CREW_LOG_WARNING, text) == 0)
        logger.lost = 0;
}

void log_vwrite(enum crew_log_level level, const char *format, va_list args) {
    char text[LINE_MAX_BYTES];
    int saved = errno;
    if (level < logger.level)
        return;
    vsnprintf(text, sizeof(text), format, args);
    if (logger.lost > 0)
        tell_lost();
    int err = logger.lost > 0 ? -logger.lost_errno : put_line(level, text);
    if (err && !logger.put) {
        logger.lost++;
        logger.lost_errno = -err;
    }
    errno = saved;
}

void log_write(enum crew_log_level level, const char *format, ...) {
    va_list args;
    va_start(args, format);
    log_vwrite(level, format, args);
    va_end(args);
}

void log_relay(enum crew_log_level level, const char *who, pid_t pid, const char *text) {
    char line[RELAY_MAX_BYTES];
    int saved = errno;
    size_t len = put_head(line, sizeof(line), level, who, pid);
    len += put_text(line + len, sizeof(line) - len, text);
    if (logger.put)
        (void)logger.put(logger.owner, line, len);
    else if (write(logger.fd, line, len) < 0)
        logger.lost++;
    errno = saved;
}

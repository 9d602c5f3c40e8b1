/* SPDX-License-Identifier: MIT
 *
 * One write(2) a line, so that lines of several processes do not mix. What cannot be written is
 * counted and told later.
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

#define LINE_MAX_BYTES 4096

static struct {
    int fd;
    enum crew_log_level level;
    char who[64];
    unsigned long lost; /* lines, since the last that could be written */
    int lost_errno;
    bool is_torn; /* the last line was written in part */
} logger = {.fd = STDERR_FILENO, .level = CREW_LOG_NOTICE, .who = "crewman"};

static const char *const names[] = {"debug", "info", "notice", "warning", "error"};

void log_setup(int fd, enum crew_log_level level, const char *who) {
    logger.fd = fd;
    logger.level = level;
    snprintf(logger.who, sizeof(logger.who), "%s", who);
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

static size_t put_head(char *line, size_t size, enum crew_log_level level) {
    struct timeval now;
    struct tm parts;
    gettimeofday(&now, NULL);
    localtime_r(&now.tv_sec, &parts);
    size_t len = strftime(line, size, "%Y-%m-%d %H:%M:%S", &parts);
    int more = snprintf(line + len, size - len, ".%03d %-7s %s[%d] ", (int)(now.tv_usec / 1000),
                        log_level_name(level), logger.who, (int)getpid());
    return len + (size_t)more;
}

static int put_line(enum crew_log_level level, const char *text) {
    char line[LINE_MAX_BYTES];
    size_t len = 0;
    if (logger.is_torn)
        line[len++] = '\n';
    len += put_head(line + len, sizeof(line) - len, level);
    /* Nobody can forge a line, or an escape sequence for the reader's terminal. */
    len += printable_copy(line + len, sizeof(line) - len - 1, text);
    line[len++] = '\n';
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
    if (err) {
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

/* SPDX-License-Identifier: MIT
 *
 * The logger: the one global of each program. It makes whole lines and never fails its caller.
 * A command writes them to a descriptor; a child to the pipe that its parent reads; the master
 * gives them to an outlet, with those of its children. Lines that could not be written are
 * counted, and the count is written once writing works again.
 */
#ifndef CREWMAN_LOG_H
#define CREWMAN_LOG_H

#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

#include "crewman.h" /* enum crew_log_level */

/* Lines go to descriptor `fd` (borrowed) with one write(2) each, below `level` they are
 * dropped. `who` is shown in each line ("master"); copied, cut to 63 bytes. May be called again
 * to change any of them. */
void log_setup(int fd, enum crew_log_level level, const char *who);

/* The same for a child whose parent reads `fd` and adds time and name: "<N>text", N the syslog
 * number of the level. */
void log_to_parent(int fd, enum crew_log_level level);

/* Takes or counts one line. Must not wait and must not log. */
typedef int (*log_put)(void *owner, const char *line, size_t len);

/* Lines go to `put`. */
void log_to(log_put put, void *owner, enum crew_log_level level, const char *who);

void log_set_level(enum crew_log_level level);
enum crew_log_level log_level(void);

/* -1 for an unknown word: debug, info, notice, warning, error. */
int log_level_parse(const char *word);
const char *log_level_name(enum crew_log_level level);

void log_vwrite(enum crew_log_level level, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
void log_write(enum crew_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A line of ours, with its end, which fits into `size`; answers its length. */
size_t log_line(enum crew_log_level level, const char *text, char *out_line, size_t size);

/* A line of another process, at whatever level; control characters in it are escaped. */
void log_relay(enum crew_log_level level, const char *who, pid_t pid, const char *text);

#define log_debug(...)   log_write(CREW_LOG_DEBUG, __VA_ARGS__)
#define log_info(...)    log_write(CREW_LOG_INFO, __VA_ARGS__)
#define log_notice(...)  log_write(CREW_LOG_NOTICE, __VA_ARGS__)
#define log_warning(...) log_write(CREW_LOG_WARNING, __VA_ARGS__)
#define log_error(...)   log_write(CREW_LOG_ERROR, __VA_ARGS__)

#endif

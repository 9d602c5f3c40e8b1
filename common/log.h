/* SPDX-License-Identifier: MIT
 *
 * The logger: the one global of each program. It writes whole lines with a single write(2) to
 * one descriptor that somebody else opened, never blocks on a full disk and never fails its
 * caller: lines that could not be written are counted, and the count is written once writing
 * works again.
 */
#ifndef CREWMAN_LOG_H
#define CREWMAN_LOG_H

#include <stdarg.h>

#include "crewman.h" /* enum crew_log_level */

/* Lines go to descriptor `fd` (borrowed), below `level` they are dropped. `who` is shown in
 * each line
 * ("master", "chat/2"); copied, cut to 63 bytes. May be called again to change any of them. */
void log_setup(int fd, enum crew_log_level level, const char *who);

enum crew_log_level log_level(void);

/* -1 for an unknown word: debug, info, notice, warning, error. */
int log_level_parse(const char *word);
const char *log_level_name(enum crew_log_level level);

void log_vwrite(enum crew_log_level level, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
void log_write(enum crew_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define log_debug(...)   log_write(CREW_LOG_DEBUG, __VA_ARGS__)
#define log_info(...)    log_write(CREW_LOG_INFO, __VA_ARGS__)
#define log_notice(...)  log_write(CREW_LOG_NOTICE, __VA_ARGS__)
#define log_warning(...) log_write(CREW_LOG_WARNING, __VA_ARGS__)
#define log_error(...)   log_write(CREW_LOG_ERROR, __VA_ARGS__)

#endif

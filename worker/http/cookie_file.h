/* SPDX-License-Identifier: MIT
 *
 * One cookie session as a file in a folder that several workers share:
 *
 *     a byte      a line feed while no later request has brought its cookie back, then a space
 *     an object   the session, as it was when the file was written
 *     changes     each behind a line feed: '+' or (everything else is forgotten first) '=', and
 *                 an object of strings, or null for a name that is forgotten
 *
 * A change is one write(2) at the end of the file, so no two are lost and nobody waits for
 * anybody. Who appends holds a shared lock, who removes or rewrites a file by itself an
 * exclusive one; a lock that is taken is tried again a few times and not waited for: nothing
 * here may hold up the loop. Line feeds in a session are escaped, and a line that is no JSON,
 * as one that the disk had no room for, counts as none. Only files of our own user are read.
 * Used by cookie_store_file.c and cookie_sweep.c.
 */
#ifndef CREWMAN_COOKIE_FILE_H
#define CREWMAN_COOKIE_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "cookie_store.h"

#define COOKIE_FILE_PREFIX     "session_"
#define COOKIE_FILE_PREFIX_LEN (sizeof(COOKIE_FILE_PREFIX) - 1)
#define COOKIE_FILE_NAME_LEN   (COOKIE_FILE_PREFIX_LEN + COOKIE_ID_LEN)

struct cookie_file_name {
    char text[COOKIE_FILE_NAME_LEN + 16];
};

struct cookie_file_name cookie_file_name(const char *id);

/* Does it begin like one? */
bool cookie_file_is_name(const char *text);

/* To be read, or locked and appended to; a descriptor. CREW_ENOENT: there is none, or it is not
 * ours. -EBUSY: somebody holds its lock. */
int cookie_file_open(int dir, const struct cookie_file_name *name, struct stat *out_status);
int cookie_file_open_shared(int dir, const struct cookie_file_name *name,
                            struct stat *out_status);

/* Has it the name still that it was opened by? */
bool cookie_file_is_there(int dir, const struct cookie_file_name *name,
                          const struct stat *status);

/* The session in it, with all changes. CREW_ENOENT: it holds none, or more than `limit` bytes.
 */
int cookie_file_read(int fd, size_t limit, json_t **out_data);

/* Has no later request brought the cookie back? And note that one has. */
bool cookie_file_is_fresh(int fd);
void cookie_file_note_use(int fd);

/* Which sessions may go: those that were last used before, in milliseconds since 1970. */
struct cookie_rule {
    int64_t came_back_ms, fresh_ms;
};

/* Answers whether it is gone. No session goes that somebody is just changing. */
bool cookie_file_remove_if(int dir, const struct cookie_file_name *name,
                           const struct cookie_rule *rule);

/* To one that was opened shared. */
int cookie_file_append(int fd, const struct cookie_changes *changes);

/* The whole file anew, in one step. */
int cookie_file_write(int dir, const struct cookie_file_name *name, const json_t *data,
                      bool is_fresh);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The current folder as whoever started us calls it: a shell that went through a link
 * (`cd /srv/chat/current`) names it by the link in $PWD, and means whatever the link will point
 * to. Used for paths that are read again later.
 */
#ifndef CREWMAN_CWD_H
#define CREWMAN_CWD_H

/* $PWD if it is an absolute path without "." and ".." and names the current folder (POSIX, pwd
 * -L), else the path without links; the caller frees it. NULL: the folder is gone. */
char *cwd_name(void);

#endif

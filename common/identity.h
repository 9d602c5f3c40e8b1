/* SPDX-License-Identifier: MIT
 *
 * Users and groups: looking them up by name or number, and becoming one for good. Answers 0 or
 * a negative errno number; never decides to exit.
 */
#ifndef CREWMAN_IDENTITY_H
#define CREWMAN_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define ACCOUNT_NAME_MAX 256

struct account {
    uid_t uid;
    bool is_known; /* there is an entry of it; false: a mere number without group and name */
    gid_t gid;
    char name[ACCOUNT_NAME_MAX];
};

struct identity {
    bool is_set; /* false: stay who we are */
    struct account account;
    gid_t gid;
    char user[ACCOUNT_NAME_MAX]; /* as it was asked for */
};

/* A user by name, or by number in digits when no user has that name. -ENOENT: neither, or a
 * number that the kernel has no user for. */
int identity_find_user(const char *text, struct account *out_account);

/* Likewise a group. */
int identity_find_group(const char *text, gid_t *out_gid);

/* Both together ("" or NULL user: out_identity->is_set false; "" or NULL group: the user's own,
 * which a mere number does not have: -EINVAL). -ENOENT when one does not exist. With a line for
 * people in `out_why`. */
int identity_find(const char *user, const char *group, struct identity *out_identity,
                  char *out_why, size_t size);

/* Become that user for good: groups, user, no capabilities, the environment of its account; and
 * check that it cannot be undone. A failure must be fatal to the caller. When already that
 * user, or when !is_set, what is left to do: whoever is not root has no capabilities
 * afterwards. -EPERM with a line when not root and another user is wanted. */
int identity_become(const struct identity *identity, char *out_why, size_t size);

#endif

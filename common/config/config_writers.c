/* SPDX-License-Identifier: MIT
 *
 * See config_writers.h. The way is looked at twice: as it was written, and without links.
 */
#include "config_writers.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_report.h"
#include "identity.h"

/* Whoever owns it gives himself the right. In a sticky folder nobody replaces what others own.
 */
static bool may_change(const struct stat *entry, const struct identity *who) {
    if (entry->st_uid == who->account.uid)
        return true;
    if (S_ISDIR(entry->st_mode) && (entry->st_mode & S_ISVTX))
        return false;
    return (entry->st_mode & S_IWOTH) ||
           ((entry->st_mode & S_IWGRP) && entry->st_gid == who->gid);
}

/* `way` is cut to the first that is, from its end. */
static bool find_open(char *way, const struct identity *who) {
    struct stat entry;
    char *slash;
    while ((slash = strrchr(way, '/')) != NULL) {
        if (stat(*way ? way : "/", &entry) == 0 && may_change(&entry, who))
            return true;
        *slash = '\0';
    }
    return false;
}

static void look(const char *path, const struct config_service *service,
                 const struct identity *who, struct config_errors *out_warnings) {
    char way[PATH_MAX], real[PATH_MAX];
    const char *found = NULL;
    int len = snprintf(way, sizeof(way), "%s", path);
    if (len > 0 && (size_t)len < sizeof(way) && find_open(way, who))
        found = way;
    else if (realpath(path, real) && find_open(real, who))
        found = real;
    if (found)
        config_report_line(
            out_warnings,
            "%s: user \"%s\", which workers of services.%s run as, may change it, "
            "and a configuration can ask for root; expected only root to write "
            "here",
            found, service->user, service->name);
}

/* One line for a user is enough. */
static bool is_first_of_user(const struct config *config, size_t at) {
    for (size_t i = 0; i < at; i++)
        if (strcmp(config->services[i].user, config->services[at].user) == 0)
            return false;
    return true;
}

void config_writers_warn(const struct config *config, struct config_errors *out_warnings) {
    struct identity who;
    char why[256];
    if (!config->path || geteuid() != 0)
        return;
    for (size_t i = 0; i < config->service_count; i++) {
        const struct config_service *service = &config->services[i];
        if (is_first_of_user(config, i) &&
            identity_find(service->user, service->group, &who, why, sizeof(why)) == 0 &&
            who.is_set && who.account.uid != 0)
            look(config->path, service, &who, out_warnings);
    }
}

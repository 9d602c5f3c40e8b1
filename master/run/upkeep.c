/* SPDX-License-Identifier: MIT
 *
 * See upkeep.h. What cannot be made again is told once and tried each second.
 */
#include "upkeep.h"

#include <stdio.h>
#include <string.h>

#include "admin.h"
#include "instance.h"
#include "log.h"

static void tell_once(struct rundir *run_dir, const char *why) {
    if (!run_dir->is_lost)
        log_error("%s", why);
    run_dir->is_lost = true;
}

/* The one that nobody finds is closed first; its handles are gone by the next look. */
static void look_at_admin(struct instance *instance, struct admin *admin) {
    char why[512];
    if (admin_is_reachable(admin)) {
        instance->run_dir.is_lost = false;
        return;
    }
    if (admin->listener.is_open) {
        admin_stop(admin);
        return;
    }
    int err = admin_open(admin);
    if (!err) {
        log_notice("the admin socket was removed; made again");
        return;
    }
    snprintf(why, sizeof(why),
             "%s was removed and cannot be made again: %s; verbs do not work until it is, "
             "workers go on",
             instance_path(instance, "admin.sock"), admin_explain(err));
    tell_once(&instance->run_dir, why);
}

bool upkeep_look(struct instance *instance, struct admin *admin) {
    char why[1024];
    bool is_new_folder;
    enum rundir_news news =
        rundir_look(&instance->run_dir, &instance->trust, &is_new_folder, why, sizeof(why));
    if (news == RUNDIR_LOST) {
        tell_once(&instance->run_dir, why);
        return false;
    }
    if (news == RUNDIR_AGAIN)
        log_notice("%s", why);
    look_at_admin(instance, admin);
    return is_new_folder;
}

/* SPDX-License-Identifier: MIT
 *
 * See banner.h. Every row has been checked: it is printed when all workers have said that they
 * are ready.
 */
#include "banner.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "crewman.h"
#include "instance.h"
#include "pool.h"
#include "say.h"
#include "table.h"

static const struct table_column columns[] = {{"service", false},
                                              {"listen", false},
                                              {"workers", true},
                                              {"user", false},
                                              {"state", false}};

static void print_end(FILE *out, const struct instance *instance) {
    const char *log = instance->config->log_file;
    if (instance->is_daemon)
        say_line(out, "Log: %s%s", log[0] ? log : instance->config->run_dir,
                 log[0] ? "" : "/crewman.log");
    else if (log[0])
        say_line(out, "Log: %s", log);
    if (instance->is_daemon)
        say_line(out, "Started, pid %d. Stop it with: crewman stop --run-dir %s", (int)getpid(),
                 instance->config->run_dir);
    else
        fprintf(out, "Started, pid %d. Press Ctrl+C to stop.\n", (int)getpid());
}

/* A service that shares its processes names them. */
static void add_services(struct table *table, const struct pool *pool) {
    struct list *node;
    list_each (node, &pool->services) {
        const struct service *service = service_of(node);
        const char *user = service->config->user;
        if (strcmp(service->name, pool->name) == 0)
            table_add(table, "%s", service->name);
        else
            table_add(table, "%s (process %s)", service->name, pool->name);
        table_add(table, "%s", service->listen[0] ? service->listen : "-");
        table_add(table, "%u", service->config->workers);
        table_add(table, "%s", user[0] ? user : "-");
        table_add(table, "ready");
    }
}

void banner_print(FILE *out, const void *arg) {
    const struct instance *instance = arg;
    struct utsname system = {0};
    struct table table;
    struct list *node;
    uname(&system);
    say_line(out, "Crewman %s  %s %s  run_dir %s", CREW_VERSION, system.sysname, system.release,
             instance->config->run_dir);
    table_init(&table, columns, sizeof(columns) / sizeof(columns[0]));
    list_each (node, &instance->pools)
        add_services(&table, pool_of(node));
    table_print(&table, out);
    table_done(&table);
    print_end(out, instance);
}

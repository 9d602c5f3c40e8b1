/* SPDX-License-Identifier: MIT
 *
 * The memory that a machine gives us, read from a folder that stands for its root; and how the
 * configuration shares it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "config_memory.h"
#include "machine.h"

#define MIB ((uint64_t)1024 * 1024)

static char root[64];

static void put(const char *path, const char *text) {
    char whole[512];
    snprintf(whole, sizeof(whole), "%s%s", root, path);
    for (char *at = whole + strlen(root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        (void)mkdir(whole, 0700);
        *at = '/';
    }
    FILE *file = fopen(whole, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int begin(void **state) {
    (void)state;
    snprintf(root, sizeof(root), "/tmp/crewman-machine-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    put("/proc/meminfo", "MemTotal:        1024000 kB\nMemFree: 1 kB\n");
    return 0;
}

static int end(void **state) {
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", root);
    return system(command);
}

#define ALL (1000 * MIB)

static void is_that_of_the_machine(void **state) {
    (void)state;
    assert_int_equal(machine_memory(root), ALL);
    put("/proc/meminfo", "");
    assert_int_equal(machine_memory(root), 0);
    assert_true(machine_memory("") > 0);
}

#define MOUNT_2                                                                                \
    "22 1 0:20 / /proc rw - proc proc rw\n"                                                    \
    "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"

static void is_the_least_of_nested_groups(void **state) {
    (void)state;
    put("/proc/self/mountinfo", MOUNT_2);
    put("/proc/self/cgroup", "0::/system.slice/crewman.service\n");
    put("/sys/fs/cgroup/system.slice/crewman.service/memory.max", "max\n");
    assert_int_equal(machine_memory(root), ALL);
    put("/sys/fs/cgroup/system.slice/memory.max", "419430400\n");
    assert_int_equal(machine_memory(root), 400 * MIB);
    put("/sys/fs/cgroup/system.slice/crewman.service/memory.high", "314572800\n");
    assert_int_equal(machine_memory(root), 300 * MIB);
    put("/sys/fs/cgroup/system.slice/crewman.service/memory.max", "209715200\n");
    assert_int_equal(machine_memory(root), 200 * MIB);
    put("/sys/fs/cgroup/system.slice/memory.max", "104857600\n");
    assert_int_equal(machine_memory(root), 100 * MIB);
}

static void is_that_of_a_container(void **state) {
    (void)state;
    put("/proc/self/mountinfo", MOUNT_2);
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/memory.max", "524288000\n");
    assert_int_equal(machine_memory(root), 500 * MIB);
    /* the paths of the host, of which the mount shows ours as its root */
    put("/proc/self/mountinfo",
        "30 22 0:26 /docker/ab12 /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    put("/proc/self/cgroup", "0::/docker/ab12/sub\n");
    put("/sys/fs/cgroup/sub/memory.max", "104857600\n");
    assert_int_equal(machine_memory(root), 100 * MIB);
    put("/proc/self/cgroup", "0::/../other\n");
    assert_int_equal(machine_memory(root), 500 * MIB);
}

static void knows_version_1(void **state) {
    (void)state;
    put("/proc/self/mountinfo",
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
        "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
        "33 31 0:30 / /sys/fs/cgroup/memory rw shared:2 - cgroup cgroup rw,memory\n");
    put("/proc/self/cgroup", "5:cpu:/\n4:hugetlb,memory:/jobs/7\n0::/\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/jobs/7/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(machine_memory(root), ALL);
    put("/sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", "125829120\n");
    assert_int_equal(machine_memory(root), 120 * MIB);
}

static struct config_draft draft(const char *name, const char *process, uint32_t workers,
                                 uint64_t memory) {
    struct config_draft made = {.is_complete = true};
    config_service_build(&made, name);
    free(made.service.process);
    made.service.process = strdup(process);
    made.service.workers = workers;
    made.service.limits.memory = memory;
    return made;
}

static void is_shared_by_all_workers(void **state) {
    struct config_draft drafts[] = {draft("a", "", 3, 0), draft("b", "p", 4, 0),
                                    draft("c", "p", 4, 0), draft("d", "", 1, 8 * MIB)};
    (void)state;
    config_memory_settle(drafts, 4, ALL);
    for (size_t i = 0; i < 3; i++) /* half, for eight */
        assert_int_equal(drafts[i].service.limits.memory, 62 * MIB);
    assert_int_equal(drafts[3].service.limits.memory, 8 * MIB);
    const json_t *limits = json_object_get(drafts[0].service.effective, "limits");
    assert_string_equal(json_string_value(json_object_get(limits, "memory")), "62m");
    for (size_t i = 0; i < 4; i++)
        config_service_done(&drafts[i].service);
}

static void is_little_on_a_small_machine(void **state) {
    struct config_draft small = draft("a", "", 512, 0);
    (void)state;
    config_memory_settle(&small, 1, 0);
    assert_int_equal(small.service.limits.memory, 0);
    config_memory_settle(&small, 1, 100 * MIB);
    assert_int_equal(small.service.limits.memory, MIB);
    config_service_done(&small.service);
}

static void long_messages_are_warned_of(void **state) {
    struct config_draft drafts[] = {draft("a", "", 1, 80 * MIB), draft("b", "", 1, 79 * MIB)};
    struct config_service services[] = {drafts[0].service, drafts[1].service};
    struct config config = {.services = services, .service_count = 2};
    struct config_errors warnings = {0};
    (void)state;
    services[1].limits.max_body = MIB;
    config_memory_warn(&config, &warnings);
    assert_int_equal(warnings.count, 1);
    assert_string_equal(warnings.lines[0],
                        "services.b.limits.max_message: found 10m; expected at most 10112k, an "
                        "eighth of limits.memory (79m): otherwise a few clients can fill a "
                        "worker");
    config_errors_done(&warnings);
    for (size_t i = 0; i < 2; i++)
        config_service_done(&services[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(is_that_of_the_machine, begin, end),
        cmocka_unit_test_setup_teardown(is_the_least_of_nested_groups, begin, end),
        cmocka_unit_test_setup_teardown(is_that_of_a_container, begin, end),
        cmocka_unit_test_setup_teardown(knows_version_1, begin, end),
        cmocka_unit_test(is_shared_by_all_workers),
        cmocka_unit_test(is_little_on_a_small_machine),
        cmocka_unit_test(long_messages_are_warned_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

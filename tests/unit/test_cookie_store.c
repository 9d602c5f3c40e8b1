/* SPDX-License-Identifier: MIT
 *
 * Both stores of cookie sessions: who goes first when there is no room, what becomes of changes
 * that meet, and what others may have put into the folder.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "service.h"
#include "worker.h"

#define OTHER_UID 12345

static struct worker worker;
static char cookie[] = "sid", nothing[1], folder[64];

struct rig {
    struct config_service config;
    struct service service;
    struct cookie_store *store;
};

struct worker *worker_self(void) {
    return &worker;
}

static void begin_with(struct rig *rig, char *dir, uint32_t max, uint64_t memory) {
    char why[256];
    *rig = (struct rig){.config.session = {.dir = dir,
                                           .cookie = cookie,
                                           .lifetime_ms = 3600000,
                                           .max_size = 16384,
                                           .max_sessions = max,
                                           .max_files = 100000},
                        .config.limits.memory = memory,
                        .config.workers = 1};
    rig->service = (struct service){.worker = &worker, .config = &rig->config};
    rig->store = &rig->service.cookies;
    assert_int_equal(cookie_store_open(&rig->service, why, sizeof(why)), 0);
}

static void begin(struct rig *rig, char *dir, uint32_t max) {
    begin_with(rig, dir, max, 0);
}

static void end(struct rig *rig) {
    cookie_store_close(&rig->service);
    uv_run(&worker.loop, UV_RUN_NOWAIT);
}

static const char *id_of(unsigned number) {
    static char ids[4][COOKIE_ID_LEN + 1];
    static unsigned turn;
    char *id = ids[turn++ % 4];
    snprintf(id, COOKIE_ID_LEN + 1, "%08u%024u", number, number);
    return id;
}

static void make_of(struct rig *rig, uint64_t client, unsigned number, const char *value) {
    json_t *data = json_pack("{s:s}", "a", value);
    assert_int_equal(rig->store->ops->create(rig->store, client, id_of(number), data), 0);
    json_decref(data);
}

static void make(struct rig *rig, uint64_t client, unsigned number) {
    make_of(rig, client, number, "1");
}

static bool look(struct rig *rig, unsigned number) {
    json_t *data = NULL;
    int error = rig->store->ops->load(rig->store, id_of(number), &data);
    assert_true(error == 0 || error == CREW_ENOENT);
    json_decref(data);
    return error == 0;
}

static int set(struct rig *rig, unsigned number, const char *name, const char *value) {
    json_t *names = json_pack("{s:s}", name, value);
    const struct cookie_changes changes = {false, names};
    int error = rig->store->ops->change(rig->store, id_of(number), &changes);
    json_decref(names);
    return error;
}

/* "a=1 b=2", in the order of the names; "": there is no session. */
static const char *text_of(struct rig *rig, unsigned number) {
    static char text[1024];
    json_t *data, *value;
    const char *name;
    text[0] = '\0';
    if (rig->store->ops->load(rig->store, id_of(number), &data) != 0)
        return text;
    for (char letter = 'a'; letter <= 'z'; letter++)
        json_object_foreach(data, name, value) if (name[0] == letter)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s=%s",
                     text[0] ? " " : "", name, json_string_value(value));
    json_decref(data);
    return text;
}

/* -- in memory */

static void test_one_hit_sessions_go_first(void **state) {
    struct rig rig;
    (void)state;
    begin(&rig, nothing, 100);
    make(&rig, 1, 0);
    assert_true(look(&rig, 0));
    for (unsigned i = 1; i <= 1000; i++)
        make(&rig, 1 + i, i); /* each from another address */
    assert_true(look(&rig, 0));
    assert_int_equal(rig.store->sessions.count, 100);
    assert_true(look(&rig, 1000));
    assert_false(look(&rig, 1));
    end(&rig);
}

static void test_an_address_has_its_share(void **state) {
    struct rig rig;
    (void)state;
    begin(&rig, nothing, 100);
    for (unsigned i = 0; i < 40; i++)
        make(&rig, 7, i);
    for (unsigned i = 100; i < 1100; i++)
        make(&rig, 8, i);
    for (unsigned i = 0; i < 40; i++)
        assert_true(look(&rig, i));
    assert_int_equal(rig.store->sessions.count, 90);
    assert_false(look(&rig, 1049));
    assert_true(look(&rig, 1050));
    end(&rig);
}

static const char *long_value(void) {
    static char value[10001];
    memset(value, 'x', sizeof(value) - 1);
    return value;
}

/* Few sessions, each as large as it may be. */
static void test_their_bytes_have_a_bound_too(void **state) {
    struct rig rig;
    const size_t most = 1u << 20;
    (void)state;
    begin_with(&rig, nothing, 10000, 4 * most);
    make(&rig, 1, 0);
    assert_true(look(&rig, 0));
    for (unsigned i = 1; i <= 500; i++) {
        make_of(&rig, 1 + i, i, long_value());
        assert_true(rig.store->census.bytes <= most);
    }
    assert_true(rig.store->sessions.count > 80 && rig.store->sessions.count < 110);
    assert_true(look(&rig, 0));
    assert_true(look(&rig, 500));
    for (unsigned i = 420; i <= 500; i++)
        (void)set(&rig, i, "b", "short");
    assert_true(rig.store->census.bytes <= most);
    end(&rig);
    assert_int_equal(rig.store->census.bytes, 0);
}

static void test_an_address_has_half_of_the_bytes(void **state) {
    struct rig rig;
    (void)state;
    begin_with(&rig, nothing, 10000, 4u << 20);
    for (unsigned i = 0; i < 20; i++)
        make_of(&rig, 7, i, long_value());
    for (unsigned i = 100; i < 300; i++) {
        make(&rig, 8, i);
        assert_int_equal(set(&rig, i, "b", long_value()), 0); /* grown, and used */
    }
    for (unsigned i = 0; i < 20; i++)
        assert_true(look(&rig, i));
    assert_true(rig.store->census.bytes <= 20u * 11000 + (1u << 19));
    assert_true(look(&rig, 299));
    assert_false(look(&rig, 200));
    end(&rig);
}

/* Who has more than half by one session alone still counts in the sum. */
static void test_sessions_above_half_have_a_sum_too(void **state) {
    struct rig rig;
    const size_t most = 16u << 10;
    (void)state;
    begin_with(&rig, nothing, 10000, 4 * most);
    for (unsigned i = 0; i < 100; i++) {
        make_of(&rig, 1 + i, i, long_value());
        assert_true(rig.store->census.bytes <= most);
        assert_true(look(&rig, i)); /* each came back */
    }
    end(&rig);
}

static void test_who_sends_its_cookies_back_pays_with_its_own(void **state) {
    struct rig rig;
    (void)state;
    begin(&rig, nothing, 100);
    for (unsigned i = 0; i < 40; i++) {
        make(&rig, 7, i);
        assert_true(look(&rig, i));
    }
    for (unsigned i = 100; i < 1100; i++) {
        make(&rig, 8, i);
        assert_true(look(&rig, i));
    }
    for (unsigned i = 0; i < 40; i++)
        assert_true(look(&rig, i));
    end(&rig);
}

/* All have come back: a new one can still become one of them. */
static void test_the_address_that_holds_most_pays_first(void **state) {
    struct rig rig;
    (void)state;
    begin(&rig, nothing, 200);
    make(&rig, 1, 0);
    assert_true(look(&rig, 0));
    for (unsigned i = 1000; i < 3000; i++) {
        make(&rig, 2 + i % 12, i);
        assert_true(look(&rig, i)); /* comes back at once */
    }
    assert_true(look(&rig, 0));
    assert_true(look(&rig, 2999));
    assert_int_equal(rig.store->sessions.count, 200);
    end(&rig);
    assert_int_equal(rig.store->census.count, 0);
}

static void test_a_new_client_finds_room_among_many(void **state) {
    struct rig rig;
    (void)state;
    begin(&rig, nothing, 80);
    for (unsigned i = 0; i < 80; i++) {
        make(&rig, 1 + i, i);
        assert_true(look(&rig, i));
    }
    for (unsigned i = 100; i < 105; i++)
        make(&rig, 1 + i, i);
    for (unsigned i = 100; i < 105; i++)
        assert_true(look(&rig, i));
    assert_int_equal(rig.store->sessions.count, 80);
    end(&rig);
}

static void test_unix_peers_have_no_share(void **state) {
    struct rig rig;
    (void)state;
    begin(&rig, nothing, 100);
    for (unsigned i = 0; i < 100; i++)
        make(&rig, 0, i);
    assert_true(look(&rig, 0));
    end(&rig);
}

static void test_another_id_is_a_use(void **state) {
    struct rig rig;
    json_t *names = json_pack("{s:s}", "u", "ann");
    const struct cookie_changes changes = {false, names};
    (void)state;
    begin(&rig, nothing, 20);
    make(&rig, 1, 0);
    assert_int_equal(rig.store->ops->move(rig.store, id_of(0), id_of(500), &changes), 0);
    for (unsigned i = 1; i < 100; i++)
        make(&rig, 1 + i, i);
    assert_string_equal(text_of(&rig, 500), "a=1 u=ann");
    assert_false(look(&rig, 0));
    json_decref(names);
    end(&rig);
}

/* -- in files */

static void path_of(unsigned number, char *out_path, size_t size) {
    snprintf(out_path, size, "%s/session_%s", folder, id_of(number));
}

static size_t file_count(void) {
    DIR *dir = opendir(folder);
    size_t count = 0;
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    closedir(dir);
    return count;
}

static void put_file(unsigned number, const char *text) {
    char path[256];
    path_of(number, path, sizeof(path));
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_changes_of_two_workers_are_kept(void **state) {
    struct rig one, two;
    (void)state;
    begin(&one, folder, 100);
    begin(&two, folder, 100);
    make(&one, 1, 0);
    assert_int_equal(set(&two, 0, "b", "2"), 0);
    assert_int_equal(set(&one, 0, "c", "3"), 0);
    assert_int_equal(set(&two, 0, "a", "4"), 0);
    assert_string_equal(text_of(&one, 0), "a=4 b=2 c=3");
    assert_int_equal(file_count(), 1);
    end(&one);
    end(&two);
}

static void test_history_is_bounded(void **state) {
    struct rig rig;
    struct stat status;
    char path[256], value[8];
    (void)state;
    begin(&rig, folder, 100);
    make(&rig, 1, 0);
    path_of(0, path, sizeof(path));
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(value, sizeof(value), "%u", i);
        assert_int_equal(set(&rig, 0, "b", value), 0);
        assert_int_equal(stat(path, &status), 0);
        assert_in_range(status.st_size, 1, 8192);
    }
    assert_string_equal(text_of(&rig, 0), "a=1 b=2999");
    end(&rig);
}

/* As a full disk leaves it. */
static void test_half_a_change_is_none(void **state) {
    struct rig rig;
    (void)state;
    begin(&rig, folder, 100);
    put_file(0, " {\"a\":\"1\"}\n+{\"b\":\"2\"}\n+{\"c\":\"");
    assert_string_equal(text_of(&rig, 0), "a=1 b=2");
    assert_int_equal(set(&rig, 0, "d", "4"), 0);
    assert_string_equal(text_of(&rig, 0), "a=1 b=2 d=4");
    put_file(1, " {\"a\":\"1\"}\n={\"b\":\"2\"}\n+{\"b\":null,\"c\":\"3\"}\n+{\"d\":4}\n");
    assert_string_equal(text_of(&rig, 1), "c=3");
    end(&rig);
}

static void test_of_two_new_ids_one_is_too_late(void **state) {
    struct rig one, two;
    json_t *names = json_pack("{s:s}", "u", "bob");
    const struct cookie_changes changes = {false, names};
    (void)state;
    begin(&one, folder, 100);
    begin(&two, folder, 100);
    make(&one, 1, 0);
    assert_int_equal(one.store->ops->move(one.store, id_of(0), id_of(1), &changes), 0);
    assert_int_equal(two.store->ops->move(two.store, id_of(0), id_of(2), &changes),
                     CREW_ENOENT);
    assert_string_equal(text_of(&two, 1), "a=1 u=bob");
    assert_int_equal(set(&two, 0, "c", "3"), CREW_ENOENT);
    assert_int_equal(file_count(), 1);
    json_decref(names);
    end(&one);
    end(&two);
}

static void test_a_lock_is_not_waited_for(void **state) {
    struct rig rig;
    char path[256];
    (void)state;
    begin(&rig, folder, 100);
    make(&rig, 1, 0);
    path_of(0, path, sizeof(path));
    int fd = open(path, O_RDONLY);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(set(&rig, 0, "b", "2"), -EBUSY);
    assert_string_equal(text_of(&rig, 0), "a=1");
    close(fd);
    assert_int_equal(set(&rig, 0, "b", "2"), 0);
    end(&rig);
}

/* Neither by the sweep, of a session that somebody is changing still, nor by who would write a
 * long history anew. */
static void test_a_shared_lock_is_not_waited_for(void **state) {
    struct rig rig;
    struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    struct stat status;
    char path[256], value[8];
    (void)state;
    begin(&rig, folder, 100);
    make(&rig, 1, 0);
    path_of(0, path, sizeof(path));
    int fd = open(path, O_RDONLY);
    assert_int_equal(flock(fd, LOCK_SH), 0);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(value, sizeof(value), "%u", i);
        assert_int_equal(set(&rig, 0, "b", value), 0);
    }
    assert_string_equal(text_of(&rig, 0), "a=1 b=999");
    assert_int_equal(stat(path, &status), 0);
    assert_true(status.st_size > 8192); /* it is written anew when the lock has gone */
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    (void)rig.store->ops->sweep(rig.store);
    assert_int_equal(file_count(), 1);
    close(fd);
    (void)rig.store->ops->sweep(rig.store);
    (void)rig.store->ops->sweep(rig.store); /* the first may have stood at the folder's end */
    assert_int_equal(file_count(), 0);
    end(&rig);
}

static void test_files_of_new_clients_are_bounded(void **state) {
    struct rig rig;
    (void)state;
    begin(&rig, folder, 100);
    make(&rig, 1, 0);
    assert_true(look(&rig, 0));
    make(&rig, 2, 1);
    for (unsigned i = 100; i < 400; i++)
        make(&rig, 1, i);
    assert_true(look(&rig, 0)); /* it came back */
    assert_true(look(&rig, 1)); /* another address */
    assert_in_range(file_count(), 50, 52);
    end(&rig);
}

static void test_who_makes_files_pays_for_the_sweep(void **state) {
    struct rig rig;
    struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    char path[256];
    (void)state;
    begin(&rig, folder, 10000);
    for (unsigned i = 1000; i < 1800; i++) {
        put_file(i, " {\"a\":\"1\"}");
        path_of(i, path, sizeof(path));
        assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    }
    /* Twice through the folder, as a walk does not see all that has been made meanwhile. */
    for (unsigned i = 0; i < 2 * 900 / 8; i++)
        make(&rig, 1, i);
    assert_int_equal(file_count(), 2 * 900 / 8);
    end(&rig);
}

static void used_at(unsigned number, time_t when) {
    struct timespec times[2] = {{.tv_sec = when}, {.tv_sec = when}};
    char path[256];
    path_of(number, path, sizeof(path));
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool is_there(unsigned number) {
    char path[256];
    path_of(number, path, sizeof(path));
    return access(path, F_OK) == 0;
}

static void sweep_until_quiet(struct rig *rig) {
    while (rig->store->ops->sweep(rig->store))
        continue;
}

static void test_their_sum_is_bounded(void **state) {
    struct rig rig;
    time_t now = time(NULL);
    (void)state;
    begin(&rig, folder, 100000);
    rig.config.session.max_files = 100;
    for (unsigned i = 0; i < 60; i++) {
        put_file(i, " {\"a\":\"1\"}"); /* came back */
        used_at(i, now - 3000 + 10 * (time_t)i);
    }
    for (unsigned i = 0; i < 4000; i++) {
        make(&rig, 1000 + i, 1000 + i);
        assert_in_range(file_count(), 60, 160);
    }
    for (unsigned i = 0; i < 60; i++)
        assert_true(is_there(i)); /* however long ago it was */
    sweep_until_quiet(&rig);
    assert_in_range(file_count(), 60, 100);
    end(&rig);
}

/* So far as their ages are told apart: to a fifth. */
static void test_of_the_surplus_the_oldest_go(void **state) {
    struct rig rig;
    time_t now = time(NULL);
    (void)state;
    begin(&rig, folder, 100000);
    rig.config.session.max_files = 100;
    for (unsigned i = 0; i < 300; i++) {
        put_file(i, i % 3 ? " {\"a\":\"1\"}" : "\n{\"a\":\"1\"}");
        used_at(i, now - 3400 + 10 * (time_t)i);
    }
    sweep_until_quiet(&rig);
    assert_int_equal(file_count(), 100);
    for (unsigned i = 0; i < 300; i += 3)
        assert_false(is_there(i)); /* it did not come back */
    for (unsigned i = 0; i < 300; i++)
        if (i % 3 && (i < 110 || i > 190))
            assert_int_equal(is_there(i), i > 190);
    end(&rig);
}

/* Not each worker for itself what one of them is to remove. */
static void test_no_more_than_the_surplus_goes(void **state) {
    struct rig rigs[8];
    time_t now = time(NULL);
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        begin(&rigs[i], folder, 100000);
        rigs[i].config.session.max_files = 1000;
        rigs[i].store->workers = 8;
    }
    for (unsigned i = 0; i < 1100; i++) {
        put_file(i, " {\"a\":\"1\"}");
        used_at(i, now - 3000); /* all of one age */
    }
    for (unsigned turn = 0; turn < 100; turn++)
        for (unsigned i = 0; i < 8; i++)
            (void)rigs[i].store->ops->sweep(rigs[i].store);
    assert_in_range(file_count(), 900, 1000);
    for (unsigned i = 0; i < 8; i++)
        end(&rigs[i]);
}

/* Each knows of the others' files by its walk only. */
static void test_the_sum_of_all_workers_is_bounded(void **state) {
    struct rig rigs[8];
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        begin(&rigs[i], folder, 100000);
        rigs[i].config.session.max_files = 200;
        rigs[i].store->workers = 8;
    }
    for (unsigned i = 0; i < 4000; i++) {
        make(&rigs[i % 8], 1 + i, i);
        assert_true(file_count() <= 600);
    }
    for (unsigned i = 0; i < 8; i++)
        end(&rigs[i]);
}

static void test_what_others_put_there_is_not_taken(void **state) {
    struct rig rig;
    char path[256];
    (void)state;
    begin(&rig, folder, 100);
    snprintf(path, sizeof(path), "%s/.session_%s.%d", folder, id_of(0), (int)getpid());
    assert_int_equal(mkfifo(path, 0600), 0); /* the name of a temporary file */
    make(&rig, 1, 0);
    assert_string_equal(text_of(&rig, 0), "a=1");
    assert_int_equal(file_count(), 1);
    path_of(1, path, sizeof(path));
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(look(&rig, 1));
    if (geteuid() == 0) {
        put_file(2, "{\"user\":\"root\"}");
        path_of(2, path, sizeof(path));
        assert_int_equal(chmod(path, 0666), 0);
        assert_true(look(&rig, 2));
        assert_int_equal(chown(path, OTHER_UID, OTHER_UID), 0);
        assert_false(look(&rig, 2));
        assert_int_equal(set(&rig, 2, "b", "2"), CREW_ENOENT);
    }
    end(&rig);
}

static int set_up(void **state) {
    (void)state;
    memset(&worker, 0, sizeof(worker));
    snprintf(folder, sizeof(folder), "/tmp/crew-cookies-XXXXXX");
    return mkdtemp(folder) && uv_loop_init(&worker.loop) == 0 ? 0 : -1;
}

static int tear_down(void **state) {
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command) == 0 ? uv_loop_close(&worker.loop) : -1;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_one_hit_sessions_go_first),
        CASE(test_an_address_has_its_share),
        CASE(test_their_bytes_have_a_bound_too),
        CASE(test_an_address_has_half_of_the_bytes),
        CASE(test_sessions_above_half_have_a_sum_too),
        CASE(test_who_sends_its_cookies_back_pays_with_its_own),
        CASE(test_the_address_that_holds_most_pays_first),
        CASE(test_a_new_client_finds_room_among_many),
        CASE(test_unix_peers_have_no_share),
        CASE(test_another_id_is_a_use),
        CASE(test_changes_of_two_workers_are_kept),
        CASE(test_history_is_bounded),
        CASE(test_half_a_change_is_none),
        CASE(test_of_two_new_ids_one_is_too_late),
        CASE(test_a_lock_is_not_waited_for),
        CASE(test_a_shared_lock_is_not_waited_for),
        CASE(test_files_of_new_clients_are_bounded),
        CASE(test_who_makes_files_pays_for_the_sweep),
        CASE(test_their_sum_is_bounded),
        CASE(test_of_the_surplus_the_oldest_go),
        CASE(test_no_more_than_the_surplus_goes),
        CASE(test_the_sum_of_all_workers_is_bounded),
        CASE(test_what_others_put_there_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * Listening sockets are opened: who may have an address, what is left in the file system, and
 * that no worker gets a share of connections that nobody takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "sockets_help.h"

static void a_service_without_address_has_none(void **state) {
    (void)state;
    struct config_service service = service_on(none, 2);
    struct sockets *sockets = (void *)why;
    assert_int_equal(sockets_open(&service, &sockets, why, sizeof(why)), 0);
    assert_null(sockets);
    sockets_unref(NULL);
    assert_int_equal(sockets_grow(NULL, 3, why, sizeof(why)), 0);
    sockets_shrink(NULL, 1);
}

static void workers_share_one_socket(void **state) {
    (void)state;
    char text[64];
    close(take_port(text, sizeof(text)));
    struct config_service service = service_on(text, 4);
    struct sockets *sockets = open_service(&service);
    int fd = sockets_get(sockets, 0);
    assert_int_equal(sockets_get(sockets, 3), fd);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_true(is_listening(fd));
    assert_true(sockets_fit(sockets, &service));
    sockets_unref(sockets_ref(sockets));
    assert_true(is_listening(fd));
    sockets_unref(sockets);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void a_port_in_use_is_told(void **state) {
    (void)state;
    char text[64];
    int other = take_port(text, sizeof(text));
    struct config_service service = service_on(text, 1);
    struct sockets *sockets = NULL;
    char expected[256];
    assert_int_equal(sockets_open(&service, &sockets, why, sizeof(why)), -EADDRINUSE);
    assert_null(sockets);
    snprintf(expected, sizeof(expected),
             "cannot listen on %s: Address already in use (another process listens there; "
             "\"ss -ltnup\" names it to root)",
             text);
    assert_string_equal(why, expected);
    close(other);
}

/* The kernel deals connections out to every socket that listens, served or not. */
static void a_socket_of_a_slot_listens_once_it_is_served(void **state) {
    (void)state;
    char text[64];
    close(take_port(text, sizeof(text)));
    struct config_service service = service_on(text, 3);
    service.reuse_port = true;
    struct sockets *sockets = open_service(&service);
    int first = sockets_get(sockets, 0);
    for (int fd = first + 1; fd < first + 3; fd++) { /* the next descriptors are the others */
        assert_int_equal(port_of(fd), port_of(first));
        assert_false(is_listening(fd));
    }
    assert_int_equal(sockets_get(sockets, 2), first + 2);
    assert_true(is_listening(first + 2));
    assert_int_equal(sockets_grow(sockets, 4, why, sizeof(why)), 0);
    assert_int_equal(port_of(sockets_get(sockets, 3)), port_of(first));
    sockets_shrink(sockets, 1);
    for (int fd = first + 1; fd < first + 4; fd++)
        assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_true(is_listening(first));
    sockets_unref(sockets);
}

/* Two that both allow it share a port; a stranger without it must not be joined. */
static void reuse_port_joins_nobody_by_accident(void **state) {
    (void)state;
    char text[64];
    int other = take_port(text, sizeof(text));
    struct config_service service = service_on(text, 2);
    struct sockets *sockets = NULL;
    service.reuse_port = true;
    assert_int_equal(sockets_open(&service, &sockets, why, sizeof(why)), -EADDRINUSE);
    close(other);
}

static void one_ipv6_socket_serves_both(void **state) {
    (void)state;
    char text[64];
    int off = 1;
    socklen_t len = sizeof(off);
    struct config_service service;
    int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        skip();
    close(probe);
    close(take_port(text, sizeof(text)));
    char both[64];
    snprintf(both, sizeof(both), "tcp://[::]:%s", strrchr(text, ':') + 1);
    service = service_on(both, 1);
    struct sockets *sockets = open_service(&service);
    assert_int_equal(getsockopt(sockets_get(sockets, 0), IPPROTO_IPV6, IPV6_V6ONLY, &off, &len),
                     0);
    assert_int_equal(off, 0);
    sockets_unref(sockets);
}

static void only_the_same_address_fits(void **state) {
    (void)state;
    char text[64], other_text[64];
    close(take_port(text, sizeof(text)));
    close(take_port(other_text, sizeof(other_text)));
    struct config_service service = service_on(text, 1), other = service_on(other_text, 1),
                          nothing = service_on(none, 1), reusing = service_on(text, 1);
    struct sockets *sockets = open_service(&service);
    reusing.reuse_port = true;
    assert_true(sockets_fit(sockets, &service));
    assert_true(strcmp(text, other_text) == 0 || !sockets_fit(sockets, &other));
    assert_false(sockets_fit(sockets, &nothing));
    assert_false(sockets_fit(sockets, &reusing));
    sockets_unref(sockets);
}

static void a_path_has_its_mode_and_goes_at_the_end(void **state) {
    (void)state;
    char text[128];
    struct stat file;
    snprintf(text, sizeof(text), "unix://%s", path);
    struct config_service service = service_on(text, 2);
    mode_t before = umask(022);
    struct sockets *sockets = open_service(&service);
    assert_int_equal(umask(before), 022); /* as it was */
    assert_int_equal(stat(path, &file), 0);
    assert_true(S_ISSOCK(file.st_mode));
    assert_int_equal(file.st_mode & 07777, 0640);
    assert_int_equal(connect_to_path(), 0);
    sockets_unref(sockets_ref(sockets));
    assert_int_equal(access(path, F_OK), 0);
    sockets_unref(sockets);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_path_that_is_somebody_elses_by_now_stays(void **state) {
    (void)state;
    char text[128];
    snprintf(text, sizeof(text), "unix://%s", path);
    struct config_service service = service_on(text, 1);
    struct sockets *sockets = open_service(&service);
    assert_int_equal(unlink(path), 0);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    sockets_unref(sockets);
    assert_int_equal(access(path, F_OK), 0);
}

static void a_stale_path_is_replaced_a_served_one_is_not(void **state) {
    (void)state;
    struct sockets_unix options = {.mode = 0600, .backlog = 4};
    struct unix_name name = UNIX_NAME_NONE;
    int fd = sockets_listen_unix(path, &options, &name);
    assert_true(fd >= 0);
    assert_int_equal(sockets_listen_unix(path, &options, &name), -EADDRINUSE);
    assert_int_equal(connect_to_path(), 0);
    close(fd); /* as a process that is killed leaves it */
    close(name.folder);
    assert_int_equal(access(path, F_OK), 0);
    fd = sockets_listen_unix(path, &options, &name);
    assert_true(fd >= 0);
    assert_int_equal(connect_to_path(), 0);
    close(fd);
    unix_name_remove(&name);
    assert_int_equal(access(path, F_OK), -1);
}

/* Neither a file nor a link is removed for it, and it is called what it is. */
static void what_is_no_socket_is_left_alone(void **state) {
    (void)state;
    char text[128], expected[256];
    struct sockets *sockets = NULL;
    snprintf(text, sizeof(text), "unix://%s", path);
    struct config_service service = service_on(text, 1);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(sockets_open(&service, &sockets, why, sizeof(why)), -EEXIST);
    snprintf(expected, sizeof(expected),
             "cannot listen on %s: File exists (it is no socket; remove it yourself)", text);
    assert_string_equal(why, expected);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(sockets_open(&service, &sockets, why, sizeof(why)), -EEXIST);
    assert_null(sockets);
}

struct swapper {
    const char *victim;
    atomic_bool is_over;
};

/* Whoever owns the folder puts a link in the place of the socket, again and again. */
static void *swap(void *arg) {
    struct swapper *swapper = arg;
    while (!swapper->is_over) {
        (void)unlink(path);
        (void)symlink(swapper->victim, path);
        (void)unlink(path);
    }
    return NULL;
}

static void no_link_leads_to_what_is_given_away(void **state) {
    (void)state;
    char victim[128];
    struct sockets_unix options = {
        .mode = 0666, .backlog = 4, .user = "nobody", .group = "nogroup"};
    struct stat file;
    pthread_t thread;
    if (geteuid() != 0)
        skip();
    snprintf(victim, sizeof(victim), "%s/victim", folder);
    int fd = open(victim, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    struct swapper swapper = {.victim = victim};
    assert_int_equal(pthread_create(&thread, NULL, swap, &swapper), 0);
    for (int i = 0; i < 2000; i++) {
        struct unix_name name = UNIX_NAME_NONE;
        int listener = sockets_listen_unix(path, &options, &name);
        if (listener < 0)
            continue;
        unix_name_remove(&name);
        close(listener);
    }
    swapper.is_over = true;
    pthread_join(thread, NULL);
    assert_int_equal(fstat(fd, &file), 0);
    assert_int_equal(file.st_mode & 07777, 0600);
    assert_int_equal(file.st_uid, 0);
    assert_int_equal(file.st_nlink, 1);
    close(fd);
    unlink(victim);
}

static void a_failure_leaves_nothing(void **state) {
    (void)state;
    struct sockets_unix options = {.mode = 0600, .backlog = 4, .user = "no-such-user"};
    struct unix_name name = UNIX_NAME_NONE;
    char longer[200];
    int before = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(before);
    assert_int_equal(sockets_listen_unix(path, &options, &name), -ENOENT);
    assert_int_equal(access(path, F_OK), -1);
    options.user = NULL;
    options.group = "no-such-group";
    assert_int_equal(sockets_listen_unix(path, &options, &name), -ENOENT);
    assert_int_equal(access(path, F_OK), -1);
    options.group = NULL;
    memset(longer, 'x', sizeof(longer) - 1);
    longer[0] = '/';
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(sockets_listen_unix(longer, &options, &name), -ENAMETOOLONG);
    int after = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(after, before); /* no descriptor either */
    close(after);
}

/* -- addresses that overlap, as a reload brings them */

static const char *const hosts[] = {"127.0.0.1", "0.0.0.0", "[::]"};

#define PAIRS 6

/* Each of the three hosts to each of the others, on one free port. */
static void make_pair(unsigned number, const char *scheme, char *old, char *next, size_t size) {
    char text[64];
    unsigned from = number / 2, to = (from + 1 + number % 2) % 3;
    close(take_port(text, sizeof(text)));
    snprintf(old, size, "%s://%s:%s", scheme, hosts[from], strrchr(text, ':') + 1);
    snprintf(next, size, "%s://%s:%s", scheme, hosts[to], strrchr(text, ':') + 1);
}

static bool has_ipv6(void) {
    int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe >= 0)
        close(probe);
    return probe >= 0;
}

static void an_address_moves_to_one_that_overlaps(void **state) {
    (void)state;
    for (unsigned i = 0; has_ipv6() && i < PAIRS; i++) {
        char text[64], next_text[64];
        struct sockets *stranger = NULL;
        make_pair(i, "tcp", text, next_text, sizeof(text));
        struct config_service service = service_on(text, 1), next = service_on(next_text, 1);
        struct sockets *old = open_service(&service);
        int old_fd = sockets_get(old, 0);
        assert_true(sockets_overlap(old, &next));
        assert_int_equal(sockets_open(&next, &stranger, why, sizeof(why)), -EADDRINUSE);
        sockets_share(old, true);
        struct sockets *moved = open_beside(&next);
        int fd = sockets_get(moved, 0);
        assert_false(is_listening(fd)); /* nobody serves it yet: all goes to the old one */
        assert_true(takes(old_fd, text));
        assert_int_equal(listen(fd, 16), 0); /* what its first worker does */
        bool is_narrower = strstr(next_text, "127.") || strstr(text, "::");
        assert_true(takes(is_narrower ? fd : old_fd, text));
        assert_true(sockets_wait_for_workers(old));
        assert_int_equal(shutdown(old_fd, SHUT_RDWR), 0); /* what its last worker does */
        assert_false(sockets_wait_for_workers(old));
        assert_true(takes(fd, text));
        sockets_share(old, false);
        sockets_share(moved, false);
        assert_int_equal(sockets_open(&next, &stranger, why, sizeof(why)), -EADDRINUSE);
        sockets_unref(old);
        assert_true(takes(fd, text));
        sockets_unref(moved);
    }
}

static void addresses_that_do_not_overlap(void **state) {
    (void)state;
    struct config_service one = service_on((char[]){"tcp://127.0.0.1:2"}, 1),
                          two = service_on((char[]){"tcp://127.0.0.2:2"}, 1),
                          udp = service_on((char[]){"udp://0.0.0.0:2"}, 1);
    char text[64];
    close(take_port(text, sizeof(text)));
    struct config_service service = service_on(text, 1);
    struct sockets *sockets = open_service(&service);
    assert_false(sockets_overlap(sockets, &one));
    assert_false(sockets_overlap(sockets, &two));
    assert_false(sockets_overlap(sockets, &udp));
    sockets_unref(sockets);
}

static void a_path_that_is_gone_fits_no_more(void **state) {
    (void)state;
    char text[128];
    snprintf(text, sizeof(text), "unix://%s", path);
    struct config_service service = service_on(text, 1);
    struct sockets *old = open_service(&service), *again;
    assert_true(sockets_fit(old, &service));
    assert_int_equal(unlink(path), 0);
    assert_false(sockets_fit(old, &service));
    again = open_service(&service);
    assert_true(sockets_fit(again, &service));
    assert_false(sockets_fit(old, &service)); /* it is another's */
    sockets_unref(old);
    assert_int_equal(connect_to_path(), 0);
    sockets_unref(again);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_without_address_has_none),
        cmocka_unit_test(workers_share_one_socket),
        cmocka_unit_test(a_port_in_use_is_told),
        cmocka_unit_test(a_socket_of_a_slot_listens_once_it_is_served),
        cmocka_unit_test(reuse_port_joins_nobody_by_accident),
        cmocka_unit_test(one_ipv6_socket_serves_both),
        cmocka_unit_test(only_the_same_address_fits),
        IN_FOLDER(a_path_has_its_mode_and_goes_at_the_end),
        IN_FOLDER(a_path_that_is_somebody_elses_by_now_stays),
        IN_FOLDER(a_stale_path_is_replaced_a_served_one_is_not),
        IN_FOLDER(what_is_no_socket_is_left_alone),
        IN_FOLDER(no_link_leads_to_what_is_given_away),
        IN_FOLDER(a_failure_leaves_nothing),
        cmocka_unit_test(an_address_moves_to_one_that_overlaps),
        cmocka_unit_test(addresses_that_do_not_overlap),
        IN_FOLDER(a_path_that_is_gone_fits_no_more),
    };
    return cmocka_run_group_tests_name("sockets", tests, NULL, NULL);
}

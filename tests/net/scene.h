/* SPDX-License-Identifier: MIT
 *
 * How a test of this folder begins: a protocol and a configuration, from which each test gets a
 * stage of its own that is taken down behind it, also when the test fails. Called by cmocka and
 * by tests that need more than one stage.
 */
#ifndef CREWMAN_TEST_SCENE_H
#define CREWMAN_TEST_SCENE_H

#include "stage.h"

/* Not const where SCENE_TEST gets it: cmocka takes a `void *`. */
struct scene {
    enum listen_protocol protocol;
    void (*prepare)(struct stage *stage); /* before it starts */
};

/* A stage with nobody on it; and one that has met as many peers as it can hold. */
struct stage *scene_open(const struct scene *scene);
struct stage *scene_open_crowded(const struct scene *scene);

/* The test's state is a stage that has met one peer: `peers[0]`, named "a". Before the set-up
 * it is the scene. */
int scene_set_up(void **state);
int scene_tear_down(void **state);

#define SCENE_TEST(test, scene)                                                                \
    cmocka_unit_test_prestate_setup_teardown(test, scene_set_up, scene_tear_down, scene)

#endif

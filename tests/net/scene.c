/* SPDX-License-Identifier: MIT
 *
 * See scene.h.
 */
#include "scene.h"

struct stage *scene_open(const struct scene *scene) {
    struct stage *stage = stage_new(scene->protocol);
    scene->prepare(stage);
    stage_start(stage, &transport_memory);
    return stage;
}

struct stage *scene_open_crowded(const struct scene *scene) {
    struct stage *stage = scene_open(scene);
    while (stage->peer_count < STAGE_PEERS_MAX)
        stage_meet(stage, "p");
    return stage;
}

int scene_set_up(void **state) {
    struct stage *stage = scene_open(*state);
    stage_meet(stage, "a");
    *state = stage;
    return 0;
}

int scene_tear_down(void **state) {
    stage_free(*state);
    return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * A node received during tick k was silent at tick n for at least (n - k - 1) whole ticks, so
 * it is due when n - k > ticks. Differences of unsigned ticks stay right when the counter
 * wraps.
 */
#include "liveness.h"

void liveness_init(struct liveness *lists) {
    *lists = (struct liveness){0};
    list_init(&lists->by_receive);
    list_init(&lists->by_probe);
    for (int i = 0; i < DEADLINE_COUNT; i++)
        list_init(&lists->by_deadline[i]);
}

uint32_t liveness_ticks(uint64_t ms, uint32_t tick_ms) {
    uint64_t ticks = ms / tick_ms + (ms % tick_ms != 0);
    return ticks > INT32_MAX ? INT32_MAX : (uint32_t)ticks;
}

static void enter(struct liveness *lists, struct liveness_node *node) {
    node->received = lists->tick;
    node->is_excused = false;
    list_append(&lists->by_receive, &node->by_receive);
    list_append(&lists->by_probe, &node->by_probe);
}

void liveness_add(struct liveness *lists, struct liveness_node *node) {
    list_init(&node->by_deadline);
    node->deadline = DEADLINE_NONE;
    enter(lists, node);
}

void liveness_suspend(struct liveness_node *node) {
    list_remove(&node->by_receive);
    list_remove(&node->by_probe);
    node->is_excused = false;
}

void liveness_remove(struct liveness_node *node) {
    liveness_suspend(node);
    list_remove(&node->by_deadline);
    node->deadline = DEADLINE_NONE;
}

void liveness_resume(struct liveness *lists, struct liveness_node *node) {
    liveness_suspend(node);
    enter(lists, node);
}

void liveness_touch(struct liveness *lists, struct liveness_node *node) {
    if (node->received == lists->tick)
        return;
    node->received = lists->tick;
    if (list_is_linked(&node->by_receive) || node->is_excused)
        liveness_resume(lists, node);
}

void liveness_deadline(struct liveness *lists, struct liveness_node *node,
                       enum deadline deadline) {
    list_remove(&node->by_deadline);
    node->deadline = (uint8_t)deadline;
    node->started = lists->tick;
    if (deadline != DEADLINE_NONE)
        list_append(&lists->by_deadline[deadline], &node->by_deadline);
}

static void find_dead(struct liveness *lists, const struct liveness_found *found, void *owner) {
    struct list *head = &lists->by_receive;
    while (lists->idle_ticks && !list_is_empty(head)) {
        struct liveness_node *node = list_entry(head->next, struct liveness_node, by_receive);
        if (lists->tick - node->received <= lists->idle_ticks)
            return;
        liveness_suspend(node);
        found->dead(owner, node);
    }
}

static void find_silent(struct liveness *lists, const struct liveness_found *found,
                        void *owner) {
    struct list *head = &lists->by_probe;
    while (lists->probe_ticks && !list_is_empty(head)) {
        struct liveness_node *node = list_entry(head->next, struct liveness_node, by_probe);
        if (lists->tick - node->received <= lists->probe_ticks)
            return;
        list_remove(&node->by_probe);
        found->probe(owner, node);
    }
}

static void find_expired(struct liveness *lists, enum deadline deadline,
                         const struct liveness_found *found, void *owner) {
    struct list *head = &lists->by_deadline[deadline];
    while (lists->deadline_ticks[deadline] && !list_is_empty(head)) {
        struct liveness_node *node = list_entry(head->next, struct liveness_node, by_deadline);
        if (lists->tick - node->started <= lists->deadline_ticks[deadline])
            return;
        list_remove(&node->by_deadline);
        node->deadline = DEADLINE_NONE;
        found->expired(owner, node, deadline);
    }
}

void liveness_tick(struct liveness *lists, const struct liveness_found *found, void *owner) {
    lists->tick++;
    find_dead(lists, found, owner);
    find_silent(lists, found, owner);
    for (int i = DEADLINE_NONE + 1; i < DEADLINE_COUNT; i++)
        find_expired(lists, (enum deadline)i, found, owner);
}

/* SPDX-License-Identifier: MIT
 *
 * See siblings.h.
 */
#include "siblings.h"

#include <unistd.h>

void siblings_add(struct siblings *siblings, uint32_t process, int fd) {
    const struct score_page *page = NULL;
    if (fd < 0)
        return;
    siblings_remove(siblings, process);
    if (siblings->count < SIBLINGS_MAX)
        page = scoreboard_view(fd);
    close(fd);
    if (!page)
        return;
    siblings->list[siblings->count++] = (struct sibling){process, page};
    siblings->change++;
}

void siblings_remove(struct siblings *siblings, uint32_t process) {
    for (size_t i = 0; i < siblings->count; i++) {
        if (siblings->list[i].process != process)
            continue;
        scoreboard_close(siblings->list[i].page);
        siblings->list[i] = siblings->list[--siblings->count];
        siblings->change++;
        return;
    }
}

void siblings_done(struct siblings *siblings) {
    while (siblings->count > 0)
        siblings_remove(siblings, siblings->list[0].process);
}

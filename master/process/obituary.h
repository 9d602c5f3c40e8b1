/* SPDX-License-Identifier: MIT
 *
 * The last line about a child: what it left on its page when it died of a fault, as text. The
 * page holds numbers that a process wrote which was in trouble: whatever they are, they make a
 * line.
 */
#ifndef CREWMAN_OBITUARY_H
#define CREWMAN_OBITUARY_H

#include <stddef.h>

#include "scoreboard.h"

/* What the code in the page's "app" module is called. */
struct obituary_app {
    const char *name;     /* "chat.so"; "": there is none */
    const char *build_id; /* "": not known */
};

/* "; at chat.so+0x11a9, crewman-worker+0x2f11 (chat.so build-id 1f2e…)", or "". */
void obituary_place(const struct score_page *page, const struct obituary_app *app,
                    char *out_text, size_t size);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Offers of permessage-deflate: see ws_extensions.h.
 */
#include "ws_extensions.h"

#include <stdio.h>
#include <string.h>

#include "deflate.h"
#include "http_params.h"

#define MALFORMED (-400)

/* What one offer says. Bits of 0: not said. */
struct offer {
    bool server_no_context, client_no_context;
    bool has_client_bits;
    int server_bits, client_bits;
    bool is_invalid; /* to be declined (section 7.1.2) */
};

/* 8 to 15, without leading zeros; 0 otherwise (section 7.1.2.1). */
static int parse_bits(struct http_slice value) {
    int bits = 0;
    if (value.len == 1 && (value.data[0] == '8' || value.data[0] == '9'))
        bits = value.data[0] - '0';
    if (value.len == 2 && value.data[0] == '1' && value.data[1] >= '0' && value.data[1] <= '5')
        bits = 10 + value.data[1] - '0';
    return bits;
}

static void take_flag(bool *flag, const struct http_param *param, struct offer *offer) {
    offer->is_invalid |= *flag || param->has_value;
    *flag = true;
}

static void take_param(const struct http_param *param, struct offer *offer) {
    if (http_slice_equals(param->name, "server_no_context_takeover")) {
        take_flag(&offer->server_no_context, param, offer);
    } else if (http_slice_equals(param->name, "client_no_context_takeover")) {
        take_flag(&offer->client_no_context, param, offer);
    } else if (http_slice_equals(param->name, "server_max_window_bits")) {
        offer->is_invalid |= offer->server_bits != 0;
        offer->server_bits = parse_bits(param->value);
        offer->is_invalid |= offer->server_bits == 0;
    } else if (http_slice_equals(param->name, "client_max_window_bits")) {
        offer->is_invalid |= offer->has_client_bits;
        offer->has_client_bits = true;
        offer->client_bits = param->has_value ? parse_bits(param->value) : DEFLATE_BITS_MAX;
        offer->is_invalid |= offer->client_bits == 0;
    } else {
        offer->is_invalid = true;
    }
}

static int least(int a, int b) {
    return a < b ? a : b;
}

static bool accept_offer(const struct offer *offer, const struct ws_deflate_policy *policy,
                         struct ws_deflate_terms *out_terms) {
    if (offer->is_invalid || (offer->server_bits && offer->server_bits < DEFLATE_BITS_MIN))
        return false;
    out_terms->server_keeps_context = policy->server_keeps_context && !offer->server_no_context;
    out_terms->client_keeps_context = policy->client_keeps_context && !offer->client_no_context;
    out_terms->server_bits = offer->server_bits ? least(offer->server_bits, policy->server_bits)
                                                : policy->server_bits;
    out_terms->client_bits = offer->has_client_bits
                                 ? least(offer->client_bits, policy->client_bits)
                                 : DEFLATE_BITS_MAX;
    return true;
}

static int add(char *out, int at, const char *name, int bits) {
    size_t room = WS_EXTENSIONS_RESPONSE_MAX - (size_t)at;
    int len = bits ? snprintf(out + at, room, "; %s=%d", name, bits)
                   : snprintf(out + at, room, "; %s", name);
    return at + len;
}

/* Section 7.1: what differs from the defaults, or was asked for, is said. */
static int write_response(const struct offer *offer, const struct ws_deflate_terms *terms,
                          char *out) {
    static const char name[] = "permessage-deflate";
    int at = sizeof(name) - 1;
    memcpy(out, name, sizeof(name) - 1);
    if (!terms->server_keeps_context)
        at = add(out, at, "server_no_context_takeover", 0);
    if (!terms->client_keeps_context)
        at = add(out, at, "client_no_context_takeover", 0);
    if (offer->server_bits || terms->server_bits < DEFLATE_BITS_MAX)
        at = add(out, at, "server_max_window_bits", terms->server_bits);
    if (offer->has_client_bits && terms->client_bits < DEFLATE_BITS_MAX)
        at = add(out, at, "client_max_window_bits", terms->client_bits);
    return at;
}

/* RFC 6455 section 9.1 knows none, unlike other lists of parameters. */
static bool has_empty_param(struct http_slice rest) {
    rest = http_slice_trim(rest);
    if (rest.len == 0 || rest.data[0] != ';')
        return false;
    rest = http_slice_trim((struct http_slice){rest.data + 1, rest.len - 1});
    return rest.len == 0 || rest.data[0] == ';';
}

/* As ws_extensions_negotiate(), for one element of the list. */
static int consider(struct http_slice element, const struct ws_deflate_policy *policy,
                    struct ws_deflate_terms *out_terms, char *out_response) {
    struct http_slice name;
    if (!http_params_begin(&element, &name) || !http_is_token(name.data, name.len))
        return MALFORMED;
    struct offer offer = {0};
    struct http_param param;
    int more = -1;
    while (!has_empty_param(element) && (more = http_params_next(&element, &param)) > 0) {
        if (param.has_value && !http_is_token(param.value.data, param.value.len))
            return MALFORMED; /* RFC 6455 section 9.1: quoted or not, a token */
        take_param(&param, &offer);
    }
    if (more != 0)
        return MALFORMED;
    struct ws_deflate_terms terms;
    if (!http_slice_equals(name, "permessage-deflate") || !accept_offer(&offer, policy, &terms))
        return 0;
    *out_terms = terms;
    return write_response(&offer, &terms, out_response);
}

int ws_extensions_negotiate(const struct http_head *head,
                            const struct ws_deflate_policy *policy,
                            struct ws_deflate_terms *out_terms,
                            char out_response[WS_EXTENSIONS_RESPONSE_MAX]) {
    size_t from = 0;
    int taken = 0;
    const struct http_field *field;
    while ((field = http_head_next(head, "sec-websocket-extensions", &from)) != NULL) {
        struct http_slice rest = field->value, element;
        while (http_list_next(&rest, &element)) {
            struct ws_deflate_terms ignored;
            char unsaid[WS_EXTENSIONS_RESPONSE_MAX];
            int result = consider(element, policy, taken ? &ignored : out_terms,
                                  taken ? unsaid : out_response);
            if (result < 0)
                return result;
            taken = taken ? taken : result;
        }
    }
    return taken;
}

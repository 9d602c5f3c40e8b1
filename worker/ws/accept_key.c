/* SPDX-License-Identifier: MIT
 *
 * SHA-1 and base64 by OpenSSL.
 */
#include "accept_key.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "crewman.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

int accept_key_make(const char *key, size_t len, char out_accept[ACCEPT_KEY_SIZE]) {
    unsigned char text[128], digest[SHA_DIGEST_LENGTH];
    int text_len = snprintf((char *)text, sizeof(text), "%.*s%s", (int)len, key, GUID);
    if (text_len < 0 || (size_t)text_len >= sizeof(text))
        return CREW_EINVAL;
    if (!SHA1(text, (size_t)text_len, digest))
        return CREW_ENOMEM;
    EVP_EncodeBlock((unsigned char *)out_accept, digest, sizeof(digest));
    return 0;
}

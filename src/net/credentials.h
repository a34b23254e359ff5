/* SPDX-License-Identifier: MIT
 *
 * Where AWS keys come from, in the order of Amazon's own SDKs: the environment, the shared files
 * (~/.aws/credentials and ~/.aws/config, by profile), the container's endpoint (ECS, EKS), the
 * instance's (IMDSv2). Keys that expire are fetched anew before they do.
 */
#ifndef BULB_NET_CREDENTIALS_H
#define BULB_NET_CREDENTIALS_H

#include "net/sigv4.h"

struct credentials;

/* envp has to live as long as what is made; nothing is looked up yet. */
struct credentials *credentials_new(char *const *envp);
void credentials_free(struct credentials *c);
/* The keys to sign with now; the caller ends *ret with aws_keys_done. Thread-safe; may block for some
 * seconds when keys are due. ERR_USAGE when there are none or a file is wrong, ERR_FETCH_* when an
 * endpoint cannot be reached, ERR_SYSTEM when its answer makes no sense. No secret is in a text. */
enum err_code credentials_get(struct credentials *c, struct aws_keys *ret, struct err *e)
	MUST_CHECK;
/* The server calls the keys expired or unknown: the next get looks them up again. */
void credentials_forget(struct credentials *c);

/* The profile's setting ("region") in the shared config file; NULL when it is not there. The caller
 * frees. */
char *credentials_profile_setting(char *const *envp, const char *name);

#endif

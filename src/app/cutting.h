/* SPDX-License-Identifier: MIT
 *
 * What cuts subjects out in this process: a darkroom for each model that is installed, and the
 * provider where there is a key for it.
 */
#ifndef BULB_APP_CUTTING_H
#define BULB_APP_CUTTING_H

#include "app/models.h"
#include "conf/conf.h"
#include "darkroom/darkroom.h"
#include "job/cut.h"
#include "provider/provider.h"

struct cutting {
	struct models models;
	struct cut_site site;       /* its strings are the models' and the provider's */
	struct darkroom *mattes[8]; /* of site.models[i] */
	struct provider *provider;  /* or NULL */
	atomic_bool breaker_open;   /* as was logged last */
};

/* What there is: site and provider. A model that is wrong is logged, and not used. ERR_USAGE: the
 * provider's URL or key cannot be. c stays where it is until cutting_close. */
enum err_code cutting_open(const struct conf *c, struct cutting *ret, struct err *e) MUST_CHECK;
/* The models' darkrooms, like `plain` but for the models; their children start when first needed. */
enum err_code cutting_open_darkrooms(struct cutting *g, const struct conf *c,
	const struct darkroom_opts *plain, struct err *e) MUST_CHECK;
/* Cut-outs at a time: as many as there are processes for them, and calls worth having under way. */
size_t cutting_places(const struct cutting *g, const struct conf *c);
void cutting_close(struct cutting *g); /* half-opened ones and zeroes too */

#endif

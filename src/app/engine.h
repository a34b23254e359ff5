/* SPDX-License-Identifier: MIT
 *
 * Everything that does the work, put together from the settings: store, blobs, bus, fetcher,
 * darkrooms, provider, worker. `serve` puts an HTTP server before it, `run` a terminal.
 */
#ifndef BULB_APP_ENGINE_H
#define BULB_APP_ENGINE_H

#include "app/cutting.h"
#include "app/secrets.h"
#include "blob/blob.h"
#include "bus/bus.h"
#include "conf/conf.h"
#include "darkroom/darkroom.h"
#include "fetch/fetch.h"
#include "results/results.h"
#include "store/store.h"
#include "worker/worker.h"

struct engine {
	const struct conf *conf;
	struct secrets secrets;
	char *data, *store_url, *blob_url;
	struct bus *bus;
	struct store *store;
	struct blob *blob;
	struct results *results;
	struct dispatch *dispatch; /* NULL: nothing is done outside */
	struct presets *presets;
	struct fetch *fetch;
	struct darkroom *darkroom;
	struct cutting cutting;
	struct worker *worker;
	int64_t lanes;
	bool wait_for_blobs;
	bool joins, has_manifests, transient;
	struct manifests *manifests; /* or NULL */
	bool shared;                 /* the store is one that other processes use, too */
};

struct engine_opts {
	const char *data;      /* folder, made if missing */
	const char *store_url; /* NULL: sqlite in data */
	const char *blob_url;  /* NULL: files in data */
	bool allow_files;      /* file:// sources (`bulb run`) */
	bool joins; /* work for a cluster (`bulb work`): no store but a shared one, nothing is kept here */
	bool visitor;   /* beside a running server: no lock, no recovery, no worker (`bulb gc`) */
	bool keeps_secret; /* the store is used with one secret, and refuses another */
	bool manifests;    /* of jobs go into the blob store, as the settings say */
	bool wait_for_blobs; /* a full disk is waited for; else its items fail after some tries */
	bool transient; /* nothing is kept on this machine: memory:, and secrets that end with it */
	int64_t lanes;  /* 0: no worker */
};

/* Opens everything and recovers what an earlier process left; nothing runs yet. */
enum err_code engine_open(const struct conf *c, const struct engine_opts *o, struct engine *ret,
	struct err *e) MUST_CHECK;
/* The bus that the settings name, and what they say of blobs. */
struct bus_opts engine_bus_opts(const struct conf *c);
struct blob_opts engine_blob_opts(const struct conf *c);
/* Starts the worker. Subscribe to the bus before. */
enum err_code engine_start(struct engine *g, struct err *e) MUST_CHECK;
/* Another worker of the engine's parts, with a feed and a place for blobs of its own. It ends before
 * the engine does. */
enum err_code engine_worker(struct engine *g, const struct feed *feed, struct blob *blob,
	struct worker **ret, struct err *e) MUST_CHECK;
/* Takes no new work, waits at most so long for what runs, gives the rest back. */
void engine_stop(struct engine *g, int64_t wait_ms);
void engine_close(struct engine *g); /* half-opened ones too */

#endif

/* SPDX-License-Identifier: MIT
 *
 * Hints by core NATS: publish and subscribe, nothing kept. The library's own reconnecting is not
 * used: it knows one expected name for all servers, and without one it checks none. Our thread goes
 * from server to server instead, each time with the name of the one that it asks.
 *
 * Messages come on threads of the library. A connection is given up only after the last of them has
 * left our code (on_complete). The library itself is never closed: 3.4 would take OpenSSL's tables apart,
 * which belong to libcurl and to us as well.
 */
#include "bus/bus_impl.h"

#include "base/mem.h"

#include <errno.h>
#include <nats/nats.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GAP_MS      5
#define CONNECT_MS  2000
#define PING_MS     5000 /* two unanswered ones end the connection */
#define WRITE_MS    2000
#define SERVERS_MAX 32

struct nats_bus {
	char *hosts[SERVERS_MAX]; /* without brackets */
	char *urls[SERVERS_MAX];
	unsigned n;
	bool tls;
	char *subject;
	natsOptions *options;
};
struct nats_link {
	struct bus_link base;
	natsConnection *nc;
	natsSubscription *sub;
	char *subject;
	pthread_mutex_t lock;
	pthread_cond_t over;
	bool complete; /* or it will never be said */
};

static enum err_code nats_fail(const char *what, natsStatus s, struct err *e)
{
	const char *more = nats_GetLastError(NULL);
	if (s == NATS_PROTOCOL_ERROR && more && strstr(more, "PONG"))
		more = "it closed the connection: does it want a client certificate?";
	const char *text = natsStatus_GetText(s), *at = more ? strstr(more, "): ") : NULL;
	if (at) /* behind the library's file and line */
		more = at + 3;
	if (!more || !*more || strcmp(more, text) == 0)
		return err_set(e, ERR_SYSTEM, "nats: %s: %s", what, text);
	return err_set(e, ERR_SYSTEM, "nats: %s: %s: %s", what, text, more);
}

/* ---- settings ------------------------------------------------------------------------------- */

static enum err_code bad_url(const char *part, struct err *e)
{
	if (strchr(part, '@'))
		return err_set(e, ERR_USAGE,
			"--bus: a password does not stand in the URL: use --bus-user-file");
	return err_set(e, ERR_USAGE, "--bus '%.100s': not nats://HOST[:PORT][,nats://HOST[:PORT]…]",
		part);
}

/* "[::1]:4222", "host", "host:4222" */
static enum err_code add_server(struct nats_bus *b, const char *part, struct err *e)
{
	const char *at = strstr(part, "://");
	bool tls = strncmp(part, "tls://", 6) == 0;
	if (!at || (!tls && strncmp(part, "nats://", 7) != 0) || strpbrk(at + 3, "@/?#") ||
		b->n == SERVERS_MAX)
		return bad_url(part, e);
	at += 3;
	bool bracket = *at == '[';
	size_t n = bracket ? strcspn(at, "]") : strcspn(at, ":");
	const char *rest = at + n + (bracket && at[n] == ']');
	const char *port = *rest == ':' ? rest + 1 : "4222";
	if (n == 0 || (*rest && *rest != ':') || strspn(port, "0123456789") != strlen(port) ||
		!*port)
		return bad_url(part, e);
	b->tls |= tls;
	b->hosts[b->n] = mem_strndup(at + bracket, n - bracket);
	b->urls[b->n++] = mem_printf("nats://%.*s:%s", (int)(rest - at), at, port);
	return OK;
}

static enum err_code add_servers(struct nats_bus *b, const char *url, struct err *e)
{
	autofree char *list = mem_strdup(url);
	char *rest = list;
	enum err_code code = OK;
	for (char *part; code == OK && (part = strsep(&rest, ","));)
		code = add_server(b, part, e);
	return code;
}

static enum err_code readable(const char *name, const char *path, struct err *e)
{
	if (path && access(path, R_OK) != 0)
		return err_set(e, ERR_USAGE, "%s '%s': %s", name, path, strerrordesc_np(errno));
	return OK;
}

static natsStatus set_user(natsOptions *o, const char *user)
{
	autofree char *name = mem_strdup(user);
	char *colon = strchr(name, ':');
	if (!colon)
		return natsOptions_SetToken(o, user);
	*colon = '\0';
	natsStatus s = natsOptions_SetUserInfo(o, name, colon + 1);
	mem_wipe(colon + 1, strlen(colon + 1));
	return s;
}

static void ignore_error(natsConnection *nc, natsSubscription *sub, natsStatus s, void *ctx)
{
	(void)nc, (void)sub, (void)s, (void)ctx;
}

static natsStatus set_basics(natsOptions *o)
{
	natsStatus s = natsOptions_SetAllowReconnect(o, false);
	s = s ? s : natsOptions_SetIgnoreDiscoveredServers(o, true);
	s = s ? s : natsOptions_SetName(o, "bulb");
	s = s ? s : natsOptions_SetNoEcho(o, true);
	s = s ? s : natsOptions_SetSendAsap(o, true);
	s = s ? s : natsOptions_SetTimeout(o, CONNECT_MS);
	s = s ? s : natsOptions_SetPingInterval(o, PING_MS);
	s = s ? s : natsOptions_SetMaxPingsOut(o, 2);
	s = s ? s : natsOptions_SetWriteDeadline(o, WRITE_MS);
	return s ? s : natsOptions_SetErrorHandler(o, ignore_error, NULL); /* else it prints */
}

static natsStatus set_credentials(natsOptions *n, const struct bus_opts *o)
{
	natsStatus s = NATS_OK;
	if (o->user)
		s = set_user(n, o->user);
	if (s == NATS_OK && o->creds_file)
		s = natsOptions_SetUserCredentialsFromFiles(n, o->creds_file, NULL);
	return s;
}

static natsStatus set_tls(struct nats_bus *b, const struct bus_opts *o)
{
	natsStatus s = NATS_OK;
	b->tls |= o->ca_file || o->cert_file || o->key_file;
	if (b->tls)
		s = natsOptions_SetSecure(b->options, true);
	if (s == NATS_OK && o->ca_file)
		s = natsOptions_LoadCATrustedCertificates(b->options, o->ca_file);
	if (s == NATS_OK && o->cert_file)
		s = natsOptions_LoadCertificatesChain(b->options, o->cert_file, o->key_file);
	return s;
}

static enum err_code set_options(struct nats_bus *b, const struct bus_opts *o, struct err *e)
{
	if (!o->cert_file != !o->key_file)
		return err_set(e, ERR_USAGE, "--bus-cert and --bus-cert-key go together");
	if (readable("--bus-creds", o->creds_file, e) != OK ||
		readable("--bus-ca", o->ca_file, e) != OK ||
		readable("--bus-cert", o->cert_file, e) != OK ||
		readable("--bus-cert-key", o->key_file, e) != OK)
		return e->code;
	natsStatus s = natsOptions_Create(&b->options);
	s = s ? s : set_basics(b->options);
	s = s ? s : set_credentials(b->options, o);
	s = s ? s : set_tls(b, o);
	if (s == NATS_OK)
		return OK;
	(void)nats_fail("settings", s, e);
	return err_set(e, ERR_USAGE, "--bus: a file of its settings is of no use: %s",
		natsStatus_GetText(s));
}

static void done(void *self)
{
	struct nats_bus *b = self;
	natsOptions_Destroy(b->options);
	for (unsigned i = 0; i < b->n; i++) {
		free(b->hosts[i]);
		free(b->urls[i]);
	}
	free(b->subject);
	free(b);
}

static enum err_code init(const struct bus_opts *o, void **ret, struct err *e)
{
	struct nats_bus *b = mem_new(struct nats_bus);
	const char *subject = o->subject ? o->subject : "bulb";
	b->subject = mem_strdup(subject);
	enum err_code code = add_servers(b, o->url, e);
	if (code == OK && strpbrk(subject, " *>"))
		code = err_set(e, ERR_USAGE, "--bus-subject '%s': no wildcards and no spaces",
			subject);
	if (code == OK)
		code = set_options(b, o, e);
	if (code == OK)
		*ret = b;
	else
		done(b);
	return code;
}

/* ---- a connection --------------------------------------------------------------------------- */

static void on_message(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *remote)
{
	(void)nc, (void)sub;
	bus_remote_heard(remote, natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg));
	natsMsg_Destroy(msg);
}

static void on_complete(void *link)
{
	struct nats_link *l = link;
	pthread_mutex_lock(&l->lock);
	l->complete = true;
	pthread_cond_signal(&l->over);
	pthread_mutex_unlock(&l->lock);
}

static void disconnect(struct bus_link *link)
{
	struct nats_link *l = container_of(link, struct nats_link, base);
	natsConnection_Close(l->nc);
	pthread_mutex_lock(&l->lock);
	while (!l->complete)
		pthread_cond_wait(&l->over, &l->lock);
	pthread_mutex_unlock(&l->lock);
	natsSubscription_Destroy(l->sub);
	natsConnection_Destroy(l->nc);
	pthread_cond_destroy(&l->over);
	pthread_mutex_destroy(&l->lock);
	free(l->subject);
	free(l);
}

static natsStatus aim(struct nats_bus *b, unsigned n)
{
	natsStatus s = natsOptions_SetURL(b->options, b->urls[n]);
	if (s == NATS_OK && b->tls)
		s = natsOptions_SetExpectedHostname(b->options, b->hosts[n]);
	return s;
}

static natsStatus subscribe(struct nats_link *l)
{
	natsStatus s = natsConnection_Subscribe(&l->sub, l->nc, l->subject, on_message,
		l->base.remote);
	if (s == NATS_OK)
		s = natsSubscription_SetOnCompleteCB(l->sub, on_complete, l);
	l->complete = s != NATS_OK;
	/* Only when the server has answered is the subscription known to stand. */
	return s ? s : natsConnection_FlushTimeout(l->nc, CONNECT_MS);
}

static enum err_code connect_to(void *self, struct bus_remote *r, unsigned n, struct bus_link **ret,
	struct err *e)
{
	struct nats_bus *b = self;
	natsConnection *nc = NULL;
	n %= b->n;
	natsStatus s = aim(b, n);
	s = s ? s : natsConnection_Connect(&nc, b->options);
	if (s != NATS_OK)
		return nats_fail(b->urls[n], s, e);
	struct nats_link *l = mem_new(struct nats_link);
	*l = (struct nats_link){ .base = { r }, .nc = nc, .subject = mem_strdup(b->subject) };
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->over, NULL);
	s = subscribe(l);
	if (s != NATS_OK) {
		(void)nats_fail(b->urls[n], s, e);
		disconnect(&l->base);
		return e->code;
	}
	*ret = &l->base;
	return OK;
}

static enum err_code send_text(struct bus_link *link, const char *text, struct err *e)
{
	struct nats_link *l = container_of(link, struct nats_link, base);
	natsStatus s = natsConnection_PublishString(l->nc, l->subject, text);
	return s == NATS_OK ? OK : nats_fail("publish", s, e);
}

static enum err_code wait_for(struct bus_link *link, int timeout_ms, int wake_fd, struct err *e)
{
	struct nats_link *l = container_of(link, struct nats_link, base);
	struct pollfd p = { .fd = wake_fd, .events = POLLIN };
	if (poll(&p, 1, timeout_ms) < 0 && errno != EINTR)
		return err_sys(e, ERR_SYSTEM, errno, "poll");
	if (natsConnection_Status(l->nc) != NATS_CONN_STATUS_CONNECTED)
		return err_set(e, ERR_SYSTEM, "nats: the connection is lost");
	return OK;
}

const struct bus_carrier bus_nats = {
	.name = "nats",
	.gap_ms = GAP_MS,
	.init = init,
	.connect = connect_to,
	.send = send_text,
	.wait = wait_for,
	.disconnect = disconnect,
	.done = done,
};

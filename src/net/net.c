/* SPDX-License-Identifier: MIT
 *
 * The HTTP client: libcurl's easy interface with everything off that a downloader of strangers'
 * URLs must not have. The guard sits in the callback that opens the socket, on the address libcurl
 * is about to connect, so it sees every resolved address, every retry and every redirect.
 *
 * The URL is split once, by base/url, and libcurl gets one put together from the parts: what the
 * rules judged and what libcurl connects to cannot differ.
 *
 * A hanging name server must not hold a lane: libcurl resolves on a thread of its own, and
 * CURLOPT_QUICK_EXIT keeps it from waiting for that thread when the deadline has passed.
 */
#include "net/net.h"

#include "base/mem.h"
#include "base/url.h"
#include "net/form.h"
#include "net/head.h"
#include "net/translate.h"
#include "net/upload.h"

#include <assert.h>
#include <curl/curl.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	RECEIVE_BUFFER_BYTES = 64 << 10,
	CONNECTIONS_MAX = 4, /* kept open by one client */
};

struct net_client {
	CURL *easy;
	const struct net_guard *guard;
	struct head head;
	char why[CURL_ERROR_SIZE];
};

/* What the callbacks of one net_do share. */
struct exchange {
	struct net_client *client;
	const struct net_request *request;
	struct net_response response;
	struct net_trouble trouble;
	struct form form;     /* of request->parts */
	struct upload upload; /* of request->upload */
};

enum err_code net_init(struct err *e)
{
	const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
	if (v->version_num < 0x075700 || !(v->features & CURL_VERSION_ASYNCHDNS))
		return err_set(e, ERR_SYSTEM,
			"libcurl %s: 7.87 or newer with asynchronous DNS is needed", v->version);
	CURLcode rc = curl_global_init(CURL_GLOBAL_DEFAULT);
	if (rc != CURLE_OK)
		return err_set(e, ERR_SYSTEM, "libcurl: %s", curl_easy_strerror(rc));
	return OK;
}

struct net_client *net_client_new(const struct net_guard *guard)
{
	struct net_client *c = mem_new(struct net_client);
	c->guard = guard;
	return c;
}

void net_client_free(struct net_client *c)
{
	if (c == NULL)
		return;
	net_client_forget(c);
	free(c);
}

/* With the handle go its connections, TLS sessions and resolved names. */
void net_client_forget(struct net_client *c)
{
	curl_easy_cleanup(c->easy);
	c->easy = NULL;
}

/* ---- callbacks ---- */

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *addr)
{
	struct exchange *x = ctx;
	struct ip ip;
	if (purpose != CURLSOCKTYPE_IPCXN || !ip_from_sockaddr(&addr->addr, &ip))
		return CURL_SOCKET_BAD;
	if (!net_address_allowed(x->client->guard, &ip)) {
		x->trouble.blocked = true;
		x->trouble.blocked_ip = ip;
		return CURL_SOCKET_BAD;
	}
	x->trouble.connecting = true;
	return socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
}

/* A connection stands and the request goes out now; a form's bytes are still to be read. */
static int on_request(void *ctx, char *ip, char *local_ip, int port, int local_port)
{
	(void)ip, (void)local_ip, (void)port, (void)local_port;
	struct exchange *x = ctx;
	if (x->request->sent != NULL && x->form.left == 0)
		*x->request->sent = true;
	return CURL_PREREQFUNC_OK;
}

static int on_progress(void *ctx, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal,
	curl_off_t ulnow)
{
	(void)dltotal, (void)dlnow, (void)ultotal, (void)ulnow;
	struct exchange *x = ctx;
	return x->request->cancel != NULL && atomic_load(x->request->cancel);
}

/* Returning another number than was given ends the transfer. */
static size_t go_on(struct exchange *x, bool wanted, size_t n)
{
	x->response.stopped = !wanted;
	return wanted ? n : 0;
}

static size_t on_head(char *line, size_t size, size_t n, void *ctx)
{
	struct exchange *x = ctx;
	const struct net_request *r = x->request;
	struct head *h = &x->client->head;
	n *= size;
	switch (head_line(h, line, n)) {
	case HEAD_STATUS:
		x->response.status = h->status;
		return go_on(x, r->on_status == NULL || r->on_status(r->ctx, h->status), n);
	case HEAD_FIELD:
		return go_on(x, r->on_header == NULL || r->on_header(r->ctx, h->name, h->value), n);
	case HEAD_TOO_LARGE:
		x->trouble.head_too_large = true;
		return 0;
	case HEAD_NOTHING:
		break;
	}
	return n;
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
	struct exchange *x = ctx;
	const struct net_request *r = x->request;
	n *= size;
	x->response.body_bytes += (int64_t)n;
	return go_on(x, r->on_body == NULL || r->on_body(r->ctx, data, n), n);
}

/* ---- the request ---- */

static bool has_header(const struct net_request *r, const char *name)
{
	for (size_t i = 0; i < r->headers_n; i++)
		if (strcasecmp(r->headers[i].name, name) == 0)
			return true;
	return false;
}

static void add_line(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);
	assert(longer != NULL); /* out of memory */
	*list = longer;
}

/* The caller's headers. libcurl's own that he did not ask for are switched off. */
static enum err_code make_headers(const struct net_request *r, struct curl_slist **list,
	struct err *e)
{
	static const char *const own[] = { "Accept", "Expect", "Content-Type" };
	size_t n = ARRAY_LEN(own) - (r->parts != NULL); /* a form's type names its boundary */
	for (size_t i = 0; i < n; i++) {
		autofree char *off = mem_printf("%s:", own[i]);
		if (!has_header(r, own[i]))
			add_line(list, off);
	}
	for (size_t i = 0; i < r->headers_n; i++) {
		const char *name = r->headers[i].name, *value = r->headers[i].value;
		if (name[0] == '\0' || strpbrk(name, "\r\n: \t") || strpbrk(value, "\r\n"))
			return err_set(e, ERR_REQUEST_INVALID, "a header is ill-formed");
		/* "Name;" is libcurl's spelling of a header without a value */
		autofree char *line = value[strspn(value, " \t")] == '\0'
			? mem_printf("%s;", name)
			: mem_printf("%s: %s", name, value);
		add_line(list, line);
	}
	return OK;
}

static enum err_code make_url(const struct net_request *r, struct arena *a, struct url *u,
	char **ret, struct err *e)
{
	enum err_code rc = url_parse(r->url, a, u, e);
	if (rc != OK)
		return rc;
	if (strcmp(u->scheme, "file") == 0)
		return err_set(e, ERR_REQUEST_INVALID, "a URL must start with http:// or https://");
	if (u->has_userinfo)
		return err_set(e, ERR_REQUEST_INVALID,
			"the URL holds a user name: send an Authorization header instead");
	if (ip_is_odd_quad(u->host))
		return err_set(e, ERR_FETCH_BLOCKED_ADDRESS,
			"'%s' is an unusual spelling of an IPv4 address: write it as four decimal "
			"numbers",
			u->host);
	*ret = url_format(u, a);
	return OK;
}

/* What is the same for every request. */
/* libcurl knows where its own distribution keeps the certificates that it trusts; a package of ours may
 * run on another. NULL: it is right. */
static const char *other_roots(void)
{
	static const char *const places[] = { "/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem" };
	const char *own = curl_version_info(CURLVERSION_NOW)->cainfo;
	for (size_t i = 0; own != NULL && access(own, R_OK) != 0 && i < ARRAY_LEN(places); i++)
		if (access(places[i], R_OK) == 0)
			return places[i];
	return NULL;
}

static void set_policy(CURL *h)
{
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(h, CURLOPT_SUPPRESS_CONNECT_HEADERS,
		1L); /* a proxy's answer is not the server's */
	curl_easy_setopt(h, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	curl_easy_setopt(h, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(h, CURLOPT_HTTP09_ALLOWED, 0L);
	curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (other_roots() != NULL)
		curl_easy_setopt(h, CURLOPT_CAINFO, other_roots());
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(h, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER_BYTES);
	curl_easy_setopt(h, CURLOPT_MAXCONNECTS, (long)CONNECTIONS_MAX);
}

static void set_callbacks(CURL *h, struct exchange *x)
{
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, x->client->why);
	curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(h, CURLOPT_OPENSOCKETDATA, x);
	curl_easy_setopt(h, CURLOPT_PREREQFUNCTION, on_request);
	curl_easy_setopt(h, CURLOPT_PREREQDATA, x);
	curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(h, CURLOPT_XFERINFODATA, x);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_head);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, x);
}

static void set_request(CURL *h, const struct net_request *r)
{
	if (!r->proxy)
		curl_easy_setopt(h, CURLOPT_PROXY, ""); /* not from the environment either */
	if (r->body != NULL) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_n);
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, r->body);
	}
	curl_easy_setopt(h, CURLOPT_PATH_AS_IS, (long)r->path_as_is);
	curl_easy_setopt(h, CURLOPT_FRESH_CONNECT, (long)r->once);
	curl_easy_setopt(h, CURLOPT_FORBID_REUSE, (long)r->once);
	if (strcmp(r->method, "HEAD") == 0)
		curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, r->method);
	if (r->accept_encoding)
		curl_easy_setopt(h, CURLOPT_ACCEPT_ENCODING, "gzip");
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)r->connect_ms);
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)r->total_ms);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, (long)r->low_speed_bytes);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, (long)((r->low_speed_ms + 999) / 1000));
}

static CURLcode perform(struct exchange *x, const char *url, struct curl_slist *headers)
{
	struct net_client *c = x->client;
	if (c->easy == NULL)
		c->easy = curl_easy_init();
	if (c->easy == NULL)
		return CURLE_OUT_OF_MEMORY;
	curl_easy_reset(c->easy); /* keeps connections */
	head_start(&c->head);
	c->why[0] = '\0';
	set_policy(c->easy);
	set_callbacks(c->easy, x);
	set_request(c->easy, x->request);
	curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, headers);
	CURLcode rc = curl_easy_setopt(c->easy, CURLOPT_URL, url);
	if (rc == CURLE_OK && x->request->parts != NULL)
		rc = form_make(&x->form, x->request, c->easy);
	if (rc == CURLE_OK && x->request->upload != NULL)
		upload_set(&x->upload, x->request->upload, c->easy);
	if (rc == CURLE_OK)
		rc = curl_easy_perform(c->easy);
	form_done(&x->form, c->easy);
	return rc;
}

enum err_code net_do(struct net_client *c, const struct net_request *r, struct net_response *ret,
	struct err *e)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct exchange x = { .client = c, .request = r };
	struct curl_slist *headers = NULL;
	struct url u;
	char *url = NULL;
	if (r->cancel != NULL && atomic_load(r->cancel))
		return err_set(e, ERR_CANCELED, "canceled before it began");
	enum err_code rc = make_url(r, a, &u, &url, e);
	if (rc == OK)
		rc = make_headers(r, &headers, e);
	if (rc == OK) {
		CURLcode curl_rc = perform(&x, url, headers);
		const struct err *own = x.form.error.code != OK ? &x.form.error : &x.upload.error;
		if (curl_rc != CURLE_OK && !x.response.stopped)
			rc = own->code != OK
				? err_set(e, own->code, "%s", own->text)
				: net_translate((int)curl_rc, &x.trouble, u.host, c->why, e);
	}
	curl_slist_free_all(headers);
	if (rc == OK)
		*ret = x.response;
	return rc;
}

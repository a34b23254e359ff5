/* SPDX-License-Identifier: MIT
 *
 * libcurl has a hundred results, callers act on seven. The table names those that are neither a
 * broken connection nor one of TLS's many; libcurl's text goes to the reader, who needs the detail.
 */
#include "net/translate.h"

#include "net/head.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

static const struct {
	CURLcode from;
	enum err_code to;
} table[] = {
	{ CURLE_URL_MALFORMAT, ERR_REQUEST_INVALID },
	{ CURLE_LOGIN_DENIED, ERR_REQUEST_INVALID },
	{ CURLE_COULDNT_RESOLVE_HOST, ERR_FETCH_DNS },
	{ CURLE_OPERATION_TIMEDOUT, ERR_FETCH_TIMEOUT },
	{ CURLE_ABORTED_BY_CALLBACK, ERR_CANCELED },
	{ CURLE_OUT_OF_MEMORY, ERR_MEMORY },
	{ CURLE_SSL_CONNECT_ERROR, ERR_FETCH_TLS },
	{ CURLE_SSL_ENGINE_NOTFOUND, ERR_FETCH_TLS },
	{ CURLE_SSL_ENGINE_SETFAILED, ERR_FETCH_TLS },
	{ CURLE_SSL_CERTPROBLEM, ERR_FETCH_TLS },
	{ CURLE_SSL_CIPHER, ERR_FETCH_TLS },
	{ CURLE_PEER_FAILED_VERIFICATION, ERR_FETCH_TLS },
	{ CURLE_SSL_ENGINE_INITFAILED, ERR_FETCH_TLS },
	{ CURLE_SSL_CACERT_BADFILE, ERR_FETCH_TLS },
	{ CURLE_SSL_SHUTDOWN_FAILED, ERR_FETCH_TLS },
	{ CURLE_SSL_CRL_BADFILE, ERR_FETCH_TLS },
	{ CURLE_SSL_ISSUER_ERROR, ERR_FETCH_TLS },
	{ CURLE_SSL_PINNEDPUBKEYNOTMATCH, ERR_FETCH_TLS },
	{ CURLE_SSL_INVALIDCERTSTATUS, ERR_FETCH_TLS },
	{ CURLE_SSL_CLIENTCERT, ERR_FETCH_TLS },
};

static enum err_code look_up(CURLcode code, const char *why)
{
	/* A peer that hangs up in the handshake is a broken connection, which may pass. */
	if (code == CURLE_SSL_CONNECT_ERROR &&
		(strstr(why, "SYSCALL") != NULL || strstr(why, "reset") != NULL))
		return ERR_FETCH_CONNECT;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].from == code)
			return table[i].to;
	return ERR_FETCH_CONNECT;
}

static enum err_code blocked(const struct net_trouble *t, const char *host, struct err *e)
{
	char ip[46];
	ip_format(&t->blocked_ip, ip);
	int bits = ip_is_v4(&t->blocked_ip) ? 32 : 128;
	if (strcmp(ip, host) == 0)
		return err_set(e, ERR_FETCH_BLOCKED_ADDRESS,
			"%s is not a public address; --allow-address %s/%d would allow it", ip, ip,
			bits);
	return err_set(e, ERR_FETCH_BLOCKED_ADDRESS,
		"'%.100s' leads to %s, which is not a public address; --allow-address %s/%d would allow it",
		host, ip, ip, bits);
}

enum err_code net_translate(int code, const struct net_trouble *t, const char *host,
	const char *why, struct err *e)
{
	if (t->head_too_large)
		return err_set(e, ERR_FETCH_TOO_LARGE,
			"'%.100s' sent more than %d header fields or %d bytes of them", host,
			HEAD_LINES_MAX, HEAD_BYTES_MAX);
	if (t->blocked && !t->connecting && code == CURLE_COULDNT_CONNECT)
		return blocked(t, host, e);
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return err_set(e, ERR_CANCELED, "canceled while talking to '%.100s'", host);
	char text[CURL_ERROR_SIZE];
	snprintf(text, sizeof(text), "%s",
		why[0] != '\0' ? why : curl_easy_strerror((CURLcode)code));
	for (char *p = text; *p != '\0'; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?'; /* a peer may have had a say in it */
	return err_set(e, look_up((CURLcode)code, why), "'%.100s': %s", host, text);
}

/* SPDX-License-Identifier: MIT */
#include "lib/test.h"
#include "net/translate.h"

#include <curl/curl.h>

static enum err_code translate(int code, const char *why, struct err *e)
{
	return net_translate(code, &(struct net_trouble){ 0 }, "img.example.com", why, e);
}

static void results_become_our_codes(void **state)
{
	(void)state;
	struct err e;
	assert_err(translate(CURLE_COULDNT_RESOLVE_HOST, "", &e), ERR_FETCH_DNS);
	assert_err(translate(CURLE_COULDNT_CONNECT, "", &e), ERR_FETCH_CONNECT);
	assert_err(translate(CURLE_OPERATION_TIMEDOUT, "", &e), ERR_FETCH_TIMEOUT);
	assert_err(translate(CURLE_PEER_FAILED_VERIFICATION, "", &e), ERR_FETCH_TLS);
	assert_err(translate(CURLE_PARTIAL_FILE, "", &e), ERR_FETCH_CONNECT);
	assert_err(translate(CURLE_RECV_ERROR, "", &e), ERR_FETCH_CONNECT);
	assert_err(translate(CURLE_ABORTED_BY_CALLBACK, "", &e), ERR_CANCELED);
	assert_err(translate(CURLE_OUT_OF_MEMORY, "", &e), ERR_MEMORY);
	assert_non_null(strstr(e.text, "img.example.com"));
}

static void a_peer_that_hangs_up_in_the_handshake_may_pass(void **state)
{
	(void)state;
	struct err e;
	assert_err(translate(CURLE_SSL_CONNECT_ERROR,
			   "OpenSSL SSL_connect: Connection reset by peer", &e),
		ERR_FETCH_CONNECT);
	assert_err(translate(CURLE_SSL_CONNECT_ERROR, "wrong version number", &e), ERR_FETCH_TLS);
}

static void a_blocked_address_names_the_flag(void **state)
{
	(void)state;
	struct err e;
	struct net_trouble t = { .blocked = true };
	assert_true(ip_parse("10.0.0.5", &t.blocked_ip));
	assert_err(net_translate(CURLE_COULDNT_CONNECT, &t, "intern", "", &e),
		ERR_FETCH_BLOCKED_ADDRESS);
	assert_non_null(strstr(e.text, "--allow-address 10.0.0.5/32"));
	assert_non_null(strstr(e.text, "'intern'"));
	assert_true(ip_parse("fd00::5", &t.blocked_ip));
	assert_err(net_translate(CURLE_COULDNT_CONNECT, &t, "fd00::5", "", &e),
		ERR_FETCH_BLOCKED_ADDRESS);
	assert_non_null(strstr(e.text, "--allow-address fd00::5/128"));
	t.connecting = true; /* another address was public, but down */
	assert_err(net_translate(CURLE_COULDNT_CONNECT, &t, "intern", "", &e), ERR_FETCH_CONNECT);
}

static void what_a_peer_said_is_printed_without_control_characters(void **state)
{
	(void)state;
	struct err e;
	assert_err(translate(CURLE_WEIRD_SERVER_REPLY, "bad \033[31m reply\n\xff", &e),
		ERR_FETCH_CONNECT);
	assert_non_null(strstr(e.text, "bad ?[31m reply??"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(results_become_our_codes),
	cmocka_unit_test(a_peer_that_hangs_up_in_the_handshake_may_pass),
	cmocka_unit_test(a_blocked_address_names_the_flag),
	cmocka_unit_test(what_a_peer_said_is_printed_without_control_characters),
};
TEST_MAIN(tests)

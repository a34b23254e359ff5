/* SPDX-License-Identifier: MIT */
#include "lib/test.h"

#include "http/http_impl.h"

static void a_text_frame_has_the_shortest_header(void **state)
{
	(void)state;
	static const struct {
		size_t n, head;
		unsigned char second;
	} cases[] = { { 0, 2, 0 }, { 125, 2, 125 }, { 126, 4, 126 }, { 65535, 4, 126 },
		{ 65536, 10, 127 } };
	char *text = mem_zalloc(65536);
	memset(text, 'z', 65536);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_frame *f = http_frame_ws(text, cases[i].n);
		const unsigned char *d = (const unsigned char *)f->data;
		assert_int_equal(http_frame_bytes(f), cases[i].head + cases[i].n);
		assert_int_equal(d[0], 0x81);
		assert_int_equal(d[1], cases[i].second);
		size_t n = cases[i].head == 4 ? (size_t)(d[2] << 8 | d[3]) : cases[i].n;
		if (cases[i].head == 10) {
			n = 0;
			for (int k = 2; k < 10; k++)
				n = n << 8 | d[k];
		}
		assert_int_equal(n, cases[i].n);
		http_frame_unref(f);
	}
	free(text);
}

static void a_close_reason_is_cut_at_a_character(void **state)
{
	(void)state;
	char reason[200];
	for (int i = 0; i < 66; i++)
		memcpy(reason + 3 * i, "\xe2\x82\xac", 4);
	struct http_frame *f = frame_close(1008, reason);
	assert_int_equal(f->bytes, 2 + 2 + 123); /* 41 whole euro signs */
	http_frame_unref(f);
	memmove(reason + 1, reason, 199);
	reason[0] = 'x';
	f = frame_close(1008, reason);
	assert_int_equal(f->bytes, 2 + 2 + 121); /* x and 40 of them */
	http_frame_unref(f);
	f = frame_close(0, "ignored");
	assert_int_equal(f->bytes, 2);
	http_frame_unref(f);
}

static void the_last_reference_frees_a_frame(void **state)
{
	(void)state;
	struct http_frame *f = http_frame_raw("data: x\n\n", 9);
	assert_ptr_equal(http_frame_ref(f), f);
	http_frame_unref(f);
	assert_memory_equal(f->data, "data: x\n\n", 9);
	http_frame_unref(f);
	http_frame_unref(NULL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_text_frame_has_the_shortest_header),
	cmocka_unit_test(a_close_reason_is_cut_at_a_character),
	cmocka_unit_test(the_last_reference_frees_a_frame),
};
TEST_MAIN(tests)

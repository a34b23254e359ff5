/* SPDX-License-Identifier: MIT
 *
 * The wire: what is sent arrives, and what is not exactly a message is refused.
 */
#include "lib/test.h"

#include "base/io.h"
#include "darkroom/wire.h"

#include <sys/socket.h>
#include <unistd.h>

static struct wire_msg header(void)
{
	return (struct wire_msg){ .type = WIRE_HEADER,
		.format = FORMAT_PNG,
		.width = 30000,
		.height = 2,
		.frames = 1,
		.decode_bytes = (int64_t)1 << 40 };
}

static void a_message_reads_as_it_was_written(void **state)
{
	(void)state;
	struct err e;
	uint8_t packet[WIRE_MAX];
	struct wire_msg m = header(), got;
	size_t n = wire_format(&m, packet);
	assert_int_equal(n, WIRE_HEAD + 5 * 8);
	assert_ok(wire_parse(packet, n, &got, &e));
	assert_memory_equal(&m, &got, offsetof(struct wire_msg, text));
	assert_string_equal(got.text, "");
	m = (struct wire_msg){ .type = WIRE_JOB,
		.max_pixels = INT64_MAX,
		.max_frames = 0,
		.max_bytes_out = 1,
		.bytes = 7,
		.text = "[{\"name\":\"a\"}]" };
	n = wire_format(&m, packet);
	assert_ok(wire_parse(packet, n, &got, &e));
	assert_string_equal(got.text, m.text);
	assert_int_equal(got.max_pixels, INT64_MAX);
	m = (struct wire_msg){ .type = WIRE_CUT_DONE,
		.width = 5,
		.height = 7,
		.engine = CUT_REMOTE,
		.confidence = -1,
		.text = "AAAA" };
	n = wire_format(&m, packet);
	assert_ok(wire_parse(packet, n, &got, &e));
	assert_int_equal(got.confidence, -1);
	assert_int_equal(got.engine, CUT_REMOTE);
}

static void the_layout_is_little_endian_and_fixed(void **state)
{
	(void)state;
	uint8_t packet[WIRE_MAX];
	struct wire_msg m = { .type = WIRE_FORKED, .pid = 0x01020304 };
	static const uint8_t want[] = { 'D', 'R', 'K', '1', WIRE_FORKED, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 4, 3, 2, 1, 0, 0, 0, 0 };
	assert_int_equal(wire_format(&m, packet), sizeof(want));
	assert_memory_equal(packet, want, sizeof(want));
}

static void a_packet_of_any_other_length_is_refused(void **state)
{
	(void)state;
	struct err e;
	uint8_t packet[WIRE_MAX + 1] = { 0 };
	struct wire_msg m = header(), got;
	size_t n = wire_format(&m, packet);
	for (size_t i = 0; i <= WIRE_MAX + 1; i++)
		if (i != n)
			assert_err(wire_parse(packet, i, &got, &e), ERR_DARKROOM);
}

static void a_number_out_of_its_range_is_refused(void **state)
{
	(void)state;
	struct err e;
	uint8_t packet[WIRE_MAX];
	struct wire_msg m = header(), got;
	size_t n = wire_format(&m, packet);
	for (size_t field = 0; field < 5; field++) {
		uint8_t bad[WIRE_MAX];
		memcpy(bad, packet, n);
		bad[WIRE_HEAD + 8 * field + 7] = 0x80; /* negative */
		assert_err(wire_parse(bad, n, &got, &e), ERR_DARKROOM);
	}
}

static void a_wrong_head_is_refused(void **state)
{
	(void)state;
	struct err e;
	uint8_t packet[WIRE_MAX];
	struct wire_msg m = header(), got;
	size_t n = wire_format(&m, packet);
	for (size_t i = 0; i < WIRE_HEAD; i++) {
		packet[i] ^= 0x55;
		assert_err(wire_parse(packet, n, &got, &e), ERR_DARKROOM);
		packet[i] ^= 0x55;
	}
	assert_ok(wire_parse(packet, n, &got, &e));
}

static void a_nul_in_the_text_is_refused(void **state)
{
	(void)state;
	struct err e;
	uint8_t packet[WIRE_MAX];
	struct wire_msg m = { .type = WIRE_FAIL, .code = ERR_INTERNAL, .text = "abc" }, got;
	size_t n = wire_format(&m, packet);
	assert_ok(wire_parse(packet, n, &got, &e));
	packet[n - 2] = '\0';
	assert_err(wire_parse(packet, n, &got, &e), ERR_DARKROOM);
}

static void descriptors_travel_with_their_message(void **state)
{
	(void)state;
	struct err e;
	int pair[2], fds[WIRE_FDS_MAX];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	autofd a = pair[0], b = pair[1], file = -1;
	assert_ok(io_memfd("x", &file, &e));
	assert_ok(io_write_all(file, "hello", 5, &e));
	struct wire_msg m = { .type = WIRE_JOB, .bytes = 5, .text = "[]" }, got;
	assert_ok(wire_send(a, &m, &file, &e));
	assert_ok(wire_recv(b, &got, fds, &e));
	assert_int_equal(got.type, WIRE_JOB);
	assert_int_equal(io_size(fds[0]), 5);
	fd_close(&fds[0]);
	m = (struct wire_msg){ .type = WIRE_COMPOSE, .action = CUT_DO_COMPOSE, .text = "{}" };
	assert_ok(wire_send(a, &m, (const int[]){ file, b }, &e));
	assert_ok(wire_recv(b, &got, fds, &e));
	assert_int_equal(io_size(fds[0]), 5);
	assert_true(fds[1] >= 0);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}

static int lowest_free_fd(void)
{
	int fd = dup(0);
	close(fd);
	return fd;
}

static void descriptors_that_do_not_belong_are_closed(void **state)
{
	(void)state;
	struct err e;
	int pair[2], fds[WIRE_FDS_MAX];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	autofd a = pair[0], b = pair[1];
	int before = lowest_free_fd();
	/* GO carries none; send it with one, two and more than there is room for */
	uint8_t packet[WIRE_MAX];
	struct wire_msg m = { .type = WIRE_GO }, got;
	size_t n = wire_format(&m, packet);
	for (size_t count = 1; count <= 4; count++) {
		char space[CMSG_SPACE(4 * sizeof(int))] = { 0 };
		struct iovec iov = { packet, n };
		struct msghdr h = { .msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = space,
			.msg_controllen = CMSG_SPACE(count * sizeof(int)) };
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		memset(CMSG_DATA(c), 0, count * sizeof(int)); /* descriptor 0, as often */
		assert_int_equal(sendmsg(a, &h, 0), n);
		assert_err(wire_recv(b, &got, fds, &e), ERR_DARKROOM);
		assert_int_equal(lowest_free_fd(), before);
	}
}

static void a_closed_socket_is_an_end_and_no_error(void **state)
{
	(void)state;
	struct err e;
	int pair[2], fds[WIRE_FDS_MAX];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	close(pair[0]);
	struct wire_msg m = { .type = WIRE_GO };
	assert_err(wire_send(pair[1], &m, NULL, &e), ERR_DARKROOM);
	assert_ok(wire_recv(pair[1], &m, fds, &e));
	assert_int_equal(m.type, WIRE_END);
	close(pair[1]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_message_reads_as_it_was_written),
	cmocka_unit_test(the_layout_is_little_endian_and_fixed),
	cmocka_unit_test(a_packet_of_any_other_length_is_refused),
	cmocka_unit_test(a_number_out_of_its_range_is_refused),
	cmocka_unit_test(a_wrong_head_is_refused),
	cmocka_unit_test(a_nul_in_the_text_is_refused),
	cmocka_unit_test(descriptors_travel_with_their_message),
	cmocka_unit_test(descriptors_that_do_not_belong_are_closed),
	cmocka_unit_test(a_closed_socket_is_an_end_and_no_error),
};
TEST_MAIN(tests)

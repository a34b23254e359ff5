/* SPDX-License-Identifier: MIT
 *
 * Buffers with a maximum, and arenas.
 */
#include "lib/test.h"

#include "base/buf.h"
#include "base/mem.h"

#include <sys/wait.h>
#include <unistd.h>

static void text_is_always_terminated(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(100);
	assert_string_equal(buf_str(&b), "");
	assert_true(buf_puts(&b, "ab") && buf_putc(&b, 'c') && buf_printf(&b, "-%d", 42));
	assert_string_equal(buf_str(&b), "abc-42");
	assert_int_equal(b.len, 6);
	buf_reset(&b);
	assert_string_equal(buf_str(&b), "");
	buf_done(&b);
	assert_true(buf_puts(&b, "again"));
	buf_done(&b);
}

static void exactly_the_maximum_fits(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(4);
	assert_true(buf_puts(&b, "abcd"));
	assert_false(b.full);
	assert_false(buf_putc(&b, 'e'));
	assert_true(b.full);
	assert_string_equal(buf_str(&b), "abcd");
	buf_done(&b);
}

static void a_failed_append_changes_nothing_else(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(10);
	buf_puts(&b, "abc");
	assert_false(buf_printf(&b, "%020d", 1));
	assert_false(buf_add(&b, "x", SIZE_MAX));
	assert_string_equal(buf_str(&b), "abc");
	assert_int_equal(b.len, 3);
	assert_true(b.full);
	assert_true(buf_puts(&b, "def")); /* what fits still goes in; full stays */
	assert_true(b.full);
	buf_done(&b);
}

static void a_buffer_without_a_maximum_takes_nothing(void **state)
{
	(void)state;
	struct buf b = { 0 };
	assert_false(buf_putc(&b, 'a'));
	assert_true(b.full);
	assert_string_equal(buf_str(&b), "");
}

static void taking_leaves_an_empty_buffer(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(10);
	autofree char *nothing = buf_take(&b);
	assert_string_equal(nothing, "");
	buf_puts(&b, "abc");
	autofree char *text = buf_take(&b);
	assert_string_equal(text, "abc");
	assert_int_equal(b.len, 0);
	assert_int_equal(b.max, 10);
}

static void reserved_room_is_not_moved(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(1 << 20);
	assert_true(buf_reserve(&b, 1 << 16));
	const char *before = b.data;
	for (int i = 0; i < 1 << 16; i++)
		buf_putc(&b, 'x');
	assert_ptr_equal(b.data, before);
	buf_done(&b);
}

static void an_arena_gives_zeroed_aligned_memory(void **state)
{
	(void)state;
	struct arena *a = arena_new();
	for (size_t n = 1; n < 200000; n = n * 3 + 1) {
		char *p = arena_alloc(a, n);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xEE, n);
	}
	assert_true(arena_bytes(a) > 130000);
	arena_free(a);
	arena_free(NULL);
}

static void an_arena_copies_strings(void **state)
{
	(void)state;
	CLEANUP(arena_freep) struct arena *a = arena_new();
	assert_null(arena_strdup(a, NULL));
	assert_string_equal(arena_strdup(a, "abc"), "abc");
	assert_string_equal(arena_strndup(a, "abc", 2), "ab");
	assert_string_equal(arena_strndup(a, "abc", 9), "abc");
	assert_string_equal(arena_printf(a, "%s-%05d", "x", 7), "x-00007");
}

static void copies_stand_alone(void **state)
{
	(void)state;
	assert_null(mem_strdup(NULL));
	autofree char *a = mem_strndup("abcdef", 3), *b = mem_printf("%d", 5);
	assert_string_equal(a, "abc");
	assert_string_equal(b, "5");
	a = mem_realloc(a, 100, 100);
	assert_string_equal(a, "abc");
	mem_wipe(a, 3);
	assert_int_equal(a[0], 0);
	mem_wipe(NULL, 0);
}

static void no_memory_ends_the_process_and_says_so(void **state)
{
	(void)state;
	int p[2], status = 0;
	char said[200] = "";
	assert_int_equal(pipe(p), 0);
	pid_t child = fork();
	if (child == 0) {
		dup2(p[1], STDERR_FILENO);
		void *never = mem_realloc(NULL, SIZE_MAX, 2);
		_exit(never == NULL);
	}
	close(p[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 71);
	assert_true(read(p[0], said, sizeof(said) - 1) > 0);
	assert_non_null(strstr(said, "out of memory"));
	close(p[0]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(text_is_always_terminated),
	cmocka_unit_test(exactly_the_maximum_fits),
	cmocka_unit_test(a_failed_append_changes_nothing_else),
	cmocka_unit_test(a_buffer_without_a_maximum_takes_nothing),
	cmocka_unit_test(taking_leaves_an_empty_buffer),
	cmocka_unit_test(reserved_room_is_not_moved),
	cmocka_unit_test(an_arena_gives_zeroed_aligned_memory),
	cmocka_unit_test(an_arena_copies_strings),
	cmocka_unit_test(copies_stand_alone),
	cmocka_unit_test(no_memory_ends_the_process_and_says_so),
};
TEST_MAIN(tests)
